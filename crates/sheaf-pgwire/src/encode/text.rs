//! Scalars as text.

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use sheaf::arrow::compute::cast;
use sheaf::arrow::datatypes::{
    DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, TimeUnit, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use sheaf::arrow::datatypes::{
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use sheaf::{Result, SheafError, SqlState};

use super::digits::{write_integer, write_padded};
use super::number::{FLOAT4_DIGITS, FLOAT8_DIGITS, write_float};
use super::temporal::{Interval, check_date, check_time, check_timestamp};
use super::temporal::{write_clock, write_date, write_timestamp};
use super::{Style, Write, unknown_type};
use crate::types::Scalar;

/// The values of a column of dates and times as 64-bit numbers, and their unit.
pub(super) type Numbers = Box<dyn Fn(usize) -> i64 + Send + Sync>;

/// A writer of the text of `array`'s values, which are sent as `scalar`.
///
/// # Errors
/// `Internal` if no writer knows the type.
pub(super) fn writer(array: &ArrayRef, scalar: Scalar, style: Style) -> Result<Write> {
    Ok(match scalar {
        Scalar::Bool => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| {
                out.put_u8(if values.value(row) { b't' } else { b'f' });
                Ok(())
            })
        }
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid | Scalar::Numeric(_) => {
            number(array)?
        }
        Scalar::Float4 => {
            let values = floats(array)?;
            Box::new(move |row, out| {
                write_float(values.value(row), FLOAT4_DIGITS, out);
                Ok(())
            })
        }
        Scalar::Float8 => {
            let values = array.as_primitive::<Float64Type>().clone();
            Box::new(move |row, out| {
                write_float(values.value(row), FLOAT8_DIGITS, out);
                Ok(())
            })
        }
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json | Scalar::Jsonb => text(array)?,
        Scalar::Bytea => hex(bytes_of(array)?),
        Scalar::Uuid => uuid(bytes_of(array)?),
        Scalar::Date
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::TimestampTz
        | Scalar::Interval => temporal(array, scalar, b' ', style)?,
    })
}

/// A writer of dates and times; `separator` stands between day and time of a timestamp.
pub(super) fn temporal(
    array: &ArrayRef,
    scalar: Scalar,
    separator: u8,
    style: Style,
) -> Result<Write> {
    Ok(match scalar {
        Scalar::Date => {
            let days = days(array)?;
            Box::new(move |row, out| {
                write_date(check_date(days(row))?, out);
                Ok(())
            })
        }
        Scalar::Time => {
            let (values, unit) = numbers(array)?;
            Box::new(move |row, out| {
                write_clock(check_time(values(row), unit)?, out);
                Ok(())
            })
        }
        Scalar::Interval => {
            let intervals = intervals(array)?;
            Box::new(move |row, out| {
                intervals(row)?.write(out);
                Ok(())
            })
        }
        _ => {
            let (values, unit) = numbers(array)?;
            let zone = (scalar == Scalar::TimestampTz).then_some(style.zone);
            Box::new(move |row, out| {
                let micros = check_timestamp(values(row), unit)?;
                write_timestamp(micros, separator, zone, out);
                Ok(())
            })
        }
    })
}

fn number(array: &ArrayRef) -> Result<Write> {
    Ok(match array.data_type() {
        DataType::Int8 => integer::<Int8Type>(array),
        DataType::Int16 => integer::<Int16Type>(array),
        DataType::Int32 => integer::<Int32Type>(array),
        DataType::Int64 => integer::<Int64Type>(array),
        DataType::UInt8 => integer::<UInt8Type>(array),
        DataType::UInt16 => integer::<UInt16Type>(array),
        DataType::UInt32 => integer::<UInt32Type>(array),
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().clone();
            Box::new(move |row, out| {
                write_padded(values.value(row), 1, out);
                Ok(())
            })
        }
        _ => {
            let text = decimal_text(array)?;
            Box::new(move |row, out| {
                out.put_slice(text(row).as_bytes());
                Ok(())
            })
        }
    })
}

fn integer<T>(array: &ArrayRef) -> Write
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let values: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    Box::new(move |row, out| {
        write_integer(values.value(row).into(), out);
        Ok(())
    })
}

/// The digits of decimals, and of integers too large for `int8`.
pub(super) fn decimal_text(array: &ArrayRef) -> Result<Box<dyn Fn(usize) -> String + Send + Sync>> {
    fn decimal<T: DecimalType>(array: &ArrayRef) -> Box<dyn Fn(usize) -> String + Send + Sync> {
        let values = array.as_primitive::<T>().clone();
        Box::new(move |row| values.value_as_string(row))
    }
    Ok(match array.data_type() {
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().clone();
            Box::new(move |row| values.value(row).to_string())
        }
        DataType::Decimal32(..) => decimal::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(array),
        other => return Err(unknown_type(other)),
    })
}

/// Half and single floats as single ones.
pub(super) fn floats(array: &ArrayRef) -> Result<PrimitiveArray<Float32Type>> {
    Ok(cast(array, &DataType::Float32)?
        .as_primitive::<Float32Type>()
        .clone())
}

fn text(array: &ArrayRef) -> Result<Write> {
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>().clone();
            Box::new(move |row, out| put_text(values.value(row), out))
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>().clone();
            Box::new(move |row, out| put_text(values.value(row), out))
        }
        DataType::Utf8View => {
            let values = array.as_string_view().clone();
            Box::new(move |row, out| put_text(values.value(row), out))
        }
        other => return Err(unknown_type(other)),
    })
}

/// PostgreSQL's texts have no zero byte, and clients take one for the end.
fn put_text(text: &str, out: &mut BytesMut) -> Result<()> {
    if text.as_bytes().contains(&0) {
        return Err(
            SheafError::data("invalid byte sequence for encoding \"UTF8\": 0x00")
                .with_state(SqlState::UNTRANSLATABLE_CHARACTER)
                .with_hint(r"regexp_replace(…, '\x00', '', 'g') leaves zero bytes out"),
        );
    }
    out.put_slice(text.as_bytes());
    Ok(())
}

/// The bytes of a column's values.
pub(super) type Bytes = Box<dyn Fn(usize, &mut dyn FnMut(&[u8])) + Send + Sync>;

pub(super) fn bytes_of(array: &ArrayRef) -> Result<Bytes> {
    Ok(match array.data_type() {
        DataType::Binary => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, take| take(values.value(row)))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>().clone();
            Box::new(move |row, take| take(values.value(row)))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view().clone();
            Box::new(move |row, take| take(values.value(row)))
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary().clone();
            Box::new(move |row, take| take(values.value(row)))
        }
        other => return Err(unknown_type(other)),
    })
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn put_hex(byte: u8, out: &mut BytesMut) {
    out.put_u8(DIGITS[usize::from(byte >> 4)]);
    out.put_u8(DIGITS[usize::from(byte & 15)]);
}

fn hex(bytes: Bytes) -> Write {
    Box::new(move |row, out| {
        out.put_slice(b"\\x");
        bytes(row, &mut |bytes| {
            bytes.iter().for_each(|byte| put_hex(*byte, out))
        });
        Ok(())
    })
}

fn uuid(bytes: Bytes) -> Write {
    Box::new(move |row, out| {
        bytes(row, &mut |bytes| {
            for (index, byte) in bytes.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10) {
                    out.put_u8(b'-');
                }
                put_hex(*byte, out);
            }
        });
        Ok(())
    })
}

/// Dates as days from 1970-01-01.
pub(super) fn days(array: &ArrayRef) -> Result<Numbers> {
    let values = match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().clone(),
        _ => cast(array, &DataType::Date32)?
            .as_primitive::<Date32Type>()
            .clone(),
    };
    Ok(Box::new(move |row| i64::from(values.value(row))))
}

/// Times and timestamps as numbers of their unit.
pub(super) fn numbers(array: &ArrayRef) -> Result<(Numbers, TimeUnit)> {
    fn of<T>(array: &ArrayRef) -> Numbers
    where
        T: ArrowPrimitiveType,
        i64: From<T::Native>,
    {
        let values = array.as_primitive::<T>().clone();
        Box::new(move |row| i64::from(values.value(row)))
    }
    let unit = match array.data_type() {
        DataType::Time32(unit)
        | DataType::Time64(unit)
        | DataType::Timestamp(unit, _)
        | DataType::Duration(unit) => *unit,
        other => return Err(unknown_type(other)),
    };
    let values = match (array.data_type(), unit) {
        (DataType::Time32(_), TimeUnit::Second) => of::<Time32SecondType>(array),
        (DataType::Time32(_), _) => of::<Time32MillisecondType>(array),
        (DataType::Time64(_), TimeUnit::Microsecond) => of::<Time64MicrosecondType>(array),
        (DataType::Time64(_), _) => of::<Time64NanosecondType>(array),
        (DataType::Timestamp(..), TimeUnit::Second) => of::<TimestampSecondType>(array),
        (DataType::Timestamp(..), TimeUnit::Millisecond) => of::<TimestampMillisecondType>(array),
        (DataType::Timestamp(..), TimeUnit::Microsecond) => of::<TimestampMicrosecondType>(array),
        (DataType::Timestamp(..), TimeUnit::Nanosecond) => of::<TimestampNanosecondType>(array),
        (_, TimeUnit::Second) => of::<DurationSecondType>(array),
        (_, TimeUnit::Millisecond) => of::<DurationMillisecondType>(array),
        (_, TimeUnit::Microsecond) => of::<DurationMicrosecondType>(array),
        (_, TimeUnit::Nanosecond) => of::<DurationNanosecondType>(array),
    };
    Ok((values, unit))
}

/// Durations and intervals in PostgreSQL's parts.
pub(super) fn intervals(
    array: &ArrayRef,
) -> Result<Box<dyn Fn(usize) -> Result<Interval> + Send + Sync>> {
    if let DataType::Duration(_) = array.data_type() {
        let (values, unit) = numbers(array)?;
        return Ok(Box::new(move |row| {
            Interval::of_duration(values(row), unit)
        }));
    }
    let wanted = DataType::Interval(IntervalUnit::MonthDayNano);
    let values = cast(array, &wanted)?
        .as_primitive::<IntervalMonthDayNanoType>()
        .clone();
    Ok(Box::new(move |row| Ok(values.value(row).into())))
}
