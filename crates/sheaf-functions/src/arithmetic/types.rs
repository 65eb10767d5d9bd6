//! The type that numbers of different types have in common.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};

/// Precision and scale of the decimal that holds every number of a type; `None` if there is none.
#[must_use]
pub fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match *data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => match u8::try_from(-scale) {
            Ok(zeros) => (precision.saturating_add(zeros), 0),
            Err(_) => (precision, scale),
        },
        _ => return None,
    })
}

/// The decimal that holds all numbers of these precisions and scales, in at most `digits_max`
/// digits, of which those after the point are kept.
#[must_use]
pub fn common_decimal(decimals: &[(u8, i8)], digits_max: u8) -> DataType {
    let scale = decimals.iter().map(|(_, scale)| *scale).max().unwrap_or(0);
    let whole_digits = decimals
        .iter()
        .map(|(precision, scale)| i16::from(*precision) - i16::from(*scale))
        .max()
        .unwrap_or(1);
    let digits = u8::try_from(whole_digits + i16::from(scale)).unwrap_or(digits_max);
    let digits = digits.clamp(1, digits_max);
    match digits <= DECIMAL128_MAX_PRECISION {
        true => DataType::Decimal128(digits, scale),
        false => DataType::Decimal256(digits, scale),
    }
}

/// The type of a value, or of the innermost items of a list.
#[must_use]
pub fn item(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            item(field.data_type())
        }
        other => other,
    }
}

/// `data_type` with the innermost items that are `of_kind` as `wanted`.
#[must_use]
pub fn with_item(
    data_type: &DataType,
    wanted: &DataType,
    of_kind: fn(&DataType) -> bool,
) -> DataType {
    let items = |field: &arrow::datatypes::FieldRef| {
        let data_type = with_item(field.data_type(), wanted, of_kind);
        field.as_ref().clone().with_data_type(data_type).into()
    };
    match data_type {
        DataType::List(field) => DataType::List(items(field)),
        DataType::LargeList(field) => DataType::LargeList(items(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(items(field), *length),
        other if of_kind(other) => wanted.clone(),
        other => other.clone(),
    }
}
