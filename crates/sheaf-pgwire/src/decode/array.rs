//! Arrays, of up to six dimensions as PostgreSQL has them: lists within lists.

use sheaf::arrow::datatypes::DataType;
use sheaf::list_text::{self, DEPTH_MAX, Part};
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use super::number::NUMERIC_DIGITS_MAX;
use crate::message::frontend::Fields;
use crate::types::{Scalar, WireType, arrow_type, parameter_type};

/// An array in binary form: see `encode::array::binary` for it.
///
/// # Errors
/// `UserInput` (22P03) if it is none, (42804) if it is one of another type.
pub(super) fn binary(bytes: bytes::Bytes, element: Scalar) -> Result<ScalarValue> {
    let mut fields = Fields::new(bytes);
    read_binary(&mut fields, element).map_err(|error| match error.state() {
        SqlState::PROTOCOL_VIOLATION => malformed_bytes(),
        _ => error,
    })
}

fn malformed_bytes() -> SheafError {
    SheafError::user("incorrect binary data format of an array")
        .with_state(SqlState::INVALID_BINARY_REPRESENTATION)
}

fn read_binary(fields: &mut Fields, element: Scalar) -> Result<ScalarValue> {
    let dimensions = usize::try_from(fields.i32()?).map_err(|_| malformed_bytes())?;
    fields.u32()?; // whether NULL is among them
    let oid = fields.u32()?;
    if dimensions > DEPTH_MAX {
        return Err(too_many_dimensions());
    }
    // A varchar is a text here.
    if dimensions > 0 && parameter_type(oid) != Some(WireType::Scalar(element)) {
        return Err(SheafError::user(format!(
            "binary data has array element type {oid} instead of expected {}",
            element.oid()
        ))
        .with_state(SqlState::DATATYPE_MISMATCH));
    }
    let mut lengths = vec![];
    for _ in 0..dimensions {
        lengths.push(usize::try_from(fields.i32()?).map_err(|_| malformed_bytes())?);
        fields.i32()?; // the first index
    }
    let count = match lengths.is_empty() {
        true => Some(0),
        false => lengths
            .iter()
            .try_fold(1_usize, |all, n| all.checked_mul(*n)),
    };
    let mut values = vec![];
    for _ in 0..count.ok_or_else(malformed_bytes)? {
        values.push(match usize::try_from(fields.i32()?) {
            Ok(length) => super::binary(fields.bytes(length)?, element)?,
            Err(_) => ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?,
        });
    }
    nested(values, &lengths, element)
}

/// An array as text: `{1,NULL,"a b"}`, `{{1,2},{3,4}}`, perhaps with its bounds before it.
///
/// # Errors
/// `UserInput` (22P02) if it is none, or an element is no value of its type.
pub(super) fn text(source: &str, element: Scalar, zone: &str) -> Result<ScalarValue> {
    let mut items: Vec<Option<String>> = vec![];
    let lengths = list_text::read_array(source, &mut |part| {
        if let Part::Item(item) = part {
            items.push(item.map(str::to_owned));
        }
    })
    .map_err(|detail| list_text::malformed(source, detail))?;
    let null = ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?;
    let values = items.into_iter().map(|item| match item {
        Some(item) => super::text(&item, element, zone),
        None => Ok(null.clone()),
    });
    nested(values.collect::<Result<Vec<_>>>()?, &lengths, element)
}

fn too_many_dimensions() -> SheafError {
    SheafError::user(format!("an array has at most {DEPTH_MAX} dimensions"))
        .with_state(SqlState::PROGRAM_LIMIT)
}

/// Lists within lists of these lengths, outermost first; of the element's type also where they are empty.
fn nested(values: Vec<ScalarValue>, lengths: &[usize], element: Scalar) -> Result<ScalarValue> {
    let mut wanted = match element {
        Scalar::Numeric(_) => exact_type(&values)?,
        element => arrow_type(WireType::Scalar(element)),
    };
    let mut values = values
        .into_iter()
        .map(|value| value.cast_to(&wanted))
        .collect::<Result<Vec<_>, _>>()?;
    for length in lengths.iter().skip(1).rev() {
        let lists = values
            .chunks((*length).max(1))
            .map(|items| ScalarValue::List(ScalarValue::new_list_nullable(items, &wanted)));
        values = lists.collect();
        wanted = match values.first() {
            Some(list) => list.data_type(),
            None => break,
        };
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &values, &wanted,
    )))
}

/// The type in which each of these numbers is exact; that of doubles where one is (NaN).
///
/// # Errors
/// `UserInput` (22003) if there is none.
fn exact_type(values: &[ScalarValue]) -> Result<DataType> {
    let (mut whole, mut scale) = (1, 0);
    for value in values.iter().filter(|value| !value.is_null()) {
        let (DataType::Decimal128(digits, behind) | DataType::Decimal256(digits, behind)) =
            value.data_type()
        else {
            return Ok(DataType::Float64);
        };
        let behind = behind.unsigned_abs();
        whole = whole.max(digits.saturating_sub(behind));
        scale = scale.max(behind);
    }
    let digits = whole.saturating_add(scale);
    match (usize::from(digits), i8::try_from(scale)) {
        (0..=38, Ok(scale)) => Ok(DataType::Decimal128(digits, scale)),
        (39..=NUMERIC_DIGITS_MAX, Ok(scale)) => Ok(DataType::Decimal256(digits, scale)),
        _ => {
            let message = format!("an array of numeric needs over {NUMERIC_DIGITS_MAX} digits");
            Err(SheafError::user(message).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE))
        }
    }
}
