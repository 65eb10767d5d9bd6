//! From the build side's streams to a table, and the files of what it does not hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::compute::{BatchCoalescer, max, min};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::StreamExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use super::bloom::Bloom;
use super::chunk::Chunk;
use super::collect::{Collected, Collector};
use super::dynamic::Bounds;
use super::indexing::IndexPlan;
use super::keys::{integers, is_integer};
use super::metrics::JoinMetrics;
use super::spec::JoinSpec;
use super::spill::{BucketFiles, BucketSet, SpilledBucket, Stage};
use super::table::{Table, joined};
use super::{BUCKETS, CHUNK_ROWS_MAX};

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
    /// What probe rows tell a `NOT IN`, all levels and buckets together.
    pub(super) nulls: Arc<ProbeNulls>,
}

/// What a null-aware join has seen on its probe side.
#[derive(Debug, Default)]
pub(super) struct ProbeNulls {
    pub(super) has_rows: AtomicBool,
    pub(super) has_null: AtomicBool,
}

/// The build side of a join, or of one of its buckets.
#[derive(Debug)]
pub(super) struct Built {
    table: Mutex<Option<Arc<Table>>>,
    pub(super) evicted: BucketSet,
    pub(super) bloom: Option<Bloom>,
    /// The evicted build rows of each bucket.
    build_buckets: Mutex<Vec<Option<SpilledBucket>>>,
    pub(super) probe_files: BucketFiles,
    /// A reservation without bytes, of the same consumer.
    reservation: MemoryReservation,
    /// How often the rows have been cut into buckets.
    pub(super) level: u32,
    /// Probes that have not ended.
    probes_left: AtomicUsize,
}

impl Built {
    /// The table, until the last probe has ended.
    pub(super) fn table(&self) -> Option<Arc<Table>> {
        self.table.lock().clone()
    }

    /// Lets go of the table.
    pub(super) fn take_table(&self) -> Option<Arc<Table>> {
        self.table.lock().take()
    }

    /// Notes that a probe has ended; whether it was the last.
    pub(super) fn end_probe(&self) -> bool {
        self.probes_left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// For the rows that a probe sends to files.
    pub(super) fn stage(&self) -> Stage {
        Stage::new(self.reservation.new_empty())
    }

    /// The evicted build rows of a bucket, once.
    pub(super) fn take_build_bucket(&self, bucket: usize) -> Option<SpilledBucket> {
        self.build_buckets.lock().get_mut(bucket)?.take()
    }

    pub(super) fn reservation(&self) -> &MemoryReservation {
        &self.reservation
    }
}

/// Reads `streams` to their ends, each in a task of its own, and builds the table for `probes`
/// probing threads. `reservation` may hold bytes that have been granted in advance.
pub(super) async fn build(
    running: Running,
    streams: Vec<SendableRecordBatchStream>,
    level: u32,
    probes: usize,
    reservation: MemoryReservation,
    bounds: Option<Arc<Bounds>>,
) -> Result<Arc<Built>> {
    let Running { spec, metrics, .. } = &running;
    let empty = reservation.new_empty();
    let collector = Arc::new(Collector::new(
        Arc::clone(spec),
        level,
        &running.context,
        reservation,
        &metrics.spill,
    ));
    let timer = metrics.build_time.timer();
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let part = collect(
                running.clone(),
                Arc::clone(&collector),
                stream,
                bounds.clone(),
            );
            SpawnedTask::spawn(part)
        })
        .collect();
    for task in tasks {
        joined(task).await??;
    }
    let plan = loop {
        let plan = collector
            .with_chunks(|chunks| IndexPlan::new(spec, chunks, key_range(chunks), running.threads));
        if collector.try_grow_or_evict(plan.bytes)? {
            break plan;
        }
        tokio::task::consume_budget().await;
    };
    let collected = Arc::try_unwrap(collector)
        .map_err(|_| exec_datafusion_err!("a join is still being built"))?
        .finish();
    let Collected {
        chunks,
        evicted,
        files,
        bloom,
        reservation,
    } = collected;
    // Ended at once: open files have buffers.
    let build_buckets = (0..BUCKETS)
        .map(|bucket| files.finish(bucket))
        .collect::<Result<Vec<_>>>()?;
    let table = Table::build(spec, chunks, plan, reservation).await?;
    metrics.build_mem_used.set_max(table.bytes());
    timer.done();
    let probe_files = BucketFiles::new(
        running.context.runtime_env(),
        &metrics.spill,
        &spec.probe_schema,
    );
    Ok(Arc::new(Built {
        table: Mutex::new(Some(Arc::new(table))),
        evicted,
        bloom,
        build_buckets: Mutex::new(build_buckets),
        probe_files,
        reservation: empty,
        level,
        probes_left: AtomicUsize::new(probes),
    }))
}

/// Adds the rows of one stream to the collector.
async fn collect(
    running: Running,
    collector: Arc<Collector>,
    mut stream: SendableRecordBatchStream,
    bounds: Option<Arc<Bounds>>,
) -> Result<()> {
    let mut stage = collector.stage();
    let mut merger = Merger::new(&running.spec);
    let mut part = bounds.as_ref().map(|bounds| bounds.part()).transpose()?;
    let mut add = |batch: RecordBatch| -> Result<()> {
        if let Some(part) = &mut part {
            part.update(&running.spec.build_keys, &batch)?;
        }
        collector.add(&batch, &mut stage)
    };
    while let Some(batch) = stream.next().await.transpose()? {
        running.metrics.build_input_batches.add(1);
        running.metrics.build_input_rows.add(batch.num_rows());
        merger.push(batch)?;
        while let Some(batch) = merger.next() {
            add(batch)?;
        }
        tokio::task::consume_budget().await;
    }
    drop(stream);
    merger.finish()?;
    while let Some(batch) = merger.next() {
        add(batch)?;
    }
    if let (Some(bounds), Some(part)) = (bounds, part) {
        bounds.add(part)?;
    }
    stage.flush(collector.files())
}

/// Merges small batches, so that chunks are few; others stay as they are.
pub(super) struct Merger(BatchCoalescer);

impl Merger {
    pub(super) fn new(spec: &JoinSpec) -> Self {
        let rows = spec.batch_rows.clamp(1, CHUNK_ROWS_MAX);
        let coalescer = BatchCoalescer::new(Arc::clone(&spec.build_schema), rows)
            .with_biggest_coalesce_batch_size(Some(rows / 2));
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

/// The smallest and the largest key, if there is one key column of integers.
pub(super) fn key_range(chunks: &[Chunk]) -> Option<(i64, i64)> {
    let mut range: Option<(i64, i64)> = None;
    for chunk in chunks {
        let [key] = chunk.keys.arrays.as_slice() else {
            return None;
        };
        if !is_integer(key.data_type()) {
            return None;
        }
        let values = Int64Array::try_new(integers(key).ok()?, key.nulls().cloned()).ok()?;
        // Of NULLs alone there is neither.
        let (Some(low), Some(high)) = (min(&values), max(&values)) else {
            continue;
        };
        range = Some(match range {
            Some((lowest, highest)) => (lowest.min(low), highest.max(high)),
            None => (low, high),
        });
    }
    range
}
