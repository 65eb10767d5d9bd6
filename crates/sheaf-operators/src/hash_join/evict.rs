//! Moves buckets of build rows from memory to files, while they arrive and while they are probed.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::IntoIter;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use datafusion::common::Result;
use datafusion::common::utils::memory::{RecordBatchMemoryCounter, get_record_batch_memory_size};
use sheaf_runtime::memory::Holding;

use super::chunk::{Chunk, compact};
use super::collect::{BuildSide, KeptRows};
use super::indexing::{IndexPlan, key_range};
use super::portion::Portion;
use super::spill::{BucketSet, bucket_of};
use super::table::Table;
use super::{BUCKETS, CHUNK_ROWS_MAX};

/// An eviction frees this share (one in so many) of the rows in memory.
const EVICTED_PART: usize = 3;

/// Build rows in memory that can be moved.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) chunks: Vec<Chunk>,
    /// Rows of each bucket.
    rows: [usize; BUCKETS],
    /// For the chunks, and for one copy at a time when they are cut.
    pub(super) portion: Portion,
    /// Bytes of that copy: those of the largest chunk.
    room_bytes: usize,
    /// The chunks' buffers: batches that were read from one page share some, which count with the
    /// first chunk that has them. All go when rows are evicted.
    buffers: RecordBatchMemoryCounter,
    /// Granted in advance.
    pub(super) prepaid: Portion,
    /// For the Bloom filter, until it is made.
    pub(super) bloom_room: Option<Portion>,
}

impl Held {
    pub(super) fn new(holding: &Arc<Holding>, prepaid: Portion) -> Self {
        Self {
            chunks: Vec::new(),
            rows: [0; BUCKETS],
            portion: Portion::empty(holding),
            room_bytes: 0,
            buffers: RecordBatchMemoryCounter::new(),
            prepaid,
            bloom_room: None,
        }
    }

    /// Bytes to be reserved with a chunk, so that it can be cut.
    pub(super) fn room_for(&self, chunk: &Chunk) -> usize {
        chunk.bytes.saturating_sub(self.room_bytes)
    }

    /// Adds a chunk for which, and for its room, `portion` is reserved.
    pub(super) fn keep(&mut self, chunk: Chunk, mut portion: Portion) {
        // Somebody else may have made room meanwhile, or hold some of the same buffers.
        let room_bytes = self.room_for(&chunk);
        portion.shrink_to(self.admit(chunk) + room_bytes);
        self.portion.merge(portion);
    }

    /// Adds a chunk; the bytes that it takes beside the others.
    fn admit(&mut self, mut chunk: Chunk) -> usize {
        self.room_bytes = self.room_bytes.max(chunk.bytes);
        let own_bytes = self.buffers.count_batch(&chunk.batch);
        let shared_bytes = get_record_batch_memory_size(&chunk.batch).saturating_sub(own_bytes);
        chunk.bytes = chunk.bytes.saturating_sub(shared_bytes);
        let bytes = chunk.bytes;
        for hash in &chunk.keys.hashes {
            self.rows[bucket_of(*hash)] += 1;
        }
        self.chunks.push(chunk);
        bytes
    }

    /// Takes out all chunks, with what is reserved.
    pub(super) fn take(&mut self) -> KeptRows {
        self.rows = [0; BUCKETS];
        self.room_bytes = 0;
        self.buffers = RecordBatchMemoryCounter::new();
        let bytes = self.portion.bytes();
        let portion = self.portion.split(bytes);
        KeptRows {
            chunks: std::mem::take(&mut self.chunks),
            // All of it can be split off.
            portion: portion.unwrap_or_else(|| Portion::empty(self.portion.holding())),
        }
    }

    /// Bytes of the chunks, and of a copy of the largest.
    fn used_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes).sum();
        chunks + self.room_bytes
    }
}

impl BuildSide {
    /// Evicts the largest buckets, unless that has been done since `seen`.
    ///
    /// # Errors
    /// If a file cannot be written; [`BuildSide::check`] tells it to others, too.
    pub(super) fn evict(&self, seen: BucketSet) -> Result<()> {
        let mut held = self.held.lock();
        if self.evicted() == seen {
            self.evict_from(&mut held)?;
        }
        Ok(())
    }

    /// Evicts buckets until `wanted_bytes` are given back, or no rows are left in memory.
    ///
    /// # Errors
    /// As [`BuildSide::evict`].
    pub(super) fn give(&self, wanted_bytes: usize) -> Result<()> {
        let mut held = self.held.lock();
        let unused = held.prepaid.bytes().min(wanted_bytes);
        held.prepaid.shrink(unused);
        let target = held.portion.bytes().saturating_sub(wanted_bytes - unused);
        while held.portion.bytes() > target && !held.chunks.is_empty() {
            self.evict_from(&mut held)?;
        }
        Ok(())
    }

    /// Evicts buckets of a table that nobody uses until `wanted_bytes` are given back, and builds
    /// an index over what is left.
    ///
    /// # Errors
    /// As [`BuildSide::evict`]: the table is lost then.
    pub(super) async fn cut(&self, table: Table, wanted_bytes: usize) -> Result<Table> {
        let spec = &self.spec;
        let target = table.bytes().saturating_sub(wanted_bytes);
        let rows = table.into_rows(self)?;
        let (rows, plan) = {
            let mut held = self.held.lock();
            // Of the hashes no more was given up than the index took.
            held.portion.merge(rows.portion);
            for chunk in rows.chunks {
                held.admit(chunk);
            }
            loop {
                self.evict_from(&mut held)?;
                let plan = IndexPlan::new(spec, &held.chunks, key_range(&held.chunks), 1);
                let bytes = held.used_bytes() + plan.bytes;
                if held.chunks.is_empty() || bytes <= target.min(held.portion.bytes()) {
                    held.portion.shrink_to(bytes);
                    break (held.take(), plan);
                }
            }
        };
        self.files.close().map_err(|error| self.fail(error))?;
        Table::build(spec, rows, plan).await
    }

    fn evict_from(&self, held: &mut Held) -> Result<()> {
        let seen = self.evicted();
        if seen.is_empty() {
            self.make_bloom(held);
        }
        let evicted = choose(&held.rows, seen);
        for bucket in 0..BUCKETS {
            if evicted.contains(bucket) {
                held.rows[bucket] = 0;
            }
        }
        held.buffers = RecordBatchMemoryCounter::new();
        let mut chunks = std::mem::take(&mut held.chunks).into_iter().peekable();
        while let Some(group) = self.group(&mut chunks, held.room_bytes) {
            let bytes: usize = group.iter().map(|chunk| chunk.bytes).sum();
            let kept = self.rewrite(group, evicted).map_err(|e| self.fail(e))?;
            let kept_bytes: usize = kept.iter().map(|chunk| chunk.bytes).sum();
            held.portion.shrink(bytes.saturating_sub(kept_bytes));
            held.chunks.extend(kept);
        }
        // Last, so that whoever adds rows meanwhile finds the filter made, or waits for the lock.
        self.evicted.store(evicted.0, Ordering::Release);
        if held.chunks.is_empty() {
            held.room_bytes = 0;
            held.portion.shrink_to(0);
        }
        Ok(())
    }

    /// Chunks that are sorted into buckets at a time: no more than there is room to copy.
    fn group(&self, chunks: &mut Peekable<IntoIter<Chunk>>, room: usize) -> Option<Vec<Chunk>> {
        let rows_max = self.spec.batch_rows.saturating_mul(4).min(CHUNK_ROWS_MAX);
        let first = chunks.next()?;
        let (mut rows, mut bytes) = (first.rows(), first.bytes);
        let mut group = vec![first];
        while let Some(chunk) =
            chunks.next_if(|c| rows + c.rows() <= rows_max && bytes + c.bytes <= room)
        {
            rows += chunk.rows();
            bytes += chunk.bytes;
            group.push(chunk);
        }
        Some(group)
    }

    /// Writes the evicted rows of `group` to the files; returns the others.
    fn rewrite(&self, group: Vec<Chunk>, evicted: BucketSet) -> Result<Vec<Chunk>> {
        let mut gone = vec![Vec::new(); BUCKETS];
        let mut kept = Vec::new();
        for (at, chunk) in group.iter().enumerate() {
            for (row, hash) in chunk.keys.hashes.iter().enumerate() {
                let bucket = bucket_of(*hash);
                if evicted.contains(bucket) {
                    gone[bucket].push((at, row));
                } else {
                    kept.push((at, row));
                }
            }
        }
        if gone.iter().all(Vec::is_empty) {
            return Ok(group);
        }
        let batches: Vec<&RecordBatch> = group.iter().map(|chunk| &chunk.batch).collect();
        for (bucket, places) in gone.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            let hashes = || places.iter().map(|(at, row)| group[*at].keys.hashes[*row]);
            self.remember(hashes());
            let rows = interleave_record_batch(&batches, places)?;
            let rows = self.spec.stored(rows, None)?;
            self.files.append(bucket, &rows, hashes())?;
        }
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let batch = compact(interleave_record_batch(&batches, &kept)?)?;
        let keys = self.keys(&batch)?;
        Ok(vec![Chunk::new(batch, keys)])
    }
}

/// The buckets that are evicted after `evicted` are: besides them the largest, until a part of
/// the rows in memory is gone; all, if no rows are in memory.
fn choose(rows: &[usize; BUCKETS], evicted: BucketSet) -> BucketSet {
    let in_memory: usize = rows.iter().sum();
    if in_memory == 0 {
        return BucketSet::ALL;
    }
    let mut buckets: Vec<usize> = (0..BUCKETS).filter(|b| !evicted.contains(*b)).collect();
    buckets.sort_by_key(|bucket| std::cmp::Reverse(rows[*bucket]));
    let mut chosen = evicted;
    let mut freed = 0;
    for bucket in buckets {
        if freed * EVICTED_PART >= in_memory {
            break;
        }
        freed += rows[bucket];
        chosen.insert(bucket);
    }
    chosen
}
