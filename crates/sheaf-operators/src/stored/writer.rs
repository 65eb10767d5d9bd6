//! Fills stored rows: cuts what comes into batches of a good size, keeps them while there is room.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{BatchCoalescer, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use sheaf_runtime::EngineRuntime;

use super::StoredRows;
use crate::spill::{SpillWriter, batch_bytes};

/// Rows of a batch, unless the bytes end it before.
const BATCH_ROWS: usize = 8192;

/// Bytes of rows that are gathered at most before they become a batch.
const GATHER_BYTES_MAX: usize = 1024 * 1024;

/// Rows on their way into storage. Dropping it unfinished leaves nothing, neither in memory nor on
/// disk.
///
/// Rows stay in memory until there is no room, or others ask for it; from then on all go to one
/// file.
pub struct StoredRowsWriter {
    rows: StoredRows,
    coalescer: BatchCoalescer,
    gathered_bytes: usize,
    /// The file, and the batches in it.
    file: Option<(SpillWriter, usize)>,
}

impl StoredRowsWriter {
    /// Nothing yet; as [`StoredRows::new`].
    #[must_use]
    pub fn new(name: impl Into<String>, schema: SchemaRef, engine: &EngineRuntime) -> Self {
        Self {
            rows: StoredRows::new(name, Arc::clone(&schema), engine),
            coalescer: BatchCoalescer::new(schema, BATCH_ROWS),
            gathered_bytes: 0,
            file: None,
        }
    }

    /// Takes the rows of `batch`, whose columns have the types of the schema.
    ///
    /// # Errors
    /// `Resource` if there is no room in memory and the disk or its budget is spent.
    pub async fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new_with_options(self.rows.schema(), columns, &options)?;
        let bytes = batch_bytes(&batch)?;
        if self.gathered_bytes + bytes > GATHER_BYTES_MAX {
            self.coalescer.finish_buffered_batch()?;
            self.gathered_bytes = 0;
        }
        self.gathered_bytes += bytes;
        self.coalescer.push_batch(batch)?;
        self.store_completed().await
    }

    /// Ends the rows.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn finish(mut self) -> Result<StoredRows> {
        self.coalescer.finish_buffered_batch()?;
        self.store_completed().await?;
        if let Some((file, batch_count)) = self.file {
            let file = file.finish()?;
            self.rows.shared.chunks.lock().push_file(file, batch_count);
        }
        Ok(self.rows)
    }

    async fn store_completed(&mut self) -> Result<()> {
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.gathered_bytes = 0;
            self.store(own(batch)?).await?;
        }
        Ok(())
    }

    async fn store(&mut self, batch: RecordBatch) -> Result<()> {
        let shared = &self.rows.shared;
        if self.file.is_none() {
            let is_moving = shared.chunks.lock().has_files();
            if !is_moving && shared.keep(&batch, batch.get_array_memory_size()) {
                return Ok(());
            }
            // Others need the memory: what is in it goes first.
            shared.move_to_disk(usize::MAX).await?;
            self.file = Some((shared.create_file()?, 0));
        }
        if let Some((file, batch_count)) = &mut self.file {
            file.append(&batch)?;
            *batch_count += 1;
        }
        Ok(())
    }
}

/// The same rows in memory of their own, where they are a part of something larger.
fn own(batch: RecordBatch) -> Result<RecordBatch> {
    if batch.get_array_memory_size() / 2 <= batch_bytes(&batch)? {
        return Ok(batch);
    }
    let rows = u32::try_from(batch.num_rows())
        .map_err(|_| DataFusionError::Internal("a batch has too many rows".to_owned()))?;
    let copied = take_record_batch(&batch, &UInt32Array::from_iter_values(0..rows))?;
    crate::spill::compact(&copied)
}
