//! Columns and types of CSV files, from their first rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use super::csv_dialect::{Beginning, detect_header, detect_layout};
use super::csv_records::csv_records;
use super::csv_sample::{Columns, Sampled, sample_files};
use super::{SAMPLE_FILES_MAX, evenly};
use crate::formats::options::ReadOptions;
use crate::scan::bytes::SourceFile;
use crate::scan::csv::{CsvLayout, place_of, unique_names};
use crate::scan::records::skip_top;

/// Bytes by which delimiter and header are told.
const DIALECT_BYTES: usize = 128 * 1024;

/// What was found out about the CSV files of a table.
#[derive(Debug)]
pub(crate) struct CsvSample {
    pub(crate) layout: CsvLayout,
    pub(crate) file_schema: SchemaRef,
    /// Whether a quoted value holds a line break, or a record is long: then where the parts of files
    /// begin must not be guessed.
    pub(crate) resists_cuts: bool,
    /// Decompressed bytes of a row, on average; 0 if no row was seen.
    pub(crate) bytes_per_row: f64,
}

/// Infers layout and columns of `files`, those looked at, from all their headers and first rows.
///
/// # Errors
/// Names the file that cannot be read, or has no columns; `UserInput` for options that name
/// columns which are not there.
pub(crate) async fn infer_csv(
    files: &[SourceFile],
    options: &ReadOptions,
    declared: Option<&SchemaRef>,
    text_type: &DataType,
) -> Result<CsvSample> {
    let Some(first) = files.first() else {
        return Err(SheafError::internal("no file to infer from"));
    };
    let prefix = first.prefix(DIALECT_BYTES).await?;
    let beginning = Beginning {
        body: skip_top(&prefix.bytes, options.csv.skip),
        is_whole: prefix.is_whole,
        name: &first.path,
        is_only_file: files.len() == 1,
    };
    let mut layout = detect_layout(options, beginning);
    let body = skip_top(&prefix.bytes, layout.skip);
    let records = csv_records(&layout, body, prefix.is_whole, usize::MAX);
    let given = given_columns(options, declared);
    if options.csv.header.is_none() {
        layout.has_header = match &given {
            Some(columns) => first_row_names(records.first(), columns),
            None => detect_header(&layout, &records),
        };
    }
    // Declared names that the header lacks stand for columns by position, as in COPY; not if there
    // are more or fewer of them.
    if let (Some(declared), Some(header)) = (&given, records.first()) {
        let header = unique_names(header.clone(), &[]);
        let is_there = |name: &String| place_of(&header, name).is_some();
        layout.is_by_name &= header.len() != declared.fields().len()
            || declared.fields().iter().all(|field| is_there(field.name()));
    }
    // Declared columns need no types.
    let places = match &given {
        Some(_) => evenly(files.len(), SAMPLE_FILES_MAX),
        None => (0..files.len()).collect(),
    };
    let Sampled {
        columns,
        totals,
        headers,
    } = sample_files(files, places, &layout, options).await?;
    layout.headers = Arc::new(headers);
    let file_schema = match given {
        Some(schema) => schema,
        None if columns.0.is_empty() => return Err(no_columns(&first.path)),
        None => columns.schema(options, text_type)?,
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let bytes_per_row = totals.bytes as f64 / totals.rows.max(1) as f64;
    Ok(CsvSample {
        layout,
        file_schema,
        resists_cuts: totals.resists_cuts,
        bytes_per_row: if totals.rows == 0 { 0.0 } else { bytes_per_row },
    })
}

/// The columns that the user declared, by a schema or by `columns`.
fn given_columns(options: &ReadOptions, declared: Option<&SchemaRef>) -> Option<SchemaRef> {
    if let Some(schema) = declared {
        return Some(Arc::clone(schema));
    }
    let columns = &options.csv.columns;
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(name, data_type.clone(), true));
    (!columns.is_empty()).then(|| Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// Whether a first row consists of names of the given columns.
fn first_row_names(first: Option<&Vec<String>>, given: &SchemaRef) -> bool {
    let is_name = |cell: &String| {
        given
            .fields()
            .iter()
            .any(|f| f.name().eq_ignore_ascii_case(cell))
    };
    first.is_some_and(|cells| cells.iter().any(is_name))
}

fn no_columns(path: &str) -> SheafError {
    SheafError::data(format!("{path} has no rows, so its columns are not known"))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("say them: read_csv('…', columns => {'a': 'BIGINT', 'b': 'VARCHAR'})")
}

impl Columns {
    fn schema(&self, options: &ReadOptions, text_type: &DataType) -> Result<SchemaRef> {
        for (name, _) in &options.types {
            if !self.0.iter().any(|(known, _)| known == name) {
                return Err(unknown_column(
                    name,
                    self.0.iter().map(|(known, _)| known.as_str()),
                ));
            }
        }
        let fields = self.0.iter().map(|(name, value_type)| {
            let given = options.types.iter().find(|(known, _)| known == name);
            let data_type = match given {
                Some((_, data_type)) => data_type.clone(),
                None if options.csv.all_varchar => text_type.clone(),
                None => value_type.data_type(text_type),
            };
            Field::new(name, data_type, true)
        });
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

pub(super) fn unknown_column<'a>(
    name: &str,
    columns: impl Iterator<Item = &'a str> + Clone,
) -> SheafError {
    let error = SheafError::user(format!(
        "types names column \"{name}\", which the files lack"
    ))
    .with_state(SqlState::UNDEFINED_COLUMN);
    match nearest(name, columns) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}
