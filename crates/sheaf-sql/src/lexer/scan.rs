//! Text to lexemes that cover it without gaps.

use std::ops::Range;

use crate::dialect::{is_name_part, is_name_start};

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LexemeKind {
    /// White space.
    Space,
    /// `-- …` or `/* … */`.
    Comment,
    /// An unquoted name or keyword.
    Word,
    /// `"…"`.
    QuotedName,
    /// `'…'`, with a prefix or without, or `$tag$…$tag$`.
    String,
    /// A number.
    Number,
    /// `$1`, `?`.
    Parameter,
    /// `;`
    Semicolon,
    /// `( ) [ ] { } , .`: one character.
    Punctuation,
    /// Any other character.
    Operator,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) kind: LexemeKind,
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    /// False for a string, quoted name or comment that the text's end cuts off.
    pub(super) is_closed: bool,
}

/// All lexemes of `text`, in order, without gaps.
pub(super) fn scan(text: &str) -> impl Iterator<Item = Lexeme> {
    scan_from(text, 0)
}

/// The lexemes of `text` from byte `at` on, where one starts.
pub(super) fn scan_from(text: &str, mut at: usize) -> impl Iterator<Item = Lexeme> {
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        let (kind, length, is_closed) = lexeme(rest, first, text[..at].chars().next_back());
        let start = at;
        at += length.clamp(first.len_utf8(), rest.len());
        Some(Lexeme {
            kind,
            range: start..at,
            is_closed,
        })
    })
}

/// Kind, length in bytes and completeness of the lexeme at the start of `rest`.
fn lexeme(rest: &str, first: char, before: Option<char>) -> (LexemeKind, usize, bool) {
    let open = |kind, end: Option<usize>| match end {
        Some(length) => (kind, length, true),
        None => (kind, rest.len(), false),
    };
    let closed = |kind, length| (kind, length, true);
    match first {
        ch if ch.is_whitespace() => {
            closed(LexemeKind::Space, while_chars(rest, char::is_whitespace))
        }
        '-' if rest.starts_with("--") => {
            closed(LexemeKind::Comment, rest.find('\n').unwrap_or(rest.len()))
        }
        '/' if rest.starts_with("/*") => open(LexemeKind::Comment, block_comment(rest)),
        '\'' => open(LexemeKind::String, quoted(rest, 0, '\'', false)),
        '"' => open(LexemeKind::QuotedName, quoted(rest, 0, '"', false)),
        '$' => dollar(rest, before),
        ch if is_name_start(ch) => match prefixed_string(rest) {
            Some((prefix, backslash)) => {
                open(LexemeKind::String, quoted(rest, prefix, '\'', backslash))
            }
            None => closed(LexemeKind::Word, while_chars(rest, is_name_part)),
        },
        ch if ch.is_ascii_digit() => closed(LexemeKind::Number, number(rest)),
        '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit())
            && !before.is_some_and(is_name_part) =>
        {
            closed(LexemeKind::Number, number(rest))
        }
        ';' => closed(LexemeKind::Semicolon, 1),
        '?' => closed(LexemeKind::Parameter, 1),
        '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' => closed(LexemeKind::Punctuation, 1),
        other => closed(LexemeKind::Operator, other.len_utf8()),
    }
}

fn while_chars(text: &str, accept: impl Fn(char) -> bool) -> usize {
    text.find(|ch| !accept(ch)).unwrap_or(text.len())
}

/// The length of a nested block comment.
fn block_comment(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// The length of a quoted text whose opening quote stands behind `prefix` bytes; a doubled quote
/// stands for itself, and in `E'…'` a backslash takes away the next character's meaning.
fn quoted(rest: &str, prefix: usize, quote: char, backslash: bool) -> Option<usize> {
    let start = prefix + 1;
    let mut chars = rest[start..].char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        if backslash && ch == '\\' {
            chars.next();
        } else if ch == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(start + at + 1);
        }
    }
    None
}

/// The prefix's length of `E'…'`, `B'…'`, `X'…'`, `N'…'` and `U&'…'`, and whether backslashes
/// escape in it.
fn prefixed_string(rest: &str) -> Option<(usize, bool)> {
    let bytes = rest.as_bytes();
    match (bytes.first()?.to_ascii_uppercase(), bytes.get(1)?) {
        (b'E', b'\'') => Some((1, true)),
        (b'B' | b'X' | b'N', b'\'') => Some((1, false)),
        (b'U', b'&') if bytes.get(2) == Some(&b'\'') => Some((2, false)),
        _ => None,
    }
}

/// `$1`, `$$…$$`, `$tag$…$tag$`, or a lone `$`.
fn dollar(rest: &str, before: Option<char>) -> (LexemeKind, usize, bool) {
    let after = &rest[1..];
    let digits = while_chars(after, |ch| ch.is_ascii_digit());
    if digits > 0 {
        return (LexemeKind::Parameter, 1 + digits, true);
    }
    let tag = while_chars(after, |ch| is_name_part(ch) && ch != '$');
    let opens = after[tag..].starts_with('$') && !before.is_some_and(is_name_part);
    if !opens {
        return (LexemeKind::Parameter, 1 + tag, true);
    }
    let delimiter = &rest[..tag + 2];
    match rest[delimiter.len()..].find(delimiter) {
        Some(at) => (LexemeKind::String, at + 2 * delimiter.len(), true),
        None => (LexemeKind::String, rest.len(), false),
    }
}

/// `1`, `1_000`, `1.5e-3`, `.5`, `0xff`.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    if rest.starts_with("0x") || rest.starts_with("0X") {
        return 2 + while_chars(&rest[2..], |ch| ch.is_ascii_hexdigit());
    }
    let digits = |from: usize| while_chars(&rest[from..], |ch| ch.is_ascii_digit() || ch == '_');
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}
