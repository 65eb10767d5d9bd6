//! The phases of a join after its build side is there: probe, then what is left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::build::{BuildFuture, Built, Running};
use super::emit::Emitter;
use super::keys::Keys;
use super::probe::Prober;
use super::spill::{Stage, bucket_of};
use super::spilled::join_spilled;
use super::table::Table;
use super::tail::BuildTail;

/// Runs one probe partition; the last one to end also does what is left to do for all.
pub(super) async fn run_partition(
    running: Running,
    build: BuildFuture,
    probe: SendableRecordBatchStream,
    mut out: Emitter,
) -> Result<()> {
    let built = build.await.map_err(DataFusionError::Shared)?;
    if let Some(table) = built.table() {
        probe_all(&running, &built, table, probe, &mut out).await?;
    }
    out.finish().await?;
    if built.end_probe() {
        finish_table(&running, &built, &mut out).await?;
        join_spilled(&running, &built, &mut out).await?;
    }
    out.finish().await
}

/// Probes the table with a stream; rows of evicted buckets go to files.
pub(super) async fn probe_all(
    running: &Running,
    built: &Built,
    table: Arc<Table>,
    mut probe: SendableRecordBatchStream,
    out: &mut Emitter,
) -> Result<()> {
    let spec = &running.spec;
    if is_result_empty(running, built, &table) {
        return Ok(());
    }
    let level = (table.needs_hashes() || !built.evicted.is_empty()).then_some(built.level);
    let mut stage = built.stage();
    let mut prober = Prober::new(Arc::clone(spec), table, true);
    while let Some(batch) = probe.next().await.transpose()? {
        let timer = running.metrics.join_time.timer();
        if built.level == 0 {
            running.metrics.input_batches.add(1);
            running.metrics.input_rows.add(batch.num_rows());
        }
        let keys = Keys::evaluate(&spec.probe_keys, &batch, spec.null_equality, level)?;
        if note_nulls(running, &batch, &keys) {
            continue;
        }
        let Some((batch, keys)) = divert(running, built, batch, keys, &mut stage)? else {
            continue;
        };
        prober.begin(batch, keys, None);
        timer.done();
        drain(running, &mut prober, out).await?;
        prober.end();
    }
    stage.flush(&built.probe_files)
}

/// Emits all that a prober has for its batch.
pub(super) async fn drain(running: &Running, prober: &mut Prober, out: &mut Emitter) -> Result<()> {
    loop {
        let timer = running.metrics.join_time.timer();
        let batch = prober.next()?;
        timer.done();
        let Some(batch) = batch else { return Ok(()) };
        out.emit(batch).await?;
        tokio::task::consume_budget().await;
    }
}

/// Emits what comes out of the table now that all probes have ended, and frees it.
pub(super) async fn finish_table(
    running: &Running,
    built: &Built,
    out: &mut Emitter,
) -> Result<()> {
    let Some(table) = built.take_table() else {
        return Ok(());
    };
    emit_tail(running, table, out).await
}

/// Emits what comes out of a table when nothing will probe it any more.
pub(super) async fn emit_tail(
    running: &Running,
    table: Arc<Table>,
    out: &mut Emitter,
) -> Result<()> {
    let Some(mut tail) = BuildTail::new(&running.spec, table, &running.nulls) else {
        return Ok(());
    };
    while let Some(batch) = tail.next(&running.spec)? {
        out.emit(batch).await?;
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Whether no probe row can make a difference. Not so for a `NOT IN` while rows may yet tell it of
/// NULLs.
fn is_result_empty(running: &Running, built: &Built, table: &Table) -> bool {
    let no_build_rows = table.chunks.is_empty() && built.evicted.is_empty();
    no_build_rows && !running.spec.keeps_unmatched_probe()
}

/// Notes what a `NOT IN` must know of its right side; whether the batch needs no more work.
fn note_nulls(running: &Running, batch: &RecordBatch, keys: &Keys) -> bool {
    if !running.spec.null_aware {
        return false;
    }
    let nulls = &running.nulls;
    if batch.num_rows() > 0 {
        nulls.has_rows.store(true, Ordering::Release);
    }
    if keys.valid.is_some() {
        nulls.has_null.store(true, Ordering::Release);
    }
    nulls.has_null.load(Ordering::Acquire)
}

/// Sends the rows of evicted buckets to their files, unless nothing there can match them; returns
/// the rows that are to be looked up in memory.
fn divert(
    running: &Running,
    built: &Built,
    batch: RecordBatch,
    keys: Keys,
    stage: &mut Stage,
) -> Result<Option<(RecordBatch, Keys)>> {
    if built.evicted.is_empty() {
        return Ok(Some((batch, keys)));
    }
    let keeps_unmatched = running.spec.keeps_unmatched_probe();
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for (row, hash) in (0_u32..).zip(&keys.hashes) {
        if !built.evicted.contains(bucket_of(*hash)) {
            kept.push(row);
            continue;
        }
        let may_match = keys.is_valid(row as usize)
            && built
                .bloom
                .as_ref()
                .is_none_or(|bloom| bloom.may_contain(*hash));
        if may_match {
            gone.push(row);
        } else if keeps_unmatched {
            // Found nothing there, and finds nothing here.
            kept.push(row);
        }
    }
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
