//! Units as users write and read them: byte counts, row counts, durations.
//!
//! One place decides how `4GB`, `1.5 MiB`, `30s` are read and how they are printed, so that a
//! setting, an error and a progress bar never disagree. Knows nothing of settings or queries.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Result, SheafError};

/// Bytes that one value may have, as in PostgreSQL.
pub const VALUE_BYTES_MAX: usize = (1 << 30) - 1;

/// A number of bytes. Decimal suffixes (`KB`, `MB`, `GB`, `TB`) are powers of 1000, binary ones
/// (`KiB`, `MiB`, `GiB`, `TiB`) powers of 1024, as the IEC defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteCount(pub u64);

/// Suffix in lower case, and the bytes one of it stands for.
const BYTE_SUFFIXES: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];

impl ByteCount {
    /// The count as `usize`, capped where the platform's `usize` is smaller.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<usize> for ByteCount {
    fn from(bytes: usize) -> Self {
        Self(bytes as u64)
    }
}

impl FromStr for ByteCount {
    type Err = SheafError;

    fn from_str(text: &str) -> Result<Self> {
        let (number, suffix) = split_number(text);
        let scale = BYTE_SUFFIXES
            .iter()
            .find(|(name, _)| suffix.eq_ignore_ascii_case(name))
            .map(|(_, scale)| *scale);
        match (number.parse::<f64>(), scale) {
            (Ok(value), Some(scale)) if value.is_finite() && value >= 0.0 => {
                Ok(Self(saturating_u64(value * scale as f64)))
            }
            _ => Err(
                SheafError::user(format!("\"{text}\" is not a number of bytes"))
                    .with_hint("write a number and a unit, for example 512MB, 1.5GiB or 4GB"),
            ),
        }
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0 as f64;
        let (scale, unit) = match self.0 {
            0..1_000 => return write!(f, "{} B", self.0),
            1_000..1_000_000 => (1e3, "kB"),
            1_000_000..1_000_000_000 => (1e6, "MB"),
            1_000_000_000..1_000_000_000_000 => (1e9, "GB"),
            _ => (1e12, "TB"),
        };
        let scaled = value / scale;
        if scaled < 10.0 {
            write!(f, "{scaled:.2} {unit}")
        } else if scaled < 100.0 {
            write!(f, "{scaled:.1} {unit}")
        } else {
            write!(f, "{scaled:.0} {unit}")
        }
    }
}

/// A number of rows, printed with thousands separated (`1,234,567`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RowCount(pub u64);

impl fmt::Display for RowCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut out = String::with_capacity(digits.len() * 4 / 3);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        f.pad(&out)
    }
}

/// Suffix in lower case, and the seconds one of it stands for.
const DURATION_SUFFIXES: &[(&str, f64)] = &[
    ("", 1e-3), // Postgres reads a bare number of `statement_timeout` as milliseconds
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
];

/// Reads a duration as Postgres reads `statement_timeout`: `500ms`, `30s`, `5min`, or a bare
/// number of milliseconds.
///
/// # Errors
/// `UserInput` if the text is no such duration.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let (number, suffix) = split_number(text);
    let scale = DURATION_SUFFIXES
        .iter()
        .find(|(name, _)| suffix.eq_ignore_ascii_case(name))
        .map(|(_, scale)| *scale);
    number
        .parse::<f64>()
        .ok()
        .zip(scale)
        .and_then(|(value, scale)| Duration::try_from_secs_f64(value * scale).ok())
        .ok_or_else(|| {
            SheafError::user(format!("\"{text}\" is not a duration"))
                .with_hint("write a number and a unit, for example 500ms, 30s or 5min")
        })
}

/// Prints a duration for people: `12 ms`, `3.45 s`, `2 min 5 s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", (seconds * 1e3).ceil())
    } else if seconds < 100.0 {
        format!("{seconds:.2} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// Splits `"1.5 GiB"` into `("1.5", "GiB")`.
fn split_number(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    (number, suffix.trim())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and the caller has refused negative numbers"
)]
fn saturating_u64(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_read_decimal_and_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("500MB", 500_000_000),
            ("1.5 GiB", 3 << 29),
            ("4gb", 4_000_000_000),
            ("64KiB", 65_536),
        ] {
            assert_eq!(
                text.parse::<ByteCount>().unwrap(),
                ByteCount(bytes),
                "{text}"
            );
        }
        for text in ["", "GB", "-1MB", "1 parsec", "1e5MB", "1.2.3"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
    }

    #[test]
    fn byte_counts_print_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.00 kB"),
            (12_340_000, "12.3 MB"),
            (500_000_000, "500 MB"),
            (10_000_000_000, "10.0 GB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
    }

    #[test]
    fn row_counts_separate_thousands() {
        for (rows, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(RowCount(rows).to_string(), text);
        }
    }

    #[test]
    fn durations_follow_postgres() {
        assert_eq!(parse_duration("250").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(parse_duration("5 min").unwrap(), Duration::from_secs(300));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("").is_err());
    }
}
