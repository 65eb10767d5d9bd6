//! Apache Parquet on many cores: the columns of each batch are encoded side by side.
//!
//! For the one file of a COPY, whose rows come in order through one task. The leaf columns of a row
//! group are dealt out to a few shares; a batch becomes one task for each share, which encodes while
//! the query makes the next batch. States of a share: idle → encoding → idle. (The engine's
//! `ParquetSink` has a task and a channel for each column instead; without channels there is one
//! batch under way, and the memory is that of the encoders.)

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::file::writer::SerializedFileWriter;
use sheaf_base::{Result, SheafError};

use super::check_names_differ;
use super::parquet::{ParquetEncoding, RELEASE_BYTES_MIN, arrow_writer};

/// Tasks that encode one batch.
const SHARES_MAX: usize = 16;

/// Batches of fewer rows are encoded where they are: a task costs more.
const TASK_ROWS_MIN: usize = 1_024;

/// The encoder of one file.
pub(in crate::copy) struct ColumnsWriter {
    file: SerializedFileWriter<Box<dyn Write + Send>>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    options: ParquetEncoding,
    /// Idle shares of the row group; none before its first batch.
    shares: Vec<Share>,
    tasks: Vec<SpawnedTask<Result<Share>>>,
    /// Rows of the row group.
    rows: usize,
    row_groups: usize,
    /// Bytes that the encoders held when they were last idle.
    held_bytes: usize,
}

/// Leaf columns of a row group that are encoded together, with their places.
struct Share(Vec<(usize, ArrowColumnWriter)>);

impl ColumnsWriter {
    /// An encoder for rows of `schema` into `output`.
    ///
    /// # Errors
    /// As [`super::row_writer`].
    pub(in crate::copy) fn new(
        options: &ParquetEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        check_names_differ(schema)?;
        let writer = arrow_writer(options, schema, output)?;
        let (file, factory) = writer.into_serialized_writer()?;
        Ok(Self {
            file,
            factory,
            schema: SchemaRef::clone(schema),
            options: options.clone(),
            shares: Vec::new(),
            tasks: Vec::new(),
            rows: 0,
            row_groups: 0,
            held_bytes: 0,
        })
    }

    /// Begins to encode the rows of one batch; waits for the one before.
    ///
    /// # Errors
    /// As [`super::RowWriter::write`], of this batch or the one before.
    pub(in crate::copy) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            self.settle().await?;
            let room = self.options.row_group_rows_max.max(1) - self.rows;
            let rows = room.min(batch.num_rows() - from);
            self.begin(&batch.slice(from, rows))?;
            from += rows;
            self.rows += rows;
            if rows == room {
                self.end_row_group().await?;
            }
        }
        Ok(())
    }

    /// Bytes held by encoders.
    pub(in crate::copy) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Ends the row group to hand its bytes to the output.
    ///
    /// # Errors
    /// As [`super::RowWriter::release`].
    pub(in crate::copy) async fn release(&mut self) -> Result<()> {
        self.settle().await?;
        if self.held_bytes >= RELEASE_BYTES_MIN {
            self.end_row_group().await?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`super::RowWriter::finish`].
    pub(in crate::copy) async fn finish(mut self) -> Result<()> {
        self.end_row_group().await?;
        self.file.finish()?;
        Ok(self.file.inner_mut().flush()?)
    }

    /// Hands rows of one row group to the shares.
    fn begin(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.shares.is_empty() {
            let writers = self.factory.create_column_writers(self.row_groups)?;
            let count = writers.len().clamp(1, SHARES_MAX);
            self.shares = (0..count).map(|_| Share(Vec::new())).collect();
            for (place, writer) in writers.into_iter().enumerate() {
                self.shares[place % count].0.push((place, writer));
            }
        }
        let mut leaves: Vec<Option<ArrowLeafColumn>> = Vec::new();
        for (field, column) in self.schema.fields().iter().zip(rows.columns()) {
            leaves.extend(compute_leaves(field, column)?.into_iter().map(Some));
        }
        let is_small = rows.num_rows() < TASK_ROWS_MIN;
        for mut share in std::mem::take(&mut self.shares) {
            let own = share.0.iter();
            let own: Vec<_> = own.map(|(place, _)| leaves[*place].take()).collect();
            let encode = move || {
                for ((_, writer), leaf) in share.0.iter_mut().zip(own) {
                    if let Some(leaf) = leaf {
                        writer.write(&leaf)?;
                    }
                }
                Ok(share)
            };
            if is_small {
                self.shares.push(encode()?);
            } else {
                self.tasks.push(SpawnedTask::spawn(async move { encode() }));
            }
        }
        Ok(())
    }

    /// Waits until the shares are idle; ends a row group that has grown too large.
    async fn settle(&mut self) -> Result<()> {
        for task in std::mem::take(&mut self.tasks) {
            let share = task.join().await;
            let share = share
                .map_err(|error| SheafError::internal(format!("a task of COPY failed: {error}")))?;
            self.shares.push(share?);
        }
        let writers = || self.shares.iter().flat_map(|share| &share.0);
        self.held_bytes = writers().map(|(_, writer)| writer.memory_size()).sum();
        let encoded = writers().map(|(_, writer)| writer.get_estimated_total_bytes());
        if encoded.sum::<usize>() >= self.options.row_group_bytes_max.max(1) {
            self.append_row_group()?;
        }
        Ok(())
    }

    async fn end_row_group(&mut self) -> Result<()> {
        self.settle().await?;
        self.append_row_group()
    }

    /// Appends the row group of idle shares to the file, if there is one.
    fn append_row_group(&mut self) -> Result<()> {
        let shares = std::mem::take(&mut self.shares);
        let mut writers: Vec<_> = shares.into_iter().flat_map(|share| share.0).collect();
        if writers.is_empty() {
            return Ok(());
        }
        writers.sort_by_key(|(place, _)| *place);
        let mut group = self.file.next_row_group()?;
        for (_, writer) in writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.row_groups += 1;
        (self.rows, self.held_bytes) = (0, 0);
        Ok(())
    }
}
