//! Whole numbers as text, two digits at a time into the output: rows have many of them.

use bytes::{BufMut, BytesMut};

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Digits of the largest number.
const DIGITS_MAX: usize = 20;

/// Appends a number.
pub(super) fn write_integer(value: i64, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    write_padded(value.unsigned_abs(), 1, out);
}

/// Appends a number with zeros before it, up to `width` digits (at most 20).
pub(super) fn write_padded(value: u64, width: usize, out: &mut BytesMut) {
    let mut digits = [b'0'; DIGITS_MAX];
    let (mut rest, mut start) = (value, DIGITS_MAX);
    while rest >= 100 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(pair(rest % 100));
        rest /= 100;
    }
    if rest >= 10 {
        start -= 2;
        digits[start..start + 2].copy_from_slice(pair(rest));
    } else if rest > 0 || start == DIGITS_MAX {
        start -= 1;
        digits[start..=start].copy_from_slice(&pair(rest)[1..]);
    }
    let start = start.min(DIGITS_MAX.saturating_sub(width));
    out.put_slice(&digits[start..]);
}

/// The two digits of a number below 100.
pub(super) fn pair(number: u64) -> &'static [u8] {
    let at = usize::try_from(number).unwrap_or(0) * 2;
    PAIRS.get(at..at + 2).unwrap_or(b"??")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        let edges = [
            0,
            1,
            9,
            10,
            99,
            100,
            101,
            999,
            1_000,
            12_345,
            i64::MAX,
            i64::MIN,
            -1,
            -10,
        ];
        let powers = (0..19).flat_map(|power| [10_i64.pow(power), 10_i64.pow(power) - 1]);
        for number in edges.into_iter().chain(powers) {
            let mut out = BytesMut::new();
            write_integer(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
        for (number, width) in [
            (0, 2),
            (7, 2),
            (42, 4),
            (12_345, 2),
            (u64::MAX, 20),
            (5, 20),
        ] {
            let mut out = BytesMut::new();
            write_padded(number, width, &mut out);
            assert_eq!(out, format!("{number:0width$}").as_bytes());
        }
    }
}
