//! Joins the buckets that were evicted, when all probes have ended.
//!
//! The buckets stand in one queue. The last probe partition starts a task for each, as many at a
//! time as there are threads and memory, and hands out what they give. One bucket is a join like
//! the whole: build, probe, tail, and the buckets that had to be evicted once more, with the hashes
//! of the next level, which join the queue. Where cutting does not help, blocks of build rows are
//! joined in turn (`blocks.rs`), while no other bucket is.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::runtime::JoinSet;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;
use tokio::sync::mpsc;

use super::blocks::join_blocks;
use super::build::{BuildMemory, Running, build};
use super::built::Built;
use super::emit::{Emitter, Target};
use super::indexing::IndexPlan;
use super::portion::Portion;
use super::run::probe_all;
use super::spec::JoinSpec;
use super::spill::SpilledBucket;
use super::{BUCKETS, LEVELS_MAX, OPERATOR, OUTPUT_QUEUE_BATCHES};
use crate::task::ended;

/// Both sides of an evicted bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) build: Option<SpilledBucket>,
    probe: Option<SpilledBucket>,
    pub(super) level: u32,
}

impl Bucket {
    /// What joining it in memory will take, about.
    fn bytes(&self) -> usize {
        self.build.as_ref().map_or(0, |build| {
            build.bytes + build.rows() * 8 + IndexPlan::bytes_for_rows(build.rows())
        })
    }

    /// Whether it gets smaller by being cut.
    fn is_mixed(&self) -> bool {
        self.build.as_ref().is_none_or(|build| build.is_mixed)
    }

    /// Whether it is joined like the whole, given what has been granted for it: it fits, or gets
    /// smaller by being cut.
    fn is_joined_whole(&self, granted_bytes: usize) -> bool {
        self.level <= LEVELS_MAX && (self.is_mixed() || granted_bytes >= self.bytes())
    }

    pub(super) fn probe_rows(&self) -> usize {
        self.probe.as_ref().map_or(0, SpilledBucket::rows)
    }

    pub(super) fn read_probe(&self, spec: &JoinSpec) -> SendableRecordBatchStream {
        match &self.probe {
            Some(probe) => probe.read(),
            None => Box::pin(EmptyRecordBatchStream::new(Arc::clone(&spec.probe_schema))),
        }
    }
}

/// The buckets that are still to be joined.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Vec<Bucket>>);

/// A bucket to be joined, with the memory for it.
struct Turn {
    bucket: Bucket,
    /// Otherwise in blocks.
    is_whole: bool,
    memory: BuildMemory,
}

impl Buckets {
    /// Adds the evicted buckets of `built` that can give output.
    pub(super) fn add_evicted(&self, spec: &JoinSpec, built: &Built) -> Result<()> {
        let evicted = built.side.evicted();
        let mut buckets = self.0.lock();
        for number in (0..BUCKETS).filter(|bucket| evicted.contains(*bucket)) {
            let build = built.side.files.take(number)?;
            let probe = built.probe_files.take(number)?;
            let matters = match (&build, &probe) {
                (Some(_), Some(_)) => true,
                // Also those that have found their matches before they were evicted.
                (Some(_), None) => spec.tracks_build(),
                (None, Some(_)) => spec.keeps_unmatched_probe(),
                (None, None) => false,
            };
            if matters {
                let level = built.side.level + 1;
                buckets.push(Bucket {
                    build,
                    probe,
                    level,
                });
            }
        }
        Ok(())
    }

    /// The next bucket: the last one in, so that few are cut at a time; those that cannot be cut
    /// come last. `None` if there is none; or if it has to wait for the others `at_work`: there is
    /// no memory for one more, or it is joined in blocks, which cannot be given back.
    fn next(&self, running: &Running, at_work: usize) -> Option<Turn> {
        let mut buckets = self.0.lock();
        let last = buckets.len().checked_sub(1)?;
        let at = buckets.iter().rposition(Bucket::is_mixed).unwrap_or(last);
        let bytes = buckets[at].bytes();
        let holding = Arc::new(Holding::answered_by_task(
            "HashJoin[bucket]",
            running.context.memory_pool(),
        ));
        let mut prepaid = Portion::empty(&holding);
        let is_granted = prepaid.try_grow(bytes);
        let is_whole = buckets[at].is_joined_whole(prepaid.bytes());
        if at_work > 0 && !(is_whole && is_granted) {
            return None;
        }
        Some(Turn {
            bucket: buckets.remove(at),
            is_whole,
            memory: BuildMemory { holding, prepaid },
        })
    }
}

/// Joins all buckets, and those that they are cut into.
pub(super) async fn join_buckets(running: &Running, out: &mut Emitter) -> Result<()> {
    let (sender, mut results) = mpsc::channel(OUTPUT_QUEUE_BATCHES);
    let mut tasks = JoinSet::new();
    let mut is_in_blocks = false;
    loop {
        while tasks.is_empty() || (!is_in_blocks && tasks.len() < running.threads) {
            let Some(turn) = running.buckets.next(running, tasks.len()) else {
                break;
            };
            is_in_blocks = !turn.is_whole;
            tasks.spawn(join_task(running.clone(), turn, sender.clone()));
        }
        if tasks.is_empty() {
            break;
        }
        tokio::select! {
            Some(batch) = results.recv() => out.emit_merged(batch).await?,
            Some(finished) = tasks.join_next() => ended(finished, OPERATOR)??,
        }
    }
    drop(sender);
    while let Some(batch) = results.recv().await {
        out.emit_merged(batch).await?;
    }
    Ok(())
}

/// Joins one bucket; those that it has to be cut into join the queue.
async fn join_task(running: Running, turn: Turn, queue: mpsc::Sender<RecordBatch>) -> Result<()> {
    let running = Running {
        threads: 1,
        ..running
    };
    let spec = &running.spec;
    let mut out = Emitter::new(Target::Queue(queue), &spec.schema, spec.batch_rows);
    let Turn {
        bucket,
        is_whole,
        memory,
    } = turn;
    if !is_whole {
        join_blocks(&running, &bucket, &memory.holding, memory.prepaid, &mut out).await?;
        return out.finish().await;
    }
    let rows = bucket.build.iter().map(SpilledBucket::read).collect();
    let built = build(running.clone(), rows, bucket.level, memory, None).await?;
    // Both files may go as soon as they are read.
    let probe = bucket.read_probe(spec);
    drop(bucket);
    probe_all(&running, &built, probe, &mut out).await?;
    built.end_probing(&running).await?;
    built.emit_tail(&running, &mut out).await?;
    drop(built);
    out.finish().await
}
