//! `timezone(zone, timestamp)`: what `timestamp AT TIME ZONE zone` stands for, as in PostgreSQL.
//!
//! A time with zone becomes the wall clock's time there; a wall clock's time there becomes the time
//! with zone. Times that a clock shows twice are taken for the later (winter) ones, times that it
//! skips are read by the clock as it was before.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::temporal_conversions::as_datetime;
use chrono::{Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use crate::kernel::Kernel;

/// Zone of times with zone: they are instants, shown in UTC.
const UTC: &str = "UTC";
/// No clock jumps by more than this.
const JUMP_HOURS_MAX: i64 = 26;

pub(super) fn function() -> ScalarUDF {
    Kernel::new("timezone", &[], return_type, compute)
        .with_signature(Signature::any(2, Volatility::Immutable))
        .documented(
            "Time and Date Functions",
            "The wall clock's time in a zone at a time with zone, or the other way round; also \
             written timestamp AT TIME ZONE zone.",
            "timezone(zone, timestamp)",
            "SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00' AT TIME ZONE 'Europe/Berlin'; \
             -- 2024-07-01 14:00:00",
        )
        .build()
}

fn return_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [_, DataType::Timestamp(_, None)] => Ok(zoned()),
        // A date, a text: taken for a time with zone, as PostgreSQL prefers.
        [
            _,
            DataType::Timestamp(_, Some(_))
            | DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Null,
        ] => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
        [_, other] => Err(SheafError::user(format!(
            "AT TIME ZONE needs a timestamp, not {}",
            sql_type_name(other)
        ))
        .with_state(SqlState::DATATYPE_MISMATCH)
        .into()),
        _ => exec_err!("timezone has two arguments"),
    }
}

fn zoned() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

fn compute(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    let zones = cast(&arrays[0], &DataType::Utf8View)?;
    let zones = zones.as_string_view();
    let is_wall = matches!(arrays[1].data_type(), DataType::Timestamp(_, None));
    let instants = match is_wall {
        true => cast(
            &arrays[1],
            &DataType::Timestamp(TimeUnit::Microsecond, None),
        )?,
        false => cast(&arrays[1], &zoned())?,
    };
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let mut zone: Option<(&str, Tz)> = None;
    let mut found = PrimitiveArray::<TimestampMicrosecondType>::builder(count);
    for (name, micros) in zones.iter().zip(instants) {
        let (Some(name), Some(micros)) = (name, micros) else {
            found.append_null();
            continue;
        };
        let known = match zone {
            Some((last, known)) if last == name => known,
            _ => parse_zone(name)?,
        };
        zone = Some((name, known));
        let converted =
            as_datetime::<TimestampMicrosecondType>(micros).and_then(|time| match is_wall {
                true => to_instant(known, time),
                false => {
                    let offset = known.offset_from_utc_datetime(&time).fix();
                    time.checked_add_offset(offset)
                }
            });
        let converted = converted.ok_or_else(|| {
            DataFusionError::from(
                SheafError::user("timestamp out of range").with_state(SqlState::DATETIME_OVERFLOW),
            )
        })?;
        found.append_value(converted.and_utc().timestamp_micros());
    }
    let found = found.finish();
    Ok(match is_wall {
        true => Arc::new(found.with_timezone(UTC)),
        false => Arc::new(found),
    })
}

fn parse_zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        SheafError::user(format!("time zone \"{name}\" is not known"))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .with_hint("for example 'Europe/Berlin', 'UTC' or '+02:00'")
            .into()
    })
}

/// The instant at which clocks in `zone` show `wall`.
fn to_instant(zone: Tz, wall: NaiveDateTime) -> Option<NaiveDateTime> {
    let offset = match zone.offset_from_local_datetime(&wall) {
        MappedLocalTime::Single(offset) => offset,
        MappedLocalTime::Ambiguous(earlier, later) => {
            // The later instant is the one with the smaller offset.
            match earlier.fix().local_minus_utc() < later.fix().local_minus_utc() {
                true => earlier,
                false => later,
            }
        }
        MappedLocalTime::None => {
            let before = wall.checked_sub_signed(Duration::hours(JUMP_HOURS_MAX))?;
            zone.offset_from_utc_datetime(&before)
        }
    };
    wall.checked_sub_offset(offset.fix())
}
