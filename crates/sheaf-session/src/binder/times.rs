//! Literals of times in the forms of PostgreSQL that the engine does not read: a clock in an interval
//! (`INTERVAL '1 day 04:05:06'`), and a timestamp that ends with the minutes.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, DataType, Expr, Value, VisitorMut};
use sheaf_sql::walk::WalkMut;

/// Writes such literals out.
pub(super) fn complete(tree: &mut impl WalkMut) {
    let _ = tree.walk_mut(&mut Completer);
}

struct Completer;

impl VisitorMut for Completer {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Interval(interval) if interval.leading_field.is_none() => {
                if let Expr::Value(value) = interval.value.as_mut() {
                    rewrite(&mut value.value, with_units);
                }
            }
            Expr::Cast {
                expr, data_type, ..
            } => {
                if let (Expr::Value(value), Some(complete)) = (expr.as_mut(), form_of(data_type)) {
                    rewrite(&mut value.value, complete);
                }
            }
            Expr::TypedString(typed) => {
                if let Some(complete) = form_of(&typed.data_type) {
                    rewrite(&mut typed.value.value, complete);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

type Complete = fn(&str) -> Option<String>;

fn form_of(data_type: &ast::DataType) -> Option<Complete> {
    match data_type {
        DataType::Interval { .. } => Some(with_units),
        DataType::Timestamp(..) | DataType::TimestampNtz(_) | DataType::Datetime(_) => {
            Some(with_seconds)
        }
        _ => None,
    }
}

fn rewrite(value: &mut Value, complete: Complete) {
    if let Value::SingleQuotedString(text) = value
        && let Some(completed) = complete(text)
    {
        *text = completed;
    }
}

/// An interval whose clock is written out in units; a number before it is days.
fn with_units(text: &str) -> Option<String> {
    if !text.contains(':') {
        return None;
    }
    let mut words: Vec<String> = vec![];
    let mut parts = text.split_whitespace().peekable();
    while let Some(part) = parts.next() {
        match clock(part) {
            Some(units) => words.push(units),
            None => words.push(part.to_owned()),
        }
        let is_clock_next = parts.peek().is_some_and(|next| next.contains(':'));
        if is_clock_next && part.parse::<i64>().is_ok() {
            words.push("days".to_owned());
        }
    }
    Some(words.join(" "))
}

/// `[±]h:mm[:ss[.f]]` in units.
fn clock(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split(':');
    let (hours, minutes) = (parts.next()?, parts.next()?);
    let seconds = parts.next().unwrap_or("0");
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let are_numbers = [hours, minutes, whole, fraction].into_iter().all(is_number);
    let is_in_range = |part: &str| part.parse::<u8>().is_ok_and(|part| part < 60);
    (parts.next().is_none() && are_numbers && is_in_range(minutes) && is_in_range(whole)).then(
        || format!("{sign}{hours} hours {sign}{minutes} minutes {sign}{whole}.{fraction} seconds"),
    )
}

/// A timestamp `yyyy-mm-dd hh:mm`, with what follows, with seconds.
fn with_seconds(text: &str) -> Option<String> {
    const END: usize = "yyyy-mm-dd hh:mm".len();
    let text = text.trim();
    let (start, zone) = text.split_at_checked(END)?;
    let is_made_so = start.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b' ' | b'T'),
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let has_seconds = zone.starts_with(':') || zone.starts_with(|c: char| c.is_ascii_digit());
    (is_made_so && !has_seconds).then(|| format!("{start}:00{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_written_out() {
        for (text, units) in [
            (
                "3 days 04:05:06.789",
                "3 days 04 hours 05 minutes 06.789 seconds",
            ),
            ("-1:30", "-1 hours -30 minutes -0.0 seconds"),
            ("2 100:00:01", "2 days 100 hours 00 minutes 01.0 seconds"),
        ] {
            assert_eq!(with_units(text).as_deref(), Some(units));
        }
        assert_eq!(with_units("1 day"), None);
        assert_eq!(
            with_units("1:99").as_deref(),
            Some("1:99"),
            "the engine refuses it"
        );
    }

    #[test]
    fn minutes_get_seconds() {
        let seconds = |text| with_seconds(text).unwrap_or_default();
        assert_eq!(seconds("2024-03-01 12:00"), "2024-03-01 12:00:00");
        assert_eq!(seconds("2024-03-01T12:00+01"), "2024-03-01T12:00:00+01");
        assert_eq!(seconds("2024-03-01 12:00:01"), "");
        assert_eq!(seconds("2024-03-01"), "");
        assert_eq!(seconds("ääääääääääää"), "");
    }
}
