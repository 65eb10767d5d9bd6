//! Joins the buckets that were evicted, when all probes have ended.
//!
//! Buckets are joined side by side, as long as memory for the next one is granted; the first of
//! them goes ahead in any case. One bucket is a join like the whole: build, probe, tail, and the
//! buckets that had to be evicted once more, with the hashes of the next level. Where cutting does
//! not help, blocks of build rows are joined in turn, each with the whole probe file; which probe
//! rows have matched is kept from block to block.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::EmptyRecordBatchStream;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::build::{Built, Merger, Running, build};
use super::chunk::{Chunk, compact};
use super::emit::{Emitter, Target};
use super::indexing::IndexPlan;
use super::keys::Keys;
use super::probe::Prober;
use super::run::{drain, emit_tail, finish_table, probe_all};
use super::spill::SpilledBucket;
use super::table::Table;
use super::{BUCKETS, CHUNK_ROWS_MAX, CHUNKS_MAX, LEVELS_MAX, OUTPUT_QUEUE_BATCHES};

/// Both sides of an evicted bucket.
struct Bucket {
    build: Option<SpilledBucket>,
    probe: Option<SpilledBucket>,
    level: u32,
}

impl Bucket {
    /// What joining it in memory will take, about.
    fn bytes(&self) -> usize {
        self.build.as_ref().map_or(0, |build| {
            build.bytes + build.rows() * 8 + IndexPlan::bytes_for_rows(build.rows())
        })
    }
}

/// Joins the evicted buckets of `built`, as many at a time as there are threads and memory.
pub(super) async fn join_spilled(
    running: &Running,
    built: &Built,
    out: &mut Emitter,
) -> Result<()> {
    let mut buckets = buckets(running, built)?;
    let (sender, mut results) = mpsc::channel(OUTPUT_QUEUE_BATCHES);
    let mut tasks = datafusion::common::runtime::JoinSet::new();
    loop {
        while tasks.len() < running.threads
            && let Some(bucket) = buckets.front()
        {
            let reservation = built.reservation().new_empty();
            if reservation.try_grow(bucket.bytes()).is_err() && !tasks.is_empty() {
                break;
            }
            if let Some(bucket) = buckets.pop_front() {
                tasks.spawn(join_task(
                    running.clone(),
                    bucket,
                    reservation,
                    sender.clone(),
                ));
            }
        }
        if tasks.is_empty() {
            break;
        }
        tokio::select! {
            Some(batch) = results.recv() => out.emit_merged(batch).await?,
            Some(ended) = tasks.join_next() => task_result(ended)?,
        }
    }
    drop(sender);
    while let Some(batch) = results.recv().await {
        out.emit_merged(batch).await?;
    }
    Ok(())
}

fn task_result(ended: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(exec_datafusion_err!(
            "a task of a join ended early: {error}"
        )),
    }
}

/// The files of the evicted buckets that can give output.
fn buckets(running: &Running, built: &Built) -> Result<VecDeque<Bucket>> {
    let spec = &running.spec;
    let mut buckets = VecDeque::new();
    for number in (0..BUCKETS).filter(|bucket| built.evicted.contains(*bucket)) {
        let build = built.take_build_bucket(number);
        let probe = built.probe_files.finish(number)?;
        let matters = match (&build, &probe) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => spec.keeps_unmatched_build(),
            (None, Some(_)) => spec.keeps_unmatched_probe(),
            (None, None) => false,
        };
        if matters {
            buckets.push_back(Bucket {
                build,
                probe,
                level: built.level + 1,
            });
        }
    }
    Ok(buckets)
}

async fn join_task(
    running: Running,
    bucket: Bucket,
    reservation: MemoryReservation,
    queue: mpsc::Sender<RecordBatch>,
) -> Result<()> {
    let spec = Arc::clone(&running.spec);
    let mut out = Emitter::new(Target::Queue(queue), &spec.schema, spec.batch_rows);
    join_bucket(&running, bucket, reservation, &mut out).await?;
    out.finish().await
}

/// Joins one bucket, and in turn the buckets that it had to be cut into.
fn join_bucket<'a>(
    running: &'a Running,
    bucket: Bucket,
    reservation: MemoryReservation,
    out: &'a mut Emitter,
) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let is_mixed = bucket.build.as_ref().is_none_or(|build| build.is_mixed);
        if bucket.level > LEVELS_MAX || !is_mixed {
            return join_blocks(running, bucket, reservation, out).await;
        }
        let streams = bucket
            .build
            .iter()
            .map(SpilledBucket::read)
            .collect::<Result<Vec<_>>>()?;
        let inner = Running {
            threads: 1,
            ..running.clone()
        };
        let built = build(inner, streams, bucket.level, 1, reservation, None).await?;
        // Both files may go as soon as they are read.
        let probe = probe_stream(running, &bucket)?;
        drop(bucket);
        if let Some(table) = built.table() {
            probe_all(running, &built, table, probe, out).await?;
        }
        finish_table(running, &built, out).await?;
        for bucket in buckets(running, &built)? {
            let reservation = built.reservation().new_empty();
            join_bucket(running, bucket, reservation, out).await?;
        }
        Ok(())
    })
}

fn probe_stream(running: &Running, bucket: &Bucket) -> Result<SendableRecordBatchStream> {
    match &bucket.probe {
        Some(probe) => probe.read(),
        None => Ok(Box::pin(EmptyRecordBatchStream::new(Arc::clone(
            &running.spec.probe_schema,
        )))),
    }
}

/// Joins as many build rows as memory holds with all probe rows, then the next ones.
async fn join_blocks(
    running: &Running,
    bucket: Bucket,
    reservation: MemoryReservation,
    out: &mut Emitter,
) -> Result<()> {
    reservation.free();
    let mut blocks = Blocks::new(running, &bucket)?;
    let mut matched = Matched::new(running, &bucket, reservation.new_empty());
    loop {
        let block = reservation.new_empty();
        let chunks = blocks.next(&block).await?;
        let is_last = blocks.is_done();
        let plan = IndexPlan::new(&running.spec, &chunks, None, 1);
        block.grow(plan.bytes);
        let table = Table::build(&running.spec, chunks, plan, block).await?;
        let table = Arc::new(table);
        probe_block(
            running,
            &bucket,
            Arc::clone(&table),
            is_last,
            &mut matched,
            out,
        )
        .await?;
        emit_tail(running, table, out).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Reads the probe file once.
async fn probe_block(
    running: &Running,
    bucket: &Bucket,
    table: Arc<Table>,
    is_last: bool,
    matched: &mut Matched,
    out: &mut Emitter,
) -> Result<()> {
    let spec = &running.spec;
    let mut probe = probe_stream(running, bucket)?;
    let mut prober = Prober::new(Arc::clone(spec), table, is_last);
    let mut from = 0;
    while let Some(batch) = probe.next().await.transpose()? {
        let rows = batch.num_rows();
        let level = Some(bucket.level);
        let keys = Keys::evaluate(&spec.probe_keys, &batch, spec.null_equality, level)?;
        prober.begin(batch, keys, matched.get(from, rows));
        drain(running, &mut prober, out).await?;
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
    level: u32,
    stream: Option<SendableRecordBatchStream>,
    merger: Merger,
    /// A chunk that did not fit into the block before.
    next: Option<Chunk>,
}

impl<'a> Blocks<'a> {
    fn new(running: &'a Running, bucket: &Bucket) -> Result<Self> {
        Ok(Self {
            running,
            level: bucket.level,
            stream: bucket.build.as_ref().map(SpilledBucket::read).transpose()?,
            merger: Merger::new(&running.spec),
            next: None,
        })
    }

    /// Whether there is no further block.
    fn is_done(&self) -> bool {
        self.next.is_none() && self.stream.is_none()
    }

    /// The next block: one chunk in any case, more as they are granted.
    async fn next(&mut self, reservation: &MemoryReservation) -> Result<Vec<Chunk>> {
        let mut chunks: Vec<Chunk> = Vec::new();
        loop {
            let chunk = match self.next.take() {
                Some(chunk) => chunk,
                None => match self.read().await? {
                    Some(chunk) => chunk,
                    None => return Ok(chunks),
                },
            };
            let index = IndexPlan::bytes_for_rows(chunk.rows());
            let granted = reservation.try_grow(chunk.bytes + index).is_ok();
            if granted {
                // Reserved by the plan of the index, when it is there.
                reservation.shrink(index);
            } else if chunks.is_empty() {
                reservation.grow(chunk.bytes);
            }
            if !granted && !chunks.is_empty() || chunks.len() == CHUNKS_MAX {
                self.next = Some(chunk);
                return Ok(chunks);
            }
            chunks.push(chunk);
        }
    }

    async fn read(&mut self) -> Result<Option<Chunk>> {
        loop {
            if let Some(batch) = self.merger.next() {
                return self.chunk(batch).map(Some);
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
    /// Covers the bits; they are few, so not asked for.
    _reservation: MemoryReservation,
}

impl Matched {
    fn new(running: &Running, bucket: &Bucket, reservation: MemoryReservation) -> Self {
        let words = running.spec.tracks_probe().then(|| {
            let rows = bucket.probe.as_ref().map_or(0, SpilledBucket::rows);
            vec![0; rows.div_ceil(64)]
        });
        reservation.grow(words.as_ref().map_or(0, |words| words.len() * 8));
        Self {
            words,
            _reservation: reservation,
        }
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
