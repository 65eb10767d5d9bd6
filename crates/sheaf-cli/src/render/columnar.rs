//! Parquet and Arrow (IPC file), streamed batch by batch; both hold one result.
//!
//! Memory: Parquet keeps the row group it is writing, at most [`ROW_GROUP_ROWS_MAX`] rows.

use std::sync::Arc;

use sheaf::Result;
use sheaf::arrow::array::RecordBatch;
use sheaf::arrow::datatypes::Schema;
use sheaf::arrow::ipc::writer::FileWriter;
use sheaf::parquet::arrow::ArrowWriter;
use sheaf::parquet::basic::{Compression, ZstdLevel};
use sheaf::parquet::file::properties::WriterProperties;

use super::{ResultWriter, Summary};
use crate::output::Output;

/// Rows of one Parquet row group.
const ROW_GROUP_ROWS_MAX: usize = 131_072;

/// Writes one result as a Parquet file (zstd).
pub(crate) struct ParquetWriter(ArrowWriter<Output>);

impl ParquetWriter {
    /// Begins the file.
    pub(crate) fn new(output: Output, schema: &Arc<Schema>) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .build();
        Ok(Self(ArrowWriter::try_new(
            output,
            Arc::clone(schema),
            Some(properties),
        )?))
    }
}

impl ResultWriter for ParquetWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(self: Box<Self>, _summary: &Summary) -> Result<()> {
        self.0.close()?;
        Ok(())
    }
}

/// Writes one result as an Arrow IPC file.
pub(crate) struct ArrowFileWriter(FileWriter<Output>);

impl ArrowFileWriter {
    /// Begins the file.
    pub(crate) fn new(output: Output, schema: &Schema) -> Result<Self> {
        Ok(Self(FileWriter::try_new(output, schema)?))
    }
}

impl ResultWriter for ArrowFileWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(mut self: Box<Self>, _summary: &Summary) -> Result<()> {
        Ok(self.0.finish()?)
    }
}
