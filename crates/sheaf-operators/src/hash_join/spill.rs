//! Rows of evicted buckets on their way to files: gathered by task, written by bucket.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use futures::stream::iter;
use parking_lot::Mutex;

use super::chunk::compact;
use super::portion::Portion;
use super::{BUCKETS, OPERATOR, STAGE_BYTES_MAX};
use crate::spill::{SpillWriter, SpilledRows, batch_bytes};

/// A set of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BucketSet(pub(super) u32);

impl BucketSet {
    pub(super) const ALL: Self = Self(u32::MAX);

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, bucket: usize) -> bool {
        self.0 >> bucket & 1 == 1
    }

    pub(super) fn insert(&mut self, bucket: usize) {
        self.0 |= 1 << bucket;
    }
}

/// The bucket of a hash: bits that neither regions nor places of the index depend on.
pub(super) fn bucket_of(hash: u64) -> usize {
    ((hash >> 27) % BUCKETS as u64) as usize
}

/// The rows of a bucket that are in files.
pub(super) struct SpilledBucket {
    files: Vec<SpilledRows>,
    schema: SchemaRef,
    /// What the rows would take in memory.
    pub(super) bytes: usize,
    /// Whether cutting them again can help: not if all hashes are the same.
    pub(super) is_mixed: bool,
}

impl fmt::Debug for SpilledBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpilledBucket({} rows)", self.rows())
    }
}

impl SpilledBucket {
    pub(super) fn rows(&self) -> usize {
        self.files.iter().map(SpilledRows::row_count).sum()
    }

    /// Reads the rows, in the order in which they were written.
    pub(super) fn read(&self) -> SendableRecordBatchStream {
        let files = self.files.clone().into_iter();
        let rows = iter(files.map(|file| file.read())).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}

/// The files of each bucket that has rows to spill: one, or one more each time they were closed.
pub(super) struct BucketFiles {
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    schema: SchemaRef,
    slots: Vec<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    writer: Option<SpillWriter>,
    closed: Vec<SpilledRows>,
    bytes: usize,
    hash: Option<u64>,
    is_mixed: bool,
    /// Why rows are missing. Whoever wrote them was told, and others must not read what is there:
    /// a file that misses some bytes is none.
    failure: Option<Arc<DataFusionError>>,
}

impl Slot {
    fn append(&mut self, files: &BucketFiles, batch: &RecordBatch) -> Result<()> {
        self.check()?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(files.writer()?),
        };
        let appended = writer.append(batch);
        appended.map_err(|error| self.fail(error))
    }

    fn close(&mut self) -> Result<()> {
        self.check()?;
        if let Some(writer) = self.writer.take() {
            let rows = writer.finish().map_err(|error| self.fail(error))?;
            self.closed.push(rows);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        match &self.failure {
            Some(failure) => Err(DataFusionError::Shared(Arc::clone(failure))),
            None => Ok(()),
        }
    }

    fn fail(&mut self, error: DataFusionError) -> DataFusionError {
        self.writer = None;
        let failure = self.failure.insert(Arc::new(error));
        DataFusionError::Shared(Arc::clone(failure))
    }
}

impl fmt::Debug for BucketFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketFiles")
    }
}

impl BucketFiles {
    pub(super) fn new(env: Arc<RuntimeEnv>, metrics: &SpillMetrics, schema: &SchemaRef) -> Self {
        Self {
            env,
            metrics: metrics.clone(),
            schema: Arc::clone(schema),
            slots: (0..BUCKETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Writes rows of `bucket`, whose hashes are `hashes`.
    pub(super) fn append(
        &self,
        bucket: usize,
        batch: &RecordBatch,
        hashes: impl Iterator<Item = u64>,
    ) -> Result<()> {
        let mut slot = self.slots[bucket].lock();
        let slot = &mut *slot;
        for hash in hashes {
            slot.is_mixed |= *slot.hash.get_or_insert(hash) != hash;
        }
        slot.bytes += batch_bytes(batch)?;
        slot.append(self, batch)
    }

    /// Rows of `schema` alone, for whoever keeps them otherwise than by bucket.
    pub(super) fn writer(&self) -> Result<SpillWriter> {
        SpillWriter::create(&self.env, &self.metrics, &self.schema, OPERATOR)
    }

    /// Ends the files that are open.
    pub(super) fn close(&self) -> Result<()> {
        self.slots.iter().try_for_each(|slot| slot.lock().close())
    }

    /// The rows of `bucket`, if it has any.
    pub(super) fn take(&self, bucket: usize) -> Result<Option<SpilledBucket>> {
        let mut slot = std::mem::take(&mut *self.slots[bucket].lock());
        slot.close()?;
        Ok((!slot.closed.is_empty()).then(|| SpilledBucket {
            files: slot.closed,
            schema: Arc::clone(&self.schema),
            bytes: slot.bytes,
            is_mixed: slot.is_mixed,
        }))
    }
}

/// Rows of evicted buckets that a task has gathered, to be written in large pieces.
#[derive(Debug)]
pub(super) struct Stage {
    parts: Vec<(RecordBatch, Vec<u64>)>,
    portion: Portion,
}

impl Stage {
    pub(super) fn new(portion: Portion) -> Self {
        Self {
            parts: Vec::new(),
            portion,
        }
    }

    /// Adds rows; writes what has gathered if there is much of it, or no memory for more.
    pub(super) fn push(
        &mut self,
        files: &BucketFiles,
        batch: RecordBatch,
        hashes: Vec<u64>,
    ) -> Result<()> {
        let batch = compact(batch)?;
        let bytes = get_record_batch_memory_size(&batch) + hashes.len() * size_of::<u64>();
        let is_full = self.portion.bytes().saturating_add(bytes) > STAGE_BYTES_MAX;
        let write = is_full || !self.portion.try_grow(bytes);
        self.parts.push((batch, hashes));
        if write { self.flush(files) } else { Ok(()) }
    }

    /// Writes what has gathered.
    pub(super) fn flush(&mut self, files: &BucketFiles) -> Result<()> {
        let parts = std::mem::take(&mut self.parts);
        let mut places = vec![Vec::new(); BUCKETS];
        for (part, (_, hashes)) in parts.iter().enumerate() {
            for (row, hash) in hashes.iter().enumerate() {
                places[bucket_of(*hash)].push((part, row));
            }
        }
        let batches: Vec<&RecordBatch> = parts.iter().map(|(batch, _)| batch).collect();
        for (bucket, places) in places.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            let rows = interleave_record_batch(&batches, places)?;
            let hashes = places.iter().map(|(part, row)| parts[*part].1[*row]);
            files.append(bucket, &rows, hashes)?;
        }
        self.portion.shrink_to(0);
        Ok(())
    }
}
