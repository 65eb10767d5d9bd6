//! Intervals as text, in every form that PostgreSQL writes: `1 year 2 mons -3 days +04:05:06.7`,
//! `@ 1 year 2 mons ago`, `P1Y2M-3DT4H5M6.7S`, `+1-2 -3 +4:05:06`.
//!
//! A text is cut into numbers, words, times (`4:05:06`) and years with months (`1-2`). A number belongs
//! to the word behind it; without one it is days if a time follows, and seconds at the end.
//!
//! Source: the page "Date/Time Types" of PostgreSQL's documentation, section "Interval Input".

use sheaf::arrow::datatypes::IntervalMonthDayNano;
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use super::invalid;
use super::temporal::micros_of;
use crate::types::Scalar;

const MICROS_PER_SECOND: i128 = 1_000_000;
const MICROS_PER_MINUTE: i128 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i128 = 60 * MICROS_PER_MINUTE;
const MICROS_PER_DAY: i128 = 24 * MICROS_PER_HOUR;
/// Days that a part of a month is counted with.
const DAYS_PER_MONTH: f64 = 30.0;
/// Digits of a number before its point.
const DIGITS_MAX: usize = 18;

/// What a unit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i128),
}

/// Units with their names; a final `s` is left out of those of more than two letters.
const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Micros(1), &["microsecond", "us", "usec", "usecond"]),
    (
        Unit::Micros(1_000),
        &["millisecond", "ms", "msec", "msecond"],
    ),
    (Unit::Micros(MICROS_PER_SECOND), &["second", "s", "sec"]),
    (Unit::Micros(MICROS_PER_MINUTE), &["minute", "m", "min"]),
    (Unit::Micros(MICROS_PER_HOUR), &["hour", "h", "hr"]),
    (Unit::Days(1), &["day", "d"]),
    (Unit::Days(7), &["week", "w"]),
    (Unit::Months(1), &["month", "mon"]),
    (Unit::Months(3), &["quarter", "qtr"]),
    (Unit::Months(12), &["year", "y", "yr"]),
    (Unit::Months(120), &["decade", "dec"]),
    (Unit::Months(1_200), &["century", "c", "cent", "centurie"]),
    (Unit::Months(12_000), &["millennium", "mil", "millennia"]),
];

/// The sum of what was read.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    months: i64,
    days: i64,
    micros: i128,
}

/// A number as it is written.
#[derive(Debug, Clone, Copy)]
struct Number<'t> {
    is_negative: bool,
    whole: i64,
    /// Digits behind the point.
    fraction: &'t str,
}

/// A part of a text.
#[derive(Debug, Clone, Copy)]
enum Token<'t> {
    Number(Number<'t>),
    Word(&'t str),
    /// With its sign.
    Time(&'t str),
    YearMonth(&'t str),
}

/// An interval as text, without space around it.
///
/// # Errors
/// `UserInput` (22007) if it is none, (22015) if it is too long.
pub(super) fn read(text: &str) -> Result<ScalarValue> {
    let wrong = || invalid(text, Scalar::Interval);
    if ["infinity", "+infinity", "-infinity"].contains(&text.to_ascii_lowercase().as_str()) {
        return Err(
            SheafError::unsupported("infinite intervals are not supported")
                .with_state(SqlState::INTERVAL_FIELD_OVERFLOW),
        );
    }
    let sum = match text.strip_prefix('P') {
        Some(rest) => iso_8601(rest),
        None => verbose(text),
    };
    let sum = sum.ok_or_else(wrong)?;
    value(sum.months, sum.days, sum.micros).map_err(|_| {
        SheafError::user(format!("interval field value out of range: \"{text}\""))
            .with_state(SqlState::INTERVAL_FIELD_OVERFLOW)
    })
}

/// The interval of these parts.
///
/// # Errors
/// `UserInput` (22008) if the engine has none so long: its nanoseconds end after 292 years.
pub(super) fn value(months: i64, days: i64, micros: i128) -> Result<ScalarValue> {
    let beyond =
        || SheafError::user("interval out of range").with_state(SqlState::DATETIME_OVERFLOW);
    let months = i32::try_from(months).map_err(|_| beyond())?;
    let days = i32::try_from(days).map_err(|_| beyond())?;
    let nanos = i64::try_from(micros * 1_000).map_err(|_| beyond())?;
    Ok(ScalarValue::IntervalMonthDayNano(Some(
        IntervalMonthDayNano::new(months, days, nanos),
    )))
}

impl Sum {
    /// Adds so many of a unit; what is left of a month or day goes to the smaller unit.
    fn add(&mut self, number: Number<'_>, unit: Unit) -> Option<()> {
        let sign = if number.is_negative { -1 } else { 1 };
        let whole = number.whole * sign;
        let part = number.part() * f64::from(i8::try_from(sign).ok()?);
        match unit {
            Unit::Months(size) => {
                let months = whole.checked_mul(size)?;
                self.months = self.months.checked_add(months)?;
                match size {
                    1 => self.add_days(part * DAYS_PER_MONTH)?,
                    _ => {
                        self.months = self
                            .months
                            .checked_add(whole_of((part * size as f64).round())?)?
                    }
                }
            }
            Unit::Days(size) => {
                let days = whole.checked_mul(size)?;
                self.days = self.days.checked_add(days)?;
                self.add_days(part * size as f64)?;
            }
            Unit::Micros(size) => {
                let exact = i128::from(micros_of(number.fraction)) * size / MICROS_PER_SECOND;
                let micros = i128::from(number.whole) * size + exact;
                self.micros = self.micros.checked_add(micros * i128::from(sign))?;
            }
        }
        Some(())
    }

    fn add_days(&mut self, days: f64) -> Option<()> {
        let whole = days.trunc();
        self.days = self.days.checked_add(whole_of(whole)?)?;
        let micros = ((days - whole) * MICROS_PER_DAY as f64).round();
        self.micros = self.micros.checked_add(whole_of(micros)?.into())?;
        Some(())
    }

    /// Adds `[-]h:mm[:ss[.f]]`; `mm:ss.f` if there are two parts, the second with a point.
    fn add_time(&mut self, text: &str) -> Option<()> {
        let (sign, text) = split_sign(text);
        let mut parts = text.split(':');
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        let (hours, minutes, seconds) = match third {
            Some(seconds) => (first, second, seconds),
            None if second.contains('.') => ("0", first, second),
            None => (first, second, "0"),
        };
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let number = |text: &str| digits(text).filter(|_| text.len() <= DIGITS_MAX);
        let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(whole)?);
        if minutes > 59 || seconds > 59 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let micros = i128::from(hours) * MICROS_PER_HOUR
            + i128::from(minutes) * MICROS_PER_MINUTE
            + i128::from(seconds) * MICROS_PER_SECOND
            + i128::from(micros_of(fraction));
        self.micros = self.micros.checked_add(micros * i128::from(sign))?;
        Some(())
    }

    /// Adds `[-]years-months`.
    fn add_year_month(&mut self, text: &str) -> Option<()> {
        let (sign, text) = split_sign(text);
        let (years, months) = text.split_once('-')?;
        let months = digits(months).filter(|months| *months < 12)?;
        let months = digits(years)?.checked_mul(12)?.checked_add(months)?;
        self.months = self.months.checked_add(months * sign)?;
        Some(())
    }

    fn negated(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }
}

impl Number<'_> {
    /// What stands behind the point.
    fn part(&self) -> f64 {
        format!("0.{}", self.fraction).parse().unwrap_or(0.0)
    }
}

/// A float without a part as an integer.
fn whole_of(number: f64) -> Option<i64> {
    // Beyond this, floats have gaps.
    const END: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole, and not too large"
    )]
    let whole = number as i64;
    (number.abs() < END).then_some(whole)
}

fn digits(text: &str) -> Option<i64> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

fn split_sign(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn number(text: &str) -> Option<Number<'_>> {
    let (sign, unsigned) = split_sign(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_part = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_part || whole.len() > DIGITS_MAX || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    Some(Number {
        is_negative: sign < 0,
        whole: match whole {
            "" => 0,
            whole => digits(whole)?,
        },
        fraction,
    })
}

fn unit(word: &str) -> Option<Unit> {
    let word = word.to_ascii_lowercase();
    let singular = word.strip_suffix('s').filter(|singular| singular.len() > 1);
    let known = |word: &str| {
        let found = UNITS.iter().find(|(_, names)| names.contains(&word));
        found.map(|(unit, _)| *unit)
    };
    known(&word).or_else(|| known(singular?))
}

fn verbose(text: &str) -> Option<Sum> {
    let mut tokens = tokens(text.strip_prefix('@').unwrap_or(text))?;
    let is_ago =
        matches!(tokens.last(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("ago"));
    if is_ago {
        tokens.pop();
    }
    if tokens.is_empty() {
        return None;
    }
    let mut sum = Sum::default();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Time(time) => sum.add_time(time)?,
            Token::YearMonth(text) => sum.add_year_month(text)?,
            Token::Number(number) => match tokens.peek() {
                Some(Token::Word(word)) => {
                    sum.add(number, unit(word)?)?;
                    tokens.next();
                }
                Some(Token::Time(_)) => sum.add(number, Unit::Days(1))?,
                None => sum.add(number, Unit::Micros(MICROS_PER_SECOND))?,
                Some(_) => return None,
            },
            Token::Word(_) => return None,
        }
    }
    if is_ago { sum.negated() } else { Some(sum) }
}

/// Cuts a text at spaces, and where a word follows a number.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.bytes().next() {
        let is_word = first.is_ascii_alphabetic();
        let ends = |byte: u8| match is_word {
            true => !byte.is_ascii_alphabetic(),
            false => byte.is_ascii_whitespace() || byte.is_ascii_alphabetic(),
        };
        let end = rest.bytes().position(ends).unwrap_or(rest.len());
        let (token, after) = rest.split_at_checked(end)?;
        rest = after.trim_start();
        tokens.push(match token {
            word if is_word => Token::Word(word),
            time if time.contains(':') => Token::Time(time),
            text if text.get(1..).is_some_and(|rest| rest.contains('-')) => Token::YearMonth(text),
            text => Token::Number(number(text)?),
        });
    }
    Some(tokens)
}

/// What follows the `P` of ISO 8601: numbers with letters, or `0001-02-03T04:05:06`.
fn iso_8601(text: &str) -> Option<Sum> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut sum = Sum::default();
    let is_alternative = |text: &str| !text.bytes().any(|byte| byte.is_ascii_alphabetic());
    match is_alternative(day) && !day.is_empty() {
        true => {
            let mut parts = day.splitn(3, '-');
            sum.add(number(parts.next()?)?, Unit::Months(12))?;
            sum.add(number(parts.next().unwrap_or("0"))?, Unit::Months(1))?;
            sum.add(number(parts.next().unwrap_or("0"))?, Unit::Days(1))?;
        }
        false => designated(day, DAY_LETTERS, &mut sum)?,
    }
    match time {
        Some(time) if time.contains(':') => sum.add_time(time)?,
        Some("") => return None,
        Some(time) => designated(time, TIME_LETTERS, &mut sum)?,
        None if day.is_empty() => return None,
        None => {}
    }
    Some(sum)
}

const DAY_LETTERS: &[(char, Unit)] = &[
    ('Y', Unit::Months(12)),
    ('M', Unit::Months(1)),
    ('W', Unit::Days(7)),
    ('D', Unit::Days(1)),
];
const TIME_LETTERS: &[(char, Unit)] = &[
    ('H', Unit::Micros(MICROS_PER_HOUR)),
    ('M', Unit::Micros(MICROS_PER_MINUTE)),
    ('S', Unit::Micros(MICROS_PER_SECOND)),
];

/// Adds numbers with a letter behind each.
fn designated(text: &str, letters: &[(char, Unit)], sum: &mut Sum) -> Option<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (digits, after) = rest.split_at(end);
        let letter = after.chars().next()?;
        let (_, unit) = letters.iter().find(|(known, _)| *known == letter)?;
        sum.add(number(digits)?, *unit)?;
        rest = &after[1..];
    }
    Some(())
}
