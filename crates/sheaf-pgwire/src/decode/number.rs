//! Numbers: integers and floats as text, `numeric` in both forms.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

use sheaf::arrow::datatypes::DataType;
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use super::{invalid, malformed, too_large};
use crate::message::frontend::Fields;
use crate::types::Scalar;

/// Digits that the engine's exact numbers have.
pub(super) const NUMERIC_DIGITS_MAX: usize = 76;
/// Exponents beyond this are not looked at: PostgreSQL's own end is nearer.
const EXPONENT_MAX: i64 = 200_000;

/// An integer as text.
///
/// # Errors
/// `UserInput` (22P02) if it is none, (22003) if the type has no place for it.
pub(super) fn integer<T>(text: &str, scalar: Scalar) -> Result<T>
where
    T: FromStr<Err = ParseIntError>,
{
    text.parse::<T>().map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => too_large(text, scalar),
        _ => invalid(text, scalar),
    })
}

/// A float as text.
///
/// # Errors
/// `UserInput` (22P02) if it is none, (22003) if it is too large or too small.
pub(super) fn float<T>(text: &str, scalar: Scalar) -> Result<T>
where
    T: FromStr + Into<f64> + Copy,
{
    let value = text.parse::<T>().map_err(|_| invalid(text, scalar))?;
    let is_named = text.bytes().any(|byte| matches!(byte, b'n' | b'N'));
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let has_digits = mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let wide: f64 = value.into();
    match (wide.is_infinite() && !is_named) || (wide == 0.0 && has_digits) {
        true => Err(too_large(text, scalar)),
        false => Ok(value),
    }
}

/// The exact number that a text means, with as many digits behind the point; `None` if it is no number.
/// NaN and the infinite ones are doubles.
///
/// # Errors
/// `UserInput` (22003) if it has more digits than the engine's exact numbers.
pub(super) fn numeric(text: &str) -> Result<Option<ScalarValue>> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let named = match unsigned.to_ascii_lowercase().as_str() {
        "nan" if unsigned.len() == text.len() => Some(f64::NAN),
        "inf" | "infinity" if sign.is_empty() => Some(f64::INFINITY),
        "inf" | "infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    if named.is_some() {
        return Ok(Some(ScalarValue::Float64(named)));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i64>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return Ok(None),
        },
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |t: &str| t.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return Ok(None);
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let behind = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    exact(sign, digits, behind.saturating_sub(exponent))
        .map(Some)
        .ok_or_else(|| too_large(text, Scalar::Numeric(None)))
}

/// The number of these digits, the last `behind` of which stand behind the point (if negative, as many
/// zeros follow before it). `None` if it has too many.
fn exact(sign: &str, digits: &str, behind: i64) -> Option<ScalarValue> {
    if behind.abs() > EXPONENT_MAX {
        return None;
    }
    let behind = match digits {
        // However many zeros follow: it is 0.
        "" => behind.max(0),
        _ => behind,
    };
    let zeros = usize::try_from(-behind).unwrap_or(0);
    let scale = usize::try_from(behind).unwrap_or(0);
    let count = (digits.len() + zeros).max(scale).max(1);
    let (precision, scale) = (u8::try_from(count).ok()?, i8::try_from(scale).ok()?);
    let wanted = match count {
        0..=38 => DataType::Decimal128(precision, scale),
        39..=NUMERIC_DIGITS_MAX => DataType::Decimal256(precision, scale),
        _ => return None,
    };
    let behind = usize::try_from(scale).ok()?;
    let all = format!("{digits:0>behind$}{:0>zeros$}", "");
    let (whole, fraction) = all.split_at(all.len() - behind);
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    ScalarValue::Utf8(Some(format!("{sign}{whole}{point}{fraction}")))
        .cast_to(&wanted)
        .ok()
}

/// A `numeric` in binary form: see `encode::number::write_numeric` for it.
///
/// # Errors
/// `UserInput` (22P03, told by [`super::binary`]) if it is none, (22003) if it has too many digits.
pub(super) fn read_numeric(fields: &mut Fields) -> Result<ScalarValue> {
    let count = fields.u16()?;
    let weight = i32::from(fields.u16()?.cast_signed());
    let sign = fields.u16()?;
    let scale = usize::from(fields.u16()?);
    match sign {
        0 | 0x4000 => {}
        0xC000 => return Ok(ScalarValue::Float64(Some(f64::NAN))),
        0xD000 => return Ok(ScalarValue::Float64(Some(f64::INFINITY))),
        0xF000 => return Ok(ScalarValue::Float64(Some(f64::NEG_INFINITY))),
        _ => return Err(malformed()),
    }
    let mut groups = vec![];
    for _ in 0..count {
        let group = Some(fields.u16()?).filter(|group| *group < 10_000);
        groups.push(group.ok_or_else(malformed)?);
    }
    // More groups than the longest number has would only be work.
    if count > 64 || weight.abs() > 64 || scale > NUMERIC_DIGITS_MAX {
        let message = format!("a numeric of more than {NUMERIC_DIGITS_MAX} digits");
        return Err(SheafError::user(message).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE));
    }
    let group = |position: i32| -> u16 {
        let index = usize::try_from(weight - position).ok();
        index
            .and_then(|index| groups.get(index))
            .copied()
            .unwrap_or(0)
    };
    let mut text = String::from(if sign == 0 { "" } else { "-" });
    for position in (0..=weight.max(0)).rev() {
        text.push_str(&format!("{:04}", group(position)));
    }
    let mut fraction = String::new();
    let mut position = -1;
    while fraction.len() < scale {
        fraction.push_str(&format!("{:04}", group(position)));
        position -= 1;
    }
    fraction.truncate(scale);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(&fraction);
    }
    numeric(&text)?.ok_or_else(malformed)
}
