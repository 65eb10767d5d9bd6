//! Dates and times. As text they are read in the form in which PostgreSQL writes them under the style
//! `ISO`, and drivers do (`2024-02-29 12:30:00.5+02`, `0044-03-15 BC`, `T` between day and time); of
//! other forms the engine reads what it knows.

use std::str::FromStr;

use chrono::{DateTime, LocalResult, Offset, TimeDelta, TimeZone};
use sheaf::arrow::array::timezone::Tz;
use sheaf::arrow::datatypes::TimeUnit;
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use super::invalid;
use crate::encode::temporal::{check_date, check_time, check_timestamp};
use crate::types::{Scalar, WireType, arrow_type};

/// 2000-01-01 in days and microseconds from 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Digits that a year may have: PostgreSQL's last is 5874897.
const YEAR_DIGITS_MAX: usize = 7;
/// Seconds that a zone may be away from UTC; PostgreSQL takes less than 16 hours.
const OFFSET_SECONDS_MAX: i64 = 16 * 3_600;

/// A date, time or timestamp as text, without space around it.
///
/// # Errors
/// `UserInput` (22007) if it is none, (22008) if it is one that cannot be.
pub(super) fn read(text: &str, scalar: Scalar, zone: &str) -> Result<ScalarValue> {
    if ["infinity", "+infinity", "-infinity"].contains(&text.to_ascii_lowercase().as_str())
        && scalar != Scalar::Time
    {
        return Err(infinite());
    }
    let wrong = |_| field_out_of_range(text);
    match scalar {
        Scalar::Date => match parse(text) {
            Some(Parsed { day: Some(day), .. }) => {
                let days = day.days().map_err(wrong)?;
                date(days).map_err(|_| out_of_range(text, "date"))
            }
            _ => of_engine(text, scalar),
        },
        Scalar::Time => match parse(text) {
            Some(Parsed {
                day: None,
                clock: Some(clock),
                ..
            }) => Ok(ScalarValue::Time64Microsecond(Some(
                clock.micros().map_err(wrong)?,
            ))),
            _ => of_engine(text, scalar),
        },
        _ => match parse(text) {
            Some(Parsed {
                day: Some(day),
                clock,
                zone: own_zone,
            }) => {
                let days = day.days().map_err(wrong)?;
                let clock = clock.map_or(Ok(0), |clock| clock.micros()).map_err(wrong)?;
                let local = days
                    .checked_mul(MICROS_PER_DAY)
                    .and_then(|micros| micros.checked_add(clock))
                    .ok_or_else(|| out_of_range(text, "timestamp"))?;
                let micros = match (scalar, own_zone) {
                    (Scalar::Timestamp, _) => local,
                    (_, Some(own_zone)) => own_zone.utc(local).ok_or_else(|| unknown_zone(text))?,
                    (_, None) => Zone::Name(zone)
                        .utc(local)
                        .ok_or_else(|| unknown_zone(zone))?,
                };
                timestamp(micros, scalar).map_err(|_| out_of_range(text, "timestamp"))
            }
            _ => of_engine(text, scalar),
        },
    }
}

/// What the engine reads in a text.
fn of_engine(text: &str, scalar: Scalar) -> Result<ScalarValue> {
    let value = ScalarValue::Utf8(Some(text.to_owned()));
    value
        .cast_to(&arrow_type(WireType::Scalar(scalar)))
        .map_err(|_| invalid(text, scalar))
}

/// A date that is so many days from 2000-01-01.
///
/// # Errors
/// (22008) if PostgreSQL has no such day, or it is infinite.
pub(super) fn date_of_days(days: i32) -> Result<ScalarValue> {
    if days == i32::MAX || days == i32::MIN {
        return Err(infinite());
    }
    date(i64::from(days) + i64::from(EPOCH_DAYS))
}

/// A time that is so many microseconds from midnight.
///
/// # Errors
/// (22008) if no day has it.
pub(super) fn time_of_micros(micros: i64) -> Result<ScalarValue> {
    let micros = check_time(micros, TimeUnit::Microsecond)?;
    Ok(ScalarValue::Time64Microsecond(Some(micros)))
}

/// A timestamp that is so many microseconds from 2000-01-01.
///
/// # Errors
/// (22008) if PostgreSQL has no such moment, or it is infinite.
pub(super) fn timestamp_of_micros(micros: i64, scalar: Scalar) -> Result<ScalarValue> {
    if micros == i64::MAX || micros == i64::MIN {
        return Err(infinite());
    }
    let beyond =
        || SheafError::user("timestamp out of range").with_state(SqlState::DATETIME_OVERFLOW);
    timestamp(micros.checked_add(EPOCH_MICROS).ok_or_else(beyond)?, scalar)
}

fn date(days: i64) -> Result<ScalarValue> {
    let days = check_date(days)?;
    let days = i32::try_from(days).map_err(|_| SheafError::internal("a date"))?;
    Ok(ScalarValue::Date32(Some(days)))
}

fn timestamp(micros: i64, scalar: Scalar) -> Result<ScalarValue> {
    check_timestamp(micros, TimeUnit::Microsecond)?;
    let zone = (scalar == Scalar::TimestampTz).then(|| "UTC".into());
    Ok(ScalarValue::TimestampMicrosecond(Some(micros), zone))
}

/// What a text says, before anybody asks whether that can be.
struct Parsed<'t> {
    day: Option<Day>,
    clock: Option<Clock>,
    zone: Option<Zone<'t>>,
}

struct Day {
    year: i64,
    month: i64,
    day: i64,
    is_before_christ: bool,
}

struct Clock {
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

enum Zone<'t> {
    /// Seconds ahead of UTC.
    Offset(i64),
    Name(&'t str),
}

/// Something that no calendar or clock has.
struct NotThere;

fn parse(text: &str) -> Option<Parsed<'_>> {
    let (text, is_before_christ) = match text
        .len()
        .checked_sub(2)
        .map(|at| text.split_at_checked(at))
    {
        Some(Some((rest, era))) if era.eq_ignore_ascii_case("bc") => (rest.trim_end(), true),
        Some(Some((rest, era))) if era.eq_ignore_ascii_case("ad") => (rest.trim_end(), false),
        _ => (text, false),
    };
    let (day, rest) = match parse_day(text, is_before_christ) {
        Some((day, rest)) => (Some(day), rest),
        None => (None, text),
    };
    let rest = match day {
        Some(_) if rest.is_empty() => {
            return Some(Parsed {
                day,
                clock: None,
                zone: None,
            });
        }
        Some(_) => rest.strip_prefix([' ', 'T', 't'])?.trim_start(),
        None => rest,
    };
    // A day may have a zone, too, as JDBC sends it.
    let (clock, rest) = match (parse_clock(rest), &day) {
        (Some((clock, rest)), _) => (Some(clock), rest),
        (None, Some(_)) if rest.starts_with(['+', '-', 'Z', 'z']) => (None, rest),
        (None, _) => return None,
    };
    Some(Parsed {
        day,
        clock,
        zone: parse_zone(rest.trim())?,
    })
}

/// A number of at most `digits_max` digits, and what follows.
fn parse_number(text: &str, digits_max: usize) -> Option<(i64, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 || end > digits_max {
        return None;
    }
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

fn parse_day(text: &str, is_before_christ: bool) -> Option<(Day, &str)> {
    let (year, rest) = parse_number(text, YEAR_DIGITS_MAX)?;
    // Two digits are a year of PostgreSQL's choice, or no year: not a form that it writes.
    if text.len() - rest.len() < 4 {
        return None;
    }
    let (month, rest) = parse_number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = parse_number(rest.strip_prefix('-')?, 2)?;
    let day = Day {
        year,
        month,
        day,
        is_before_christ,
    };
    Some((day, rest))
}

fn parse_clock(text: &str) -> Option<(Clock, &str)> {
    let (hour, rest) = parse_number(text, 2)?;
    let (minute, rest) = parse_number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => parse_number(rest, 2)?,
        None => (0, rest),
    };
    let (micros, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest
                .bytes()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(rest.len());
            (micros_of(&rest[..end]), &rest[end..])
        }
        None => (0, rest),
    };
    let clock = Clock {
        hour,
        minute,
        second,
        micros,
    };
    Some((clock, rest))
}

/// The microseconds that digits behind a point are, rounded.
pub(super) fn micros_of(digits: &str) -> i64 {
    let mut bytes = digits.bytes();
    let mut micros = 0;
    for _ in 0..6 {
        micros = micros * 10 + i64::from(bytes.next().unwrap_or(b'0') - b'0');
    }
    micros + i64::from(bytes.next().is_some_and(|next| next >= b'5'))
}

/// The zone that a text names; none if it is empty.
#[expect(clippy::option_option, reason = "no zone is not a wrong one")]
fn parse_zone(text: &str) -> Option<Option<Zone<'_>>> {
    let sign = match text.chars().next() {
        None => return Some(None),
        Some('+') => 1,
        Some('-') => -1,
        Some('Z' | 'z') if text.len() == 1 => return Some(Some(Zone::Offset(0))),
        Some(_) => return Some(Some(Zone::Name(text))),
    };
    let digits = &text[1..];
    let (first, rest) = parse_number(digits, 4)?;
    let (hours, minutes, rest) = match digits.len() - rest.len() {
        1 | 2 => match rest.strip_prefix(':') {
            Some(rest) => {
                let (minutes, rest) = parse_number(rest, 2)?;
                (first, minutes, rest)
            }
            None => (first, 0, rest),
        },
        4 => (first / 100, first % 100, rest),
        _ => return None,
    };
    let (seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => parse_number(rest, 2)?,
        None => (0, rest),
    };
    let offset = hours * 3_600 + minutes * 60 + seconds;
    let is_there = rest.is_empty() && minutes < 60 && seconds < 60 && offset < OFFSET_SECONDS_MAX;
    is_there.then_some(Some(Zone::Offset(sign * offset)))
}

impl Day {
    /// Days from 1970-01-01 in the proleptic Gregorian calendar.
    ///
    /// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
    fn days(&self) -> Result<i64, NotThere> {
        let year = match (self.year, self.is_before_christ) {
            (0, _) => return Err(NotThere),
            (year, true) => 1 - year,
            (year, false) => year,
        };
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match self.month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(NotThere),
        };
        if !(1..=length).contains(&self.day) {
            return Err(NotThere);
        }
        let shifted = if self.month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Ok(era * 146_097 + day_of_era - 719_468)
    }
}

impl Clock {
    /// Microseconds from midnight, at most 24 hours.
    fn micros(&self) -> Result<i64, NotThere> {
        if self.minute > 59 || self.second > 60 {
            return Err(NotThere);
        }
        let seconds = self.hour * 3_600 + self.minute * 60 + self.second;
        let micros = seconds * MICROS_PER_SECOND + self.micros;
        match micros <= MICROS_PER_DAY {
            true => Ok(micros),
            false => Err(NotThere),
        }
    }
}

impl Zone<'_> {
    /// The moment in UTC, in microseconds from 1970-01-01, that is `local` here; `None` if there is no
    /// such zone.
    fn utc(&self, local: i64) -> Option<i64> {
        let offset = match self {
            Self::Offset(offset) => *offset,
            Self::Name(name) => {
                let zone = Tz::from_str(name).ok()?;
                local_offset_seconds(local, zone)
            }
        };
        local.checked_sub(offset * MICROS_PER_SECOND)
    }
}

/// What a zone adds to UTC when its clocks show `local`. Of two answers the one without summer time
/// counts, and in the hour that is left out in spring what held before it; beyond what the library of
/// zones knows, its first or last word.
fn local_offset_seconds(local: i64, zone: Tz) -> i64 {
    let known = DateTime::from_timestamp_micros(local).unwrap_or(match local < 0 {
        true => DateTime::<chrono::Utc>::MIN_UTC,
        false => DateTime::<chrono::Utc>::MAX_UTC,
    });
    let naive = known.naive_utc();
    let before = |naive: chrono::NaiveDateTime| naive.checked_sub_signed(TimeDelta::hours(3));
    let offset = match zone.offset_from_local_datetime(&naive) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(_, offset) => offset,
        LocalResult::None => zone.offset_from_utc_datetime(&before(naive).unwrap_or(naive)),
    };
    i64::from(offset.fix().local_minus_utc())
}

fn infinite() -> SheafError {
    SheafError::unsupported("infinite dates and timestamps are not supported")
        .with_state(SqlState::DATETIME_OVERFLOW)
        .with_hint("leave the condition out, or compare with a date that is far enough")
}

fn field_out_of_range(text: &str) -> SheafError {
    SheafError::user(format!("date/time field value out of range: \"{text}\""))
        .with_state(SqlState::DATETIME_OVERFLOW)
}

fn out_of_range(text: &str, what: &str) -> SheafError {
    SheafError::user(format!("{what} out of range: \"{text}\""))
        .with_state(SqlState::DATETIME_OVERFLOW)
}

fn unknown_zone(text: &str) -> SheafError {
    SheafError::user(format!("time zone not recognized: \"{text}\""))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
}
