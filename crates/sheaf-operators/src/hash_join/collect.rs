//! Gathers build rows in memory, and evicts buckets of them to files when memory is refused.
//!
//! Many tasks add rows at once. What is evicted only grows; a task that finds its view of it
//! outdated sorts its rows anew. Rows are moved under the lock of what is held, so that none is
//! both evicted and kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryReservation};
use datafusion::physical_plan::metrics::SpillMetrics;
use parking_lot::{Mutex, RwLock};

use super::bloom::Bloom;
use super::chunk::{Chunk, compact};
use super::keys::Keys;
use super::spec::JoinSpec;
use super::spill::{BucketFiles, BucketSet, Stage, bucket_of};
use super::{BUCKETS, CHUNK_ROWS_MAX, CHUNKS_MAX};

/// An eviction frees this share (one in so many) of the rows in memory.
const EVICTED_PART: usize = 3;

/// The Bloom filter takes this share (one in so many) of what can be reserved in all …
const BLOOM_PART: usize = 64;

/// … and at most so many bytes: good for some 16 million rows.
const BLOOM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Build rows while they arrive.
#[derive(Debug)]
pub(super) struct Collector {
    spec: Arc<JoinSpec>,
    /// How often the rows have been cut into buckets before.
    level: u32,
    budget: Budget,
    held: Mutex<Held>,
    evicted: AtomicU32,
    files: BucketFiles,
    bloom: RwLock<Option<Bloom>>,
    bloom_bytes: usize,
}

#[derive(Debug, Default)]
struct Held {
    chunks: Vec<Chunk>,
    /// Rows in memory of each bucket.
    rows: [usize; BUCKETS],
}

/// A reservation of which some has been granted in advance.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) reservation: MemoryReservation,
    prepaid_bytes: AtomicUsize,
}

impl Budget {
    /// Of what `reservation` holds already, nothing is in use.
    pub(super) fn new(reservation: MemoryReservation) -> Self {
        let prepaid_bytes = AtomicUsize::new(reservation.size());
        Self {
            reservation,
            prepaid_bytes,
        }
    }

    /// Whether `bytes` more are granted.
    pub(super) fn try_grow(&self, bytes: usize) -> bool {
        let prepaid =
            self.prepaid_bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |prepaid| {
                    prepaid.checked_sub(bytes)
                });
        prepaid.is_ok() || self.reservation.try_grow(bytes).is_ok()
    }

    /// Gives back what was granted in advance and not used.
    fn settle(&self) {
        let left = self.prepaid_bytes.swap(0, Ordering::Relaxed);
        self.reservation.shrink(left.min(self.reservation.size()));
    }
}

/// All build rows: those in memory, and the files of the others.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) chunks: Vec<Chunk>,
    pub(super) evicted: BucketSet,
    pub(super) files: BucketFiles,
    pub(super) bloom: Option<Bloom>,
    pub(super) reservation: MemoryReservation,
}

impl Collector {
    pub(super) fn new(
        spec: Arc<JoinSpec>,
        level: u32,
        context: &TaskContext,
        reservation: MemoryReservation,
        metrics: &SpillMetrics,
    ) -> Self {
        let files = BucketFiles::new(context.runtime_env(), metrics, &spec.build_schema);
        let pool_bytes = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        Self {
            spec,
            level,
            budget: Budget::new(reservation),
            held: Mutex::default(),
            evicted: AtomicU32::new(0),
            files,
            bloom: RwLock::default(),
            bloom_bytes: (pool_bytes / BLOOM_PART).min(BLOOM_BYTES_MAX),
        }
    }

    /// A stage for a task that adds rows.
    pub(super) fn stage(&self) -> Stage {
        Stage::new(self.budget.reservation.new_empty())
    }

    /// Adds rows to what is in memory or, as far as they are of evicted buckets, to `stage`.
    pub(super) fn add(&self, batch: &RecordBatch, stage: &mut Stage) -> Result<()> {
        for from in (0..batch.num_rows()).step_by(CHUNK_ROWS_MAX) {
            let rows = CHUNK_ROWS_MAX.min(batch.num_rows() - from);
            let Some(mut chunk) = self.chunk(batch.slice(from, rows))? else {
                continue;
            };
            while let Some(rest) = self.place(chunk, stage)? {
                chunk = rest;
            }
        }
        Ok(())
    }

    /// Keeps or diverts the rows of a chunk; returns those for which there was no memory. Some
    /// bucket has been evicted then.
    fn place(&self, chunk: Chunk, stage: &mut Stage) -> Result<Option<Chunk>> {
        let evicted = self.evicted();
        let Some(chunk) = self.divert(chunk, evicted, stage)? else {
            return Ok(None);
        };
        if !self.budget.try_grow(chunk.bytes) {
            self.evict(evicted)?;
            return Ok(Some(chunk));
        }
        let mut held = self.held.lock();
        if self.evicted() == evicted && held.chunks.len() < CHUNKS_MAX {
            for hash in &chunk.keys.hashes {
                held.rows[bucket_of(*hash)] += 1;
            }
            held.chunks.push(chunk);
            return Ok(None);
        }
        drop(held);
        self.budget.reservation.shrink(chunk.bytes);
        self.evict(evicted)?;
        Ok(Some(chunk))
    }

    pub(super) fn evicted(&self) -> BucketSet {
        BucketSet(self.evicted.load(Ordering::Acquire))
    }

    /// Ends the adding of rows. All stages have been flushed.
    pub(super) fn finish(self) -> Collected {
        self.budget.settle();
        let evicted = self.evicted();
        Collected {
            chunks: self.held.into_inner().chunks,
            evicted,
            files: self.files,
            bloom: self.bloom.into_inner().filter(Bloom::is_useful),
            reservation: self.budget.reservation,
        }
    }

    /// Reserves `bytes` besides what the rows take; or else evicts some rows and says no.
    pub(super) fn try_grow_or_evict(&self, bytes: usize) -> Result<bool> {
        if bytes == 0 || self.budget.try_grow(bytes) {
            return Ok(true);
        }
        self.evict(self.evicted())?;
        Ok(false)
    }

    /// Looks at the chunks in memory.
    pub(super) fn with_chunks<T>(&self, look: impl FnOnce(&[Chunk]) -> T) -> T {
        look(&self.held.lock().chunks)
    }

    pub(super) fn files(&self) -> &BucketFiles {
        &self.files
    }

    /// Rows with their keys, less those that can neither match nor come out.
    fn chunk(&self, batch: RecordBatch) -> Result<Option<Chunk>> {
        let batch = compact(batch)?;
        let keys = self.keys(&batch)?;
        let Some(valid) = keys
            .valid
            .as_ref()
            .filter(|_| !self.spec.keeps_unmatched_build())
        else {
            return Ok((batch.num_rows() > 0).then(|| Chunk::new(batch, keys)));
        };
        let rows = UInt32Array::from_iter_values(
            (0..batch.num_rows())
                .filter(|row| valid.is_valid(*row))
                .filter_map(|row| u32::try_from(row).ok()),
        );
        if rows.is_empty() {
            return Ok(None);
        }
        let batch = take_record_batch(&batch, &rows)?;
        let keys = self.keys(&batch)?;
        Ok(Some(Chunk::new(batch, keys)))
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Keys> {
        let spec = &self.spec;
        Keys::evaluate(
            &spec.build_keys,
            batch,
            spec.null_equality,
            Some(self.level),
        )
    }

    /// Sends the rows of evicted buckets to `stage`; returns the others.
    fn divert(&self, chunk: Chunk, evicted: BucketSet, stage: &mut Stage) -> Result<Option<Chunk>> {
        if evicted.is_empty() {
            return Ok(Some(chunk));
        }
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for (row, hash) in (0_u32..).zip(&chunk.keys.hashes) {
            if evicted.contains(bucket_of(*hash)) {
                gone.push(row);
            } else {
                kept.push(row);
            }
        }
        if gone.is_empty() {
            return Ok(Some(chunk));
        }
        let gone = UInt32Array::from(gone);
        let hashes: Vec<u64> = gone
            .values()
            .iter()
            .map(|row| chunk.keys.hashes[*row as usize])
            .collect();
        self.remember(hashes.iter().copied());
        stage.push(&self.files, take_record_batch(&chunk.batch, &gone)?, hashes)?;
        if kept.is_empty() {
            return Ok(None);
        }
        let batch = take_record_batch(&chunk.batch, &UInt32Array::from(kept))?;
        let keys = self.keys(&batch)?;
        Ok(Some(Chunk::new(batch, keys)))
    }

    /// Evicts the largest buckets, unless that has been done since `seen`.
    fn evict(&self, seen: BucketSet) -> Result<()> {
        let mut held = self.held.lock();
        if self.evicted() != seen {
            return Ok(());
        }
        if seen.is_empty() {
            self.make_bloom();
        }
        let evicted = choose(&held.rows, seen);
        self.evicted.store(evicted.0, Ordering::Release);
        for bucket in 0..BUCKETS {
            if evicted.contains(bucket) {
                held.rows[bucket] = 0;
            }
        }
        let mut chunks = std::mem::take(&mut held.chunks).into_iter().peekable();
        while chunks.peek().is_some() {
            let mut group = Vec::new();
            let mut rows = 0;
            while let Some(chunk) =
                chunks.next_if(|c| rows == 0 || rows + c.rows() <= self.group_rows())
            {
                rows += chunk.rows();
                group.push(chunk);
            }
            held.chunks.extend(self.rewrite(&group, evicted)?);
            let bytes: usize = group.iter().map(|chunk| chunk.bytes).sum();
            self.budget.reservation.shrink(bytes);
        }
        Ok(())
    }

    /// Rows that are sorted into buckets at a time.
    fn group_rows(&self) -> usize {
        self.spec.batch_rows.saturating_mul(4).min(CHUNK_ROWS_MAX)
    }

    /// Writes the evicted rows of `group` to the files; returns the others, which are reserved.
    fn rewrite(&self, group: &[Chunk], evicted: BucketSet) -> Result<Option<Chunk>> {
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
        let batches: Vec<&RecordBatch> = group.iter().map(|chunk| &chunk.batch).collect();
        for (bucket, places) in gone.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            let hashes = || places.iter().map(|(at, row)| group[*at].keys.hashes[*row]);
            self.remember(hashes());
            let rows = interleave_record_batch(&batches, places)?;
            self.files.append(bucket, &rows, hashes())?;
        }
        if kept.is_empty() {
            return Ok(None);
        }
        let batch = compact(interleave_record_batch(&batches, &kept)?)?;
        let keys = self.keys(&batch)?;
        let chunk = Chunk::new(batch, keys);
        // Takes no more than the group, which is given back when this is done.
        self.budget.reservation.grow(chunk.bytes);
        Ok(Some(chunk))
    }

    fn remember(&self, hashes: impl Iterator<Item = u64>) {
        if let Some(bloom) = self.bloom.read().as_ref() {
            hashes.for_each(|hash| bloom.insert(hash));
        }
    }

    /// Makes the filter before the first rows go to files. It counts as part of the reservation
    /// although memory is short: it is small, and saves more.
    fn make_bloom(&self) {
        if self.bloom_bytes > 0 {
            self.budget.reservation.grow(self.bloom_bytes);
            *self.bloom.write() = Some(Bloom::new(self.bloom_bytes));
        }
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
