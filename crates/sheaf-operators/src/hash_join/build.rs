//! From the build side's streams to a table, and the files of what it does not hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, JoinType, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::StreamExt;
use futures::future::{BoxFuture, Shared};
use sheaf_runtime::memory::Holding;

use super::buckets::Buckets;
use super::built::Built;
use super::collect::{BuildSide, KeptRows};
use super::dynamic::Bounds;
use super::indexing::{IndexPlan, key_range};
use super::metrics::JoinMetrics;
use super::portion::Portion;
use super::spec::JoinSpec;
use super::table::Table;
use super::{CHUNK_ROWS_MAX, OPERATOR};
use crate::task::joined;

/// The build side, when it is there; each probe partition waits for it. An error is everybody's.
pub(super) type BuildFuture =
    Shared<BoxFuture<'static, std::result::Result<Arc<Built>, Arc<DataFusionError>>>>;

/// What the phases of one join share at run time.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) spec: Arc<JoinSpec>,
    pub(super) context: Arc<TaskContext>,
    pub(super) metrics: JoinMetrics,
    pub(super) threads: usize,
    /// What the probe side has shown, all levels and buckets together.
    pub(super) facts: Arc<ProbeFacts>,
    /// Buckets that are still to be joined, of all levels.
    pub(super) buckets: Arc<Buckets>,
}

/// What decides which build rows come out in the end.
#[derive(Debug, Default)]
pub(super) struct ProbeFacts {
    /// For a `NOT IN`: whether there was anything to compare with, and whether that had a NULL.
    pub(super) has_rows: AtomicBool,
    pub(super) has_null: AtomicBool,
    /// Some probe partition was dropped: what its rows would have matched nobody knows.
    pub(super) is_cut_short: AtomicBool,
}

impl ProbeFacts {
    /// Whether build rows come out by themselves.
    pub(super) fn let_build_rows_out(&self, spec: &JoinSpec) -> bool {
        let is_known =
            spec.join_type == JoinType::LeftSemi || !self.is_cut_short.load(Ordering::Acquire);
        spec.tracks_build()
            && is_known
            && !(spec.null_aware && self.has_null.load(Ordering::Acquire))
    }
}

/// The memory of a build side, and what of it has been granted in advance.
pub(super) struct BuildMemory {
    pub(super) holding: Arc<Holding>,
    pub(super) prepaid: Portion,
}

/// Reads `streams` to their ends, each in a task of its own, and builds the table.
pub(super) async fn build(
    running: Running,
    streams: Vec<SendableRecordBatchStream>,
    level: u32,
    memory: BuildMemory,
    bounds: Option<Arc<Bounds>>,
) -> Result<Arc<Built>> {
    let Running { spec, metrics, .. } = &running;
    let side = Arc::new(BuildSide::new(
        Arc::clone(spec),
        level,
        &running.context,
        memory.holding,
        memory.prepaid,
        &metrics.spill,
    ));
    let timer = metrics.build_time.timer();
    let giver = give_back(Arc::downgrade(&side), Arc::clone(&side.holding));
    let giver = SpawnedTask::spawn(giver);
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let part = collect(running.clone(), Arc::clone(&side), stream, bounds.clone());
            SpawnedTask::spawn(part)
        })
        .collect();
    for task in tasks {
        joined(task, OPERATOR).await??;
    }
    let (rows, plan) = plan_index(&side, running.threads).await?;
    // From here until the table is there, nothing can be given; whoever asks waits, for this
    // waits for nobody.
    drop(giver);
    side.finish()?;
    let table = Table::build(spec, rows, plan).await?;
    metrics.build_mem_used.set_max(table.bytes());
    timer.done();
    Ok(Built::new(&running, side, table))
}

/// Gives memory back when others want it, while rows arrive. Keeps none while it waits.
async fn give_back(side: Weak<BuildSide>, holding: Arc<Holding>) {
    let _listening = holding.listen();
    loop {
        let wanted = holding.asked().await;
        let Some(side) = side.upgrade() else { return };
        let given = side.give(wanted);
        drop(side);
        holding.answer();
        // Whoever ends the build is told.
        if given.is_err() {
            return;
        }
        tokio::task::consume_budget().await;
    }
}

/// Takes out the rows in memory, once an index over them has been granted.
async fn plan_index(side: &BuildSide, threads: usize) -> Result<(KeptRows, IndexPlan)> {
    loop {
        let (plan, evicted) = side
            .with_chunks(|chunks| IndexPlan::new(&side.spec, chunks, key_range(chunks), threads));
        if let Some(index) = side.reserve(plan.bytes, evicted).await?
            && let Some(rows) = side.take_rows(evicted, index)
        {
            return Ok((rows, plan));
        }
        tokio::task::consume_budget().await;
    }
}

/// Adds the rows of one stream to the build side.
async fn collect(
    running: Running,
    side: Arc<BuildSide>,
    mut stream: SendableRecordBatchStream,
    bounds: Option<Arc<Bounds>>,
) -> Result<()> {
    let mut stage = side.stage();
    let mut merger = Merger::new(stream.schema(), running.spec.batch_rows);
    let mut part = bounds.as_ref().map(|bounds| bounds.part()).transpose()?;
    let keys = &running.spec.build_keys;
    while let Some(batch) = stream.next().await.transpose()? {
        if side.level == 0 {
            running.metrics.build_input_batches.add(1);
            running.metrics.build_input_rows.add(batch.num_rows());
        }
        if let Some(part) = &mut part {
            part.update(keys, &batch)?;
        }
        merger.push(batch)?;
        while let Some(batch) = merger.next() {
            side.add(&batch, &mut stage).await?;
        }
        tokio::task::consume_budget().await;
    }
    drop(stream);
    merger.finish()?;
    while let Some(batch) = merger.next() {
        side.add(&batch, &mut stage).await?;
    }
    if let (Some(bounds), Some(part)) = (bounds, part) {
        bounds.add(part)?;
    }
    stage.flush(&side.files)
}

/// Merges small batches, so that chunks are few; others stay as they are.
pub(super) struct Merger(BatchCoalescer);

impl Merger {
    pub(super) fn new(schema: SchemaRef, batch_rows: usize) -> Self {
        let rows = batch_rows.clamp(1, CHUNK_ROWS_MAX);
        let coalescer =
            BatchCoalescer::new(schema, rows).with_biggest_coalesce_batch_size(Some(rows / 2));
        Self(coalescer)
    }

    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        Ok(self.0.push_batch(batch)?)
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        Ok(self.0.finish_buffered_batch()?)
    }

    pub(super) fn next(&mut self) -> Option<RecordBatch> {
        self.0.next_completed_batch()
    }
}
