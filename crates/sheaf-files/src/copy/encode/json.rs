//! JSON: an object a line (newline-delimited), or one array of objects.
//!
//! Nulls are written, so that every row has every key and a reader finds all columns.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, LineDelimited, Writer, WriterBuilder};
use sheaf_base::Result;
use sheaf_base::uuid::uuids_as_texts;

use super::compression::Output;
use super::{RowWriter, TextCompression, check_names_differ};

/// Options of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonEncoding {
    /// One array instead of one object a line.
    pub is_array: bool,
    /// How the file is compressed.
    pub compression: TextCompression,
    /// The compression's level; `None` is its default.
    pub compression_level: Option<i32>,
}

/// The encoder.
pub(super) enum JsonWriter {
    Lines(Writer<Output, LineDelimited>),
    Array(Writer<Output, JsonArray>),
}

impl JsonWriter {
    pub(super) fn new(
        options: &JsonEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        check_names_differ(schema)?;
        let output = Output::new(options.compression, options.compression_level, output);
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Ok(if options.is_array {
            Self::Array(builder.build(output))
        } else {
            Self::Lines(builder.build(output))
        })
    }
}

impl RowWriter for JsonWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = &uuids_as_texts(batch);
        match self {
            Self::Lines(writer) => {
                writer.write(batch)?;
                writer.get_mut().flush()?;
            }
            Self::Array(writer) => {
                writer.write(batch)?;
                writer.get_mut().flush()?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut output = match *self {
            Self::Lines(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
            Self::Array(mut writer) => {
                writer.finish()?;
                let mut output = writer.into_inner();
                output.write_all(b"\n")?;
                output
            }
        };
        Ok(output.finish()?)
    }
}
