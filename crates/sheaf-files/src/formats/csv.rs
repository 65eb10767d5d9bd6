//! The options of `read_csv`.

use arrow::datatypes::DataType;
use sheaf_base::Result;

use super::options::read_types;
use super::{ENCODING, OptionDecl, OptionKind, RESCUE, option};
use crate::request::{OptionValue, bad_option, take};

/// Options of `read_csv`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: Option<u8>,
    pub(crate) header: Option<bool>,
    /// `None`: the double quote; `Some(None)`: no quoting.
    pub(crate) quote: Option<Option<u8>>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    /// Names and types of all columns.
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) names: Vec<String>,
    pub(crate) skip: usize,
    pub(crate) all_varchar: bool,
    pub(crate) null_padding: bool,
    pub(crate) newlines_in_values: Option<bool>,
    pub(crate) union_by_name: Option<bool>,
}

pub(super) static CSV_OPTIONS: &[OptionDecl] = &[
    option(
        "delim",
        &["sep", "delimiter"],
        OptionKind::Character,
        "detected",
        "What separates columns: detected among , ; tab and |.",
    ),
    option(
        "header",
        &[],
        OptionKind::Bool,
        "detected",
        "Whether the first line names the columns.",
    ),
    option(
        "quote",
        &[],
        OptionKind::Character,
        "\"",
        "What encloses values; empty for nothing.",
    ),
    option(
        "escape",
        &[],
        OptionKind::Character,
        "the quote, doubled",
        "What makes a quote inside a quoted value literal.",
    ),
    option(
        "comment",
        &[],
        OptionKind::Character,
        "none",
        "Lines that begin with it are skipped.",
    ),
    option(
        "types",
        &["dtypes", "column_types"],
        OptionKind::Types,
        "detected",
        "Types of some columns; the others are detected.",
    ),
    option(
        "columns",
        &[],
        OptionKind::Types,
        "detected",
        "Names and types of all columns, in order.",
    ),
    option(
        "names",
        &["column_names"],
        OptionKind::Texts,
        "detected",
        "Names of the columns.",
    ),
    option(
        "skip",
        &[],
        OptionKind::Integer,
        "0",
        "Lines to skip at the top of each file.",
    ),
    option(
        "sample_size",
        &[],
        OptionKind::Integer,
        "20480",
        "Rows by which types are detected; -1 looks at all rows.",
    ),
    option(
        "all_varchar",
        &[],
        OptionKind::Bool,
        "false",
        "Read every column as text.",
    ),
    option(
        "null_padding",
        &[],
        OptionKind::Bool,
        "false",
        "Fill rows that have too few values with NULL.",
    ),
    option(
        "newlines_in_values",
        &[],
        OptionKind::Bool,
        "detected",
        "Whether quoted values hold line breaks: where the parts of such files begin is found by \
         reading them once more.",
    ),
    option(
        "union_by_name",
        &[],
        OptionKind::Bool,
        "true",
        "Unite files with a header by column name; false takes columns by position.",
    ),
    ENCODING,
    RESCUE,
];

/// Reads an option of `read_csv` alone; others are left.
pub(super) fn read_csv_option(
    csv: &mut CsvOptions,
    decl: &OptionDecl,
    value: &OptionValue,
    text_type: &DataType,
) -> Result<()> {
    let name = decl.name;
    let takes = decl.kind.describe();
    match name {
        "delim" => csv.delimiter = Some(read_character(name, value)?),
        "quote" => {
            let is_empty = matches!(value, OptionValue::Text(text) if text.is_empty());
            csv.quote = Some(if is_empty {
                None
            } else {
                Some(read_character(name, value)?)
            });
        }
        "escape" => csv.escape = Some(read_character(name, value)?),
        "comment" => csv.comment = Some(read_character(name, value)?),
        "header" => csv.header = Some(take(name, value.as_bool(), takes)?),
        "columns" => csv.columns = read_types(name, value, text_type)?,
        "names" => csv.names = take(name, value.as_texts(), takes)?,
        "skip" => {
            let lines = value.as_integer().and_then(|n| usize::try_from(n).ok());
            csv.skip = take(name, lines, takes)?;
        }
        "all_varchar" => csv.all_varchar = take(name, value.as_bool(), takes)?,
        "null_padding" => csv.null_padding = take(name, value.as_bool(), takes)?,
        "newlines_in_values" => csv.newlines_in_values = Some(take(name, value.as_bool(), takes)?),
        "union_by_name" => csv.union_by_name = Some(take(name, value.as_bool(), takes)?),
        _ => {}
    }
    Ok(())
}

/// One character of one byte; `\t` may be written with a backslash.
pub(super) fn read_character(name: &str, value: &OptionValue) -> Result<u8> {
    let text = value.as_text().unwrap_or_default();
    match (text.as_str(), text.as_bytes()) {
        ("\\t", _) => Ok(b'\t'),
        (_, [byte]) if !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(bad_option(name, "one character (of one byte)")),
    }
}
