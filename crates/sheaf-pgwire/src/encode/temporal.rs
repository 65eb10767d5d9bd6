//! Dates and times: from Arrow's units to PostgreSQL's, which counts days and microseconds from
//! 2000-01-01, and their text in the style `ISO`.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use sheaf::arrow::array::timezone::Tz;
use sheaf::arrow::datatypes::{IntervalMonthDayNano, TimeUnit};
use sheaf::{Result, SheafError, SqlState};

use super::digits::{pair, write_padded};

/// Days from 1970-01-01 to 2000-01-01.
pub(super) const EPOCH_DAYS: i64 = 10_957;
const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// 2000-01-01 in microseconds from 1970-01-01.
const EPOCH_MICROS: i64 = EPOCH_DAYS * MICROS_PER_DAY;
/// The first day that PostgreSQL has, 4714-11-24 BC, from 1970-01-01.
const FIRST_DAY: i64 = -2_440_588;
/// The day after the last date, 5874897-12-31.
const DATE_END: i64 = 2_147_483_494 + FIRST_DAY;
/// The day after the last timestamp, 294276-12-31.
const TIMESTAMP_END: i64 = 109_203_528 + FIRST_DAY;

/// The first timestamp that PostgreSQL has, in microseconds from 1970-01-01; the last is more than 64
/// bits hold.
const FIRST_MICROS: i64 = FIRST_DAY * MICROS_PER_DAY;

/// A value of `unit` in microseconds; what is finer is cut off towards the past.
fn micros(value: i64, unit: TimeUnit) -> i128 {
    let value = i128::from(value);
    match unit {
        TimeUnit::Second => value * i128::from(MICROS_PER_SECOND),
        TimeUnit::Millisecond => value * 1_000,
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value.div_euclid(1_000),
    }
}

/// Days from 1970-01-01, if PostgreSQL has that day.
///
/// # Errors
/// `Data` (22008) if it has not.
pub(crate) fn check_date(days: i64) -> Result<i64> {
    match (FIRST_DAY..DATE_END).contains(&days) {
        true => Ok(days),
        false => Err(out_of_range("date")),
    }
}

/// Microseconds from 2000-01-01 of a time that counts from 1970-01-01, if PostgreSQL has it.
///
/// # Errors
/// `Data` (22008) if it has not.
pub(crate) fn check_timestamp(value: i64, unit: TimeUnit) -> Result<i64> {
    // The usual unit, without numbers of 128 bits.
    if unit == TimeUnit::Microsecond && value >= FIRST_MICROS {
        return Ok(value - EPOCH_MICROS);
    }
    let micros = micros(value, unit);
    let day = micros.div_euclid(i128::from(MICROS_PER_DAY));
    let is_there = (i128::from(FIRST_DAY)..i128::from(TIMESTAMP_END)).contains(&day);
    let from_epoch = i64::try_from(micros - i128::from(EPOCH_MICROS)).ok();
    from_epoch
        .filter(|_| is_there)
        .ok_or_else(|| out_of_range("timestamp"))
}

/// Microseconds of a day; 24:00:00 is one.
///
/// # Errors
/// `Data` (22008) if it is none.
pub(crate) fn check_time(value: i64, unit: TimeUnit) -> Result<i64> {
    i64::try_from(micros(value, unit))
        .ok()
        .filter(|micros| (0..=MICROS_PER_DAY).contains(micros))
        .ok_or_else(|| out_of_range("time"))
}

fn out_of_range(what: &str) -> SheafError {
    SheafError::data(format!("{what} out of range"))
        .with_state(SqlState::DATETIME_OVERFLOW)
        .with_detail(
            "PostgreSQL's protocol has dates from 4714 BC to 5874897 and timestamps to 294276",
        )
        .with_hint("cast it to text or to a number")
}

/// Year, month and day of a number of days from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Appends a date without its era; whether it is before Christ.
fn write_day(days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(days);
    let is_before = year <= 0;
    let shown = if is_before { 1 - year } else { year };
    write_padded(shown.unsigned_abs(), 4, out);
    out.put_u8(b'-');
    out.put_slice(pair(month.unsigned_abs()));
    out.put_u8(b'-');
    out.put_slice(pair(day.unsigned_abs()));
    is_before
}

pub(super) fn write_date(days: i64, out: &mut BytesMut) {
    if write_day(days, out) {
        out.put_slice(b" BC");
    }
}

/// Appends `03:04:05.678`.
pub(super) fn write_clock(micros: i64, out: &mut BytesMut) {
    let seconds = (micros / MICROS_PER_SECOND).unsigned_abs();
    out.put_slice(pair(seconds / 3_600));
    out.put_u8(b':');
    out.put_slice(pair(seconds / 60 % 60));
    out.put_u8(b':');
    out.put_slice(pair(seconds % 60));
    write_fraction(micros % MICROS_PER_SECOND, out);
}

fn write_fraction(micros: i64, out: &mut BytesMut) {
    if micros != 0 {
        out.put_u8(b'.');
        write_padded(micros.unsigned_abs(), 6, out);
        while out.ends_with(b"0") {
            out.truncate(out.len() - 1);
        }
    }
}

/// Appends a timestamp, counted from 2000-01-01; `separator` stands between day and time.
pub(super) fn write_timestamp(micros: i64, separator: u8, zone: Option<Tz>, out: &mut BytesMut) {
    let offset = zone.map(|zone| offset_seconds(micros, zone));
    let local = micros.saturating_add(offset.unwrap_or(0) * MICROS_PER_SECOND);
    let is_before = write_day(local.div_euclid(MICROS_PER_DAY) + EPOCH_DAYS, out);
    out.put_u8(separator);
    write_clock(local.rem_euclid(MICROS_PER_DAY), out);
    if let Some(offset) = offset {
        let sign = if offset < 0 { '-' } else { '+' };
        let seconds = offset.abs();
        let _ = write!(out, "{sign}{:02}", seconds / 3_600);
        if seconds % 3_600 != 0 {
            let _ = write!(out, ":{:02}", seconds / 60 % 60);
        }
        if seconds % 60 != 0 {
            let _ = write!(out, ":{:02}", seconds % 60);
        }
    }
    if is_before {
        out.put_slice(b" BC");
    }
}

/// What a zone adds to UTC at a moment. Beyond what the library of zones knows, its first or last
/// word counts.
fn offset_seconds(micros: i64, zone: Tz) -> i64 {
    let seconds = micros.div_euclid(MICROS_PER_SECOND) + EPOCH_DAYS * SECONDS_PER_DAY;
    let known = DateTime::from_timestamp(seconds, 0).unwrap_or(match micros < 0 {
        true => DateTime::<chrono::Utc>::MIN_UTC,
        false => DateTime::<chrono::Utc>::MAX_UTC,
    });
    let offset = zone.offset_from_utc_datetime(&known.naive_utc());
    i64::from(offset.fix().local_minus_utc())
}

/// A length of time in PostgreSQL's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) months: i32,
    pub(super) days: i32,
    pub(super) micros: i64,
}

impl From<IntervalMonthDayNano> for Interval {
    fn from(value: IntervalMonthDayNano) -> Self {
        Self {
            months: value.months,
            days: value.days,
            micros: value.nanoseconds / 1_000,
        }
    }
}

impl Interval {
    /// A duration, whole days apart.
    ///
    /// # Errors
    /// `Data` (22008) if it has more days than PostgreSQL counts.
    pub(super) fn of_duration(value: i64, unit: TimeUnit) -> Result<Self> {
        let (days, rest) = match unit {
            TimeUnit::Second => (
                value / SECONDS_PER_DAY,
                value % SECONDS_PER_DAY * MICROS_PER_SECOND,
            ),
            TimeUnit::Millisecond => {
                let day = SECONDS_PER_DAY * 1_000;
                (value / day, value % day * 1_000)
            }
            TimeUnit::Microsecond => (value / MICROS_PER_DAY, value % MICROS_PER_DAY),
            TimeUnit::Nanosecond => {
                let micros = value / 1_000;
                (micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
            }
        };
        let days = i32::try_from(days).map_err(|_| out_of_range("interval"))?;
        Ok(Self {
            months: 0,
            days,
            micros: rest,
        })
    }

    /// Appends `1 year 2 mons -3 days +04:05:06.7`, the style `postgres`: after a negative part a
    /// positive one has its sign.
    pub(super) fn write(self, out: &mut BytesMut) {
        let start = out.len();
        let mut was_negative = false;
        let parts = [
            (self.months / 12, "year"),
            (self.months % 12, "mon"),
            (self.days, "day"),
        ];
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
            let space = if out.len() > start { " " } else { "" };
            let plus = if was_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{plus}{count} {unit}{plural}");
            was_negative = count < 0;
        }
        if self.micros == 0 && out.len() > start {
            return;
        }
        if out.len() > start {
            out.put_u8(b' ');
        }
        if self.micros < 0 {
            out.put_u8(b'-');
        } else if was_negative {
            out.put_u8(b'+');
        }
        let micros = self.micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        let _ = write!(
            out,
            "{:02}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        );
        write_fraction(i64::try_from(micros % 1_000_000).unwrap_or(0), out);
    }
}
