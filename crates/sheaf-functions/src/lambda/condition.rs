//! Lambdas that are conditions.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

/// Checks that what a lambda gives, or an element, is a BOOLEAN or NULL.
pub(super) fn is_boolean(name: &str, outcome: &DataType) -> Result<()> {
    match outcome {
        DataType::Boolean | DataType::Null => Ok(()),
        other => Err(SheafError::user(format!(
            "{name} needs a condition of type BOOLEAN, not {}",
            sql_type_name(other)
        ))
        .with_state(SqlState::DATATYPE_MISMATCH)
        .into()),
    }
}

/// Outcomes as booleans.
pub(super) fn values(outcomes: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(outcomes, &DataType::Boolean)?)
}
