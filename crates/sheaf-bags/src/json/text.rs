//! Texts in JSON: escapes, read and written.

use std::borrow::Cow;
use std::fmt::Write;

use super::scan::FaultKind;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Bytes of long texts that are looked at together: what a register of the processor holds.
const BLOCK_BYTES: usize = 32;

/// Whether a byte of `block` ends or interrupts a text.
#[inline]
pub(super) fn has_special(block: &[u8; BLOCK_BYTES]) -> bool {
    let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
    // Of all, whatever the first ones are: so it takes a few instructions.
    block.iter().fold(false, |any, byte| any | special(byte))
}

/// Marks (in the high bit of each byte) the first byte of `word` that ends or interrupts a text: a
/// quote, a backslash, a control character. Bytes above the first mark may be marked wrongly.
#[inline]
pub(super) fn special_bytes(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (quote | backslash | control) & HIGHS
}

/// Where the escape ends that begins with the backslash at `at`.
pub(super) fn escape_end(bytes: &[u8], at: usize) -> Result<usize, FaultKind> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let first = unit(bytes, at)?;
            match first {
                0xd800..=0xdbff => match unit(bytes, at + 6) {
                    Ok(0xdc00..=0xdfff) => Ok(at + 12),
                    _ => Err(FaultKind::Surrogate),
                },
                0xdc00..=0xdfff => Err(FaultKind::Surrogate),
                _ => Ok(at + 6),
            }
        }
        Some(_) => Err(FaultKind::Escape),
        None => Err(FaultKind::Expected("'\"'", None)),
    }
}

/// The number of `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Result<u32, FaultKind> {
    let Some([b'\\', b'u', digits @ ..]) = bytes.get(at..at + 6) else {
        return Err(FaultKind::Escape);
    };
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16);
        digit
            .map(|digit| unit * 16 + digit)
            .ok_or(FaultKind::Escape)
    })
}

/// A checked JSON text without its quotes.
#[must_use]
pub fn unquoted(raw: &str) -> &str {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The text that `raw` (a checked JSON text without its quotes) stands for.
#[must_use]
pub fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let (character, length) = decode_escape(escaped);
        decoded.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character of an escape, from behind its backslash, and the bytes it takes.
fn decode_escape(escaped: &str) -> (char, usize) {
    let hex = |from: usize| {
        let digits = escaped.get(from..from + 4).unwrap_or_default();
        u32::from_str_radix(digits, 16).unwrap_or(0xfffd)
    };
    match escaped.as_bytes().first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => match hex(1) {
            high @ 0xd800..=0xdbff => {
                let low = hex(7).wrapping_sub(0xdc00) & 0x3ff;
                let code = 0x10000 + ((high - 0xd800) << 10) + low;
                (char::from_u32(code).unwrap_or('\u{fffd}'), 11)
            }
            code => (char::from_u32(code).unwrap_or('\u{fffd}'), 5),
        },
        Some(byte) => (char::from(*byte), 1),
        None => ('\\', 0),
    }
}

/// Appends `text` as JSON: quotes around it, and as few escapes as there can be.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + 1;
        if escape.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}
