//! Values of plain types: numbers, booleans, and what texts are read as.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, Decimal128Array, PrimitiveArray, StringViewBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Float32Type, Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::error::ArrowError;

use super::{CastFault, excerpt, text_of};
use crate::json::Kind;
use crate::json::number::Decimal;
use crate::json::text::{decode, unquoted};

/// The truth value of a boolean, or of a text that PostgreSQL reads as one.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match Kind::of(value) {
        Kind::Boolean => Some(value == "true"),
        Kind::String => {
            let text = decode(unquoted(value)).trim().to_ascii_lowercase();
            match text.as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The whole number that a number rounds to, or that a text is.
pub(crate) fn integer<T: TryFrom<i128> + std::str::FromStr>(value: &str) -> Option<T> {
    match Kind::of(value) {
        Kind::Number => match value.parse() {
            Ok(number) => Some(number),
            Err(_) => T::try_from(Decimal::parse(value).scaled(0)?).ok(),
        },
        Kind::String => decode(unquoted(value)).trim().parse().ok(),
        _ => None,
    }
}

/// The double nearest to a number, or that a text is; `None` if that is too large.
pub(crate) fn double(value: &str) -> Option<f64> {
    match Kind::of(value) {
        Kind::Number => value.parse().ok().filter(|number: &f64| number.is_finite()),
        Kind::String => decode(unquoted(value)).trim().parse().ok(),
        _ => None,
    }
}

fn float(value: &str) -> Option<f32> {
    let number = double(value)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is too large becomes infinite, which is refused"
    )]
    let narrow = number as f32;
    (narrow.is_finite() || !number.is_finite()).then_some(narrow)
}

/// The number times `10^scale`, if it has no more than `precision` digits then.
fn decimal(value: &str, precision: u8, scale: i8) -> Option<i128> {
    let text;
    let raw = match Kind::of(value) {
        Kind::Number => value,
        Kind::String => {
            text = decode(unquoted(value));
            let trimmed = text.trim();
            let mut scanner = crate::json::Scanner::new(trimmed);
            scanner.skip_value(0).and_then(|()| scanner.finish()).ok()?;
            if Kind::of(trimmed) != Kind::Number {
                return None;
            }
            trimmed
        }
        _ => return None,
    };
    let number = Decimal::parse(raw).scaled(i64::from(scale))?;
    let limit = 10_u128.checked_pow(u32::from(precision))?;
    (number.unsigned_abs() < limit).then_some(number)
}

/// A column of a type that is not nested.
pub(super) fn column(
    values: &[Option<&str>],
    target: &DataType,
) -> Result<(ArrayRef, Vec<CastFault>), ArrowError> {
    Ok(match target {
        DataType::Int8 => numbers::<Int8Type>(values, integer),
        DataType::Int16 => numbers::<Int16Type>(values, integer),
        DataType::Int32 => numbers::<Int32Type>(values, integer),
        DataType::UInt8 => numbers::<UInt8Type>(values, integer),
        DataType::UInt16 => numbers::<UInt16Type>(values, integer),
        DataType::UInt32 => numbers::<UInt32Type>(values, integer),
        DataType::UInt64 => numbers::<UInt64Type>(values, integer),
        DataType::Float32 => numbers::<Float32Type>(values, float),
        DataType::Decimal128(precision, scale) => {
            let (numbers, faults) = convert(values, |value| decimal(value, *precision, *scale));
            let array = Decimal128Array::from_iter(numbers);
            (
                Arc::new(array.with_precision_and_scale(*precision, *scale)?),
                faults,
            )
        }
        other => return read_texts(values, other),
    })
}

fn numbers<T: ArrowPrimitiveType>(
    values: &[Option<&str>],
    number: impl Fn(&str) -> Option<T::Native>,
) -> (ArrayRef, Vec<CastFault>) {
    let (numbers, faults) = convert(values, number);
    (Arc::new(PrimitiveArray::<T>::from_iter(numbers)), faults)
}

fn convert<T>(
    values: &[Option<&str>],
    convert: impl Fn(&str) -> Option<T>,
) -> (Vec<Option<T>>, Vec<CastFault>) {
    let mut faults = Vec::new();
    let converted = values.iter().enumerate().map(|(row, value)| {
        let value = value.filter(|value| *value != "null")?;
        let converted = convert(value);
        if converted.is_none() {
            faults.push(CastFault {
                row,
                value: excerpt(value),
            });
        }
        converted
    });
    let converted = converted.collect();
    (converted, faults)
}

/// Types that only texts are read as: the engine's own casts read them.
fn read_texts(
    values: &[Option<&str>],
    target: &DataType,
) -> Result<(ArrayRef, Vec<CastFault>), ArrowError> {
    let mut texts = StringViewBuilder::with_capacity(values.len());
    for value in values {
        match value.filter(|value| *value != "null") {
            Some(value) => texts.append_value(text_of(value)),
            None => texts.append_null(),
        }
    }
    let texts = texts.finish();
    let safe = CastOptions::default();
    let array = cast_with_options(&texts, target, &safe)?;
    let lost = (0..values.len()).filter(|row| array.is_null(*row) && texts.is_valid(*row));
    let faults = lost.map(|row| CastFault {
        row,
        value: excerpt(values[row].unwrap_or_default()),
    });
    let faults = faults.collect();
    Ok((array, faults))
}
