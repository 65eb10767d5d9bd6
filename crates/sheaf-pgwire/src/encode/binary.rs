//! Scalars in PostgreSQL's binary form: numbers in network order, days and microseconds counted
//! from 2000-01-01.

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::{ArrayRef, AsArray};
use sheaf::arrow::compute::cast;
use sheaf::arrow::datatypes::{DataType, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use sheaf::{Result, SheafError};

use super::number::write_numeric;
use super::temporal::{EPOCH_DAYS, check_date, check_time, check_timestamp};
use super::text::{bytes_of, days, decimal_text, floats, intervals, numbers};
use super::{Style, Write};
use crate::types::Scalar;

/// What stands before a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// A writer of the binary form of `array`'s values, which are sent as `scalar`.
///
/// # Errors
/// `Internal` if no writer knows the type.
pub(super) fn writer(array: &ArrayRef, scalar: Scalar) -> Result<Write> {
    Ok(match scalar {
        Scalar::Bool => {
            let values = array.as_boolean().clone();
            put(move |row, out| out.put_u8(u8::from(values.value(row))))
        }
        Scalar::Int2 => {
            let values = cast(array, &DataType::Int16)?
                .as_primitive::<Int16Type>()
                .clone();
            put(move |row, out| out.put_i16(values.value(row)))
        }
        Scalar::Int4 => {
            let values = cast(array, &DataType::Int32)?
                .as_primitive::<Int32Type>()
                .clone();
            put(move |row, out| out.put_i32(values.value(row)))
        }
        Scalar::Int8 => {
            let values = cast(array, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone();
            put(move |row, out| out.put_i64(values.value(row)))
        }
        Scalar::Oid => {
            let values = cast(array, &DataType::UInt32)?
                .as_primitive::<UInt32Type>()
                .clone();
            put(move |row, out| out.put_u32(values.value(row)))
        }
        Scalar::Float4 => {
            let values = floats(array)?;
            put(move |row, out| out.put_f32(values.value(row)))
        }
        Scalar::Float8 => {
            let values = array.as_primitive::<Float64Type>().clone();
            put(move |row, out| out.put_f64(values.value(row)))
        }
        Scalar::Numeric(_) => {
            let text = decimal_text(array)?;
            put(move |row, out| write_numeric(&text(row), out))
        }
        Scalar::Bytea | Scalar::Uuid => {
            let bytes = bytes_of(array)?;
            put(move |row, out| bytes(row, &mut |bytes| out.put_slice(bytes)))
        }
        // A text is the same in both forms.
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json => {
            super::text::writer(array, scalar, Style::utc()?)?
        }
        Scalar::Jsonb => {
            let write = super::text::writer(array, scalar, Style::utc()?)?;
            Box::new(move |row, out| {
                out.put_u8(JSONB_VERSION);
                write(row, out)
            })
        }
        Scalar::Date
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::TimestampTz
        | Scalar::Interval => temporal(array, scalar)?,
    })
}

fn temporal(array: &ArrayRef, scalar: Scalar) -> Result<Write> {
    Ok(match scalar {
        Scalar::Date => {
            let days = days(array)?;
            Box::new(move |row, out| {
                let days = check_date(days(row))? - EPOCH_DAYS;
                out.put_i32(i32::try_from(days).map_err(|_| SheafError::internal("a date"))?);
                Ok(())
            })
        }
        Scalar::Time => {
            let (values, unit) = numbers(array)?;
            Box::new(move |row, out| {
                out.put_i64(check_time(values(row), unit)?);
                Ok(())
            })
        }
        Scalar::Interval => {
            let intervals = intervals(array)?;
            Box::new(move |row, out| {
                let interval = intervals(row)?;
                out.put_i64(interval.micros);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
                Ok(())
            })
        }
        _ => {
            let (values, unit) = numbers(array)?;
            Box::new(move |row, out| {
                out.put_i64(check_timestamp(values(row), unit)?);
                Ok(())
            })
        }
    })
}

fn put(write: impl Fn(usize, &mut BytesMut) + Send + Sync + 'static) -> Write {
    Box::new(move |row, out| {
        write(row, out);
        Ok(())
    })
}

impl Style {
    fn utc() -> Result<Self> {
        Ok(Self {
            zone: "UTC".parse()?,
        })
    }
}
