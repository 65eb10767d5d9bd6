//! Streaming encoders: record batches in, bytes of one file out.
//!
//! [`row_writer`] makes the encoder of a format over any `std::io::Write`; `COPY … TO` and the
//! command line's `--format` both use it. An encoder holds at most a buffer (text, Arrow) or one
//! row group (Parquet). It knows nothing of files, stores or plans.

mod arrow_ipc;
mod avro;
mod compression;
mod csv;
mod json;
mod names;
mod parquet;
mod parquet_columns;
#[cfg(test)]
mod tests;
mod uuids;
mod variants;

use std::io::Write;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

pub use arrow_ipc::{ArrowCompression, ArrowEncoding};
pub use avro::{AvroCompression, AvroEncoding};
pub use compression::TextCompression;
pub use csv::CsvEncoding;
pub(crate) use csv::plain_text;
pub use json::JsonEncoding;
pub use parquet::{
    ParquetCompression, ParquetEncoding, ROW_GROUP_BYTES_MAX, ROW_GROUP_ROWS_DEFAULT,
};

pub(super) use parquet_columns::ColumnsWriter;
pub(super) use variants::has_variants;

/// An encoder of one file.
pub trait RowWriter: Send {
    /// Encodes the rows of one batch; its schema is the one the writer was made for.
    ///
    /// # Errors
    /// `Data` or `Unsupported` if a value cannot be written in the format; `Data` or `Resource`
    /// if the output refuses bytes.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Bytes held in memory that [`RowWriter::release`] would hand to the output.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Hands everything held to the output; Parquet ends its row group for that.
    ///
    /// # Errors
    /// As [`RowWriter::write`].
    fn release(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the file. A writer dropped before leaves a file that is not valid.
    ///
    /// # Errors
    /// As [`RowWriter::write`].
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A format to write, with its options.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// Values between delimiters, a row a line.
    Csv(CsvEncoding),
    /// An object a row: one a line, or one array.
    Json(JsonEncoding),
    /// Apache Parquet.
    Parquet(ParquetEncoding),
    /// Arrow's IPC, as a file or as a stream.
    Arrow(ArrowEncoding),
    /// Apache Avro.
    Avro(AvroEncoding),
}

/// One format that can be written.
#[derive(Debug)]
pub struct WriteFormatDecl {
    /// The name after `FORMAT`.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// File extensions that mean it, without dot; the first is given to files that Sheaf names.
    pub extensions: &'static [&'static str],
    /// The format with default options.
    make: fn() -> Encoding,
}

impl WriteFormatDecl {
    /// The format with default options.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        (self.make)()
    }
}

/// Every format that can be written, in the order of the documentation.
pub static WRITE_FORMATS: &[WriteFormatDecl] = &[
    WriteFormatDecl {
        name: "csv",
        aliases: &["text"],
        extensions: &["csv"],
        make: || Encoding::Csv(CsvEncoding::default()),
    },
    WriteFormatDecl {
        name: "tsv",
        aliases: &[],
        extensions: &["tsv", "tab"],
        make: || {
            Encoding::Csv(CsvEncoding {
                delimiter: '\t',
                ..CsvEncoding::default()
            })
        },
    },
    WriteFormatDecl {
        name: "json",
        aliases: &["ndjson", "jsonl"],
        extensions: &["json", "ndjson", "jsonl"],
        make: || Encoding::Json(JsonEncoding::default()),
    },
    WriteFormatDecl {
        name: "parquet",
        aliases: &[],
        extensions: &["parquet", "pq", "parq"],
        make: || Encoding::Parquet(ParquetEncoding::default()),
    },
    WriteFormatDecl {
        name: "arrow",
        aliases: &["ipc", "feather"],
        extensions: &["arrow", "feather", "ipc"],
        make: || Encoding::Arrow(ArrowEncoding::default()),
    },
    WriteFormatDecl {
        name: "arrows",
        aliases: &["arrow_stream"],
        extensions: &["arrows"],
        make: || {
            Encoding::Arrow(ArrowEncoding {
                is_stream: true,
                ..ArrowEncoding::default()
            })
        },
    },
    WriteFormatDecl {
        name: "avro",
        aliases: &[],
        extensions: &["avro"],
        make: || Encoding::Avro(AvroEncoding::default()),
    },
];

/// The format of a name, as after `FORMAT`.
///
/// # Errors
/// `UserInput` for an unknown name; the hint has the nearest or all.
pub fn write_format(name: &str) -> Result<&'static WriteFormatDecl> {
    let lower = name.to_ascii_lowercase();
    let found = WRITE_FORMATS
        .iter()
        .find(|decl| decl.name == lower || decl.aliases.contains(&lower.as_str()));
    found.ok_or_else(|| {
        let names = WRITE_FORMATS
            .iter()
            .flat_map(|decl| std::iter::once(decl.name).chain(decl.aliases.iter().copied()));
        let hint = match nearest(&lower, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the formats are {}", format_names()),
        };
        SheafError::user(format!("cannot write format \"{name}\"")).with_hint(hint)
    })
}

/// The names of all formats, for hints.
#[must_use]
pub fn format_names() -> String {
    WRITE_FORMATS
        .iter()
        .map(|decl| decl.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// An encoder of `encoding` for rows of `schema` into `output`.
///
/// Headers and schemas are written at once or at the latest by [`RowWriter::finish`], so a file
/// without rows is valid too.
///
/// # Errors
/// `Unsupported` if a column's type has no place in the format.
pub fn row_writer(
    encoding: &Encoding,
    schema: &SchemaRef,
    output: Box<dyn Write + Send>,
) -> Result<Box<dyn RowWriter>> {
    Ok(match encoding {
        Encoding::Csv(options) => Box::new(csv::CsvWriter::new(options, schema, output)?),
        Encoding::Json(options) => Box::new(json::JsonWriter::new(options, schema, output)?),
        Encoding::Parquet(options) if has_variants(schema) => {
            Box::new(variants::VariantsWriter::new(options, schema, output))
        }
        Encoding::Parquet(options) => Box::new(parquet::Writer::new(options, schema, output)?),
        Encoding::Arrow(options) => arrow_ipc::writer(options, schema, output)?,
        Encoding::Avro(options) => Box::new(avro::Writer::new(options, schema, output)?),
    })
}

/// Formats that keep columns by name cannot keep two of one name.
fn check_names_differ(schema: &SchemaRef) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            return Err(
                SheafError::user(format!("two columns are called \"{}\"", field.name()))
                    .with_hint("give one of them another name with AS"),
            );
        }
    }
    Ok(())
}
