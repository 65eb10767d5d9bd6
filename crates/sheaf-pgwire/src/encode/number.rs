//! Numbers as PostgreSQL has them: floats in the shortest digits that read back to the same number,
//! laid out as `float8out` does; `numeric` as digits to the base 10,000.

use bytes::{BufMut, BytesMut};

use super::digits::write_padded;

/// From this power of ten on `float8` is written with an exponent.
pub(super) const FLOAT8_DIGITS: i32 = 15;
/// And `float4`.
pub(super) const FLOAT4_DIGITS: i32 = 6;
/// The least power of ten that is written without an exponent.
const EXPONENT_MIN: i32 = -4;

/// Digits that the shortest text of a float has at most.
const DIGITS_MAX: usize = 17;

/// Appends a float in PostgreSQL's text. `digits`: [`FLOAT8_DIGITS`] or [`FLOAT4_DIGITS`].
pub(super) fn write_float<T: zmij::Float + Into<f64> + Copy>(
    value: T,
    digits: i32,
    out: &mut BytesMut,
) {
    let wide: f64 = value.into();
    if !wide.is_finite() {
        out.put_slice(match wide {
            w if w.is_nan() => b"NaN",
            w if w > 0.0 => b"Infinity",
            _ => b"-Infinity",
        });
        return;
    }
    if wide.is_sign_negative() {
        out.put_u8(b'-');
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = Shortest::of(buffer.format_finite(value));
    shortest.write(digits, out);
}

/// The digits of a number without zeros at either end, `0` for zero, and the power of ten of the first.
struct Shortest {
    digits: [u8; DIGITS_MAX],
    count: usize,
    exponent: i32,
}

impl Shortest {
    /// Reads them from a text like `-12.5`, `0.001`, `1e300` or `1.5e-7`.
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut exponent: i32 = exponent.parse().unwrap_or(0);
        let mut shortest = Self {
            digits: [b'0'; DIGITS_MAX],
            count: 0,
            exponent: 0,
        };
        // Zeros at the end count only if another digit follows.
        let (mut zeros, mut is_fraction) = (0, false);
        for byte in mantissa.bytes() {
            match byte {
                b'.' => is_fraction = true,
                b'0' if shortest.count == 0 => exponent -= i32::from(is_fraction),
                b'0'..=b'9' => {
                    exponent += i32::from(!is_fraction && shortest.count + zeros > 0);
                    if byte == b'0' {
                        zeros += 1;
                        continue;
                    }
                    let at = shortest.count + zeros;
                    if let Some(place) = shortest.digits.get_mut(at) {
                        *place = byte;
                        shortest.count = at + 1;
                    }
                    // The first digit behind the point stands for a tenth.
                    exponent -= i32::from(is_fraction && at == 0);
                    zeros = 0;
                }
                _ => {}
            }
        }
        if shortest.count == 0 {
            (shortest.count, exponent) = (1, 0);
        }
        shortest.exponent = exponent;
        shortest
    }

    fn write(&self, digits_max: i32, out: &mut BytesMut) {
        let digits = self.digits.get(..self.count).unwrap_or(b"0");
        if self.exponent < EXPONENT_MIN || self.exponent >= digits_max {
            out.put_slice(&digits[..1]);
            if digits.len() > 1 {
                out.put_u8(b'.');
                out.put_slice(&digits[1..]);
            }
            out.put_slice(if self.exponent < 0 { b"e-" } else { b"e+" });
            write_padded(u64::from(self.exponent.unsigned_abs()), 2, out);
            return;
        }
        let Ok(exponent) = usize::try_from(self.exponent) else {
            out.put_slice(b"0.");
            (1..self.exponent.unsigned_abs()).for_each(|_| out.put_u8(b'0'));
            out.put_slice(digits);
            return;
        };
        let (whole, fraction) = digits.split_at(digits.len().min(exponent + 1));
        out.put_slice(whole);
        (whole.len()..=exponent).for_each(|_| out.put_u8(b'0'));
        if !fraction.is_empty() {
            out.put_u8(b'.');
            out.put_slice(fraction);
        }
    }
}

/// Appends the binary form of a number that is written in decimal digits (`-12.50`).
///
/// Header of four 16-bit numbers (digits, weight of the first, sign, digits after the point shown),
/// then digits to the base 10,000 without zeros at either end.
pub(super) fn write_numeric(text: &str, out: &mut BytesMut) {
    const NEGATIVE: u16 = 0x4000;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let groups = whole.len().div_ceil(4) + fraction.len().div_ceil(4);
    let mut numbers: Vec<i16> = Vec::with_capacity(groups);
    let first = whole.len() % 4;
    let mut push = |group: &str, scale: u32| {
        numbers.push(group.parse::<i16>().unwrap_or(0) * 10_i16.pow(scale));
    };
    if first > 0 {
        push(&whole[..first], 0);
    }
    for start in (first..whole.len()).step_by(4) {
        push(&whole[start..start + 4], 0);
    }
    for start in (0..fraction.len()).step_by(4) {
        let group = &fraction[start..fraction.len().min(start + 4)];
        push(group, 4 - u32::try_from(group.len()).unwrap_or(4));
    }
    let zeros = numbers.iter().take_while(|number| **number == 0).count();
    let significant = numbers
        .iter()
        .rposition(|number| *number != 0)
        .map_or(0, |last| last + 1);
    let shown = numbers.get(zeros..significant).unwrap_or_default();
    let to_i16 = |count: usize| i16::try_from(count).unwrap_or(i16::MAX);
    let weight = match shown.is_empty() {
        true => 0,
        false => to_i16(whole.len().div_ceil(4)) - 1 - to_i16(zeros),
    };
    out.put_i16(to_i16(shown.len()));
    out.put_i16(weight);
    out.put_u16(if is_negative && !shown.is_empty() {
        NEGATIVE
    } else {
        0
    });
    out.put_i16(to_i16(fraction.len()));
    shown.iter().for_each(|number| out.put_i16(*number));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float8(value: f64) -> String {
        let mut out = BytesMut::new();
        write_float(value, FLOAT8_DIGITS, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// Beside Rust's own shortest digits, over all powers of ten and numbers of every length.
    #[test]
    fn floats_have_the_shortest_digits() {
        let mut bits = 1_u64;
        for round in 0..20_000 {
            bits = bits
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(round);
            let small = u32::try_from(bits >> 40).unwrap();
            for value in [
                f64::from_bits(bits),
                f64::from(small) / 64.0,
                f64::from(small),
            ] {
                if value.is_finite() {
                    let text = float8(value);
                    assert_eq!(
                        text.parse::<f64>().unwrap().to_bits(),
                        value.to_bits(),
                        "{text}"
                    );
                    let digits = |text: &str| {
                        let mantissa = text.split('e').next().unwrap_or_default();
                        let digits: String =
                            mantissa.chars().filter(char::is_ascii_digit).collect();
                        digits.trim_matches('0').len()
                    };
                    assert_eq!(digits(&text), digits(&format!("{value:e}")), "{text}");
                }
            }
        }
    }

    /// What PostgreSQL 18 writes.
    #[test]
    fn floats_are_laid_out_as_postgres_does() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100.0, "100"),
            (120.5, "120.5"),
            (0.1, "0.1"),
            (0.001_02, "0.00102"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float8(value), text);
        }
    }
}
