//! How numbers, dates, timestamps and NULL are written in text files, where it is not the usual way.
//!
//! A value in such a notation is brought into the plain one (`1234.5`, `2026-01-31`), which the
//! parsers know; detecting types and reading values both go this way, so what is detected can be
//! read. CSV has values of all kinds in a notation, JSON those in quotes.

use std::borrow::Cow;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use sheaf_base::Result;

use crate::request::bad_option;

/// A notation of values; the default is the plain one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notation {
    /// What stands before decimals, if no point does.
    pub(crate) decimal: Option<u8>,
    /// What may stand between groups of three digits.
    pub(crate) thousands: Option<u8>,
    /// Format of dates, as of `strptime`.
    pub(crate) date_format: Option<String>,
    /// Format of timestamps.
    pub(crate) timestamp_format: Option<String>,
    /// Texts that mean NULL.
    pub(crate) nulls: Vec<String>,
}

impl Notation {
    /// Whether everything is written the usual way.
    pub(crate) fn is_plain(&self) -> bool {
        self.has_plain_values() && self.nulls.is_empty()
    }

    /// Whether values other than NULL are written the usual way.
    pub(crate) fn has_plain_values(&self) -> bool {
        let has_formats = self.date_format.is_some() || self.timestamp_format.is_some();
        self.has_plain_numbers() && !has_formats
    }

    /// Whether numbers are written the usual way.
    pub(crate) fn has_plain_numbers(&self) -> bool {
        self.decimal.is_none() && self.thousands.is_none()
    }

    /// Whether `text` is one of those that mean NULL.
    pub(crate) fn means_null(&self, text: &str) -> bool {
        self.nulls.iter().any(|null| null == text)
    }

    /// Checks that the two separators differ.
    ///
    /// # Errors
    /// `UserInput` if they do not.
    pub(crate) fn check(&self) -> Result<()> {
        match self.thousands {
            Some(thousands) if thousands == self.decimal.unwrap_or(b'.') => Err(bad_option(
                "thousands",
                "another character than decimal_separator",
            )),
            _ => Ok(()),
        }
    }

    /// A number in plain notation; `None` if `text` is none in this one.
    pub(crate) fn number<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if self.has_plain_numbers() {
            return Some(Cow::Borrowed(text));
        }
        let decimal = self.decimal.unwrap_or(b'.');
        let whole_end = text
            .bytes()
            .position(|byte| byte == decimal || matches!(byte, b'e' | b'E'))
            .unwrap_or(text.len());
        let (whole, rest) = (text.get(..whole_end)?, text.get(whole_end..)?);
        let mut plain = match self.thousands {
            Some(thousands) => ungrouped(whole, thousands)?,
            None => whole.to_owned(),
        };
        // A point that separates nothing here would be taken for that of decimals.
        if decimal != b'.' && (plain.contains('.') || rest.contains('.')) {
            return None;
        }
        match rest.as_bytes().first() {
            Some(first) if *first == decimal => {
                plain.push('.');
                plain.push_str(rest.get(1..)?);
            }
            _ => plain.push_str(rest),
        }
        Some(Cow::Owned(plain))
    }

    /// A date in plain notation; `None` if `text` is none in this one.
    pub(crate) fn date<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        match &self.date_format {
            None => Some(Cow::Borrowed(text)),
            Some(format) => {
                let date = NaiveDate::parse_from_str(text, format).ok()?;
                Some(Cow::Owned(date.to_string()))
            }
        }
    }

    /// A timestamp in plain notation; `None` if `text` is none in this one.
    pub(crate) fn timestamp<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let Some(format) = &self.timestamp_format else {
            return Some(Cow::Borrowed(text));
        };
        if let Ok(zoned) = DateTime::parse_from_str(text, format) {
            return Some(Cow::Owned(zoned.to_rfc3339()));
        }
        let local = match NaiveDateTime::parse_from_str(text, format) {
            Ok(local) => local,
            Err(_) => NaiveDate::parse_from_str(text, format)
                .ok()?
                .and_hms_opt(0, 0, 0)?,
        };
        Some(Cow::Owned(local.format("%Y-%m-%d %H:%M:%S%.f").to_string()))
    }
}

/// The digits of `whole` without separators, which must stand between groups of three.
fn ungrouped(whole: &str, separator: u8) -> Option<String> {
    let separator = char::from(separator);
    if !whole.contains(separator) {
        return Some(whole.to_owned());
    }
    let is_group = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(separator);
    let first = groups.next()?;
    let digits = first.strip_prefix(['-', '+']).unwrap_or(first);
    let mut plain = first.to_owned();
    let fits = (1..=3).contains(&digits.len()) && is_group(digits);
    for group in groups {
        if group.len() != 3 || !is_group(group) {
            return None;
        }
        plain.push_str(group);
    }
    fits.then_some(plain)
}

/// Reads a format of dates or timestamps.
///
/// # Errors
/// `UserInput` if it has a specifier that is none.
pub(crate) fn read_format(name: &str, format: String) -> Result<String> {
    match StrftimeItems::new(&format).any(|item| matches!(item, Item::Error)) {
        true => Err(bad_option(
            name,
            "a format as of strptime, such as '%d.%m.%Y' or '%d/%m/%Y %H:%M:%S'",
        )),
        false => Ok(format),
    }
}

#[cfg(test)]
mod tests {
    use super::Notation;

    #[test]
    fn numbers_are_grouped_by_three() {
        let notation = Notation {
            decimal: Some(b','),
            thousands: Some(b'.'),
            ..Notation::default()
        };
        for (text, plain) in [
            ("1.234.567,5", Some("1234567.5")),
            ("-12,5", Some("-12.5")),
            ("1234", Some("1234")),
            ("1.234e3", Some("1234e3")),
            ("1.5", None),
            ("1234.567", None),
            ("1..234", None),
            (".234", None),
            ("1,5.0", None),
            ("", Some("")),
        ] {
            assert_eq!(notation.number(text).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn formats_of_dates_and_timestamps() {
        let notation = Notation {
            date_format: Some("%d.%m.%Y".to_owned()),
            timestamp_format: Some("%d/%m/%Y %H:%M".to_owned()),
            ..Notation::default()
        };
        assert_eq!(notation.date("31.12.2026").as_deref(), Some("2026-12-31"));
        assert_eq!(notation.date("2026-12-31"), None);
        assert_eq!(
            notation.timestamp("01/02/2026 03:04").as_deref(),
            Some("2026-02-01 03:04:00")
        );
        assert_eq!(notation.timestamp("32/02/2026 03:04"), None);
    }
}
