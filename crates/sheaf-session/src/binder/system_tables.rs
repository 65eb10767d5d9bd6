//! Tables that the engine makes of itself: `information_schema` and the schema `sheaf`.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::catalog::information_schema::INFORMATION_SCHEMA;
use datafusion::common::TableReference;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableSource, cast, lit};
use sheaf_base::Result;

use super::Binder;

impl Binder<'_> {
    /// Opens the system table that `reference` names, if there is one.
    ///
    /// # Errors
    /// `UserInput` if the session may not read it.
    pub(super) async fn open_system(
        self,
        reference: TableReference,
    ) -> Result<Option<Arc<dyn TableSource>>> {
        let table = reference.table().to_owned();
        let schema_name = reference.schema().unwrap_or_default().to_owned();
        let Ok(schema) = self.state.schema_for_ref(reference) else {
            return Ok(None);
        };
        let Some(provider) = schema.table(&table).await? else {
            return Ok(None);
        };
        self.access.check_system_table(&schema_name, &table)?;
        let is_columns = schema_name == INFORMATION_SCHEMA && table == "columns";
        let provider = match is_columns {
            true => counted_from_one(provider)?,
            false => provider,
        };
        Ok(Some(provider_as_source(provider)))
    }
}

/// The standard counts columns from 1, the engine from 0; and its numbers are unsigned.
fn counted_from_one(columns: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let scan = LogicalPlanBuilder::scan("columns", provider_as_source(columns), None)?;
    let shown: Vec<Expr> = scan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::Column((qualifier, field).into());
            let shown = match field.data_type() {
                DataType::UInt64 => cast(column, DataType::Int64),
                _ => column,
            };
            match field.name().as_str() {
                "ordinal_position" => (shown + lit(1_i64)).alias(field.name()),
                name => shown.alias(name),
            }
        })
        .collect();
    let plan = scan.project(shown)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
