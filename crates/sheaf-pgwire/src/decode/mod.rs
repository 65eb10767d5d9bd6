//! Parameters, and values of COPY: from a client's text or binary form to a value of the engine.
//!
//! [`number`], [`temporal`], [`interval`] and [`array`] read what is more than a word, [`copy`] cuts rows;
//! what PostgreSQL has and the engine has not (an infinite date) is an error.

mod array;
mod bytea;
pub(crate) mod copy;
mod interval;
mod number;
mod temporal;
#[cfg(test)]
mod tests;

use sheaf::uuid::{UUID_BYTES, parse_uuid};
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use crate::message::frontend::{Fields, Format};
use crate::types::{Scalar, WireType, arrow_type};

/// The value of a parameter of type `wire_type`; `None` is NULL. A time with a zone that names none is one
/// of the session's, `zone`.
///
/// # Errors
/// `UserInput`, for a text or bytes that are no value of the type, with PostgreSQL's codes: 22P02, 22P03,
/// 22003, 22007, 22008, 22021.
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
        (WireType::Scalar(scalar), Format::Text) => text(utf8(&bytes)?, scalar, zone),
        (WireType::Scalar(scalar), Format::Binary) => binary(bytes, scalar),
        (WireType::Array(element), Format::Text) => array::text(utf8(&bytes)?, element, zone),
        (WireType::Array(element), Format::Binary) => array::binary(bytes, element),
    }
}

/// Bytes as text, which has no zero byte in PostgreSQL.
fn utf8(bytes: &[u8]) -> Result<&str> {
    let wrong = |byte: u8| {
        let message = format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}");
        SheafError::user(message).with_state(SqlState::UNTRANSLATABLE_CHARACTER)
    };
    if bytes.contains(&0) {
        return Err(wrong(0));
    }
    std::str::from_utf8(bytes)
        .map_err(|error| wrong(bytes.get(error.valid_up_to()).copied().unwrap_or(0)))
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
        Scalar::Jsonb => "jsonb",
    }
}

fn invalid(text: &str, scalar: Scalar) -> SheafError {
    let state = match scalar {
        Scalar::Date
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::TimestampTz
        | Scalar::Interval => SqlState::INVALID_DATETIME_FORMAT,
        _ => SqlState::INVALID_TEXT_REPRESENTATION,
    };
    SheafError::user(format!(
        "invalid input syntax for type {}: \"{text}\"",
        name(scalar)
    ))
    .with_state(state)
}

/// The error of a number that its type has no place for.
fn too_large(text: &str, scalar: Scalar) -> SheafError {
    SheafError::user(format!(
        "value \"{text}\" is out of range for type {}",
        name(scalar)
    ))
    .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
}

fn text(text: &str, scalar: Scalar, zone: &str) -> Result<ScalarValue> {
    let invalid = || invalid(text, scalar);
    let trimmed = text.trim();
    Ok(match scalar {
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json | Scalar::Jsonb => {
            ScalarValue::Utf8(Some(text.to_owned()))
        }
        Scalar::Uuid => uuid(&parse_uuid(trimmed).ok_or_else(invalid)?),
        Scalar::Bool => ScalarValue::Boolean(Some(boolean(trimmed).ok_or_else(invalid)?)),
        Scalar::Int2 => ScalarValue::Int16(Some(number::integer(trimmed, scalar)?)),
        Scalar::Int4 => ScalarValue::Int32(Some(number::integer(trimmed, scalar)?)),
        Scalar::Int8 => ScalarValue::Int64(Some(number::integer(trimmed, scalar)?)),
        Scalar::Oid => {
            let oid: u32 = number::integer(trimmed, scalar)?;
            ScalarValue::Int64(Some(oid.into()))
        }
        Scalar::Float4 => ScalarValue::Float32(Some(number::float(trimmed, scalar)?)),
        Scalar::Float8 => ScalarValue::Float64(Some(number::float(trimmed, scalar)?)),
        Scalar::Numeric(_) => number::numeric(trimmed)?.ok_or_else(invalid)?,
        Scalar::Bytea => ScalarValue::Binary(Some(bytea::read(text).ok_or_else(invalid)?)),
        Scalar::Interval => interval::read(trimmed)?,
        Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::TimestampTz => {
            temporal::read(trimmed, scalar, zone)?
        }
    })
}

fn uuid(bytes: &[u8]) -> ScalarValue {
    ScalarValue::FixedSizeBinary(16, Some(bytes.to_vec()))
}

/// A word for true or false, or the beginning of one that could be no other.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

fn binary(bytes: bytes::Bytes, scalar: Scalar) -> Result<ScalarValue> {
    let mut fields = Fields::new(bytes);
    let value = read_binary(&mut fields, scalar).and_then(|value| {
        let rest = fields.rest();
        match rest.is_empty() {
            true => Ok(value),
            false => Err(malformed()),
        }
    });
    value.map_err(|error| match error.state() {
        SqlState::PROTOCOL_VIOLATION => SheafError::user(format!(
            "incorrect binary data format of a parameter of type {}",
            name(scalar)
        ))
        .with_state(SqlState::INVALID_BINARY_REPRESENTATION),
        _ => error,
    })
}

/// The error of bytes that are not as they should be; [`binary`] says of which type.
fn malformed() -> SheafError {
    SheafError::user("incorrect binary data format").with_state(SqlState::PROTOCOL_VIOLATION)
}

fn read_binary(fields: &mut Fields, scalar: Scalar) -> Result<ScalarValue> {
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
        Scalar::Numeric(_) => number::read_numeric(fields)?,
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json => {
            let text = fields.rest();
            ScalarValue::Utf8(Some(utf8(&text)?.to_owned()))
        }
        Scalar::Jsonb => {
            // The version of the form, of which there is one.
            if fields.u8()? != 1 {
                return Err(malformed());
            }
            let text = fields.rest();
            ScalarValue::Utf8(Some(utf8(&text)?.to_owned()))
        }
        Scalar::Bytea => ScalarValue::Binary(Some(fields.rest().to_vec())),
        Scalar::Uuid => uuid(&fields.bytes(UUID_BYTES)?),
        Scalar::Date => temporal::date_of_days(fields.i32()?)?,
        Scalar::Time => temporal::time_of_micros(read_i64(fields)?)?,
        Scalar::Timestamp | Scalar::TimestampTz => {
            temporal::timestamp_of_micros(read_i64(fields)?, scalar)?
        }
        Scalar::Interval => {
            let micros = read_i64(fields)?;
            let (days, months) = (fields.i32()?, fields.i32()?);
            interval::value(months.into(), days.into(), micros.into())?
        }
    })
}

fn read_i64(fields: &mut Fields) -> Result<i64> {
    let (high, low) = (fields.u32()?, fields.u32()?);
    Ok((u64::from(high) << 32 | u64::from(low)).cast_signed())
}
