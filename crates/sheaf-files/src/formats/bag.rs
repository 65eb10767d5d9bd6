//! The options of `read_bag`, and the list of what records may be.

use sheaf_base::Result;

use super::{ENCODING, OptionDecl, OptionKind, one_of, option};
use crate::request::{OptionValue, take};

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

/// Options of `read_bag`.
#[derive(Debug, Clone, Default)]
pub(crate) struct BagOptions {
    pub(crate) kind: RecordKind,
    pub(crate) is_multiline: bool,
    pub(crate) pattern: Option<String>,
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
    ENCODING,
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
        _ => return Ok(false),
    }
    Ok(true)
}
