//! `to_char(time, format)`: a date or time as text, in PostgreSQL's patterns (`YYYY-MM-DD`), or in
//! those of strftime where the format has a `%`.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::temporal_conversions::as_datetime;
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use crate::kernel::{Kernel, rows};

const TEXT: DataType = DataType::Utf8View;

pub(super) fn function() -> ScalarUDF {
    Kernel::new("to_char", &[], |_| Ok(TEXT), compute)
        .with_signature(Signature::any(2, Volatility::Immutable))
        .documented(
            "Time and Date Functions",
            "A date or time as text, in the patterns of PostgreSQL or, where the format has a %, \
             of strftime.",
            "to_char(time, format)",
            "SELECT to_char(DATE '2024-02-29', 'DD/MM/YYYY'); -- 29/02/2024",
        )
        .build()
}

fn compute(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    let is_time = matches!(
        arrays[0].data_type(),
        DataType::Timestamp(..)
            | DataType::Date32
            | DataType::Date64
            | DataType::Utf8
            | DataType::Utf8View
            | DataType::LargeUtf8
            | DataType::Null
    );
    if !is_time {
        return Err(SheafError::user(format!(
            "to_char takes dates and times, not {}",
            sql_type_name(arrays[0].data_type())
        ))
        .with_state(SqlState::UNDEFINED_FUNCTION)
        .with_hint("cast it to text, or use printf('%.2f', x)")
        .into());
    }
    let wall = DataType::Timestamp(TimeUnit::Microsecond, None);
    let times = cast(&arrays[0], &wall)?;
    let formats = cast(&arrays[1], &TEXT)?;
    let arrays = [times, formats];
    let mut parsed: Option<(String, Vec<Piece>)> = None;
    rows::texts(&arrays, count, |row| {
        let micros = arrays[0]
            .as_primitive::<TimestampMicrosecondType>()
            .value(row);
        let time = as_datetime::<TimestampMicrosecondType>(micros).ok_or_else(|| {
            DataFusionError::from(
                SheafError::user("timestamp out of range").with_state(SqlState::DATETIME_OVERFLOW),
            )
        })?;
        let format = rows::text(&arrays[1], row);
        if format.contains('%') {
            return strftime(time, format).map(Some);
        }
        if parsed.as_ref().is_none_or(|(known, _)| known != format) {
            parsed = Some((format.to_owned(), parse(format)));
        }
        let mut text = String::with_capacity(format.len() + 8);
        for piece in parsed.iter().flat_map(|(_, pieces)| pieces) {
            piece.write(time, &mut text);
        }
        Ok(Some(text))
    })
}

fn strftime(time: NaiveDateTime, format: &str) -> Result<String> {
    let mut text = String::new();
    write!(text, "{}", time.format(format)).map_err(|_| {
        DataFusionError::from(
            SheafError::user(format!("'{format}' is no format of dates and times"))
                .with_state(SqlState::INVALID_PARAMETER_VALUE),
        )
    })?;
    Ok(text)
}

/// A part of a format.
#[derive(Debug)]
enum Piece {
    Text(String),
    Field {
        field: Field,
        /// FM: without leading zeros and trailing blanks.
        is_short: bool,
        /// TH or th behind it.
        ordinal: Option<bool>,
    },
}

/// What a pattern stands for: a number with so many digits, or a word.
#[derive(Debug, Clone, Copy)]
enum Field {
    Number(fn(NaiveDateTime) -> i64, usize),
    Word(fn(NaiveDateTime) -> &'static str, Case, usize),
}

#[derive(Debug, Clone, Copy)]
enum Case {
    Upper,
    Title,
    Lower,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];
/// PostgreSQL pads full names of months and days to this width.
const NAME_WIDTH: usize = 9;

fn month(time: NaiveDateTime) -> &'static str {
    MONTHS[time.month0() as usize % 12]
}

fn month_short(time: NaiveDateTime) -> &'static str {
    &month(time)[..3]
}

fn day(time: NaiveDateTime) -> &'static str {
    DAYS[time.weekday().num_days_from_sunday() as usize % 7]
}

fn day_short(time: NaiveDateTime) -> &'static str {
    &day(time)[..3]
}

fn half(time: NaiveDateTime) -> &'static str {
    if time.hour() < 12 { "AM" } else { "PM" }
}

fn half_dotted(time: NaiveDateTime) -> &'static str {
    if time.hour() < 12 { "A.M." } else { "P.M." }
}

fn hour12(time: NaiveDateTime) -> i64 {
    i64::from((time.hour() + 11) % 12 + 1)
}

/// The patterns; of two that fit, the longer one stands first.
const PATTERNS: &[(&str, Field)] = &[
    ("YYYY", Field::Number(|t| i64::from(t.year()), 4)),
    ("IYYY", Field::Number(|t| i64::from(t.iso_week().year()), 4)),
    ("YYY", Field::Number(|t| i64::from(t.year() % 1000), 3)),
    ("YY", Field::Number(|t| i64::from(t.year() % 100), 2)),
    (
        "IY",
        Field::Number(|t| i64::from(t.iso_week().year() % 100), 2),
    ),
    ("MONTH", Field::Word(month, Case::Upper, NAME_WIDTH)),
    ("Month", Field::Word(month, Case::Title, NAME_WIDTH)),
    ("month", Field::Word(month, Case::Lower, NAME_WIDTH)),
    ("MON", Field::Word(month_short, Case::Upper, 0)),
    ("Mon", Field::Word(month_short, Case::Title, 0)),
    ("mon", Field::Word(month_short, Case::Lower, 0)),
    ("DAY", Field::Word(day, Case::Upper, NAME_WIDTH)),
    ("Day", Field::Word(day, Case::Title, NAME_WIDTH)),
    ("day", Field::Word(day, Case::Lower, NAME_WIDTH)),
    ("DY", Field::Word(day_short, Case::Upper, 0)),
    ("Dy", Field::Word(day_short, Case::Title, 0)),
    ("dy", Field::Word(day_short, Case::Lower, 0)),
    (
        "IDDD",
        Field::Number(
            |t| i64::from(t.iso_week().week0() * 7 + t.weekday().number_from_monday()),
            3,
        ),
    ),
    ("DDD", Field::Number(|t| i64::from(t.ordinal()), 3)),
    ("DD", Field::Number(|t| i64::from(t.day()), 2)),
    (
        "ID",
        Field::Number(|t| i64::from(t.weekday().number_from_monday()), 1),
    ),
    ("IW", Field::Number(|t| i64::from(t.iso_week().week()), 2)),
    ("WW", Field::Number(|t| i64::from(t.ordinal0() / 7 + 1), 2)),
    ("HH24", Field::Number(|t| i64::from(t.hour()), 2)),
    ("HH12", Field::Number(hour12, 2)),
    ("HH", Field::Number(hour12, 2)),
    ("MI", Field::Number(|t| i64::from(t.minute()), 2)),
    ("MM", Field::Number(|t| i64::from(t.month()), 2)),
    (
        "MS",
        Field::Number(|t| i64::from(t.nanosecond() / 1_000_000), 3),
    ),
    ("US", Field::Number(|t| i64::from(t.nanosecond() / 1000), 6)),
    (
        "FF3",
        Field::Number(|t| i64::from(t.nanosecond() / 1_000_000), 3),
    ),
    (
        "FF6",
        Field::Number(|t| i64::from(t.nanosecond() / 1000), 6),
    ),
    (
        "SSSSS",
        Field::Number(|t| i64::from(t.num_seconds_from_midnight()), 1),
    ),
    (
        "SSSS",
        Field::Number(|t| i64::from(t.num_seconds_from_midnight()), 1),
    ),
    ("SS", Field::Number(|t| i64::from(t.second()), 2)),
    ("A.M.", Field::Word(half_dotted, Case::Upper, 0)),
    ("P.M.", Field::Word(half_dotted, Case::Upper, 0)),
    ("a.m.", Field::Word(half_dotted, Case::Lower, 0)),
    ("p.m.", Field::Word(half_dotted, Case::Lower, 0)),
    ("AM", Field::Word(half, Case::Upper, 0)),
    ("PM", Field::Word(half, Case::Upper, 0)),
    ("am", Field::Word(half, Case::Lower, 0)),
    ("pm", Field::Word(half, Case::Lower, 0)),
    (
        "CC",
        Field::Number(|t| i64::from((t.year() - 1).div_euclid(100) + 1), 2),
    ),
    (
        "J",
        Field::Number(|t| i64::from(t.num_days_from_ce()) + 1_721_425, 1),
    ),
    (
        "RM",
        Field::Word(|t| ROMAN[t.month0() as usize % 12], Case::Upper, 4),
    ),
    ("Q", Field::Number(|t| i64::from(t.month0() / 3 + 1), 1)),
    ("W", Field::Number(|t| i64::from(t.day0() / 7 + 1), 1)),
    (
        "D",
        Field::Number(|t| i64::from(t.weekday().number_from_sunday()), 1),
    ),
    ("Y", Field::Number(|t| i64::from(t.year() % 10), 1)),
];

/// Patterns of numbers may be written in lower case, too; in words, case has a meaning.
fn pattern_at(format: &str) -> Option<(&'static str, Field)> {
    PATTERNS
        .iter()
        .find(|(pattern, field)| match field {
            Field::Number(..) => format
                .get(..pattern.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(pattern)),
            Field::Word(..) => format.starts_with(pattern),
        })
        .copied()
}

fn parse(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    let mut is_short = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('"') {
            let (quoted, after) = after.split_once('"').unwrap_or((after, ""));
            text.push_str(quoted);
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            is_short = true;
            rest = after;
            continue;
        }
        let Some((pattern, field)) = pattern_at(rest) else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &rest[pattern.len()..];
        let ordinal = [("TH", true), ("th", false)]
            .into_iter()
            .find(|(suffix, _)| rest.starts_with(suffix))
            .map(|(_, is_upper)| is_upper);
        if ordinal.is_some() {
            rest = &rest[2..];
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Field {
            field,
            is_short,
            ordinal,
        });
        is_short = false;
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

impl Piece {
    fn write(&self, time: NaiveDateTime, out: &mut String) {
        let (field, is_short, ordinal) = match self {
            Self::Text(text) => return out.push_str(text),
            Self::Field {
                field,
                is_short,
                ordinal,
            } => (field, *is_short, ordinal),
        };
        // Writing to a String does not fail.
        let _ = match field {
            Field::Number(number, _) if is_short => write!(out, "{}", number(time)),
            Field::Number(number, width) => write!(out, "{:0width$}", number(time)),
            Field::Word(word, case, width) => {
                let word = match case {
                    Case::Title => word(time).to_owned(),
                    Case::Upper => word(time).to_uppercase(),
                    Case::Lower => word(time).to_lowercase(),
                };
                let width = if is_short { 0 } else { *width };
                write!(out, "{word:<width$}")
            }
        };
        if let (Field::Number(number, _), Some(is_upper)) = (field, ordinal) {
            let suffix = match number(time) {
                n if (n / 10) % 10 == 1 => "th",
                n if n % 10 == 1 => "st",
                n if n % 10 == 2 => "nd",
                n if n % 10 == 3 => "rd",
                _ => "th",
            };
            match is_upper {
                true => out.push_str(&suffix.to_uppercase()),
                false => out.push_str(suffix),
            }
        }
    }
}
