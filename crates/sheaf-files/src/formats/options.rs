//! Options of the read functions, checked and typed.

use arrow::datatypes::DataType;
use sheaf_base::Result;

use super::bag::{BagOptions, read_bag_option};
use super::types::parse_type;
use super::{Compression, FormatDecl, FormatKind, OptionDecl};
use crate::request::{OptionValue, ReadRequest, bad_option, take};

/// Rows by which types are detected when the user does not say.
pub(crate) const SAMPLE_ROWS: usize = 20_480;

/// What the user said about reading, whatever the format. `None` means: detect.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadOptions {
    pub(crate) compression: Option<Compression>,
    pub(crate) hive_partitioning: Option<bool>,
    /// Types of some columns.
    pub(crate) types: Vec<(String, DataType)>,
    /// Rows to detect types by; `usize::MAX` for all.
    pub(crate) sample_rows: usize,
    pub(crate) csv: CsvOptions,
    pub(crate) json_format: JsonFormat,
    pub(crate) bag: BagOptions,
}

/// Options of `read_csv`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: Option<u8>,
    pub(crate) header: Option<bool>,
    /// `None`: the double quote; `Some(None)`: no quoting.
    pub(crate) quote: Option<Option<u8>>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) nulls: Vec<String>,
    /// Names and types of all columns.
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) names: Vec<String>,
    pub(crate) skip: usize,
    pub(crate) all_varchar: bool,
    pub(crate) null_padding: bool,
    pub(crate) newlines_in_values: Option<bool>,
    pub(crate) union_by_name: Option<bool>,
}

/// How JSON values follow each other in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum JsonFormat {
    #[default]
    Auto,
    NewlineDelimited,
    Array,
    Unstructured,
}

/// Reads the options of `request` for `format`; texts are of `text_type`.
///
/// # Errors
/// `UserInput` for an unknown option or a value it does not take.
pub(crate) fn read_options(
    format: &FormatDecl,
    request: &ReadRequest,
    text_type: &DataType,
) -> Result<ReadOptions> {
    let mut options = ReadOptions {
        sample_rows: SAMPLE_ROWS,
        ..ReadOptions::default()
    };
    for (decl, value) in format.resolve(&request.options)? {
        if *value == OptionValue::Null {
            continue;
        }
        if format.kind == FormatKind::Bag && read_bag_option(&mut options.bag, decl, value)? {
            continue;
        }
        if !read_common(&mut options, decl, value, text_type)? {
            read_csv_option(&mut options.csv, decl, value, text_type)?;
        }
    }
    Ok(options)
}

/// Reads an option that several formats share; false if `decl` is another.
fn read_common(
    options: &mut ReadOptions,
    decl: &OptionDecl,
    value: &OptionValue,
    text_type: &DataType,
) -> Result<bool> {
    let name = decl.name;
    let takes = decl.kind.describe();
    match name {
        "compression" => {
            let text = take(name, value.as_text(), takes)?;
            if !matches!(text.to_ascii_lowercase().as_str(), "auto" | "detect" | "") {
                let known = Compression::by_name(&text);
                options.compression =
                    Some(take(name, known, "auto, none, gzip, zstd, bzip2 or xz")?);
            }
        }
        "hive_partitioning" => {
            options.hive_partitioning = Some(take(name, value.as_bool(), takes)?);
        }
        "types" => options.types = read_types(name, value, text_type)?,
        "sample_size" => options.sample_rows = read_sample_size(name, value)?,
        "format" => options.json_format = read_json_format(name, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_csv_option(
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
        "nullstr" => csv.nulls = take(name, value.as_texts(), takes)?,
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

fn read_types(
    name: &str,
    value: &OptionValue,
    text_type: &DataType,
) -> Result<Vec<(String, DataType)>> {
    let OptionValue::Struct(fields) = value else {
        return Err(bad_option(
            name,
            "a struct of type names, such as {'zip': 'VARCHAR'}",
        ));
    };
    fields
        .iter()
        .map(|(column, type_name)| {
            let type_name = take(name, type_name.as_text(), "type names as texts")?;
            Ok((column.clone(), parse_type(&type_name, text_type)?))
        })
        .collect()
}

fn read_sample_size(name: &str, value: &OptionValue) -> Result<usize> {
    match value.as_integer() {
        Some(-1) => Ok(usize::MAX),
        Some(rows) if rows > 0 => Ok(usize::try_from(rows).unwrap_or(usize::MAX)),
        _ => Err(bad_option(name, "a number of rows, or -1 for all")),
    }
}

fn read_json_format(name: &str, value: &OptionValue) -> Result<JsonFormat> {
    let text = value.as_text().unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "auto" => Ok(JsonFormat::Auto),
        "newline_delimited" | "nd" | "ndjson" => Ok(JsonFormat::NewlineDelimited),
        "array" => Ok(JsonFormat::Array),
        "unstructured" => Ok(JsonFormat::Unstructured),
        _ => Err(bad_option(
            name,
            "auto, newline_delimited, array or unstructured",
        )),
    }
}

/// One character of one byte; `\t` may be written with a backslash.
fn read_character(name: &str, value: &OptionValue) -> Result<u8> {
    let text = value.as_text().unwrap_or_default();
    match (text.as_str(), text.as_bytes()) {
        ("\\t", _) => Ok(b'\t'),
        (_, [byte]) if !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(bad_option(name, "one character (of one byte)")),
    }
}
