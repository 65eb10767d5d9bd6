//! The options of `read_bag`, and the list of what records may be.

use sheaf_base::Result;
use sheaf_base::suggest::nearest;

use super::{OptionDecl, OptionKind, option};
use crate::request::{OptionValue, bad_option, take};

/// What the records of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RecordKind {
    #[default]
    Auto,
    JsonLines,
    Json,
    Text,
    Regex,
    Grok,
    CommonLog,
    CombinedLog,
    Logfmt,
}

/// Every kind of records, by the name that the option `format` takes.
static RECORD_KINDS: &[(&str, RecordKind)] = &[
    ("auto", RecordKind::Auto),
    ("jsonl", RecordKind::JsonLines),
    ("ndjson", RecordKind::JsonLines),
    ("json", RecordKind::Json),
    ("text", RecordKind::Text),
    ("regex", RecordKind::Regex),
    ("grok", RecordKind::Grok),
    ("common_log", RecordKind::CommonLog),
    ("combined_log", RecordKind::CombinedLog),
    ("logfmt", RecordKind::Logfmt),
];

/// What becomes of a record that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnError {
    /// The query fails.
    #[default]
    Fail,
    /// It is left out.
    Skip,
    /// It is NULL.
    Null,
    /// It is left out, and kept in a table.
    Quarantine,
}

/// Every way to go on, by the name that the option `on_error` takes.
static WAYS_ON: &[(&str, OnError)] = &[
    ("fail", OnError::Fail),
    ("skip", OnError::Skip),
    ("null", OnError::Null),
    ("quarantine", OnError::Quarantine),
];

/// Options of `read_bag`.
#[derive(Debug, Clone, Default)]
pub(crate) struct BagOptions {
    pub(crate) kind: RecordKind,
    pub(crate) is_multiline: bool,
    pub(crate) pattern: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) on_error: OnError,
    /// The table of bad records.
    pub(crate) quarantine: Option<String>,
    /// Records that may be bad; `None` for any number.
    pub(crate) errors_max: Option<u64>,
}

pub(super) static BAG_OPTIONS: &[OptionDecl] = &[
    option(
        "format",
        &[],
        OptionKind::Text,
        "auto",
        "jsonl (one JSON value a line), json (one array, or values over several lines), text, \
         regex, grok, common_log, combined_log, logfmt; auto goes by the file's name and first \
         bytes.",
    ),
    option(
        "multiline",
        &[],
        OptionKind::Bool,
        "false",
        "Whether JSON values may span lines; such files are not split.",
    ),
    option(
        "pattern",
        &[],
        OptionKind::Text,
        "none",
        "The pattern of regex and grok, whose named groups are the keys of records.",
    ),
    option(
        "encoding",
        &[],
        OptionKind::Text,
        "utf-8",
        "The encoding of the files, such as latin1 or utf-16; utf-8-lossy puts \u{fffd} in place of \
         bytes that are not UTF-8.",
    ),
    option(
        "on_error",
        &[],
        OptionKind::Text,
        "fail",
        "What becomes of a record that is not what it should be: fail ends the query, skip leaves \
         the record out, null makes it NULL, quarantine keeps it in a table.",
    ),
    option(
        "quarantine",
        &[],
        OptionKind::Text,
        "none",
        "The table that bad records become rows of when the query ends well: _path, _line, _offset, \
         raw, error. It is made if there is none.",
    ),
    option(
        "max_errors",
        &[],
        OptionKind::Integer,
        "any number",
        "Bad records above which the query fails all the same.",
    ),
];

/// Reads an option of `read_bag`; false if `decl` is one that all formats share.
pub(super) fn read_bag_option(
    bag: &mut BagOptions,
    decl: &OptionDecl,
    value: &OptionValue,
) -> Result<bool> {
    let name = decl.name;
    let takes = decl.kind.describe();
    match name {
        "format" => bag.kind = one_of(name, value, RECORD_KINDS)?,
        "multiline" => bag.is_multiline = take(name, value.as_bool(), takes)?,
        "pattern" => bag.pattern = Some(take(name, value.as_text(), takes)?),
        "encoding" => bag.encoding = Some(take(name, value.as_text(), takes)?),
        "on_error" => bag.on_error = one_of(name, value, WAYS_ON)?,
        "quarantine" => bag.quarantine = Some(take(name, value.as_text(), takes)?),
        "max_errors" => {
            let count = value.as_integer().and_then(|n| u64::try_from(n).ok());
            bag.errors_max = Some(take(name, count, "a number of records, from 0")?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The thing of `list` that `value` names.
fn one_of<T: Copy>(name: &str, value: &OptionValue, list: &[(&str, T)]) -> Result<T> {
    let text = value.as_text().unwrap_or_default().to_ascii_lowercase();
    if let Some((_, found)) = list.iter().find(|(known, _)| *known == text) {
        return Ok(*found);
    }
    let names: Vec<&str> = list.iter().map(|(known, _)| *known).collect();
    let error = bad_option(name, &format!("one of {}", names.join(", ")));
    Err(match nearest(&text, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    })
}
