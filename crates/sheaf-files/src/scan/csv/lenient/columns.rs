//! Columns of SQL types out of texts, value by value, with the parsers of the reader that stops at
//! the first wrong value.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::types::{
    ArrowTimestampType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, BooleanBuilder, PrimitiveBuilder, StringBuilder,
    StringViewBuilder,
};
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use chrono::Utc;

use super::decimals::parse_decimal;
use crate::notation::Notation;

/// A column under way.
pub(super) trait Column: Send {
    /// Appends the value that `text` stands for; false, and nothing, if it stands for none.
    fn push(&mut self, text: &str) -> bool;

    /// Appends NULL.
    fn push_null(&mut self);

    /// The values so far.
    ///
    /// # Errors
    /// Those of Arrow.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError>;
}

/// An empty column of `data_type`.
///
/// # Errors
/// If texts do not become values of that type.
pub(super) fn column_of(
    data_type: &DataType,
    notation: &Arc<Notation>,
) -> Result<Box<dyn Column>, ArrowError> {
    Ok(match data_type {
        DataType::Utf8 => Box::new(StringBuilder::new()),
        DataType::Utf8View => Box::new(StringViewBuilder::new()),
        DataType::Boolean => Box::new(BooleanBuilder::new()),
        DataType::Int8 => number::<Int8Type>(notation),
        DataType::Int16 => number::<Int16Type>(notation),
        DataType::Int32 => number::<Int32Type>(notation),
        DataType::Int64 => number::<Int64Type>(notation),
        DataType::UInt8 => number::<UInt8Type>(notation),
        DataType::UInt16 => number::<UInt16Type>(notation),
        DataType::UInt32 => number::<UInt32Type>(notation),
        DataType::UInt64 => number::<UInt64Type>(notation),
        DataType::Float16 => number::<Float16Type>(notation),
        DataType::Float32 => number::<Float32Type>(notation),
        DataType::Float64 => number::<Float64Type>(notation),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(data_type, notation),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(data_type, notation),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(data_type, notation),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(data_type, notation),
        DataType::Date32 => date::<Date32Type>(notation),
        DataType::Date64 => date::<Date64Type>(notation),
        DataType::Time32(TimeUnit::Second) => {
            parsed::<Time32SecondType>(data_type, Time32SecondType::parse)
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            parsed::<Time32MillisecondType>(data_type, Time32MillisecondType::parse)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            parsed::<Time64MicrosecondType>(data_type, Time64MicrosecondType::parse)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            parsed::<Time64NanosecondType>(data_type, Time64NanosecondType::parse)
        }
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref();
            match unit {
                TimeUnit::Second => timestamp::<TimestampSecondType>(data_type, zone, notation)?,
                TimeUnit::Millisecond => {
                    timestamp::<TimestampMillisecondType>(data_type, zone, notation)?
                }
                TimeUnit::Microsecond => {
                    timestamp::<TimestampMicrosecondType>(data_type, zone, notation)?
                }
                TimeUnit::Nanosecond => {
                    timestamp::<TimestampNanosecondType>(data_type, zone, notation)?
                }
            }
        }
        other => {
            let message = format!("text files have no values of type {other}");
            return Err(ArrowError::ParseError(message));
        }
    })
}

/// Values of `data_type`, written plainly, out of `texts`.
///
/// # Errors
/// If one is none; it is not said which.
pub(in crate::scan::csv) fn values_of(
    texts: &ArrayRef,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let mut column = column_of(data_type, &Arc::default())?;
    for text in texts.as_string_view() {
        match text {
            None => column.push_null(),
            Some(text) if column.push(text) => {}
            Some(_) => {
                let message = format!("a text is no {data_type}");
                return Err(ArrowError::ParseError(message));
            }
        }
    }
    column.finish()
}

impl Column for StringBuilder {
    fn push(&mut self, text: &str) -> bool {
        self.append_value(text);
        true
    }

    fn push_null(&mut self) {
        self.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }
}

impl Column for StringViewBuilder {
    fn push(&mut self, text: &str) -> bool {
        self.append_value(text);
        true
    }

    fn push_null(&mut self) {
        self.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }
}

impl Column for BooleanBuilder {
    fn push(&mut self, text: &str) -> bool {
        let is_true = text.eq_ignore_ascii_case("true");
        let fits = is_true || text.eq_ignore_ascii_case("false");
        if fits {
            self.append_value(is_true);
        }
        fits
    }

    fn push_null(&mut self) {
        self.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }
}

/// Values of `T` that `parse` makes.
struct Parsed<T: ArrowPrimitiveType, P> {
    builder: PrimitiveBuilder<T>,
    parse: P,
}

impl<T, P> Column for Parsed<T, P>
where
    T: ArrowPrimitiveType,
    P: Fn(&str) -> Option<T::Native> + Send,
{
    fn push(&mut self, text: &str) -> bool {
        match (self.parse)(text) {
            Some(value) => {
                self.builder.append_value(value);
                true
            }
            None => false,
        }
    }

    fn push_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

fn parsed<T: ArrowPrimitiveType>(
    data_type: &DataType,
    parse: impl Fn(&str) -> Option<T::Native> + Send + 'static,
) -> Box<dyn Column> {
    Box::new(Parsed::<T, _> {
        builder: PrimitiveBuilder::new().with_data_type(data_type.clone()),
        parse,
    })
}

fn number<T: ArrowPrimitiveType + Parser>(notation: &Arc<Notation>) -> Box<dyn Column> {
    let notation = Arc::clone(notation);
    parsed::<T>(&T::DATA_TYPE, move |text| T::parse(&notation.number(text)?))
}

fn decimal<T: DecimalType + ArrowPrimitiveType>(
    data_type: &DataType,
    notation: &Arc<Notation>,
) -> Box<dyn Column> {
    let notation = Arc::clone(notation);
    let (precision, scale) = match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (*precision, *scale),
        _ => (T::MAX_PRECISION, 0),
    };
    parsed::<T>(data_type, move |text| {
        parse_decimal::<T>(&notation.number(text)?, precision, scale)
    })
}

fn date<T: ArrowPrimitiveType + Parser>(notation: &Arc<Notation>) -> Box<dyn Column> {
    let notation = Arc::clone(notation);
    parsed::<T>(&T::DATA_TYPE, move |text| T::parse(&notation.date(text)?))
}

fn timestamp<T: ArrowTimestampType>(
    data_type: &DataType,
    zone: Option<&str>,
    notation: &Arc<Notation>,
) -> Result<Box<dyn Column>, ArrowError> {
    let notation = Arc::clone(notation);
    let zone: Option<Tz> = zone.map(str::parse).transpose()?;
    Ok(parsed::<T>(data_type, move |text| {
        let plain = notation.timestamp(text)?;
        let instant = match &zone {
            Some(zone) => string_to_datetime(zone, &plain).ok()?.to_utc(),
            None => string_to_datetime(&Utc, &plain).ok()?,
        };
        match T::UNIT {
            TimeUnit::Second => Some(instant.timestamp()),
            TimeUnit::Millisecond => Some(instant.timestamp_millis()),
            TimeUnit::Microsecond => Some(instant.timestamp_micros()),
            TimeUnit::Nanosecond => instant.timestamp_nanos_opt(),
        }
    }))
}
