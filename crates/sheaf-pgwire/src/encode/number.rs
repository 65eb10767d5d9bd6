//! Numbers as PostgreSQL has them: floats in the shortest digits that read back to the same number,
//! laid out as `float8out` does; `numeric` as digits to the base 10,000.

use std::fmt::{LowerExp, Write};

use bytes::{BufMut, BytesMut};

/// From this power of ten on `float8` is written with an exponent.
pub(super) const FLOAT8_DIGITS: i32 = 15;
/// And `float4`.
pub(super) const FLOAT4_DIGITS: i32 = 6;
/// The least power of ten that is written without an exponent.
const EXPONENT_MIN: i32 = -4;

/// Appends a float in PostgreSQL's text. `digits`: [`FLOAT8_DIGITS`] or [`FLOAT4_DIGITS`].
pub(super) fn write_float<T: LowerExp + Into<f64> + Copy>(
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
    // Rust writes the shortest digits too: `-1.25e-7`.
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < EXPONENT_MIN || exponent >= digits {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
        return;
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    out.put_slice(sign.as_bytes());
    let significant: String = mantissa.chars().filter(|c| *c != '.').collect();
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let whole = exponent + 1;
            for index in 0..whole.max(significant.len()) {
                if index == whole {
                    out.put_u8(b'.');
                }
                out.put_u8(significant.as_bytes().get(index).copied().unwrap_or(b'0'));
            }
        }
        Err(_) => {
            out.put_slice(b"0.");
            (1..exponent.unsigned_abs()).for_each(|_| out.put_u8(b'0'));
            out.put_slice(significant.as_bytes());
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
