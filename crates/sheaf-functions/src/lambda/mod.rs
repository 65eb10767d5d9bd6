//! Functions with a lambda for an argument.
//!
//! None evaluates a lambda list by list: those of `over_elements` do it once for all elements of a
//! batch, those of `list_fold` once for each place in the longest list.

mod condition;
mod list_filter;
mod list_fold;
mod list_match;
mod list_sort_by;
mod list_transform;
mod over_elements;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::HigherOrderUDF;
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

/// The functions with lambdas, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<HigherOrderUDF>> {
    [
        list_transform::function(),
        list_filter::function(),
        list_match::any(),
        list_match::all(),
        list_sort_by::function(),
        list_fold::fold(),
        list_fold::reduce(),
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}

/// The types of the values of a call, the first of which, a list of any kind, becomes a plain list.
fn list_first(function: &str, syntax: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [first, others @ ..] = types else {
        return Err(wrong_arguments(function, syntax));
    };
    let list = match first {
        DataType::Null => DataType::new_list(DataType::Null, true),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::List(Arc::clone(field)),
        other => {
            return Err(SheafError::user(format!(
                "{function} needs a list, not {}",
                sql_type_name(other)
            ))
            .with_state(SqlState::UNDEFINED_FUNCTION)
            .into());
        }
    };
    Ok(std::iter::once(list)
        .chain(others.iter().cloned())
        .collect())
}

fn wrong_arguments(function: &str, syntax: &str) -> DataFusionError {
    SheafError::user(format!("{function} does not take these arguments"))
        .with_state(SqlState::UNDEFINED_FUNCTION)
        .with_hint(format!("it is {syntax}"))
        .into()
}
