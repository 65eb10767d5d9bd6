//! The lattice of types that text values may have.
//!
//! ```text
//! null < boolean                     < text
//! null < integer < float             < text
//! null < date < timestamp < with zone < text
//! null < time                        < text
//! ```
//! A value is tested with the very parsers that will read it, so what is inferred can be read.

use arrow::array::types::{Date32Type, Float64Type, Int64Type, Time64MicrosecondType};
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::Utc;

use crate::notation::Notation;

/// The type of a value, or of all values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueType {
    Null,
    Boolean,
    Integer,
    Float,
    Date,
    Timestamp,
    /// With time zone.
    TimestampZoned,
    Time,
    Text,
}

impl ValueType {
    /// The narrowest type of a text that is written in `notation`.
    pub(crate) fn of(text: &str, notation: &Notation) -> Self {
        const NARROW_FIRST: &[ValueType] = &[
            ValueType::Integer,
            ValueType::Float,
            ValueType::Boolean,
            ValueType::Date,
            ValueType::Timestamp,
            ValueType::TimestampZoned,
            ValueType::Time,
        ];
        NARROW_FIRST
            .iter()
            .copied()
            .find(|t| t.admits(text, notation))
            .unwrap_or(Self::Text)
    }

    /// The type of a text in quotes where there are numbers without: a date or timestamp is told from
    /// it, a number only if numbers have a notation, which no number without quotes can be in.
    pub(crate) fn of_quoted(text: &str, notation: &Notation) -> Self {
        const NUMBERS: &[ValueType] = &[ValueType::Integer, ValueType::Float];
        const DATES: &[ValueType] = &[
            ValueType::Date,
            ValueType::Timestamp,
            ValueType::TimestampZoned,
        ];
        let numbers = match notation.has_plain_numbers() {
            true => &[],
            false => NUMBERS,
        };
        let mut known = DATES.iter().chain(numbers);
        let told = known.find(|t| t.admits(text, notation));
        told.copied().unwrap_or(Self::Text)
    }

    /// The narrowest type that holds both.
    pub(crate) fn join(self, other: Self) -> Self {
        let (low, high) = if self <= other {
            (self, other)
        } else {
            (other, self)
        };
        match (low, high) {
            (Self::Null, any) => any,
            (low, high) if low == high => low,
            (Self::Integer, Self::Float) => Self::Float,
            (Self::Date, Self::Timestamp) => Self::Timestamp,
            (Self::Date | Self::Timestamp, Self::TimestampZoned) => Self::TimestampZoned,
            _ => Self::Text,
        }
    }

    /// The type of a column of this type when one more value, `text`, comes.
    pub(crate) fn with(self, text: &str, notation: &Notation) -> Self {
        if self == Self::Text || self.admits(text, notation) {
            self
        } else {
            self.join(Self::of(text, notation))
        }
    }

    /// The Arrow type; a column without values is text.
    pub(crate) fn data_type(self, text_type: &DataType) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampZoned => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
            }
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Null | Self::Text => text_type.clone(),
        }
    }

    /// Whether `text`, written in `notation`, is of this very type.
    fn admits(self, text: &str, notation: &Notation) -> bool {
        let plain = match self {
            Self::Integer | Self::Float => notation.number(text),
            Self::Date => notation.date(text),
            Self::Timestamp | Self::TimestampZoned => notation.timestamp(text),
            Self::Null | Self::Text | Self::Boolean | Self::Time => Some(text.into()),
        };
        plain.is_some_and(|plain| self.admits_plain(&plain))
    }

    fn admits_plain(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Null => false,
            Self::Text => true,
            Self::Boolean => {
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
            }
            Self::Integer => {
                starts_number(bytes) && !is_padded(bytes) && Int64Type::parse(text).is_some()
            }
            Self::Float => !is_padded(bytes) && is_float(text),
            Self::Date => {
                bytes.len() == 10 && looks_dated(bytes) && Date32Type::parse(text).is_some()
            }
            Self::Timestamp => is_timestamp(text) && !has_zone(bytes),
            Self::TimestampZoned => is_timestamp(text) && has_zone(bytes),
            Self::Time => {
                (5..=15).contains(&bytes.len())
                    && bytes.get(2) == Some(&b':')
                    && bytes[0].is_ascii_digit()
                    && Time64MicrosecondType::parse(text).is_some()
            }
        }
    }
}

fn starts_number(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'0'..=b'9' | b'-' | b'+' | b'.'))
}

/// `01234` is a code (a postcode, say), which as a number would lose its zero.
fn is_padded(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    matches!(digits, [b'0', b'0'..=b'9', ..])
}

fn is_float(text: &str) -> bool {
    let is_special = ["nan", "inf", "-inf", "+inf", "infinity", "-infinity"]
        .iter()
        .any(|special| text.eq_ignore_ascii_case(special));
    (is_special || starts_number(text.as_bytes())) && Float64Type::parse(text).is_some()
}

/// `2026-…`
fn looks_dated(bytes: &[u8]) -> bool {
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
}

fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 10
        && looks_dated(bytes)
        && matches!(bytes[10], b'T' | b't' | b' ')
        && string_to_datetime(&Utc, text).is_ok()
}

/// Whether something stands behind the time of day.
fn has_zone(bytes: &[u8]) -> bool {
    let time = bytes.get(11..).unwrap_or_default();
    time.iter()
        .any(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.'))
}
