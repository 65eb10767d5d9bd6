//! Rows of evicted buckets on their way to files: gathered by task, written by bucket.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::SpillMetrics;
use parking_lot::Mutex;

use super::{BUCKETS, STAGE_BYTES_MAX};
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

/// The rows of a bucket that are in a file.
pub(super) struct SpilledBucket {
    rows: SpilledRows,
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
        self.rows.row_count()
    }

    /// Reads the rows, in the order in which they were written.
    pub(super) fn read(&self) -> Result<SendableRecordBatchStream> {
        self.rows.read()
    }
}

/// One file for each bucket that has rows to spill.
pub(super) struct BucketFiles {
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    schema: SchemaRef,
    slots: Vec<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    writer: Option<SpillWriter>,
    bytes: usize,
    hash: Option<u64>,
    is_mixed: bool,
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
        let writer = match &mut slot.writer {
            Some(writer) => writer,
            None => slot.writer.insert(SpillWriter::create(
                &self.env,
                &self.metrics,
                &self.schema,
                "the hash join",
            )?),
        };
        writer.append(batch)
    }

    /// Ends the file of `bucket`, if it has one.
    pub(super) fn finish(&self, bucket: usize) -> Result<Option<SpilledBucket>> {
        let slot = std::mem::take(&mut *self.slots[bucket].lock());
        let Some(writer) = slot.writer else {
            return Ok(None);
        };
        Ok(Some(SpilledBucket {
            rows: writer.finish()?,
            bytes: slot.bytes,
            is_mixed: slot.is_mixed,
        }))
    }
}

/// Rows of evicted buckets that a task has gathered, to be written in large pieces.
#[derive(Debug)]
pub(super) struct Stage {
    parts: Vec<(RecordBatch, Vec<u64>)>,
    reservation: MemoryReservation,
}

impl Stage {
    pub(super) fn new(reservation: MemoryReservation) -> Self {
        Self {
            parts: Vec::new(),
            reservation,
        }
    }

    /// Adds rows; writes what has gathered if there is much of it, or no memory for more.
    pub(super) fn push(
        &mut self,
        files: &BucketFiles,
        batch: RecordBatch,
        hashes: Vec<u64>,
    ) -> Result<()> {
        let bytes = batch.get_array_memory_size() + hashes.len() * size_of::<u64>();
        let is_full = self.reservation.size().saturating_add(bytes) > STAGE_BYTES_MAX;
        let write = is_full || self.reservation.try_grow(bytes).is_err();
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
        self.reservation.free();
        Ok(())
    }
}
