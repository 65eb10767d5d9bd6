//! Arrow's IPC: the file format (with a footer, also called Feather 2) and the stream format.
//!
//! The file format has one dictionary a column for the whole file, but each batch may come with
//! its own: dictionary columns are written as their plain values.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use sheaf_base::Result;

use super::RowWriter;
use super::names::{Names, by_name};

/// How the buffers of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArrowCompression {
    /// Not at all: readers map the file.
    #[default]
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

const COMPRESSIONS: &[(ArrowCompression, Names)] = &[
    (ArrowCompression::None, &["none", "uncompressed"]),
    (ArrowCompression::Lz4, &["lz4"]),
    (ArrowCompression::Zstd, &["zstd", "zst"]),
];

impl ArrowCompression {
    /// The compression of a name, as after `COMPRESSION`.
    ///
    /// # Errors
    /// `UserInput` for an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        by_name(name, COMPRESSIONS.iter().copied())
    }
}

/// Options of Arrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArrowEncoding {
    /// The stream format instead of the file format.
    pub is_stream: bool,
    /// How buffers are compressed.
    pub compression: ArrowCompression,
}

/// The encoder.
pub(super) fn writer(
    options: &ArrowEncoding,
    schema: &SchemaRef,
    output: Box<dyn Write + Send>,
) -> Result<Box<dyn RowWriter>> {
    let compression = match options.compression {
        ArrowCompression::None => None,
        ArrowCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
        ArrowCompression::Zstd => Some(CompressionType::ZSTD),
    };
    let ipc = IpcWriteOptions::default().try_with_compression(compression)?;
    Ok(if options.is_stream {
        Box::new(Stream(StreamWriter::try_new_with_options(
            output, schema, ipc,
        )?))
    } else {
        let schema = without_dictionaries(schema);
        let writer = FileWriter::try_new_with_options(output, &schema, ipc)?;
        Box::new(File { writer, schema })
    })
}

fn without_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, value) => Arc::new(
            field
                .as_ref()
                .clone()
                .with_data_type(value.as_ref().clone()),
        ),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

struct Stream(StreamWriter<Box<dyn Write + Send>>);

impl RowWriter for Stream {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch)?;
        Ok(self.0.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.finish()?;
        Ok(self.0.flush()?)
    }
}

struct File {
    writer: FileWriter<Box<dyn Write + Send>>,
    schema: SchemaRef,
}

impl RowWriter for File {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| match column.data_type() {
                DataType::Dictionary(..) => cast(column, field.data_type()),
                _ => Ok(Arc::clone(column)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(self.writer.write(&batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish()?;
        Ok(self.writer.flush()?)
    }
}
