//! Numbers in JSON, exact: their decimal digits and where the point stands.

use std::borrow::Cow;

/// Numbers of up to so many digits before the point are written without an exponent.
const PLAIN_DIGITS_MAX: i64 = 21;

/// Zeros behind the point up to which small numbers are written without an exponent.
const PLAIN_ZEROS_MAX: i64 = 5;

/// A number as `0.digits × 10^point`, its digits without zeros on either side; none for zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal<'a> {
    /// Whether it is below zero.
    pub is_negative: bool,
    /// ASCII digits.
    pub digits: Cow<'a, str>,
    /// Digits before the point; negative for zeros behind it.
    pub point: i64,
}

impl<'a> Decimal<'a> {
    /// Reads a checked JSON number.
    #[must_use]
    pub fn parse(raw: &'a str) -> Self {
        let (is_negative, raw) = match raw.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
        let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(0);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = match (whole.trim_start_matches('0'), fraction) {
            (whole, "") => Cow::Borrowed(whole),
            ("", fraction) => Cow::Borrowed(fraction),
            (whole, fraction) => Cow::Owned(format!("{whole}{fraction}")),
        };
        let whole_digits = digits.len() as i64 - fraction.len() as i64;
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let kept = digits.trim_end_matches('0').len().max(leading);
        digits = match digits {
            Cow::Borrowed(digits) => Cow::Borrowed(digits.get(leading..kept).unwrap_or_default()),
            Cow::Owned(digits) => {
                Cow::Owned(digits.get(leading..kept).unwrap_or_default().to_owned())
            }
        };
        if digits.is_empty() {
            return Self {
                is_negative: false,
                digits: Cow::Borrowed(""),
                point: 0,
            };
        }
        Self {
            is_negative,
            digits,
            point: whole_digits - leading as i64 + exponent,
        }
    }

    /// The number times `10^scale`, rounded half away from zero; `None` if it has over 38 digits.
    #[must_use]
    pub fn scaled(&self, scale: i64) -> Option<i128> {
        let kept = self.point.checked_add(scale)?;
        if self.digits.is_empty() || kept < 0 {
            return Some(0);
        }
        let kept = usize::try_from(kept).ok().filter(|kept| *kept <= 38)?;
        let digits = self.digits.as_bytes();
        let digit = |at: usize| i128::from(digits.get(at).map_or(0, |digit| digit - b'0'));
        let mut number = (0..kept).fold(0_i128, |number, at| number * 10 + digit(at));
        if digit(kept) >= 5 {
            number += 1;
        }
        Some(if self.is_negative { -number } else { number })
    }
}

/// Appends a checked JSON number in the one form that all equal ones have.
pub fn write_number(raw: &str, out: &mut String) {
    if is_normal(raw) {
        out.push_str(raw);
        return;
    }
    let Decimal {
        is_negative,
        digits,
        point,
    } = Decimal::parse(raw);
    if digits.is_empty() {
        out.push('0');
        return;
    }
    if is_negative {
        out.push('-');
    }
    let count = digits.len() as i64;
    let zeros = |out: &mut String, count: i64| (0..count).for_each(|_| out.push('0'));
    match usize::try_from(point) {
        Ok(whole) if (1..=PLAIN_DIGITS_MAX).contains(&point) => {
            if point >= count {
                out.push_str(&digits);
                zeros(out, point - count);
            } else {
                let (before, behind) = digits.split_at(whole);
                out.push_str(before);
                out.push('.');
                out.push_str(behind);
            }
        }
        _ if (-PLAIN_ZEROS_MAX..=0).contains(&point) => {
            out.push_str("0.");
            zeros(out, -point);
            out.push_str(&digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            let exponent = point - 1;
            out.push_str(if exponent < 0 { "e" } else { "e+" });
            out.push_str(&exponent.to_string());
        }
    }
}

/// Whether a number is surely in its normal form: a short whole number, or one with a point and no
/// zero at its end. Others may be, too.
fn is_normal(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if unsigned.len() > 17 || unsigned.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return false;
    }
    if unsigned.contains(&b'.') {
        return unsigned.first() != Some(&b'0') && unsigned.last() != Some(&b'0');
    }
    bytes != b"-0"
}

#[cfg(test)]
mod tests {
    use super::{Decimal, write_number};

    fn normal(raw: &str) -> String {
        let mut out = String::new();
        write_number(raw, &mut out);
        out
    }

    #[test]
    fn equal_numbers_have_one_form() {
        for (raw, wanted) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e5", "0"),
            ("1", "1"),
            ("1.0", "1"),
            ("10e-1", "1"),
            ("-1.50", "-1.5"),
            ("100", "100"),
            ("1e2", "100"),
            ("0.5", "0.5"),
            ("5e-1", "0.5"),
            ("0.0012", "0.0012"),
            ("12e-4", "0.0012"),
            ("0.00000012", "1.2e-7"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            (
                "123456789012345678901234567890",
                "1.2345678901234567890123456789e+29",
            ),
            ("1.5e300", "1.5e+300"),
            ("12345.678", "12345.678"),
            ("10.01", "10.01"),
        ] {
            assert_eq!(normal(raw), wanted, "{raw}");
            assert_eq!(normal(wanted), wanted, "{raw} again");
        }
    }

    #[test]
    fn scaled_numbers_round_half_away_from_zero() {
        for (raw, scale, wanted) in [
            ("1.5", 0, Some(2)),
            ("-1.5", 0, Some(-2)),
            ("1.49999", 0, Some(1)),
            ("0.5", 0, Some(1)),
            ("0.05", 0, Some(0)),
            ("12.345", 2, Some(1235)),
            ("1e3", 0, Some(1000)),
            ("9223372036854775807", 0, Some(9_223_372_036_854_775_807)),
            ("1e38", 0, None),
            ("1e-400000", 5, Some(0)),
        ] {
            assert_eq!(Decimal::parse(raw).scaled(scale), wanted, "{raw}");
        }
    }
}
