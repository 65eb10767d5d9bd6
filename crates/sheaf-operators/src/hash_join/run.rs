//! One probe partition, from the build side to its last row.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::buckets::join_buckets;
use super::build::{BuildFuture, Running};
use super::built::{Built, Lease};
use super::emit::Emitter;
use super::keys::Keys;
use super::probe::Prober;
use super::probes::Probe;
use super::spill::{Stage, bucket_of};

/// Runs one probe partition; the last one to end also does what is left to do for all.
pub(super) async fn run_partition(
    probe: Probe,
    running: Running,
    build: BuildFuture,
    input: SendableRecordBatchStream,
    mut out: Emitter,
) -> Result<()> {
    let built = build.await.map_err(DataFusionError::Shared)?;
    probe_all(&running, &built, input, &mut out).await?;
    out.finish().await?;
    if !probe.end() || !built.leaves_rows(&running.spec) {
        return Ok(());
    }
    built.end_probing(&running).await?;
    built.emit_tail(&running, &mut out).await?;
    drop(built);
    join_buckets(&running, &mut out).await?;
    out.finish().await
}

/// Probes the table with a stream; rows of evicted buckets go to files.
pub(super) async fn probe_all(
    running: &Running,
    built: &Built,
    mut input: SendableRecordBatchStream,
    out: &mut Emitter,
) -> Result<()> {
    if is_result_empty(running, &built.lease().await?) {
        return Ok(());
    }
    let mut stage = built.probe_stage();
    let mut prober = Prober::new(Arc::clone(&running.spec), true);
    while let Some(batch) = input.next().await.transpose()? {
        if built.side.level == 0 {
            running.metrics.input_batches.add(1);
            running.metrics.input_rows.add(batch.num_rows());
        }
        let mut rest = Some(batch);
        while let Some(batch) = rest {
            rest = probe_batch(running, built, batch, &mut stage, &mut prober, out).await?;
        }
    }
    stage.flush(&built.probe_files)
}

/// Probes the table with a batch. If the table has changed meanwhile, returns the rows that are
/// still to be looked up.
async fn probe_batch(
    running: &Running,
    built: &Built,
    batch: RecordBatch,
    stage: &mut Stage,
    prober: &mut Prober,
    out: &mut Emitter,
) -> Result<Option<RecordBatch>> {
    let spec = &running.spec;
    let mut lease = built.lease().await?;
    {
        let _timer = running.metrics.join_time.timer();
        let needs_hashes = lease.table.needs_hashes() || !lease.evicted.is_empty();
        let level = needs_hashes.then_some(built.side.level);
        let keys = Keys::evaluate(&spec.probe_keys, &batch, spec.null_equality, level)?;
        if note_nulls(running, &batch, &keys) {
            return Ok(None);
        }
        let Some((batch, keys)) = divert(running, built, &lease, batch, keys, stage)? else {
            return Ok(None);
        };
        prober.begin(&lease.table, batch, keys, None);
    }
    loop {
        let timer = running.metrics.join_time.timer();
        let piece = prober.next(&lease.table)?;
        timer.done();
        let Some(piece) = piece else { break };
        if prober.is_in_chain() {
            lease.pin();
            out.emit(piece).await?;
            tokio::task::consume_budget().await;
            lease.unpin();
        } else {
            let cuts = lease.cuts;
            drop(lease);
            out.emit(piece).await?;
            tokio::task::consume_budget().await;
            lease = built.lease().await?;
            if lease.cuts != cuts {
                drop(lease);
                return begin_anew(prober, out).await;
            }
        }
    }
    prober.end();
    Ok(None)
}

/// Ends a batch as far as it has been looked up; the other rows.
async fn begin_anew(prober: &mut Prober, out: &mut Emitter) -> Result<Option<RecordBatch>> {
    let rest = prober.take_rest()?;
    while let Some(piece) = prober.next_of_tail()? {
        out.emit(piece).await?;
    }
    prober.end();
    Ok(rest)
}

/// Whether no probe row can make a difference. Not so for a `NOT IN` while rows may yet tell it of
/// NULLs.
fn is_result_empty(running: &Running, lease: &Lease<'_>) -> bool {
    let no_build_rows = lease.table.chunks.is_empty() && lease.evicted.is_empty();
    no_build_rows && !running.spec.keeps_unmatched_probe()
}

/// Notes what a `NOT IN` must know of its right side; whether the batch needs no more work.
fn note_nulls(running: &Running, batch: &RecordBatch, keys: &Keys) -> bool {
    if !running.spec.null_aware {
        return false;
    }
    let facts = &running.facts;
    if batch.num_rows() > 0 {
        facts.has_rows.store(true, Ordering::Release);
    }
    if keys.valid.is_some() {
        facts.has_null.store(true, Ordering::Release);
    }
    facts.has_null.load(Ordering::Acquire)
}

/// Sends the rows of evicted buckets to their files, unless nothing there can match them; returns
/// the rows that are to be looked up in memory.
fn divert(
    running: &Running,
    built: &Built,
    lease: &Lease<'_>,
    batch: RecordBatch,
    keys: Keys,
    stage: &mut Stage,
) -> Result<Option<(RecordBatch, Keys)>> {
    if lease.evicted.is_empty() {
        return Ok(Some((batch, keys)));
    }
    let keeps_unmatched = running.spec.keeps_unmatched_probe();
    let bloom = built.side.bloom.read();
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for (row, hash) in (0_u32..).zip(&keys.hashes) {
        if !lease.evicted.contains(bucket_of(*hash)) {
            kept.push(row);
            continue;
        }
        let may_match = keys.is_valid(row as usize)
            && bloom.as_ref().is_none_or(|bloom| bloom.may_contain(*hash));
        if may_match {
            gone.push(row);
        } else if keeps_unmatched {
            // Found nothing there, and finds nothing here.
            kept.push(row);
        }
    }
    drop(bloom);
    if !gone.is_empty() {
        let hashes = gone.iter().map(|row| keys.hashes[*row as usize]).collect();
        let rows = take_record_batch(&batch, &UInt32Array::from(gone))?;
        stage.push(&built.probe_files, rows, hashes)?;
    }
    if kept.len() == batch.num_rows() {
        return Ok(Some((batch, keys)));
    }
    if kept.is_empty() {
        return Ok(None);
    }
    let kept = UInt32Array::from(kept);
    let keys = keys.take(&kept)?;
    Ok(Some((take_record_batch(&batch, &kept)?, keys)))
}
