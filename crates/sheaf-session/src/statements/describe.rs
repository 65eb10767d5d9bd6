//! DESCRIBE and SHOW COLUMNS: the columns of a relation or query, without reading its rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast;
use sheaf_base::{Result, sql_field_type_name};
use sheaf_sql::Described;

use super::Running;
use crate::result::QueryResult;

pub(super) async fn run(running: Running<'_>, described: &Described) -> Result<QueryResult> {
    match described {
        Described::Relation(factor) => relation(running, factor).await,
        Described::Query(query) => {
            let state = running.session.state_for(running.query);
            let plan = running.binder(&state).plan_query((**query).clone()).await?;
            columns(&running, plan.schema())
        }
    }
}

pub(super) async fn relation(
    running: Running<'_>,
    relation: &ast::TableFactor,
) -> Result<QueryResult> {
    let state = running.session.state_for(running.query);
    let plan = running
        .binder(&state)
        .plan_relation(relation.clone())
        .await?;
    columns(&running, plan.schema())
}

fn columns(running: &Running<'_>, schema: &DFSchema) -> Result<QueryResult> {
    let fields = schema.fields();
    let names = fields.iter().map(|f| f.name().as_str());
    let types = fields.iter().map(|f| sql_field_type_name(f));
    let nullable: BooleanArray = fields.iter().map(|f| Some(f.is_nullable())).collect();
    let batch = RecordBatch::try_from_iter(vec![
        (
            "column_name",
            Arc::new(StringArray::from_iter_values(names)) as ArrayRef,
        ),
        (
            "column_type",
            Arc::new(StringArray::from_iter_values(types)) as ArrayRef,
        ),
        ("nullable", Arc::new(nullable) as ArrayRef),
    ])?;
    Ok(QueryResult::batch(batch, Arc::clone(running.query)))
}
