//! Rows that an operator puts on disk and reads back in the order in which they were written.
//!
//! ```text
//! SpillWriter::create → append(batch) … → finish → SpilledRows → read() → stream of batches
//! ```
//!
//! A file is Arrow's IPC stream format, its buffers compressed with lz4; it lies where the engine's
//! disk manager puts it: in a [`SpillStore`](sheaf_runtime::spill::SpillStore), which charges the
//! disk budget, writes and reads on threads of its own, and compares checksums. It goes when the
//! last [`SpilledRows`] and the last stream over it are dropped. What the disk refuses is told at
//! the next append, at the end, or when the rows are read. Batches come back as they were appended:
//! what is held while reading is bounded by the batches appended and [`READ_AHEAD_BATCHES`]. Knows
//! nothing of what the rows mean, and reserves no memory: that is the operator's.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, RecordBatchOptions, make_array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::spill_file::{SpillFile, SpillWriter as FileWriter};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::SpillManager;

/// Batches that are decoded before they are asked for.
pub const READ_AHEAD_BATCHES: usize = 1;

/// Buffers start at multiples of this, in bytes: what views and 128-bit decimals need, so that
/// reading does not copy them.
const ALIGNMENT_BYTES: usize = 16;

/// A spill file being written.
pub struct SpillWriter {
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    schema: SchemaRef,
    file: Arc<dyn SpillFile>,
    writer: StreamWriter<CountingWriter>,
    row_count: usize,
    batch_bytes_max: usize,
}

/// A finished spill file. Clones share it.
#[derive(Clone)]
pub struct SpilledRows {
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    schema: SchemaRef,
    file: Arc<dyn SpillFile>,
    row_count: usize,
    file_bytes: usize,
    batch_bytes_max: usize,
}

impl SpillWriter {
    /// An empty file for rows of `schema`; `operator` is who errors name.
    ///
    /// # Errors
    /// `Resource` if spilling is disabled or the directory cannot be written.
    pub fn create(
        env: &Arc<RuntimeEnv>,
        metrics: &SpillMetrics,
        schema: &SchemaRef,
        operator: &str,
    ) -> Result<Self> {
        let file = env.disk_manager.create_tmp_file(operator)?;
        let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?
            .try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let counting = CountingWriter {
            inner: file.open_writer()?,
            metrics: metrics.clone(),
            bytes: 0,
        };
        let writer = StreamWriter::try_new_with_options(counting, schema, options)?;
        metrics.spill_file_count.add(1);
        Ok(Self {
            env: Arc::clone(env),
            metrics: metrics.clone(),
            schema: Arc::clone(schema),
            file,
            writer,
            row_count: 0,
            batch_bytes_max: 0,
        })
    }

    /// Appends the rows of `batch`, whose columns must be those of the schema; views are compacted
    /// first.
    ///
    /// # Errors
    /// `Resource` if the disk or its budget is spent.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = compact(batch)?;
        self.writer.write(&batch)?;
        self.batch_bytes_max = self.batch_bytes_max.max(batch_bytes(&batch)?);
        self.row_count += batch.num_rows();
        self.metrics.spilled_rows.add(batch.num_rows());
        Ok(())
    }

    /// Rows appended so far.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Bytes written so far.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.writer.get_ref().bytes
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `Resource` if the disk or its budget is spent.
    pub fn finish(mut self) -> Result<SpilledRows> {
        self.writer.finish()?;
        let counting = self.writer.get_mut();
        counting.inner.finish()?;
        let file_bytes = counting.bytes;
        Ok(SpilledRows {
            env: self.env,
            metrics: self.metrics,
            schema: self.schema,
            file: self.file,
            row_count: self.row_count,
            file_bytes,
            batch_bytes_max: self.batch_bytes_max,
        })
    }
}

impl SpilledRows {
    /// Rows in the file.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Bytes of the file, compressed.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// Bytes that the largest batch takes in memory.
    #[must_use]
    pub fn batch_bytes_max(&self) -> usize {
        self.batch_bytes_max
    }

    /// The batches from the beginning, in order. May be called any number of times; each stream
    /// keeps the file.
    ///
    /// # Errors
    /// `Resource` if the file cannot be opened; the stream, if it cannot be read.
    pub fn read(&self) -> Result<SendableRecordBatchStream> {
        let reader = SpillManager::new(
            Arc::clone(&self.env),
            self.metrics.clone(),
            Arc::clone(&self.schema),
        )
        .with_batch_read_buffer_capacity(READ_AHEAD_BATCHES);
        reader.read_spill_as_stream(Arc::clone(&self.file), None)
    }
}

/// Bytes that the rows of `batch` take, without what its buffers hold of other rows.
///
/// # Errors
/// `Internal` for types whose layout is unknown.
pub fn batch_bytes(batch: &RecordBatch) -> Result<usize> {
    let mut bytes = 0;
    for column in batch.columns() {
        bytes += column.to_data().get_slice_memory_size()?;
        // Only the views themselves were counted.
        bytes += match column.data_type() {
            DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
            _ => 0,
        };
    }
    Ok(bytes)
}

/// The same rows without the bytes that their string and binary views do not use; those of a slice
/// or of filtered rows keep the buffers of all the rows they were taken from.
///
/// # Errors
/// `Internal` if a nested array cannot be put together again.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    /// Views whose buffers hold less than this, in bytes, are not worth rewriting.
    const COMPACT_BYTES_MIN: usize = 16 * 1024;
    rewrite_views(batch, |held, used| {
        held >= COMPACT_BYTES_MIN && held / 2 > used
    })
}

/// The rows of `batches` in one, whose buffers are its own and no larger than they need be: what the
/// many had can be given back as a whole.
///
/// # Errors
/// As [`compact`]; of the engine where the batches are not of `schema`.
pub(crate) fn copy_together<'a>(
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<RecordBatch> {
    let together = concat_batches(schema, batches)?;
    rewrite_views(&together, |held, _| held > 0)
}

/// Rewrites views for whose buffers `is_wanted` holds, given the bytes they hold and those in use.
fn rewrite_views(
    batch: &RecordBatch,
    is_wanted: impl Fn(usize, usize) -> bool + Copy,
) -> Result<RecordBatch> {
    let columns = batch.columns().iter();
    let columns = columns.map(|array| rewrite_array(array, is_wanted));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns.collect::<Result<Vec<_>>>()?,
        &options,
    )?)
}

fn rewrite_array(
    array: &ArrayRef,
    is_wanted: impl Fn(usize, usize) -> bool + Copy,
) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Utf8View => {
            let rewritten = rewritten(array.as_string_view(), is_wanted);
            Ok(rewritten.map_or_else(|| Arc::clone(array), |a| Arc::new(a) as ArrayRef))
        }
        DataType::BinaryView => {
            let rewritten = rewritten(array.as_binary_view(), is_wanted);
            Ok(rewritten.map_or_else(|| Arc::clone(array), |a| Arc::new(a) as ArrayRef))
        }
        kind if kind.is_nested() => {
            let data = array.to_data();
            let mut children = Vec::with_capacity(data.child_data().len());
            let mut is_changed = false;
            for child in data.child_data() {
                let child = make_array(child.clone());
                let rewritten = rewrite_array(&child, is_wanted)?;
                is_changed |= !Arc::ptr_eq(&child, &rewritten);
                children.push(rewritten.to_data());
            }
            if !is_changed {
                return Ok(Arc::clone(array));
            }
            Ok(make_array(
                data.into_builder().child_data(children).build()?,
            ))
        }
        _ => Ok(Arc::clone(array)),
    }
}

fn rewritten<T: ByteViewType + ?Sized>(
    views: &GenericByteViewArray<T>,
    is_wanted: impl Fn(usize, usize) -> bool,
) -> Option<GenericByteViewArray<T>> {
    let held: usize = views.data_buffers().iter().map(|b| b.capacity()).sum();
    is_wanted(held, views.total_buffer_bytes_used()).then(|| views.gc())
}

/// Counts what is written to a file.
struct CountingWriter {
    inner: Box<dyn FileWriter>,
    metrics: SpillMetrics,
    bytes: usize,
}

impl Write for CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written;
        self.metrics.spilled_bytes.add(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
