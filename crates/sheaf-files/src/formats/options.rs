//! Options of the read functions, checked and typed.

use arrow::datatypes::DataType;
use sheaf_base::Result;

use super::bag::{BagOptions, read_bag_option};
use super::csv::{CsvOptions, read_csv_option};
use super::notation::read_notation_option;
use super::on_error::{ErrorOptions, OnError};
use super::types::parse_type;
use super::{Compression, FormatDecl, FormatKind, OptionDecl};
use crate::encoding::Encoding;
use crate::notation::Notation;
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
    pub(crate) notation: Notation,
    pub(crate) json_format: JsonFormat,
    pub(crate) bag: BagOptions,
    pub(crate) errors: ErrorOptions,
    pub(crate) encoding: Encoding,
    /// Whether there is a column of values that do not fit.
    pub(crate) rescues: bool,
}

impl ReadOptions {
    /// Whether a read goes on from what is wrong.
    pub(crate) fn goes_on(&self) -> bool {
        self.rescues || self.errors.on_error != OnError::Fail
    }
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
        if options.errors.read(decl, value)?
            || read_notation_option(&mut options.notation, decl, value)?
        {
            continue;
        }
        if !read_common(&mut options, decl, value, text_type)? {
            read_csv_option(&mut options.csv, decl, value, text_type)?;
        }
    }
    options.errors.check()?;
    options.notation.check()?;
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
        "encoding" => {
            options.encoding = Encoding::by_name(&take(name, value.as_text(), takes)?)?;
        }
        "rescue" => options.rescues = take(name, value.as_bool(), takes)?,
        "sample_size" => options.sample_rows = read_sample_size(name, value)?,
        "format" => options.json_format = read_json_format(name, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

pub(super) fn read_types(
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
