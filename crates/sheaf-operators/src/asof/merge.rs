//! The merge of an ASOF join's two sorted inputs.
//!
//! Invariant: `candidate` is the last right row read that can match and does not come after the
//! current left row. Its keys may be smaller than the left row's; then there is no match.
//!
//! Memory: the current batch of each side, the candidate's batch if it is an earlier one, the batch
//! that the matches not yet given out point into (the candidate's or the one before it), and the
//! output being filled.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::compute::{BatchCoalescer, take};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::BaselineMetrics;
use tokio::task::coop::consume_budget;

use super::side::{Converters, Side, SideBatch};
use super::{AsofDirection, AsofKind};

/// A running merge.
pub(super) struct AsofMerge {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) converters: Converters,
    pub(super) direction: AsofDirection,
    pub(super) kind: AsofKind,
    pub(super) schema: SchemaRef,
    pub(super) candidate: Option<(Arc<SideBatch>, usize)>,
    pub(super) matches: Matches,
    pub(super) output: BatchCoalescer,
    pub(super) reservation: MemoryReservation,
    pub(super) metrics: BaselineMetrics,
    pub(super) is_done: bool,
}

/// Matches found but not yet copied: rows of the current left batch with rows of one right batch.
#[derive(Default)]
pub(super) struct Matches {
    left_rows: Vec<u64>,
    /// `None`: no match, a row of NULLs.
    right_rows: Vec<Option<u64>>,
    /// The batch of `right_rows`, if one of them is a match.
    right: Option<Arc<SideBatch>>,
}

impl AsofMerge {
    /// The next batch of the result.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.output.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.is_done {
                self.reservation.free();
                return Ok(None);
            }
            consume_budget().await;
            if self.left.needs_batch() {
                self.left.read(&self.converters).await?;
            }
            if self.left.is_done {
                self.output.finish_buffered_batch()?;
                self.is_done = true;
                continue;
            }
            if self.right.needs_batch() {
                self.right.read(&self.converters).await?;
            }
            self.account();
            self.advance()?;
        }
    }

    /// Goes on until a side's batch ends.
    fn advance(&mut self) -> Result<()> {
        let elapsed = self.metrics.elapsed_compute().clone();
        let _timer = elapsed.timer();
        while let Some(left) = self.left.current.as_ref().map(Arc::clone)
            && self.left.row < left.row_count()
        {
            if self.advance_right(&left) {
                return Ok(());
            }
            self.note_match(&left)?;
            self.left.row += 1;
            if self.left.row == left.row_count() {
                self.flush(&left)?;
            }
        }
        Ok(())
    }

    /// Passes the right rows which do not come after the current left row. True if the right batch
    /// ended before that was known.
    fn advance_right(&mut self, left: &SideBatch) -> bool {
        let Some(right) = &self.right.current else {
            return !self.right.is_done;
        };
        while self.right.row < right.row_count() {
            let is_before = match right.compare(self.right.row, left, self.left.row) {
                Ordering::Less => true,
                Ordering::Equal => !self.direction.is_strict(),
                Ordering::Greater => false,
            };
            if !is_before {
                return false;
            }
            if right.can_match(self.right.row) {
                self.candidate = Some((Arc::clone(right), self.right.row));
            }
            self.right.row += 1;
        }
        !self.right.is_done
    }

    /// Notes what the current left row meets.
    fn note_match(&mut self, left: &Arc<SideBatch>) -> Result<()> {
        let row = self.left.row;
        let found = match &self.candidate {
            Some((batch, right_row))
                if left.can_match(row) && left.has_keys_of(row, batch, *right_row) =>
            {
                Some((Arc::clone(batch), *right_row))
            }
            _ => None,
        };
        match found {
            Some((batch, right_row)) => {
                if self
                    .matches
                    .right
                    .as_ref()
                    .is_some_and(|other| !Arc::ptr_eq(other, &batch))
                {
                    self.flush(left)?;
                }
                self.matches.left_rows.push(row as u64);
                self.matches.right_rows.push(Some(right_row as u64));
                self.matches.right = Some(batch);
            }
            None if self.kind == AsofKind::Left => {
                self.matches.left_rows.push(row as u64);
                self.matches.right_rows.push(None);
            }
            None => {}
        }
        Ok(())
    }

    /// Copies the noted matches to the output.
    fn flush(&mut self, left: &SideBatch) -> Result<()> {
        let matches = std::mem::take(&mut self.matches);
        let row_count = matches.left_rows.len();
        if row_count == 0 {
            return Ok(());
        }
        let left_rows = UInt64Array::from(matches.left_rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in left.batch.columns() {
            columns.push(take(column, &left_rows, None)?);
        }
        match matches.right {
            Some(right) => {
                let right_rows = UInt64Array::from(matches.right_rows);
                for column in right.batch.columns() {
                    columns.push(take(column, &right_rows, None)?);
                }
            }
            None => {
                for field in &self.schema.fields()[columns.len()..] {
                    columns.push(new_null_array(field.data_type(), row_count));
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(self.output.push_batch(batch)?)
    }

    /// Reports what is held.
    ///
    /// The reservation may pass the limit: what is held is bounded by a few batches, and no other
    /// operator could be asked to give memory back for it.
    fn account(&mut self) {
        let sides = [&self.left.current, &self.right.current, &self.matches.right];
        let held: usize = sides
            .into_iter()
            .flatten()
            .map(|batch| batch.memory_bytes())
            .sum();
        let candidate = self
            .candidate
            .as_ref()
            .map_or(0, |(batch, _)| batch.memory_bytes());
        self.reservation
            .resize(held + candidate + self.output.size());
    }
}
