//! `COLUMNS(lambda name: …)`: which names are meant.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::cast;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use sheaf_base::{Result, SheafError};

use crate::binder::context::BoundContext;
use crate::binder::{Binder, Bound, normalize};

/// For which of `names` a lambda is true; its second parameter counts them from 1.
pub(super) fn names_where(
    binder: Binder<'_>,
    lambda: &ast::LambdaFunction,
    names: &[&str],
) -> Result<Vec<bool>> {
    let parameters = match &lambda.params {
        ast::OneOrManyWithParens::One(only) => std::slice::from_ref(only),
        ast::OneOrManyWithParens::Many(many) => many.as_slice(),
    };
    let numbers = Int64Array::from_iter_values(1..=names.len() as i64);
    let values: [ArrayRef; 2] = [
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(numbers),
    ];
    if parameters.len() > values.len() {
        return Err(SheafError::user(
            "the lambda of COLUMNS has a column's name and its number",
        ));
    }
    let columns = parameters.iter().zip(values);
    let columns = columns.map(|(parameter, value)| (normalize(&parameter.name), value));
    let batch = RecordBatch::try_from_iter(columns)?;
    let nothing = Bound::default();
    let context = BoundContext::new(binder.access, binder.state, binder.catalog, &nothing);
    let options = ParserOptions::from(&binder.state.config_options().sql_parser);
    let planner = SqlToRel::new_with_options(&context, options);
    let schema = DFSchema::try_from(batch.schema())?;
    let condition =
        planner.sql_to_expr((*lambda.body).clone(), &schema, &mut PlannerContext::new())?;
    let condition = cast(condition, DataType::Boolean);
    let condition = binder.state.create_physical_expr(condition, &schema)?;
    let is_chosen = condition.evaluate(&batch)?.into_array(names.len())?;
    Ok(is_chosen
        .as_boolean()
        .iter()
        .map(|is_it| is_it == Some(true))
        .collect())
}
