//! Joins the buckets that were evicted, when all probes have ended.
//!
//! The buckets stand in one queue; each probe partition that has ended takes one after another, so
//! that all work, and all hand out rows. One bucket is a join like the whole: build, probe, tail,
//! and the buckets that had to be evicted once more, with the hashes of the next level, which join
//! the queue. Where cutting does not help, blocks of build rows are joined in turn (`blocks.rs`), one
//! bucket at a time.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;

use super::blocks::join_blocks;
use super::build::{BuildMemory, Running, build};
use super::built::Built;
use super::emit::Emitter;
use super::indexing::IndexPlan;
use super::portion::Portion;
use super::run::probe_all;
use super::spec::JoinSpec;
use super::spill::SpilledBucket;
use super::{BUCKETS, LEVELS_MAX};

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
pub(super) struct Buckets(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    buckets: Vec<Bucket>,
    /// Buckets that are being joined.
    at_work: usize,
    /// Blocks of one are being joined: alone, since they cannot be given back to others.
    is_in_blocks: bool,
}

/// A bucket that somebody joins, with the memory for it.
struct Turn<'a> {
    bucket: Bucket,
    /// Otherwise in blocks.
    is_whole: bool,
    memory: BuildMemory,
    _at_work: AtWork<'a>,
}

struct AtWork<'a>(&'a Buckets);

impl Buckets {
    /// Adds the evicted buckets of `built` that can give output.
    pub(super) fn add_evicted(&self, spec: &JoinSpec, built: &Built) -> Result<()> {
        let evicted = built.side.evicted();
        let mut queue = self.0.lock();
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
                queue.buckets.push(Bucket {
                    build,
                    probe,
                    level,
                });
            }
        }
        Ok(())
    }

    /// The next bucket: the last one in, so that few are cut at a time; those that cannot be cut
    /// come last. `None` if there is none; or if there is no memory for one more, while others
    /// join some: waiting for them might be waiting for whoever waits for this one's rows.
    fn next(&self, running: &Running) -> Option<Turn<'_>> {
        let mut queue = self.0.lock();
        let last = queue.buckets.len().checked_sub(1)?;
        let at = queue.buckets.iter().rposition(Bucket::is_mixed);
        let at = at.unwrap_or(last);
        let bytes = queue.buckets[at].bytes();
        let holding = Arc::new(Holding::answered_by_task(
            "HashJoin[bucket]",
            running.context.memory_pool(),
        ));
        let mut prepaid = Portion::empty(&holding);
        let is_granted = prepaid.try_grow(bytes);
        let is_whole = queue.buckets[at].is_joined_whole(prepaid.bytes());
        if queue.at_work > 0 && (queue.is_in_blocks || !is_whole || !is_granted) {
            return None;
        }
        let bucket = queue.buckets.remove(at);
        queue.at_work += 1;
        queue.is_in_blocks = !is_whole;
        Some(Turn {
            bucket,
            is_whole,
            memory: BuildMemory { holding, prepaid },
            _at_work: AtWork(self),
        })
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.0.lock().at_work -= 1;
    }
}

/// Joins buckets until none is left for this partition.
pub(super) async fn join_buckets(running: &Running, out: &mut Emitter) -> Result<()> {
    let running = Running {
        threads: 1,
        ..running.clone()
    };
    while let Some(turn) = running.buckets.next(&running) {
        join_bucket(&running, turn, out).await?;
    }
    Ok(())
}

async fn join_bucket(running: &Running, turn: Turn<'_>, out: &mut Emitter) -> Result<()> {
    let Turn {
        bucket,
        is_whole,
        memory,
        _at_work,
    } = turn;
    if !is_whole {
        return join_blocks(running, &bucket, &memory.holding, memory.prepaid, out).await;
    }
    let rows = bucket.build.iter().map(SpilledBucket::read).collect();
    let built = build(running.clone(), rows, bucket.level, memory, None).await?;
    // Both files may go as soon as they are read.
    let probe = bucket.read_probe(&running.spec);
    drop(bucket);
    probe_all(running, &built, probe, out).await?;
    built.end_probing(running).await?;
    built.tail.emit(&running.spec, &running.facts, out).await
}
