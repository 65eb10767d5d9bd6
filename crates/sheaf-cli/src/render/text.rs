//! Text on a terminal: its width in columns, its escapes, and how it is shortened.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text with control characters and characters that turn the writing direction made visible
/// (`\n`, `\t`, `\x1b`, `\u{202e}`), so that a value can neither break a box nor drive the
/// terminal.
pub(crate) fn escape(text: &str) -> String {
    if !text.chars().any(must_escape) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !must_escape(c) => out.push(c),
            c if c.is_ascii() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    out
}

fn must_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// At most `width_max` columns of `text`; what is cut off is marked by `…`.
pub(crate) fn shorten(text: &str, width_max: usize) -> String {
    if text.len() <= width_max || width(text) <= width_max {
        return text.to_owned();
    }
    if width_max == 0 {
        return String::new();
    }
    let mut used = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width_max - 1 {
            break;
        }
        end = at + c.len_utf8();
    }
    let mut out = text[..end].to_owned();
    out.push('…');
    out
}

/// Appends `text` and the spaces that fill it up to `columns`.
pub(crate) fn pad(text: &str, columns: usize, right: bool, out: &mut String) {
    let blanks = columns.saturating_sub(width(text));
    if right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
    out.push_str(text);
    if !right {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
}

/// `1 row`, `5 rows`, `80,000 rows`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", sheaf::RowCount(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_by_their_width() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("桃桃桃", 4), "桃…");
        assert_eq!(shorten("abc", 1), "…");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(80_000, "row"), "80,000 rows");
    }
}
