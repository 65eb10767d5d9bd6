//! Joins a bucket that does not get smaller by being cut: one key larger than memory.
//!
//! As many build rows as memory holds are joined with all probe rows, then the next ones. Which
//! probe rows have matched is kept from block to block.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryLimit;
use futures::StreamExt;
use sheaf_runtime::memory::{Grant, Holding};

use super::buckets::Bucket;
use super::build::{Merger, Running};
use super::chunk::{Chunk, compact};
use super::collect::KeptRows;
use super::emit::Emitter;
use super::indexing::IndexPlan;
use super::keys::Keys;
use super::portion::Portion;
use super::probe::Prober;
use super::spill::SpilledBucket;
use super::table::Table;
use super::tail::emit_tail;
use super::{CHUNK_ROWS_MAX, CHUNKS_MAX};

/// A block takes this share (one in so many) of what can be reserved at most: it cannot be given
/// back before all probe rows have met it.
const BLOCK_PART: usize = 4;

/// Joins the blocks of `bucket`, one after another.
pub(super) async fn join_blocks(
    running: &Running,
    bucket: &Bucket,
    holding: &Arc<Holding>,
    prepaid: Portion,
    out: &mut Emitter,
) -> Result<()> {
    drop(prepaid);
    let mut matched = Matched::new(running, bucket).await?;
    let mut blocks = Blocks::new(running, bucket, holding);
    loop {
        let rows = blocks.next().await?;
        let is_last = blocks.is_done();
        let plan = IndexPlan::new(&running.spec, &rows.chunks, None, 1);
        let table = Arc::new(Table::build(&running.spec, rows, plan).await?);
        probe_block(running, bucket, &table, is_last, &mut matched, out).await?;
        emit_tail(&running.spec, &running.facts, table, out).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Reads the probe file once.
async fn probe_block(
    running: &Running,
    bucket: &Bucket,
    table: &Table,
    is_last: bool,
    matched: &mut Matched,
    out: &mut Emitter,
) -> Result<()> {
    let spec = &running.spec;
    let mut probe = bucket.read_probe(spec);
    let mut prober = Prober::new(Arc::clone(spec), is_last);
    let mut from = 0;
    while let Some(batch) = probe.next().await.transpose()? {
        let rows = batch.num_rows();
        let level = Some(bucket.level);
        let keys = Keys::evaluate(&spec.probe_keys, &batch, spec.null_equality, level)?;
        prober.begin(table, batch, keys, matched.get(from, rows));
        loop {
            let timer = running.metrics.join_time.timer();
            let piece = prober.next(table)?;
            timer.done();
            let Some(piece) = piece else { break };
            out.emit(piece).await?;
            tokio::task::consume_budget().await;
        }
        if let Some(rows) = prober.end() {
            matched.set(from, &rows);
        }
        from += rows;
    }
    Ok(())
}

/// Build rows of a bucket, a block at a time.
struct Blocks<'a> {
    running: &'a Running,
    holding: &'a Arc<Holding>,
    level: u32,
    bytes_max: usize,
    stream: Option<SendableRecordBatchStream>,
    merger: Merger,
    /// Rows that did not fit into the block before.
    pending: Option<RecordBatch>,
}

impl<'a> Blocks<'a> {
    fn new(running: &'a Running, bucket: &Bucket, holding: &'a Arc<Holding>) -> Self {
        let bytes_max = match running.context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / BLOCK_PART,
            _ => usize::MAX,
        };
        let schema = Arc::clone(&running.spec.stored_schema);
        Self {
            running,
            holding,
            level: bucket.level,
            bytes_max,
            stream: bucket.build.as_ref().map(SpilledBucket::read),
            merger: Merger::new(schema, running.spec.batch_rows),
            pending: None,
        }
    }

    /// Whether there is no further block.
    fn is_done(&self) -> bool {
        self.pending.is_none() && self.stream.is_none()
    }

    /// The next block, with what is reserved for it and its index: some rows in any case, more as
    /// they are granted.
    async fn next(&mut self) -> Result<KeptRows> {
        let mut block = KeptRows {
            chunks: Vec::new(),
            portion: Portion::empty(self.holding),
        };
        let (mut rows, mut reserved_index_bytes) = (0, 0);
        while let Some(batch) = self.read().await? {
            let chunk = self.chunk(batch.clone())?;
            // One over all may take more than one over some rows and one over the others.
            let index_bytes = IndexPlan::bytes_for_rows(rows + chunk.rows());
            let bytes = (chunk.bytes + index_bytes).saturating_sub(reserved_index_bytes);
            let fits = block.portion.bytes().saturating_add(bytes) <= self.bytes_max
                && block.chunks.len() < CHUNKS_MAX;
            if fits && block.portion.try_grow(bytes) {
                (rows, reserved_index_bytes) = (rows + chunk.rows(), index_bytes);
                block.chunks.push(chunk);
            } else if block.chunks.is_empty() {
                let (chunk, portion) = self.first(chunk, batch).await?;
                rows = chunk.rows();
                reserved_index_bytes = self.index_bytes(&chunk);
                block.chunks.push(chunk);
                block.portion.merge(portion);
            } else {
                self.pending = Some(batch);
                break;
            }
        }
        Ok(block)
    }

    /// The first rows of a block where not all of `batch` are granted at once: as many as are,
    /// after waiting for others to give back. The rest waits.
    async fn first(&mut self, chunk: Chunk, batch: RecordBatch) -> Result<(Chunk, Portion)> {
        let (mut chunk, mut rows) = (chunk, batch.num_rows());
        loop {
            let bytes = chunk.bytes + self.index_bytes(&chunk);
            if rows == 1 || bytes <= self.bytes_max {
                match self.holding.grow(bytes).await {
                    // Nothing is held, so there is nothing to be told to spill.
                    Ok(Grant::Granted) => break,
                    Ok(Grant::SpillFirst) => return internal_err!("a block of a join is held"),
                    Err(DataFusionError::ResourcesExhausted(_)) if rows > 1 => {}
                    Err(error) => return Err(error),
                }
            }
            rows = (rows / 2).max(1);
            let first =
                UInt32Array::from_iter_values((0..rows).filter_map(|r| u32::try_from(r).ok()));
            // A copy: a slice would hold all rows.
            chunk = self.chunk(take_record_batch(&batch, &first)?)?;
        }
        if rows < batch.num_rows() {
            self.pending = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        let bytes = chunk.bytes + self.index_bytes(&chunk);
        Ok((chunk, Portion::of(self.holding, bytes)))
    }

    fn index_bytes(&self, chunk: &Chunk) -> usize {
        IndexPlan::bytes_for_rows(chunk.rows())
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.pending.take() {
            return Ok(Some(batch));
        }
        loop {
            if let Some(batch) = self.merger.next() {
                return Ok(Some(batch));
            }
            let Some(stream) = &mut self.stream else {
                return Ok(None);
            };
            match stream.next().await.transpose()? {
                Some(batch) => {
                    for from in (0..batch.num_rows()).step_by(CHUNK_ROWS_MAX) {
                        let rows = CHUNK_ROWS_MAX.min(batch.num_rows() - from);
                        self.merger.push(batch.slice(from, rows))?;
                    }
                }
                None => {
                    self.stream = None;
                    self.merger.finish()?;
                }
            }
        }
    }

    fn chunk(&self, batch: RecordBatch) -> Result<Chunk> {
        let spec = &self.running.spec;
        let batch = compact(batch)?;
        let level = Some(self.level);
        let keys = Keys::evaluate(&spec.build_keys, &batch, spec.null_equality, level)?;
        Ok(Chunk::new(batch, keys))
    }
}

/// Which rows of a probe file have matched in some block: a bit a row.
struct Matched {
    words: Option<Vec<u64>>,
    _holding: Holding,
}

impl Matched {
    /// # Errors
    /// `ResourcesExhausted` if there is no memory for the bits.
    async fn new(running: &Running, bucket: &Bucket) -> Result<Self> {
        let holding = Holding::new("HashJoin[matches]", running.context.memory_pool());
        let words = match running.spec.tracks_probe() {
            true => bucket.probe_rows().div_ceil(64),
            false => 0,
        };
        // Holds nothing, so it is granted or refused.
        let _granted = holding.grow(words * size_of::<u64>()).await?;
        Ok(Self {
            words: running.spec.tracks_probe().then(|| vec![0; words]),
            _holding: holding,
        })
    }

    fn get(&self, from: usize, rows: usize) -> Option<Vec<bool>> {
        let words = self.words.as_ref()?;
        let is_set = |row: usize| words[row / 64] >> (row % 64) & 1 == 1;
        Some((from..from + rows).map(is_set).collect())
    }

    fn set(&mut self, from: usize, matched: &[bool]) {
        let Some(words) = &mut self.words else { return };
        for (row, matched) in (from..).zip(matched) {
            words[row / 64] |= u64::from(*matched) << (row % 64);
        }
    }
}
