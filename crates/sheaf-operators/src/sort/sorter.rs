//! Takes rows in, keeps them sorted in memory, writes them to disk when memory is needed.
//!
//! ```text
//! Collect: pending ─> chunks ─> runs        Reduce: runs ─> fewer runs        Output
//! ```
//!
//! Partitions that are sorted together have a sorter each, which ends with its input; one more takes
//! over what they have.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::metrics::{Gauge, SpillMetrics, Time};
use futures::{Stream, StreamExt};
use sheaf_runtime::memory::{Grant, Holding};
use tokio::task::coop::consume_budget;

use super::OPERATOR;
use super::chunk::{Block, BlockSize, Pending};
use super::keys::{HEAD_BYTES, KeyEncoder};
use super::merge::{Cursor, Merge, Picked, Source};
use super::output::Output;
use crate::spill::{SpillWriter, SpilledRows, batch_bytes};

/// Rows of a chunk: what is compared while they are sorted lies in the cache.
const CHUNK_ROWS: usize = 64 * 1024;

/// Bytes reserved for a chunk while it is made.
const CHUNK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A chunk while it is made has one in this many of the bytes that a thread may use.
const CHUNK_PART: usize = 8;

/// Bytes of a block: enough to compress well, few enough that many runs are read at once.
const BLOCK_BYTES_MAX: usize = 512 * 1024;
const BLOCK_BYTES_MIN: usize = 8 * 1024;

/// A block has one in this many of the bytes that a thread may use.
const BLOCK_PART: usize = 512;

/// Bytes of an output batch, in blocks.
const OUTPUT_BLOCKS: usize = 4;

/// Bytes of a file that are read at a time, at most.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Runs that are read at once.
const MERGE_RUNS_MAX: usize = 128;

/// Less is not worth a file when others ask for memory.
const GIVEN_BACK_BYTES_MIN: usize = 256 * 1024;

/// What a sort is given.
#[derive(Clone)]
pub(crate) struct SortMeans {
    pub(crate) context: Arc<TaskContext>,
    /// Which of the sorts that work beside one another this is.
    pub(crate) partition: usize,
    pub(crate) spill_metrics: SpillMetrics,
    pub(crate) elapsed: Time,
    /// The most memory that was held.
    pub(crate) peak: Gauge,
}

/// What all phases of one sort use.
pub(super) struct Work {
    means: SortMeans,
    pub(super) schema: SchemaRef,
    encoder: Arc<KeyEncoder>,
    block: BlockSize,
    chunk_bytes: usize,
    pub(super) holding: Holding,
}

/// A sorted run on disk.
pub(super) struct Run {
    rows: SpilledRows,
    /// Bytes that reading it takes.
    reading_bytes: usize,
    /// The head of its last key.
    last: Option<u128>,
}

/// What comes to a sort.
pub(super) enum Arrival {
    Rows(RecordBatch),
    /// Another sort of the same kind that has taken all of its rows in.
    Sorter(Box<Sorter>),
}

/// A sort that takes rows in.
pub(super) struct Sorter {
    work: Arc<Work>,
    limit: Option<usize>,
    /// No row behind this head is among the first `limit`.
    last: Option<u128>,
    pending: Pending,
    chunks: Vec<VecDeque<Block>>,
    runs: Vec<Run>,
}

impl Work {
    fn new(ordering: &LexOrdering, schema: &SchemaRef, means: SortMeans) -> Result<Self> {
        let config = means.context.session_config();
        let pool = means.context.memory_pool();
        let memory_bytes = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let thread_bytes = memory_bytes / config.target_partitions().max(1);
        let block = BlockSize {
            rows: config.batch_size().max(1),
            bytes: (thread_bytes / BLOCK_PART).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX),
        };
        Ok(Self {
            schema: Arc::clone(schema),
            encoder: Arc::new(KeyEncoder::new(ordering, schema)?),
            block,
            chunk_bytes: (thread_bytes / CHUNK_PART).min(CHUNK_BYTES_MAX),
            holding: Holding::new(format!("Sort[{}]", means.partition), pool)
                .with_peak(means.peak.clone()),
            means,
        })
    }

    /// What is held from the first row to the last: room for output, and to read what is written
    /// when memory is given back.
    fn workspace_bytes(&self) -> usize {
        2 * OUTPUT_BLOCKS * self.block.bytes + self.kept_reading_bytes()
    }

    fn kept_reading_bytes(&self) -> usize {
        // Keys are among the bytes of a block.
        let block = BlockSize {
            rows: 0,
            ..self.block
        };
        reading_bytes(block, block.bytes)
    }

    /// Merges `cursors` into batches of output.
    pub(super) fn output(&self, cursors: Vec<Cursor>) -> Merge {
        let size = BlockSize {
            rows: self.block.rows,
            bytes: self.block.bytes * OUTPUT_BLOCKS,
        };
        Merge::new(cursors, size)
    }

    pub(super) async fn pick(&self, merge: &mut Merge, rows_max: usize) -> Result<Option<Picked>> {
        consume_budget().await;
        let _timer = self.means.elapsed.timer();
        merge.pick(rows_max).await
    }

    /// The rows of a batch of output.
    pub(super) fn gather(&self, picked: &Picked) -> Result<RecordBatch> {
        let _timer = self.means.elapsed.timer();
        picked.gather(&self.schema)
    }

    /// Merges `cursors` into one run of at most `limit` rows. What blocks of memory held is given
    /// back on the way.
    pub(super) async fn write(&self, cursors: Vec<Cursor>, limit: Option<usize>) -> Result<Run> {
        let mut merge = Merge::new(cursors, self.block);
        let env = self.means.context.runtime_env();
        let metrics = &self.means.spill_metrics;
        let mut file = SpillWriter::create(&env, metrics, &self.schema, OPERATOR)?;
        let mut largest = BlockSize { rows: 0, bytes: 0 };
        let limit = limit.unwrap_or(usize::MAX);
        while let Some(picked) = self.pick(&mut merge, limit - file.row_count()).await? {
            let batch = self.gather(&picked)?;
            drop(picked);
            largest.rows = largest.rows.max(batch.num_rows());
            largest.bytes = largest.bytes.max(batch_bytes(&batch)?);
            file.append(&batch)?;
            self.holding.shrink(merge.take_freed_bytes());
        }
        let last = merge.last();
        merge.end(|bytes| self.holding.shrink(bytes));
        let rows = file.finish()?;
        Ok(Run {
            reading_bytes: reading_bytes(largest, rows.file_bytes()),
            rows,
            last,
        })
    }

    pub(super) async fn read(&self, run: &Run) -> Result<Option<Cursor>> {
        Cursor::begin(Source::of_run(run.rows.read()?, &self.encoder)).await
    }

    async fn walk(&self, chunks: Vec<VecDeque<Block>>) -> Result<Vec<Cursor>> {
        let mut cursors = Vec::with_capacity(chunks.len());
        for blocks in chunks {
            cursors.extend(Cursor::begin(Source::Memory(blocks)).await?);
        }
        Ok(cursors)
    }

    /// Reserves what reading `run` takes beyond what is kept for it from the beginning: it has just
    /// freed more.
    pub(super) fn charge_reading(&self, run: &Run) {
        let more = run.reading_bytes.saturating_sub(self.kept_reading_bytes());
        self.holding.reservation().grow(more);
    }
}

impl Sorter {
    pub(super) fn new(
        ordering: &LexOrdering,
        schema: &SchemaRef,
        limit: Option<usize>,
        means: SortMeans,
    ) -> Result<Self> {
        Ok(Self {
            work: Arc::new(Work::new(ordering, schema, means)?),
            limit,
            last: None,
            pending: Pending::default(),
            chunks: Vec::new(),
            runs: Vec::new(),
        })
    }

    pub(super) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// All that was taken in, in order.
    pub(super) async fn finish(mut self) -> Result<Output> {
        self.reduce().await?;
        let mut cursors = Vec::with_capacity(self.runs.len() + self.chunks.len());
        for run in &self.runs {
            cursors.extend(self.work.read(run).await?);
        }
        let in_memory = self.work.walk(self.chunks).await?;
        let may_give = !in_memory.is_empty();
        cursors.extend(in_memory);
        Ok(Output::new(self.work, cursors, self.limit, may_give))
    }

    /// Takes in all of `input`.
    pub(super) async fn collect(
        &mut self,
        mut input: impl Stream<Item = Result<Arrival>> + Unpin,
    ) -> Result<()> {
        let work = Arc::clone(&self.work);
        let mut listening = None;
        loop {
            let can_give = work.holding.bytes() >= work.workspace_bytes() + GIVEN_BACK_BYTES_MIN;
            // Who listens without having anything lets others wait in vain.
            if can_give && listening.is_none() {
                listening = Some(work.holding.listen());
            }
            tokio::select! {
                biased;
                _ = work.holding.asked() => {
                    self.spill().await?;
                    work.holding.answer();
                    listening = None;
                }
                arrival = input.next() => match arrival.transpose()? {
                    Some(Arrival::Rows(batch)) => self.take_in(&batch).await?,
                    Some(Arrival::Sorter(sorter)) => self.take_over(*sorter),
                    None => return self.sort_pending(),
                }
            }
        }
    }

    /// Takes over what `other` has, and the memory it is in; its workspace is for the batches that wait
    /// to be taken.
    fn take_over(&mut self, mut other: Self) {
        self.work.holding.take_over(&other.work.holding);
        self.chunks.append(&mut other.chunks);
        self.runs.append(&mut other.runs);
        self.last = least(self.last, other.last);
    }

    async fn take_in(&mut self, batch: &RecordBatch) -> Result<()> {
        let row_count = batch.num_rows();
        if row_count == 0 {
            return Ok(());
        }
        // What a piece is charged with is at least twice what its rows take.
        let row_bytes = batch_bytes(batch)?.div_ceil(row_count).max(1);
        let piece_rows = (self.work.chunk_bytes / 4 / row_bytes).max(1);
        for begin in (0..row_count).step_by(piece_rows) {
            let rows = batch.slice(begin, piece_rows.min(row_count - begin));
            self.take_in_piece(rows).await?;
        }
        Ok(())
    }

    async fn take_in_piece(&mut self, rows: RecordBatch) -> Result<()> {
        let work = Arc::clone(&self.work);
        if work.holding.bytes() == 0 {
            // There is nothing to spill yet: refused is an error.
            let _granted = work.holding.grow(work.workspace_bytes()).await?;
        }
        let keys = {
            let _timer = work.means.elapsed.timer();
            work.encoder.encode(&rows)?
        };
        let cost = Pending::cost(batch_bytes(&rows)?, &keys);
        while work.holding.grow(cost).await? == Grant::SpillFirst {
            if self.chunks.is_empty() && self.pending.row_count() == 0 {
                // There is nothing to spill. Who holds nothing may wait for others.
                work.holding.free();
                let all = work.workspace_bytes() + cost;
                let _granted = work.holding.grow(all).await?;
                break;
            }
            self.spill().await?;
            work.holding.answer();
        }
        self.pending.push(rows, keys, cost);
        if self.pending.row_count() >= CHUNK_ROWS || self.pending.bytes() >= work.chunk_bytes {
            self.sort_pending()?;
        }
        Ok(())
    }

    /// Makes a chunk of what has come.
    fn sort_pending(&mut self) -> Result<()> {
        let work = Arc::clone(&self.work);
        if self.pending.row_count() == 0 {
            return Ok(());
        }
        let _timer = work.means.elapsed.timer();
        let pending = std::mem::take(&mut self.pending);
        let reserved = pending.bytes();
        let first = (self.limit, self.last);
        let chunk = pending.sort(&work.schema, &work.encoder, work.block, first)?;
        work.holding.shrink(reserved.saturating_sub(chunk.bytes));
        self.end_at(chunk.row_count, chunk.last);
        self.chunks.push(chunk.blocks);
        Ok(())
    }

    /// Writes all that is in memory to disk.
    async fn spill(&mut self) -> Result<()> {
        self.sort_pending()?;
        let chunks = std::mem::take(&mut self.chunks);
        let cursors = self.work.walk(chunks).await?;
        if cursors.is_empty() {
            return Ok(());
        }
        let run = self.work.write(cursors, self.limit).await?;
        self.end_at(run.rows.row_count(), run.last);
        self.runs.push(run);
        Ok(())
    }

    /// `row_count` sorted rows end with the head `last`: are these as many as are asked for, no
    /// row behind it matters.
    fn end_at(&mut self, row_count: usize, last: Option<u128>) {
        if self.limit.is_some_and(|limit| row_count >= limit) {
            self.last = least(self.last, last);
        }
    }

    /// Merges runs until the rest can be read at once, for which memory is reserved.
    async fn reduce(&mut self) -> Result<()> {
        let work = Arc::clone(&self.work);
        while !self.runs.is_empty() {
            let all: usize = self.runs.iter().map(|run| run.reading_bytes).sum();
            if self.runs.len() <= MERGE_RUNS_MAX && work.holding.grow(all).await? == Grant::Granted
            {
                break;
            }
            if !self.chunks.is_empty() {
                self.spill().await?;
                continue;
            }
            self.merge_smallest().await?;
        }
        Ok(())
    }

    async fn merge_smallest(&mut self) -> Result<()> {
        let work = Arc::clone(&self.work);
        self.runs.sort_by_key(|run| run.rows.file_bytes());
        let (count, bytes) = self.reserve_merge().await?;
        let runs: Vec<Run> = self.runs.drain(..count).collect();
        let mut cursors = Vec::with_capacity(count);
        for run in &runs {
            cursors.extend(work.read(run).await?);
        }
        let merged = work.write(cursors, self.limit).await?;
        work.holding.shrink(bytes);
        self.end_at(merged.rows.row_count(), merged.last);
        self.runs.push(merged);
        Ok(())
    }

    /// How many of the smallest runs to merge, and the bytes that were reserved to read them: as
    /// few as make the rest fit, as many as there is memory for.
    async fn reserve_merge(&self) -> Result<(usize, usize)> {
        let holding = &self.work.holding;
        let mut readable = self.runs.len().min(MERGE_RUNS_MAX);
        let bytes_of = |count: usize| {
            self.runs
                .iter()
                .take(count)
                .map(|run| run.reading_bytes)
                .sum()
        };
        while readable > 2 && holding.try_grow(bytes_of(readable)) == Grant::SpillFirst {
            readable = (readable * 3 / 4).max(2);
        }
        if readable == 2 {
            if holding.grow(bytes_of(2)).await? == Grant::SpillFirst {
                holding.reservation().try_grow(bytes_of(2))?;
            }
            return Ok((2, bytes_of(2)));
        }
        let needed = (self.runs.len() + 1)
            .saturating_sub(readable)
            .clamp(2, readable);
        let (reserved, bytes) = (bytes_of(readable), bytes_of(needed));
        holding.shrink(reserved - bytes);
        Ok((needed, bytes))
    }
}

fn least(a: Option<u128>, b: Option<u128>) -> Option<u128> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Bytes that reading a run takes: a batch as large as `largest` and the next one, with their keys, the
/// room in which that is made, and what is read of its file of `file_bytes`.
fn reading_bytes(largest: BlockSize, file_bytes: usize) -> usize {
    3 * largest.bytes + 2 * largest.rows * HEAD_BYTES + file_bytes.min(READ_BYTES_MAX)
}
