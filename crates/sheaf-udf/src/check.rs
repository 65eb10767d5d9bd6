//! What comes back of a function, against what was declared; and the rows that a strict one sees.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};

/// `array`, if it is what was declared: `rows` values of type `returns`. Texts and bytes may come in any
/// of their forms in memory.
///
/// # Errors
/// `Data` (38000) if it is something else.
pub fn as_declared(array: ArrayRef, rows: usize, returns: &DataType) -> Result<ArrayRef> {
    if array.len() != rows {
        let count = array.len();
        return Err(broken(format!("it gave {count} values for {rows} rows")));
    }
    let found = array.data_type();
    if found == returns {
        return Ok(array);
    }
    if found.equals_datatype(returns) || is_other_form(found, returns) {
        return Ok(cast(&array, returns)?);
    }
    let (found, returns) = (sql_type_name(found), sql_type_name(returns));
    Err(broken(format!(
        "it gave {found} where {returns} is declared"
    )))
}

/// The error that a function does not do what it must.
#[must_use]
pub fn broken(message: String) -> SheafError {
    SheafError::data(message).with_state(SqlState::EXTERNAL_ROUTINE)
}

/// Whether values of both types are texts, or bytes.
fn is_other_form(found: &DataType, wanted: &DataType) -> bool {
    let is_bytes = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        )
    };
    found.is_string() && wanted.is_string() || is_bytes(found) && is_bytes(wanted)
}

/// The rows without a NULL among `arguments`; `None` if that is all of them.
#[must_use]
pub fn rows_without_null(arguments: &[ArrayRef]) -> Option<BooleanArray> {
    let nulls = arguments.iter().fold(None, |nulls, argument| {
        NullBuffer::union(nulls.as_ref(), argument.logical_nulls().as_ref())
    })?;
    (nulls.null_count() > 0).then(|| BooleanArray::new(nulls.into_inner(), None))
}
