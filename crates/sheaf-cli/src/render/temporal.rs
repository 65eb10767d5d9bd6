//! Dates, times, timestamps, durations and intervals as text (ISO 8601; intervals as PostgreSQL
//! prints them: `1 year 2 mons 3 days 04:05:06`).

use std::fmt::Write;

use sheaf::arrow::array::timezone::Tz;
use sheaf::arrow::array::{Array, AsArray, PrimitiveArray};
use sheaf::arrow::datatypes::{
    ArrowPrimitiveType, ArrowTemporalType, DataType, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::value::{CellWriter, DateTimeStyle};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;

/// A writer for a column of a temporal type other than a date.
pub(super) fn writer<'a>(array: &'a dyn Array, style: DateTimeStyle) -> CellWriter<'a> {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array),
        DataType::Time32(_) => time::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array),
        DataType::Time64(_) => time::<Time64NanosecondType>(array),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_ref().map(|zone| zone.parse::<Tz>().ok());
            match unit {
                TimeUnit::Second => timestamp::<TimestampSecondType>(array, zone, style),
                TimeUnit::Millisecond => timestamp::<TimestampMillisecondType>(array, zone, style),
                TimeUnit::Microsecond => timestamp::<TimestampMicrosecondType>(array, zone, style),
                TimeUnit::Nanosecond => timestamp::<TimestampNanosecondType>(array, zone, style),
            }
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => duration::<DurationSecondType>(array, NANOS_PER_SECOND),
            TimeUnit::Millisecond => duration::<DurationMillisecondType>(array, 1_000_000),
            TimeUnit::Microsecond => duration::<DurationMicrosecondType>(array, 1_000),
            TimeUnit::Nanosecond => duration::<DurationNanosecondType>(array, 1),
        },
        DataType::Interval(unit) => interval(array, *unit),
        _ => Box::new(|_, _| ()),
    }
}

/// A writer for a column of dates.
pub(super) fn date<'a, T>(array: &'a dyn Array) -> CellWriter<'a>
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
    T::Native: std::fmt::Display,
{
    let values: &'a PrimitiveArray<T> = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let _ = match values.value_as_date(row) {
            Some(date) => write!(out, "{date}"),
            None => write!(out, "{}", values.value(row)), // beyond the calendar: the raw number
        };
    })
}

fn time<'a, T>(array: &'a dyn Array) -> CellWriter<'a>
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
    T::Native: std::fmt::Display,
{
    let values: &'a PrimitiveArray<T> = array.as_primitive::<T>();
    Box::new(move |row, out| {
        match values.value_as_time(row) {
            Some(time) => push_without_trailing_zeros(&time.to_string(), out),
            None => {
                let _ = write!(out, "{}", values.value(row));
            }
        };
    })
}

/// `zone`: none for a timestamp without time zone; `Some(None)` if its name is not known, in which
/// case UTC is shown.
fn timestamp<'a, T>(
    array: &'a dyn Array,
    zone: Option<Option<Tz>>,
    style: DateTimeStyle,
) -> CellWriter<'a>
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
    T::Native: std::fmt::Display,
{
    let values: &'a PrimitiveArray<T> = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let start = out.len();
        let local = zone
            .flatten()
            .and_then(|zone| values.value_as_datetime_with_tz(row, zone));
        if let Some(local) = local {
            push_without_trailing_zeros(&local.naive_local().to_string(), out);
            let offset = local.format("%:z").to_string();
            out.push_str(match style {
                DateTimeStyle::Sql => offset.strip_suffix(":00").unwrap_or(&offset),
                DateTimeStyle::Json => &offset,
            });
        } else if let Some(value) = values.value_as_datetime(row) {
            push_without_trailing_zeros(&value.to_string(), out);
            if zone.is_some() {
                out.push_str(if style == DateTimeStyle::Sql {
                    "+00"
                } else {
                    "+00:00"
                });
            }
        } else {
            let _ = write!(out, "{}", values.value(row));
            return;
        }
        if style == DateTimeStyle::Json
            && let Some(space) = out[start..].find(' ')
        {
            out.replace_range(start + space..=start + space, "T");
        }
    })
}

fn duration<'a, T>(array: &'a dyn Array, nanos_per_unit: i128) -> CellWriter<'a>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let values: &'a PrimitiveArray<T> = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let nanos = i128::from(values.value(row)) * nanos_per_unit;
        write_interval(0, nanos / NANOS_PER_DAY, nanos % NANOS_PER_DAY, out);
    })
}

fn interval(array: &dyn Array, unit: IntervalUnit) -> CellWriter<'_> {
    match unit {
        IntervalUnit::YearMonth => {
            let values = array.as_primitive::<IntervalYearMonthType>();
            Box::new(move |row, out| write_interval(values.value(row).into(), 0, 0, out))
        }
        IntervalUnit::DayTime => {
            let values = array.as_primitive::<IntervalDayTimeType>();
            Box::new(move |row, out| {
                let value = values.value(row);
                let nanos = i128::from(value.milliseconds) * 1_000_000;
                write_interval(0, value.days.into(), nanos, out);
            })
        }
        IntervalUnit::MonthDayNano => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>();
            Box::new(move |row, out| {
                let value = values.value(row);
                write_interval(
                    value.months.into(),
                    value.days.into(),
                    value.nanoseconds.into(),
                    out,
                );
            })
        }
    }
}

/// Writes the parts that are not zero; the time also when all are.
fn write_interval(months: i128, days: i128, nanos: i128, out: &mut String) {
    let start = out.len();
    for (count, one, many) in [
        (months / 12, "year", "years"),
        (months % 12, "mon", "mons"),
        (days, "day", "days"),
    ] {
        if count != 0 {
            let space = if out.len() > start { " " } else { "" };
            let _ = write!(
                out,
                "{space}{count} {}",
                if count == 1 { one } else { many }
            );
        }
    }
    if nanos == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.push(' ');
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, fraction) = (
        nanos.abs() / NANOS_PER_SECOND,
        nanos.abs() % NANOS_PER_SECOND,
    );
    let clock = format!(
        "{sign}{:02}:{:02}:{:02}.{fraction:09}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    push_without_trailing_zeros(&clock, out);
}

/// Appends `12:00:00.500` as `12:00:00.5`, and `12:00:00.000` as `12:00:00`.
fn push_without_trailing_zeros(text: &str, out: &mut String) {
    if text.contains('.') {
        out.push_str(text.trim_end_matches('0').trim_end_matches('.'));
    } else {
        out.push_str(text);
    }
}
