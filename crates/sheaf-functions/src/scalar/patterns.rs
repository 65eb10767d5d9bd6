//! Patterns in the notation the engine reads: `like_escape` for LIKE … ESCAPE, `similar_to_escape`
//! for SIMILAR TO. Constant patterns are translated once, when the plan is simplified.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

const SECTION: &str = "String Functions";
const TEXT: DataType = DataType::Utf8View;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let like = Kernel::new(
        "like_escape",
        &[&[TEXT, TEXT]],
        |_| Ok(TEXT),
        |arrays, count, _| translate(arrays, count, with_backslash),
    )
    .documented(
        SECTION,
        "A LIKE pattern with another escape character, as one whose escape character is \\; an \
         empty one means that nothing is escaped.",
        "like_escape(pattern, escape)",
        "SELECT like_escape('100!%', '!'); -- 100\\%",
    );
    let similar = Kernel::new(
        "similar_to_escape",
        &[&[TEXT], &[TEXT, TEXT]],
        |_| Ok(TEXT),
        |arrays, count, _| translate(arrays, count, to_regex),
    )
    .documented(
        SECTION,
        "A pattern of SIMILAR TO as a regular expression for the whole text.",
        "similar_to_escape(pattern [, escape])",
        "SELECT similar_to_escape('a%(b|c)_'); -- ^(?s:a.*(?:b|c).)$",
    );
    vec![like.build(), similar.build()]
}

type Translate = fn(&str, Option<char>) -> Result<String>;

fn translate(arrays: &[ArrayRef], count: usize, translate: Translate) -> Result<ArrayRef> {
    rows::texts(arrays, count, |row| {
        let escape = match arrays.get(1) {
            Some(escape) => single(rows::text(escape, row))?,
            None => Some('\\'),
        };
        translate(rows::text(&arrays[0], row), escape).map(Some)
    })
}

fn single(escape: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (first, None) => Ok(first),
        _ => Err(wrong(format!(
            "an escape is one character or none, not '{escape}'"
        ))),
    }
}

fn wrong(message: String) -> DataFusionError {
    SheafError::user(message)
        .with_state(SqlState::INVALID_ESCAPE_SEQUENCE)
        .into()
}

fn dangling(pattern: &str) -> DataFusionError {
    wrong(format!(
        "the pattern '{pattern}' ends with its escape character"
    ))
}

fn with_backslash(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut translated = String::with_capacity(pattern.len() + 4);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let escaped = match Some(c) == escape {
            true => Some(chars.next().ok_or_else(|| dangling(pattern))?),
            false => None,
        };
        match escaped.unwrap_or(c) {
            c @ ('%' | '_') if escaped.is_some() => translated.extend(['\\', c]),
            '\\' => translated.push_str("\\\\"),
            c => translated.push(c),
        }
    }
    Ok(translated)
}

/// `%` and `_` as in LIKE; `| * + ? { } ( ) [ ]` as in regular expressions; all else is itself.
fn to_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut regex = String::with_capacity(pattern.len() + 10);
    regex.push_str("^(?s:");
    let mut is_in_brackets = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let escaped = chars.next().ok_or_else(|| dangling(pattern))?;
            push_literal(&mut regex, escaped);
            continue;
        }
        match c {
            ']' => {
                is_in_brackets = false;
                regex.push(c);
            }
            '\\' | '[' | '&' | '~' if is_in_brackets => push_literal(&mut regex, c),
            c if is_in_brackets => regex.push(c),
            '[' => {
                is_in_brackets = true;
                regex.push(c);
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => regex.push(c),
            c => push_literal(&mut regex, c),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

fn push_literal(regex: &mut String, c: char) {
    let mut buffer = [0; 4];
    regex.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
}
