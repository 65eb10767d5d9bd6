//! Exact decimal numbers: PostgreSQL's `numeric` of up to 76 digits. What has more is an error, never
//! a rounded number.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use arrow::datatypes::i256;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// Digits behind the point that a number may have; with more nothing fits before it.
const SCALE_MAX: u32 = 60;
/// Digits that a quotient has at least, as in PostgreSQL.
const QUOTIENT_DIGITS_MIN: i64 = 16;

/// A number: so many units of 10^-scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    units: i256,
    scale: u32,
}

fn overflow() -> SheafError {
    SheafError::user("value overflows numeric format")
        .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        .with_hint("numbers have up to 76 digits in a statement about the catalogue")
}

fn ten_to(power: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(power)
}

fn scaled(units: i256, by: u32) -> Option<i256> {
    units.checked_mul(ten_to(by)?)
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self {
            units: i256::from_i128(number.into()),
            scale: 0,
        }
    }
}

impl Decimal {
    /// So many units of 10^-scale; `None` if that has too many digits.
    pub(crate) fn new(units: i256, scale: i8) -> Option<Self> {
        match u32::try_from(scale) {
            Ok(scale) => Some(Self { units, scale }),
            Err(_) => Some(Self {
                units: scaled(units, scale.unsigned_abs().into())?,
                scale: 0,
            }),
        }
    }

    /// The number that a text such as `-1.50` or `2e3` means; `None` if it means none, an infinite
    /// one, or one of too many digits.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits.strip_prefix('+').unwrap_or(digits)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_start_matches('0');
        let significant = if significant.is_empty() {
            "0"
        } else {
            significant
        };
        let units = i256::from_string(&format!("{sign}{significant}"))?;
        let places = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        if places >= 0 {
            let scale = u32::try_from(places).ok().filter(|s| *s <= SCALE_MAX)?;
            return Some(Self { units, scale });
        }
        let zeros = u32::try_from(places.checked_neg()?).ok()?;
        let units = if units == i256::ZERO {
            units
        } else {
            scaled(units, zeros)?
        };
        Some(Self { units, scale: 0 })
    }

    /// The number nearest to a float, of 15 digits as PostgreSQL reads it.
    ///
    /// # Errors
    /// `UserInput` (22003) if it is no number or has too many digits.
    pub(crate) fn of_float(number: f64) -> Result<Self> {
        let text = format!("{number:.14e}");
        let read = Self::read(&text).ok_or_else(overflow)?;
        Ok(read.trimmed())
    }

    /// The same number without zeros at the end of its fraction.
    fn trimmed(self) -> Self {
        let ten = i256::from_i128(10);
        let mut trimmed = self;
        while trimmed.scale > 0 && trimmed.units.wrapping_rem(ten) == i256::ZERO {
            trimmed.units = trimmed.units.wrapping_div(ten);
            trimmed.scale -= 1;
        }
        trimmed
    }

    /// Digits behind the point.
    pub(crate) fn scale(&self) -> u32 {
        self.scale
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.units == i256::ZERO
    }

    pub(crate) fn to_float(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The nearest whole number; halves go away from zero.
    pub(crate) fn to_int(self) -> Option<i64> {
        let whole = self.rounded(0)?;
        i64::try_from(whole.units.to_i128()?).ok()
    }

    /// Units of 10^-scale, rounded; `None` if they have more digits than 128 bits hold.
    pub(crate) fn units_at(self, scale: u32) -> Option<i128> {
        self.rounded(scale)?.units.to_i128()
    }

    /// The number with so many digits behind its point; halves go away from zero.
    pub(crate) fn rounded(self, scale: u32) -> Option<Self> {
        let units = match self.scale.checked_sub(scale) {
            None => scaled(self.units, scale - self.scale)?,
            Some(0) => self.units,
            Some(fewer) => halved_away(self.units, ten_to(fewer)?)?,
        };
        Some(Self { units, scale })
    }

    /// Both numbers in units of the finer one.
    fn aligned(self, other: Self) -> Option<(i256, i256, u32)> {
        let scale = self.scale.max(other.scale);
        Some((
            scaled(self.units, scale - self.scale)?,
            scaled(other.units, scale - other.scale)?,
            scale,
        ))
    }

    fn of(units: Option<i256>, scale: u32) -> Result<Self> {
        let units = units.ok_or_else(overflow)?;
        Ok(Self { units, scale })
    }

    /// # Errors
    /// `UserInput` (22003), as of every operation here, if the result has too many digits.
    pub(crate) fn add(self, other: Self) -> Result<Self> {
        let (a, b, scale) = self.aligned(other).ok_or_else(overflow)?;
        Self::of(a.checked_add(b), scale)
    }

    pub(crate) fn subtract(self, other: Self) -> Result<Self> {
        self.add(other.negated()?)
    }

    pub(crate) fn negated(self) -> Result<Self> {
        Self::of(self.units.checked_neg(), self.scale)
    }

    pub(crate) fn absolute(self) -> Result<Self> {
        Self::of(self.units.checked_abs(), self.scale)
    }

    pub(crate) fn multiply(self, other: Self) -> Result<Self> {
        let scale = self.scale + other.scale;
        let product = Self::of(self.units.checked_mul(other.units), scale)?;
        match scale > SCALE_MAX {
            true => Err(overflow()),
            false => Ok(product),
        }
    }

    /// The quotient, with as many digits behind its point as PostgreSQL gives it; the divisor is not 0.
    pub(crate) fn divide(self, other: Self) -> Result<Self> {
        let (weight, first) = self.weight();
        let (other_weight, other_first) = other.weight();
        let quotient_weight = weight - other_weight - i64::from(first <= other_first);
        let digits = QUOTIENT_DIGITS_MIN - quotient_weight * 4;
        let scale = u32::try_from(digits.max(0)).unwrap_or(0);
        let scale = scale.max(self.scale).max(other.scale).min(SCALE_MAX);
        // units / 10^s ÷ units' / 10^s' in units of 10^-scale.
        let up = scale + other.scale;
        let quotient = match up.checked_sub(self.scale) {
            Some(up) => {
                let numerator = scaled(self.units, up);
                numerator.and_then(|n| halved_away(n, other.units))
            }
            None => None,
        };
        Self::of(quotient, scale)
    }

    /// The place of the first digit of base 10,000, and that digit: the exponent of PostgreSQL's form.
    fn weight(self) -> (i64, i64) {
        let digits = self.units.to_string();
        let digits = digits.trim_start_matches('-');
        if self.is_zero() {
            return (0, 0);
        }
        let length = i64::try_from(digits.len()).unwrap_or(0);
        let whole = length - i64::from(self.scale);
        let weight = (whole - 1).div_euclid(4);
        let count = usize::try_from(whole - weight * 4).unwrap_or(0);
        let first = digits.get(..count.min(digits.len())).unwrap_or_default();
        let missing = u32::try_from(count.saturating_sub(digits.len())).unwrap_or(0);
        let first = first.parse::<i64>().unwrap_or(0) * 10_i64.pow(missing.min(4));
        (weight, first)
    }

    /// What is left of a division, with the sign of the number; the divisor is not 0.
    pub(crate) fn remainder(self, other: Self) -> Result<Self> {
        let (a, b, scale) = self.aligned(other).ok_or_else(overflow)?;
        Self::of(a.checked_rem(b), scale)
    }
}

/// `a / b`, rounded; halves go away from zero.
fn halved_away(a: i256, b: i256) -> Option<i256> {
    let quotient = a.checked_div(b)?;
    let rest = a.checked_rem(b)?.checked_abs()?;
    let is_half = rest >= b.checked_abs()?.checked_sub(rest)?;
    if !is_half || rest == i256::ZERO {
        return Some(quotient);
    }
    match a.is_negative() == b.is_negative() {
        true => quotient.checked_add(i256::ONE),
        false => quotient.checked_sub(i256::ONE),
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.units.to_string();
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits.as_str()),
        };
        let scale = usize::try_from(self.scale).unwrap_or(0);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((a, b, _)) => a.cmp(&b),
            // Only one of them can be so large.
            None => self.to_float().total_cmp(&other.to_float()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let trimmed = self.trimmed();
        (trimmed.units.to_le_bytes(), trimmed.scale).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    /// As PostgreSQL 18 computes them.
    #[test]
    fn numbers_are_computed_as_postgres_does() {
        let quotient = |a, b| of(a).divide(of(b)).unwrap().to_string();
        assert_eq!(quotient("10", "4"), "2.5000000000000000");
        assert_eq!(quotient("1", "3"), "0.33333333333333333333");
        assert_eq!(quotient("2", "3"), "0.66666666666666666667");
        assert_eq!(quotient("10", "3"), "3.3333333333333333");
        assert_eq!(quotient("100000000", "7"), "14285714.285714285714");
        assert_eq!(quotient("-1", "8.0"), "-0.12500000000000000000");
        assert_eq!(quotient("0.00005", "3"), "0.000016666666666666666667");
        assert_eq!(of("0.1").add(of("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(
            of("1.50").multiply(of("-2.5")).unwrap().to_string(),
            "-3.750"
        );
        assert_eq!(of("-7.5").remainder(of("2")).unwrap().to_string(), "-1.5");
        assert_eq!(of("1.5e3").to_string(), "1500");
        assert_eq!(of(".5").to_string(), "0.5");
        assert_eq!(of("-0.05").to_string(), "-0.05");
        assert_eq!(of("2.5").to_int(), Some(3));
        assert_eq!(of("-2.5").to_int(), Some(-3));
        assert_eq!(of("1.0"), of("1.000"));
        assert_eq!(Decimal::of_float(0.1).unwrap().to_string(), "0.1");
        assert!(Decimal::read("1e99").is_none());
        assert!(Decimal::read("x").is_none() && Decimal::read("").is_none());
        let large = of(&"9".repeat(70));
        assert!(large.multiply(large).is_err());
    }
}
