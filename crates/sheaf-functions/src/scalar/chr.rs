//! `chr`: the character with a number, as PostgreSQL has it. The engine's makes a text of one zero byte,
//! which no client of PostgreSQL could be sent.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

pub(super) fn function() -> ScalarUDF {
    Kernel::new(
        "chr",
        &[&[DataType::Int64]],
        |_| Ok(DataType::Utf8View),
        characters,
    )
    .documented(
        "String Functions",
        "The character with this number in Unicode; 0 is none.",
        "chr(number)",
        "SELECT chr(228); -- ä",
    )
    .build()
}

fn characters(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::texts(arrays, count, |row| {
        let number = rows::number::<Int64Type>(&arrays[0], row);
        Ok(Some(character(number)?.to_string()))
    })
}

/// The character with this number.
///
/// # Errors
/// `UserInput` (54000) if there is none, in PostgreSQL's words.
fn character(number: i64) -> Result<char> {
    let message = match number {
        0 => "null character not permitted".to_owned(),
        ..0 => "character number must be positive".to_owned(),
        _ => match u32::try_from(number).ok().and_then(char::from_u32) {
            Some(character) => return Ok(character),
            None => format!("requested character not valid for encoding: {number}"),
        },
    };
    let error = SheafError::user(message).with_state(SqlState::PROGRAM_LIMIT);
    Err(match number {
        0 => error.with_hint(r"regexp_replace(…, '\x00', '', 'g') leaves zero bytes out"),
        _ => error,
    }
    .into())
}
