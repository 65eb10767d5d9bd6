//! Names for the columns of a plan.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use sheaf_base::{Result, SheafError};

/// Gives the first columns of `plan` the names `columns`.
///
/// # Errors
/// `UserInput` if there are more names than columns.
pub(super) fn rename_columns(plan: LogicalPlan, columns: &[String]) -> Result<LogicalPlan> {
    if columns.is_empty() {
        return Ok(plan);
    }
    let schema = Arc::clone(plan.schema());
    let (name_count, column_count) = (columns.len(), schema.fields().len());
    if name_count > column_count {
        return Err(SheafError::user(format!(
            "{name_count} column names for {column_count} columns"
        )));
    }
    let renamed = schema
        .iter()
        .enumerate()
        .map(|(index, (qualifier, field))| {
            let column = Expr::Column((qualifier, field).into());
            match columns.get(index) {
                Some(name) => column.alias(name),
                None => column,
            }
        });
    Ok(LogicalPlanBuilder::from(plan)
        .project(renamed.collect::<Vec<_>>())?
        .build()?)
}
