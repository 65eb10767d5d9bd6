//! Parameters: from a client's text or binary form to a value of the engine.

#[cfg(test)]
mod tests;

use sheaf::arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use crate::message::frontend::{Fields, Format};
use crate::types::{Scalar, WireType, arrow_type};

/// 2000-01-01 in days and microseconds from 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Digits that the engine's exact numbers have.
const NUMERIC_DIGITS_MAX: usize = 76;

/// The value of a parameter of type `wire_type`; `None` is NULL. A time with a zone that names none is one
/// of the session's, `zone`.
///
/// # Errors
/// `UserInput` with 22P02 for a text and 22P03 for bytes that are no value of the type.
pub(crate) fn value(
    bytes: Option<bytes::Bytes>,
    format: Format,
    wire_type: WireType,
    zone: &str,
) -> Result<ScalarValue> {
    let Some(bytes) = bytes else {
        return Ok(ScalarValue::try_from(arrow_type(wire_type))?);
    };
    match (wire_type, format) {
        (WireType::Scalar(Scalar::TimestampTz), Format::Text) => {
            let here = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
            cast(utf8(&bytes)?, Scalar::TimestampTz, &here)
        }
        (WireType::Scalar(scalar), Format::Text) => text(utf8(&bytes)?, scalar),
        (WireType::Scalar(scalar), Format::Binary) => binary(bytes, scalar),
        (WireType::Array(element), Format::Text) => array_text(utf8(&bytes)?, element),
        (WireType::Array(element), Format::Binary) => array_binary(bytes, element),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        SheafError::user("invalid byte sequence for encoding \"UTF8\"")
            .with_state(SqlState::UNTRANSLATABLE_CHARACTER)
    })
}

/// What PostgreSQL calls the type in messages.
fn name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "boolean",
        Scalar::Int2 => "smallint",
        Scalar::Int4 => "integer",
        Scalar::Int8 => "bigint",
        Scalar::Oid => "oid",
        Scalar::Float4 => "real",
        Scalar::Float8 => "double precision",
        Scalar::Numeric(_) => "numeric",
        Scalar::Text => "text",
        Scalar::Name => "name",
        Scalar::Char => "\"char\"",
        Scalar::Bytea => "bytea",
        Scalar::Date => "date",
        Scalar::Time => "time",
        Scalar::Timestamp => "timestamp",
        Scalar::TimestampTz => "timestamp with time zone",
        Scalar::Interval => "interval",
        Scalar::Uuid => "uuid",
        Scalar::Json => "json",
    }
}

fn invalid(text: &str, scalar: Scalar) -> SheafError {
    SheafError::user(format!(
        "invalid input syntax for type {}: \"{text}\"",
        name(scalar)
    ))
    .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
}

/// What the engine reads in `text` as a value of type `read_as`, in the type that `scalar` has.
fn cast(text: &str, scalar: Scalar, read_as: &DataType) -> Result<ScalarValue> {
    let value = ScalarValue::Utf8(Some(text.trim().to_owned()));
    let value = value.cast_to(read_as).map_err(|_| invalid(text, scalar))?;
    Ok(value.cast_to(&arrow_type(WireType::Scalar(scalar)))?)
}

fn text(text: &str, scalar: Scalar) -> Result<ScalarValue> {
    let invalid = || invalid(text, scalar);
    let trimmed = text.trim();
    Ok(match scalar {
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json | Scalar::Uuid => {
            ScalarValue::Utf8(Some(text.to_owned()))
        }
        Scalar::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => ScalarValue::Boolean(Some(true)),
            "f" | "false" | "n" | "no" | "off" | "0" => ScalarValue::Boolean(Some(false)),
            _ => return Err(invalid()),
        },
        Scalar::Int2 => ScalarValue::Int16(Some(trimmed.parse().map_err(|_| invalid())?)),
        Scalar::Int4 => ScalarValue::Int32(Some(trimmed.parse().map_err(|_| invalid())?)),
        Scalar::Int8 => ScalarValue::Int64(Some(trimmed.parse().map_err(|_| invalid())?)),
        Scalar::Oid => {
            let number: u32 = trimmed.parse().map_err(|_| invalid())?;
            ScalarValue::Int64(Some(number.into()))
        }
        Scalar::Float4 => ScalarValue::Float32(Some(trimmed.parse().map_err(|_| invalid())?)),
        Scalar::Float8 => ScalarValue::Float64(Some(trimmed.parse().map_err(|_| invalid())?)),
        Scalar::Numeric(_) => numeric(trimmed).ok_or_else(invalid)?,
        Scalar::Bytea => ScalarValue::Binary(Some(bytea(text).ok_or_else(invalid)?)),
        Scalar::Date
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::TimestampTz
        | Scalar::Interval => cast(text, scalar, &arrow_type(WireType::Scalar(scalar)))?,
    })
}

/// The exact number that decimal digits mean, with as many digits behind the point.
fn numeric(text: &str) -> Option<ScalarValue> {
    if text.eq_ignore_ascii_case("nan") || text.to_ascii_lowercase().contains("inf") {
        return text
            .parse()
            .ok()
            .map(|float| ScalarValue::Float64(Some(float)));
    }
    if text.contains(['e', 'E']) {
        return text
            .parse()
            .ok()
            .map(|float: f64| ScalarValue::Float64(Some(float)));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let are_digits = |t: &str| t.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let digits = whole.trim_start_matches('0').len() + fraction.len();
    let scale = i8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(digits.max(fraction.len()).max(1)).ok()?;
    let wanted = match digits {
        0..=38 => DataType::Decimal128(precision, scale),
        39..=NUMERIC_DIGITS_MAX => DataType::Decimal256(precision, scale),
        _ => return None,
    };
    ScalarValue::Utf8(Some(text.to_owned()))
        .cast_to(&wanted)
        .ok()
}

/// Bytes in one of the two forms that PostgreSQL reads: `\x00ff`, or characters with `\\` and `\ooo`.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = hex
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        return digits
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => {
                    let high = char::from(*high).to_digit(16)?;
                    let low = char::from(*low).to_digit(16)?;
                    u8::try_from(high * 16 + low).ok()
                }
                _ => None,
            })
            .collect();
    }
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            (b'\\', _) => return None,
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    Some(bytes)
}

fn binary(bytes: bytes::Bytes, scalar: Scalar) -> Result<ScalarValue> {
    let mut fields = Fields::new(bytes);
    let value = read_binary(&mut fields, scalar).and_then(|value| {
        let rest = fields.rest();
        match rest.is_empty() {
            true => Ok(value),
            false => Err(SheafError::user("bytes are left over")),
        }
    });
    value.map_err(
        |error| match error.state() == SqlState::UNTRANSLATABLE_CHARACTER {
            true => error,
            false => SheafError::user(format!(
                "incorrect binary data format of a parameter of type {}",
                name(scalar)
            ))
            .with_state(SqlState::INVALID_BINARY_REPRESENTATION),
        },
    )
}

fn read_binary(fields: &mut Fields, scalar: Scalar) -> Result<ScalarValue> {
    let too_far = || SheafError::user("beyond the calendar");
    Ok(match scalar {
        Scalar::Bool => ScalarValue::Boolean(Some(fields.u8()? != 0)),
        Scalar::Int2 => ScalarValue::Int16(Some(fields.u16()?.cast_signed())),
        Scalar::Int4 => ScalarValue::Int32(Some(fields.i32()?)),
        Scalar::Int8 => ScalarValue::Int64(Some(read_i64(fields)?)),
        Scalar::Oid => ScalarValue::Int64(Some(fields.u32()?.into())),
        Scalar::Float4 => ScalarValue::Float32(Some(f32::from_bits(fields.u32()?))),
        Scalar::Float8 => {
            ScalarValue::Float64(Some(f64::from_bits(read_i64(fields)?.cast_unsigned())))
        }
        Scalar::Numeric(_) => read_numeric(fields)?,
        Scalar::Text | Scalar::Name | Scalar::Char => {
            ScalarValue::Utf8(Some(utf8(&fields.rest())?.to_owned()))
        }
        Scalar::Json => {
            let text = fields.rest();
            ScalarValue::Utf8(Some(utf8(&text)?.to_owned()))
        }
        Scalar::Bytea => ScalarValue::Binary(Some(fields.rest().to_vec())),
        Scalar::Uuid => {
            let hex: String = fields
                .bytes(16)?
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            let parts = [
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..],
            ];
            ScalarValue::Utf8(Some(parts.join("-")))
        }
        Scalar::Date => {
            let days = fields.i32()?.checked_add(EPOCH_DAYS).ok_or_else(too_far)?;
            ScalarValue::Date32(Some(days))
        }
        Scalar::Time => ScalarValue::Time64Microsecond(Some(read_i64(fields)?)),
        Scalar::Timestamp | Scalar::TimestampTz => {
            let micros = read_i64(fields)?
                .checked_add(EPOCH_MICROS)
                .ok_or_else(too_far)?;
            let zone = (scalar == Scalar::TimestampTz).then(|| "UTC".into());
            ScalarValue::TimestampMicrosecond(Some(micros), zone)
        }
        Scalar::Interval => {
            let micros = read_i64(fields)?;
            let (days, months) = (fields.i32()?, fields.i32()?);
            let nanoseconds = micros.checked_mul(1_000).ok_or_else(too_far)?;
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
                months,
                days,
                nanoseconds,
            )))
        }
    })
}

fn read_i64(fields: &mut Fields) -> Result<i64> {
    let (high, low) = (fields.u32()?, fields.u32()?);
    Ok((u64::from(high) << 32 | u64::from(low)).cast_signed())
}

/// A `numeric`: see `encode::number::write_numeric` for its form.
fn read_numeric(fields: &mut Fields) -> Result<ScalarValue> {
    let bad = || SheafError::user("no numeric");
    let count = fields.u16()?;
    let weight = i32::from(fields.u16()?.cast_signed());
    let sign = fields.u16()?;
    let scale = usize::from(fields.u16()?);
    match sign {
        0 | 0x4000 => {}
        0xC000 => return Ok(ScalarValue::Float64(Some(f64::NAN))),
        0xD000 => return Ok(ScalarValue::Float64(Some(f64::INFINITY))),
        0xF000 => return Ok(ScalarValue::Float64(Some(f64::NEG_INFINITY))),
        _ => return Err(bad()),
    }
    // More groups than the longest number has would only be work.
    if count > 64 || weight.abs() > 64 || scale > NUMERIC_DIGITS_MAX {
        return Err(bad());
    }
    let mut groups = vec![];
    for _ in 0..count {
        groups.push(
            Some(fields.u16()?)
                .filter(|group| *group < 10_000)
                .ok_or_else(bad)?,
        );
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
    numeric(&text).ok_or_else(bad)
}

/// A list of the values; of the element's type also where it is empty.
fn list(values: Vec<ScalarValue>, element: Scalar) -> Result<ScalarValue> {
    let wanted = match element {
        Scalar::Numeric(_) => exact_type(&values)?,
        element => arrow_type(WireType::Scalar(element)),
    };
    let values = values
        .into_iter()
        .map(|value| value.cast_to(&wanted))
        .collect::<Result<Vec<_>, _>>()?;
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

fn array_binary(bytes: bytes::Bytes, element: Scalar) -> Result<ScalarValue> {
    let bad = || {
        SheafError::user("incorrect binary data format of an array")
            .with_state(SqlState::INVALID_BINARY_REPRESENTATION)
    };
    let mut fields = Fields::new(bytes);
    let mut read = || -> Result<Vec<ScalarValue>> {
        let dimensions = fields.i32()?;
        fields.u32()?; // whether NULL is among them
        if fields.u32()? != element.oid() && dimensions > 0 {
            return Err(bad());
        }
        match dimensions {
            0 => return Ok(vec![]),
            1 => {}
            _ => {
                return Err(SheafError::unsupported(
                    "parameters that are arrays of several dimensions are not supported",
                ));
            }
        }
        let count = usize::try_from(fields.i32()?).map_err(|_| bad())?;
        fields.i32()?; // the first index
        let mut values = vec![];
        for _ in 0..count {
            values.push(match usize::try_from(fields.i32()?) {
                Ok(length) => binary(fields.bytes(length)?, element)?,
                Err(_) => ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?,
            });
        }
        Ok(values)
    };
    let values = read().map_err(|error| match error.state() {
        SqlState::PROTOCOL_VIOLATION => bad(),
        _ => error,
    })?;
    list(values, element)
}

fn array_text(source: &str, element: Scalar) -> Result<ScalarValue> {
    let malformed = || {
        SheafError::user(format!("malformed array literal: \"{source}\""))
            .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
    };
    let inner = source
        .trim()
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'));
    let items = split_items(inner.ok_or_else(malformed)?).ok_or_else(malformed)?;
    let null = ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?;
    let values = items.into_iter().map(|item| match item {
        Some(item) => text(&item, element),
        None => Ok(null.clone()),
    });
    list(values.collect::<Result<Vec<_>>>()?, element)
}

/// The items between braces; an unquoted NULL is `None`. `None` if it is not one flat list.
fn split_items(inner: &str) -> Option<Vec<Option<String>>> {
    if inner.trim().is_empty() {
        return Some(vec![]);
    }
    let mut items = vec![];
    let mut characters = inner.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let mut item = String::new();
        let is_quoted = characters.next_if_eq(&'"').is_some();
        if is_quoted {
            loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => item.push(characters.next()?),
                    c => item.push(c),
                }
            }
            while characters.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = characters.next_if(|c| *c != ',') {
                match c {
                    '{' | '}' | '"' => return None,
                    '\\' => item.push(characters.next()?),
                    c => item.push(c),
                }
            }
            item.truncate(item.trim_end().len());
            if item.is_empty() {
                return None;
            }
        }
        let is_null = !is_quoted && item.eq_ignore_ascii_case("null");
        items.push((!is_null).then_some(item));
        match characters.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}
