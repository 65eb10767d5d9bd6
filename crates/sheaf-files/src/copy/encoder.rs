//! The encoder of one open file: most encode where the rows are, the one Parquet file of a COPY on
//! all cores.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use sheaf_base::Result;

use super::encode::{ColumnsWriter, Encoding, RowWriter, has_variants, row_writer};

/// An encoder.
pub(super) enum FileEncoder {
    /// Any format.
    Inline(Box<dyn RowWriter>),
    /// Parquet, its columns side by side.
    Columns(Box<ColumnsWriter>),
}

impl FileEncoder {
    /// An encoder for rows of `schema`. `is_alone`: no other file is written at the same time.
    pub(super) fn new(
        encoding: &Encoding,
        schema: &SchemaRef,
        is_alone: bool,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        Ok(match encoding {
            Encoding::Parquet(options) if is_alone && !has_variants(schema) => {
                Self::Columns(Box::new(ColumnsWriter::new(options, schema, output)?))
            }
            _ => Self::Inline(row_writer(encoding, schema, output)?),
        })
    }

    /// Encodes the rows of one batch.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Inline(writer) => writer.write(batch),
            Self::Columns(writer) => writer.write(batch).await,
        }
    }

    /// Bytes held in memory.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Inline(writer) => writer.held_bytes(),
            Self::Columns(writer) => writer.held_bytes(),
        }
    }

    /// Hands everything held to the output.
    pub(super) async fn release(&mut self) -> Result<()> {
        match self {
            Self::Inline(writer) => writer.release(),
            Self::Columns(writer) => writer.release().await,
        }
    }

    /// Ends the file.
    pub(super) async fn finish(self) -> Result<()> {
        match self {
            Self::Inline(writer) => writer.finish(),
            Self::Columns(writer) => writer.finish().await,
        }
    }
}
