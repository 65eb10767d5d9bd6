//! Functions with a lambda for an argument.

mod list_reduce;
mod list_transform;

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{HigherOrderUDF, ValueOrLambda};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

/// The functions with lambdas, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<HigherOrderUDF>> {
    [list_transform::function(), list_reduce::function()]
        .into_iter()
        .map(Arc::new)
        .collect()
}

/// The type of lists that a list-like argument is cast to.
fn list_type(function: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let list = match types {
        [DataType::Null] => DataType::new_list(DataType::Null, true),
        [
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _)
            | DataType::ListView(field)
            | DataType::LargeListView(field),
        ] => DataType::List(Arc::clone(field)),
        [other] => {
            return Err(SheafError::user(format!(
                "{function} needs a list, not {}",
                sql_type_name(other)
            ))
            .with_state(SqlState::UNDEFINED_FUNCTION)
            .into());
        }
        _ => return exec_err!("{function} takes a list and a lambda"),
    };
    Ok(vec![list])
}

/// The elements of the list, and what is known of the lambda.
fn list_and_lambda<L: Clone>(
    function: &str,
    fields: &[ValueOrLambda<FieldRef, L>],
) -> Result<(FieldRef, L)> {
    match fields {
        [ValueOrLambda::Value(list), ValueOrLambda::Lambda(lambda)] => match list.data_type() {
            DataType::List(element) => Ok((Arc::clone(element), lambda.clone())),
            other => exec_err!("{function} needs a list, not {other}"),
        },
        _ => exec_err!("{function} takes a list, then a lambda"),
    }
}
