//! Exact decimals out of texts, rounded half away from zero as SQL has it. (Arrow's parser cuts
//! digits off.)

use arrow::array::ArrowNativeTypeOp;
use arrow::array::types::DecimalType;
use arrow::datatypes::ArrowNativeType;

/// Digits that an exponent may have.
const EXPONENT_DIGITS_MAX: usize = 4;

/// The decimal that `text` stands for, times ten to the power of `scale`; `None` if it is no number
/// or has more than `precision` digits.
pub(super) fn parse_decimal<T: DecimalType>(
    text: &str,
    precision: u8,
    scale: i8,
) -> Option<T::Native> {
    let (is_negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    if !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // How many digits, from the first, stand before the one that rounds.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let ten = T::Native::usize_as(10);
    let mut value = T::Native::usize_as(0);
    let mut significant = 0_u8;
    let mut at = 0_i64;
    let mut all = digits();
    while at < kept {
        let digit = all.next();
        // Zeros beyond the last digit: of nothing there is still nothing.
        if digit.is_none() && significant == 0 {
            break;
        }
        let digit = digit.unwrap_or(b'0') - b'0';
        if significant > 0 || digit > 0 {
            significant += 1;
            if significant > precision {
                return None;
            }
            let digit = T::Native::usize_as(usize::from(digit));
            value = value.mul_checked(ten).ok()?.add_checked(digit).ok()?;
        }
        at += 1;
    }
    let rounds_up = kept >= 0 && all.next().is_some_and(|digit| digit >= b'5');
    if rounds_up {
        value = value.add_checked(T::Native::usize_as(1)).ok()?;
        T::validate_decimal_precision(value, precision, scale).ok()?;
    }
    match is_negative {
        true => value.neg_checked().ok(),
        false => Some(value),
    }
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    match is_number && digits.len() <= EXPONENT_DIGITS_MAX {
        true => text.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::types::Decimal128Type;

    use super::parse_decimal;

    #[test]
    fn decimals_are_exact_and_rounded() {
        let long = format!("0.{}5", "0".repeat(400));
        for (text, value) in [
            ("1.5", Some(150)),
            ("-1.005", Some(-101)),
            ("1.004", Some(100)),
            (".5", Some(50)),
            ("7.", Some(700)),
            ("1e2", Some(10_000)),
            ("12345e-4", Some(123)),
            ("0.004", Some(0)),
            ("0.005", Some(1)),
            ("5e-4", Some(0)),
            ("0e999", Some(0)),
            (&long, Some(0)),
            ("999.99", Some(99_999)),
            ("999.995", None),
            ("1000", None),
            ("1e9999", None),
            ("1e99999", None),
            ("", None),
            ("-", None),
            (".", None),
            ("1.2.3", None),
            ("1,5", None),
            ("abc", None),
            ("1e", None),
        ] {
            assert_eq!(parse_decimal::<Decimal128Type>(text, 5, 2), value, "{text}");
        }
    }
}
