//! What comes out of the build side when all probes have ended: rows by their matches.
//!
//! The rows wait in pieces, which whoever is free takes and hands out, and which go to a file when
//! others need their memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::common::{JoinType, Result, internal_err};
use futures::StreamExt;
use parking_lot::Mutex;

use super::build::ProbeFacts;
use super::collect::BuildSide;
use super::emit::Emitter;
use super::keys::valid_keys_of;
use super::output::build_batch;
use super::portion::Portion;
use super::spec::JoinSpec;
use super::table::Table;
use crate::spill::SpilledRows;

/// Build rows that have met all probe rows.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<VecDeque<Piece>>);

/// Some of them, as they are stored.
enum Piece {
    Memory(RecordBatch, Portion),
    File(SpilledRows),
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Piece")
    }
}

impl Tail {
    /// Adds the rows of `table`, if any of them can come out.
    pub(super) fn fill(&self, spec: &JoinSpec, facts: &ProbeFacts, table: Table) -> Result<()> {
        if !facts.let_build_rows_out(spec) {
            return Ok(());
        }
        let bytes = table.chunk_bytes();
        let (batches, mut portion) = table.into_stored(spec)?;
        let pieces = batches.into_iter().zip(bytes).map(|(batch, bytes)| {
            let whole = portion.bytes();
            let part = portion.split(bytes.min(whole));
            let part = part.unwrap_or_else(|| Portion::empty(portion.holding()));
            Piece::Memory(batch, part)
        });
        self.0.lock().extend(pieces);
        Ok(())
    }

    /// Sends what has not been taken to a file of `side`.
    ///
    /// # Errors
    /// If the file cannot be written. [`BuildSide::check`] tells it before the pieces are found
    /// gone.
    pub(super) fn give(&self, side: &BuildSide) -> Result<()> {
        let mut pieces = self.0.lock();
        let in_memory = |piece: &Piece| matches!(piece, Piece::Memory(..));
        if pieces.iter().any(in_memory) {
            let moved = move_to_file(&mut pieces, side);
            *pieces = moved.map_err(|error| side.fail(error))?;
        }
        Ok(())
    }

    /// Hands out the pieces; those that were lost are missing.
    pub(super) async fn emit(
        &self,
        spec: &JoinSpec,
        facts: &ProbeFacts,
        out: &mut Emitter,
    ) -> Result<()> {
        loop {
            let piece = self.0.lock().pop_front();
            match piece {
                None => return Ok(()),
                Some(Piece::Memory(batch, _portion)) => {
                    emit_rows(spec, facts, batch, out).await?;
                }
                Some(Piece::File(rows)) => {
                    let mut rows = rows.read()?;
                    while let Some(batch) = rows.next().await.transpose()? {
                        emit_rows(spec, facts, batch, out).await?;
                    }
                }
            }
        }
    }
}

/// All pieces, with those in memory in one file.
fn move_to_file(pieces: &mut VecDeque<Piece>, side: &BuildSide) -> Result<VecDeque<Piece>> {
    let mut writer = side.files.writer()?;
    let mut files = VecDeque::new();
    for piece in pieces.drain(..) {
        match piece {
            Piece::Memory(batch, _) => writer.append(&batch)?,
            Piece::File(rows) => files.push_back(Piece::File(rows)),
        }
    }
    files.push_back(Piece::File(writer.finish()?));
    Ok(files)
}

/// Hands out those of some stored rows that come out; never more at a time than an output batch.
async fn emit_rows(
    spec: &JoinSpec,
    facts: &ProbeFacts,
    batch: RecordBatch,
    out: &mut Emitter,
) -> Result<()> {
    let visited = batch
        .column(batch.num_columns() - 1)
        .as_boolean()
        .values()
        .clone();
    // Rows with a NULL key are in, unless `NOT IN` has something to be compared with.
    let valid = match spec.null_aware && facts.has_rows.load(Ordering::Acquire) {
        true => valid_keys_of(&spec.build_keys, &batch)?,
        false => None,
    };
    let comes_out = |row: &u32| match spec.join_type {
        JoinType::LeftMark => true,
        JoinType::LeftSemi => visited.value(*row as usize),
        _ => {
            let is_valid = valid.as_ref().is_none_or(|v| v.is_valid(*row as usize));
            is_valid && !visited.value(*row as usize)
        }
    };
    let numbers = (0..batch.num_rows()).filter_map(|row| u32::try_from(row).ok());
    let rows: Vec<u32> = numbers.filter(comes_out).collect();
    for rows in rows.chunks(spec.batch_rows) {
        let mark = (spec.join_type == JoinType::LeftMark).then(|| {
            let marks = rows.iter().map(|row| visited.value(*row as usize));
            BooleanArray::from(marks.collect::<Vec<bool>>())
        });
        out.emit(build_batch(spec, &batch, rows, mark)?).await?;
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Hands out what comes out of a table that nothing will probe any more, and that nobody shares.
pub(super) async fn emit_tail(
    spec: &JoinSpec,
    facts: &ProbeFacts,
    table: Arc<Table>,
    out: &mut Emitter,
) -> Result<()> {
    let Some(table) = Arc::into_inner(table) else {
        return internal_err!("a block of a join is still in use");
    };
    let tail = Tail::default();
    tail.fill(spec, facts, table)?;
    tail.emit(spec, facts, out).await
}
