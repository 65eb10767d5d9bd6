//! The left side: gathered once, in memory or on disk, and handed out in blocks.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{BatchCoalescer, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::SpillMetrics;
use futures::future::{BoxFuture, Either, Shared, select};
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use sheaf_runtime::memory::{Grant, Holding};
use tokio::task::coop::consume_budget;

use super::OPERATOR;
use super::visited::Visited;
use crate::spill::{SpillWriter, SpilledRows};

/// Left rows take at most this share (one in so many) of the memory limit while they are probed, a
/// block the same divided by the partitions that hold one: the rest is for other operators, to
/// whom these rows cannot be given back.
const BLOCK_PART: usize = 4;

/// All left rows.
pub(super) struct Build {
    rows: BuildRows,
    row_count: usize,
    visited: Option<Visited>,
    /// Partitions that have not ended.
    probing: AtomicUsize,
    /// For rows in memory and the bitmap.
    #[cfg_attr(not(test), expect(dead_code, reason = "gives back when it goes"))]
    holding: Holding,
}

enum BuildRows {
    Memory(Vec<RecordBatch>),
    Spilled(SpilledRows),
}

/// What gathering needs besides the rows.
pub(super) struct Gathering {
    pub(super) context: Arc<TaskContext>,
    pub(super) metrics: SpillMetrics,
    pub(super) notes_visited: bool,
    pub(super) partition_count: usize,
}

impl Build {
    /// Reads all of `input`.
    pub(super) async fn gather(
        mut input: SendableRecordBatchStream,
        gathering: Gathering,
    ) -> Result<Self> {
        let context = Arc::clone(&gathering.context);
        let notes_visited = gathering.notes_visited;
        let partition_count = gathering.partition_count;
        // Batches of even size, that hold no rows but their own.
        let mut whole = BatchCoalescer::new(input.schema(), context.session_config().batch_size());
        let mut store = RowStore::new(input.schema(), gathering);
        while let Some(batch) = store.next_of(&mut input).await? {
            whole.push_batch(batch)?;
            while let Some(batch) = whole.next_completed_batch() {
                store.push(batch).await?;
            }
            consume_budget().await;
        }
        whole.finish_buffered_batch()?;
        while let Some(batch) = whole.next_completed_batch() {
            store.push(batch).await?;
        }
        let row_count = store.row_count();
        let visited = if notes_visited {
            store.reserve(Visited::memory_bytes(row_count)).await?;
            Some(Visited::new(row_count))
        } else {
            None
        };
        let (rows, holding) = store.finish()?;
        Ok(Self {
            rows,
            row_count,
            visited,
            probing: AtomicUsize::new(partition_count),
            holding,
        })
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.holding.bytes()
    }

    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    /// The bitmap, if the type of join asked for it.
    pub(super) fn visited(&self) -> Option<&Visited> {
        self.visited.as_ref()
    }

    /// Notes the end of a partition; true if it was the last.
    pub(super) fn end_partition(&self) -> bool {
        // What other partitions noted in the bitmap is visible to the last one.
        self.probing.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// Rows in memory, until that is refused or others need it.
struct RowStore {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// What of the holding is for these.
    batch_bytes: usize,
    spill: Option<SpillWriter>,
    holding: Holding,
    gathering: Gathering,
}

impl RowStore {
    fn new(schema: SchemaRef, gathering: Gathering) -> Self {
        Self {
            schema,
            batches: Vec::new(),
            batch_bytes: 0,
            spill: None,
            holding: Holding::new("NestedLoopJoin[build]", gathering.context.memory_pool()),
            gathering,
        }
    }

    /// The next batch of `input`; gives memory back meanwhile if it is asked to.
    async fn next_of(
        &mut self,
        input: &mut SendableRecordBatchStream,
    ) -> Result<Option<RecordBatch>> {
        if self.spill.is_none() && self.can_spill() {
            let is_asked = {
                let _listening = self.holding.listen();
                match select(input.next(), pin!(self.holding.asked())).await {
                    Either::Left((batch, _)) => return batch.transpose(),
                    Either::Right(_) => true,
                }
            };
            if is_asked {
                self.spill()?;
                self.holding.answer();
            }
        }
        input.next().await.transpose()
    }

    async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if let Some(writer) = &mut self.spill {
            return writer.append(&batch);
        }
        let bytes = get_record_batch_memory_size(&batch);
        let granted = self.holding.grow(bytes).await;
        match granted {
            Ok(Grant::Granted) => self.keep(batch, bytes),
            Err(error) if !self.can_spill() => return Err(error),
            Ok(Grant::SpillFirst) if !self.can_spill() => {
                self.holding.reservation().try_grow(bytes)?;
                self.keep(batch, bytes);
            }
            Ok(Grant::SpillFirst) | Err(DataFusionError::ResourcesExhausted(_)) => {
                self.spill()?.append(&batch)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps a batch for which `bytes` are reserved.
    fn keep(&mut self, batch: RecordBatch, bytes: usize) {
        self.batches.push(batch);
        self.batch_bytes += bytes;
    }

    /// Reserves `bytes` besides the rows, which may have to go for that.
    async fn reserve(&mut self, bytes: usize) -> Result<()> {
        if self.holding.grow(bytes).await? == Grant::Granted {
            return Ok(());
        }
        if self.spill.is_none() && self.can_spill() {
            self.spill()?;
        }
        self.holding.reservation().try_grow(bytes)
    }

    fn row_count(&self) -> usize {
        match &self.spill {
            Some(writer) => writer.row_count(),
            None => self.batches.iter().map(RecordBatch::num_rows).sum(),
        }
    }

    fn can_spill(&self) -> bool {
        let env = self.gathering.context.runtime_env();
        env.disk_manager.tmp_files_enabled()
    }

    /// Writes all rows to disk, where those to come will go, too.
    fn spill(&mut self) -> Result<&mut SpillWriter> {
        let env = self.gathering.context.runtime_env();
        let mut writer =
            SpillWriter::create(&env, &self.gathering.metrics, &self.schema, OPERATOR)?;
        for batch in self.batches.drain(..) {
            writer.append(&batch)?;
        }
        self.holding.shrink(std::mem::take(&mut self.batch_bytes));
        Ok(self.spill.insert(writer))
    }

    fn finish(mut self) -> Result<(BuildRows, Holding)> {
        // While they are probed they cannot be given back, so no more of them stays than may.
        let bytes_max = bytes_max(&self.gathering.context, 1);
        if self.spill.is_none() && self.can_spill() && self.holding.bytes() > bytes_max {
            self.spill()?;
        }
        let rows = match self.spill {
            Some(writer) => BuildRows::Spilled(writer.finish()?),
            None => BuildRows::Memory(self.batches),
        };
        Ok((rows, self.holding))
    }
}

/// Left rows in memory, to be paired with all rows of a right partition.
#[derive(Default)]
pub(super) struct Block {
    pub(super) batches: Vec<RecordBatch>,
    /// The number, among all left rows, of the first row of each batch.
    pub(super) first_rows: Vec<usize>,
    pub(super) is_last: bool,
}

impl Block {
    pub(super) fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// The left rows as one partition meets them.
pub(super) struct Blocks {
    build: Arc<Build>,
    /// `None` before the first block, and for rows in memory.
    stream: Option<SendableRecordBatchStream>,
    /// A batch that was read but did not fit.
    pending: Option<RecordBatch>,
    /// Rows of the blocks so far.
    row_count: usize,
    bytes_max: usize,
    holding: Holding,
}

impl Blocks {
    pub(super) fn new(build: Arc<Build>, context: &TaskContext, partition_count: usize) -> Self {
        Self {
            build,
            stream: None,
            pending: None,
            row_count: 0,
            bytes_max: bytes_max(context, partition_count),
            holding: Holding::new("NestedLoopJoin[block]", context.memory_pool()),
        }
    }

    /// Whether there is one block only.
    pub(super) fn is_single(&self) -> bool {
        matches!(self.build.rows, BuildRows::Memory(_))
    }

    /// The next block; the one before it must have been dropped. Not to be asked for after the
    /// last one.
    pub(super) async fn next(&mut self) -> Result<Block> {
        let spilled = match &self.build.rows {
            BuildRows::Memory(batches) => return Ok(self.block(batches.clone())),
            BuildRows::Spilled(spilled) => spilled.clone(),
        };
        self.holding.free();
        let mut batches = Vec::new();
        while let Some(batch) = self.read(&spilled).await? {
            if batches.is_empty() {
                batches.push(self.admit_first(batch).await?);
                continue;
            }
            let bytes = get_record_batch_memory_size(&batch);
            let is_full = self.holding.bytes().saturating_add(bytes) > self.bytes_max;
            if is_full || self.holding.try_grow(bytes) == Grant::SpillFirst {
                self.pending = Some(batch);
                break;
            }
            batches.push(batch);
        }
        Ok(self.block(batches))
    }

    /// The next rows: those that did not fit into a block before come first.
    async fn read(&mut self, spilled: &SpilledRows) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.pending.take() {
            return Ok(Some(batch));
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(spilled.read()?),
        };
        stream.next().await.transpose()
    }

    /// Reserves the first rows of a block: all of `batch` if that is no more than a block may be,
    /// and is granted, which is worth waiting for; else fewer. The others come next.
    async fn admit_first(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let (mut first, mut row_count) = (batch.clone(), batch.num_rows());
        loop {
            let bytes = get_record_batch_memory_size(&first);
            if row_count <= 1 || bytes <= self.bytes_max {
                match self.holding.grow(bytes).await {
                    Ok(Grant::Granted) => break,
                    Err(DataFusionError::ResourcesExhausted(_)) if row_count > 1 => {}
                    // Nothing is held, so there is nothing to be told to spill.
                    Ok(Grant::SpillFirst) => return internal_err!("a block is held"),
                    Err(error) => return Err(error),
                }
            }
            row_count = (row_count / 2).max(1);
            let rows = UInt64Array::from_iter_values(0..row_count as u64);
            // A copy: a slice would hold all rows.
            first = take_record_batch(&batch, &rows)?;
        }
        if row_count < batch.num_rows() {
            self.pending = Some(batch.slice(row_count, batch.num_rows() - row_count));
        }
        Ok(first)
    }

    fn block(&mut self, batches: Vec<RecordBatch>) -> Block {
        let mut first_rows = Vec::with_capacity(batches.len());
        for batch in &batches {
            first_rows.push(self.row_count);
            self.row_count += batch.num_rows();
        }
        Block {
            batches,
            first_rows,
            is_last: self.row_count >= self.build.row_count,
        }
    }
}

/// Bytes of left rows that one of so many may hold while they are probed.
fn bytes_max(context: &TaskContext, holder_count: usize) -> usize {
    match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => bytes / BLOCK_PART / holder_count.max(1),
        _ => usize::MAX,
    }
}

/// The build, which all partitions wait for.
pub(super) type BuildFuture = Shared<BoxFuture<'static, Result<Arc<Build>, Arc<DataFusionError>>>>;

/// Where the partitions of an operator find their one build.
///
/// It is forgotten when all have taken it: then it goes with the last of them, and not with the
/// plan; and a plan that is run again builds again.
#[derive(Default)]
pub(super) struct BuildSlot(Mutex<Option<(BuildFuture, usize)>>);

impl BuildSlot {
    /// The build, which the first of `partition_count` callers begins.
    pub(super) fn take(
        &self,
        partition_count: usize,
        begin: impl FnOnce() -> Result<BoxFuture<'static, Result<Build>>>,
    ) -> Result<BuildFuture> {
        let mut slot = self.0.lock();
        let (future, taken) = match slot.take() {
            Some(begun) => begun,
            None => {
                let build = begin()?.map(|build| build.map(Arc::new).map_err(Arc::new));
                (build.boxed().shared(), 0)
            }
        };
        if taken + 1 < partition_count {
            *slot = Some((future.clone(), taken + 1));
        }
        Ok(future)
    }
}

impl std::fmt::Debug for BuildSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BuildSlot")
    }
}
