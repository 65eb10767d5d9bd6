//! The build side's rows: gathered in memory, and moved to files by bucket when memory is needed.
//!
//! Many tasks add rows at once, and one gives memory back when others ask. What is evicted only
//! grows; a task that finds its view of it outdated sorts its rows anew. Rows are moved under the
//! lock of what is held, so that none is both evicted and kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_plan::metrics::SpillMetrics;
use parking_lot::{Mutex, RwLock};
use sheaf_runtime::memory::{Grant, Holding};

use super::bloom::Bloom;
use super::chunk::{Chunk, compact};
use super::evict::Held;
use super::keys::Keys;
use super::portion::Portion;
use super::spec::JoinSpec;
use super::spill::{BucketFiles, BucketSet, Stage, bucket_of};
use super::{CHUNK_ROWS_MAX, CHUNKS_MAX};

/// The Bloom filter takes this share (one in so many) of what can be reserved in all …
const BLOOM_PART: usize = 64;

/// … and at most so many bytes: good for some 16 million rows.
const BLOOM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room for the Bloom filter is made sure of once so many times its bytes are held: when rows have
/// to go, there may be none.
const BLOOM_ROWS_PART: usize = 4;

/// The build rows of a join or of one of its buckets: in memory until they are indexed, again
/// while some of an index's rows are evicted, and in files.
#[derive(Debug)]
pub(super) struct BuildSide {
    pub(super) spec: Arc<JoinSpec>,
    /// How often the rows have been cut into buckets before.
    pub(super) level: u32,
    pub(super) holding: Arc<Holding>,
    pub(super) held: Mutex<Held>,
    pub(super) evicted: AtomicU32,
    pub(super) files: BucketFiles,
    pub(super) bloom: RwLock<Option<Bloom>>,
    bloom_bytes: usize,
    /// Why rows were lost: whoever moved them could not tell anybody.
    failure: Mutex<Option<Arc<DataFusionError>>>,
}

/// Rows in memory, with what is reserved for them and for cutting them.
#[derive(Debug)]
pub(super) struct KeptRows {
    pub(super) chunks: Vec<Chunk>,
    pub(super) portion: Portion,
}

impl BuildSide {
    /// No rows yet. Of what `holding` has been granted, `prepaid` is for rows to come.
    pub(super) fn new(
        spec: Arc<JoinSpec>,
        level: u32,
        context: &TaskContext,
        holding: Arc<Holding>,
        prepaid: Portion,
        metrics: &SpillMetrics,
    ) -> Self {
        let files = BucketFiles::new(context.runtime_env(), metrics, &spec.stored_schema);
        let pool_bytes = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        Self {
            spec,
            level,
            held: Mutex::new(Held::new(&holding, prepaid)),
            holding,
            evicted: AtomicU32::new(0),
            files,
            bloom: RwLock::default(),
            bloom_bytes: (pool_bytes / BLOOM_PART).min(BLOOM_BYTES_MAX),
            failure: Mutex::default(),
        }
    }

    /// A stage for a task that adds rows.
    pub(super) fn stage(&self) -> Stage {
        Stage::new(Portion::empty(&self.holding))
    }

    pub(super) fn evicted(&self) -> BucketSet {
        BucketSet(self.evicted.load(Ordering::Acquire))
    }

    /// Adds rows to what is in memory or, as far as they are of evicted buckets, to `stage`.
    pub(super) async fn add(&self, batch: &RecordBatch, stage: &mut Stage) -> Result<()> {
        for from in (0..batch.num_rows()).step_by(CHUNK_ROWS_MAX) {
            let rows = CHUNK_ROWS_MAX.min(batch.num_rows() - from);
            let Some(mut chunk) = self.chunk(batch.slice(from, rows))? else {
                continue;
            };
            while let Some(rest) = self.place(chunk, stage).await? {
                chunk = rest;
            }
        }
        Ok(())
    }

    /// Keeps or diverts the rows of a chunk; returns those for which there was no memory. Some
    /// bucket has been evicted then.
    async fn place(&self, chunk: Chunk, stage: &mut Stage) -> Result<Option<Chunk>> {
        let evicted = self.evicted();
        let Some(chunk) = self.divert(chunk, evicted, stage)? else {
            return Ok(None);
        };
        let room_bytes = self.held.lock().room_for(&chunk);
        let Some(portion) = self.reserve(chunk.bytes + room_bytes, evicted).await? else {
            return Ok(Some(chunk));
        };
        let mut held = self.held.lock();
        if self.evicted() == evicted && held.chunks.len() < CHUNKS_MAX {
            held.keep(chunk, portion);
            self.make_room_for_bloom(&mut held);
            return Ok(None);
        }
        drop((held, portion));
        self.evict(evicted)?;
        Ok(Some(chunk))
    }

    /// Reserves `bytes`. `None` if rows had to be evicted instead, or had been since `seen`.
    pub(super) async fn reserve(&self, bytes: usize, seen: BucketSet) -> Result<Option<Portion>> {
        if bytes == 0 {
            return Ok(Some(Portion::empty(&self.holding)));
        }
        if let Some(portion) = self.held.lock().prepaid.split(bytes) {
            return Ok(Some(portion));
        }
        let granted = match self.holding.try_grow(bytes) {
            Grant::Granted => Ok(Grant::Granted),
            Grant::SpillFirst => self.holding.grow(bytes).await,
        };
        match granted {
            Ok(Grant::Granted) => Ok(Some(Portion::of(&self.holding, bytes))),
            Ok(Grant::SpillFirst) | Err(DataFusionError::ResourcesExhausted(_)) => {
                self.evict(seen)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks at the chunks in memory, and which buckets are not among them.
    pub(super) fn with_chunks<T>(&self, look: impl FnOnce(&[Chunk]) -> T) -> (T, BucketSet) {
        let held = self.held.lock();
        (look(&held.chunks), self.evicted())
    }

    /// Takes out the rows in memory; `None` if some have been evicted since `seen`. `index` is
    /// reserved for what is to be built over them.
    pub(super) fn take_rows(&self, seen: BucketSet, index: Portion) -> Option<KeptRows> {
        let mut held = self.held.lock();
        if self.evicted() != seen {
            return None;
        }
        held.bloom_room = None;
        let prepaid = held.prepaid.bytes();
        held.prepaid.shrink(prepaid);
        let mut rows = held.take();
        rows.portion.merge(index);
        Some(rows)
    }

    /// Ends the adding of rows, for now. All stages have been flushed.
    ///
    /// # Errors
    /// Also if rows were lost on the way to a file.
    pub(super) fn finish(&self) -> Result<()> {
        // Open files have buffers.
        self.files.close()?;
        let mut bloom = self.bloom.write();
        if bloom.as_ref().is_some_and(|bloom| !bloom.is_useful()) {
            *bloom = None;
        }
        self.check()
    }

    /// Whether no rows have been lost.
    pub(super) fn check(&self) -> Result<()> {
        match self.failure.lock().as_ref() {
            Some(failure) => Err(DataFusionError::Shared(Arc::clone(failure))),
            None => Ok(()),
        }
    }

    /// Keeps an error that has cost rows; each who looks for them gets it.
    pub(super) fn fail(&self, error: DataFusionError) -> DataFusionError {
        let mut failure = self.failure.lock();
        let first = failure.get_or_insert_with(|| Arc::new(error));
        DataFusionError::Shared(Arc::clone(first))
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

    pub(super) fn keys(&self, batch: &RecordBatch) -> Result<Keys> {
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
        let rows = self
            .spec
            .stored(take_record_batch(&chunk.batch, &gone)?, None)?;
        stage.push(&self.files, rows, hashes)?;
        if kept.is_empty() {
            return Ok(None);
        }
        let batch = take_record_batch(&chunk.batch, &UInt32Array::from(kept))?;
        let keys = self.keys(&batch)?;
        Ok(Some(Chunk::new(batch, keys)))
    }

    /// Notes that rows of these hashes are in files.
    pub(super) fn remember(&self, hashes: impl Iterator<Item = u64>) {
        if let Some(bloom) = self.bloom.read().as_ref() {
            hashes.for_each(|hash| bloom.insert(hash));
        }
    }

    fn make_room_for_bloom(&self, held: &mut Held) {
        let is_due = held.portion.bytes() / BLOOM_ROWS_PART >= self.bloom_bytes;
        if is_due && held.bloom_room.is_none() && self.evicted().is_empty() {
            let mut room = Portion::empty(&self.holding);
            // Refused once, it is asked for again with the next rows: there will be few.
            if room.try_grow(self.bloom_bytes) {
                held.bloom_room = Some(room);
            }
        }
    }

    /// Makes the Bloom filter, before the first rows go to files, if there is memory for it.
    pub(super) fn make_bloom(&self, held: &mut Held) {
        let mut room = held
            .bloom_room
            .take()
            .unwrap_or_else(|| Portion::empty(&self.holding));
        let missing = self.bloom_bytes.saturating_sub(room.bytes());
        if self.bloom_bytes > 0 && (missing == 0 || room.try_grow(missing)) {
            *self.bloom.write() = Some(Bloom::new(self.bloom_bytes, room));
        }
    }
}
