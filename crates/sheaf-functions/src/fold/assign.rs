//! Which types may be given where a fold declares another: no value changes by it, except that
//! numbers may become floating ones.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use super::Fold;

/// Whether values of type `from` may become ones of type `to` without being cast by the user.
///
/// Whole numbers may become any other number; one that does not fit is an error when it comes.
#[must_use]
pub fn is_assignable(from: &DataType, to: &DataType) -> bool {
    if from == to || *from == DataType::Null {
        return true;
    }
    match (from, to) {
        (DataType::List(from), DataType::List(to)) => {
            is_assignable(from.data_type(), to.data_type())
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| {
                    from.name() == to.name() && is_assignable(from.data_type(), to.data_type())
                })
        }
        _ if is_text(from) => is_text(to),
        _ if from.is_integer() => to.is_numeric(),
        _ if from.is_floating() => to.is_floating(),
        _ => match (scale(from), scale(to)) {
            (Some(from), Some(to)) => from <= to,
            (Some(_), None) => to.is_floating(),
            (None, _) => is_widened(from, to),
        },
    }
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string()
}

fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

fn is_widened(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Date32, DataType::Timestamp(_, None))
        | (DataType::Interval(_), DataType::Interval(_)) => true,
        (DataType::Timestamp(_, from), DataType::Timestamp(_, to)) => {
            from.is_some() == to.is_some()
        }
        _ => is_binary(from) && is_binary(to),
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

/// The types that a call's arguments are cast to; as they are if they cannot be, which
/// [`check_arguments`] says then: the engine would wrap an error from here.
pub(super) fn coerced(fold: &Fold, types: &[DataType]) -> Vec<DataType> {
    match takes(fold, types) {
        true => {
            let arguments = fold.parts.arguments.iter();
            arguments.map(|field| field.data_type().clone()).collect()
        }
        false => types.to_vec(),
    }
}

fn takes(fold: &Fold, types: &[DataType]) -> bool {
    let arguments = &fold.parts.arguments;
    let mut pairs = types.iter().zip(arguments);
    arguments.len() == types.len() && pairs.all(|(from, to)| is_assignable(from, to.data_type()))
}

/// Checks the types of a call's arguments.
///
/// # Errors
/// `UserInput` if there is another number of arguments, or one of another type.
pub(super) fn check_arguments(fold: &Fold, types: &[DataType]) -> Result<()> {
    if takes(fold, types) {
        return Ok(());
    }
    let given: Vec<String> = types.iter().map(sql_type_name).collect();
    Err(SheafError::user(format!(
        "aggregate {}({}) does not exist",
        fold.name(),
        given.join(", ")
    ))
    .with_state(SqlState::UNDEFINED_FUNCTION)
    .with_hint(format!(
        "there is {}; cast the arguments",
        fold.documentation.syntax_example
    ))
    .into())
}
