//! A batch of right rows and a block of left rows: which pairs match.
//!
//! The side with fewer steps gives single rows; the other comes in batches. Steps are counted, so
//! that a meeting of many pairs is interrupted and goes on where it was.

use arrow::array::{RecordBatch, UInt64Array};
use arrow::buffer::BooleanBuffer;
use datafusion::common::Result;

use super::Needs;
use super::build::Block;
use super::filter::PairFilter;
use super::output::{Output, Rows};
use super::visited::{Matches, Visited};

/// Pairs tried before the operator may yield: a millisecond's work or so.
const PAIRS_AT_ONCE: usize = 64 * 1024;

/// The condition with single rows of the left side, and of the right one.
pub(super) struct Filters {
    pub(super) left_rows: PairFilter,
    pub(super) right_rows: PairFilter,
}

/// A right batch on its way through a block.
pub(super) struct Pairing {
    pub(super) right: RecordBatch,
    /// Which of its rows were matched, in this block or before.
    pub(super) matches: Matches,
    /// Whether left rows come one at a time; else right rows do.
    by_left_row: bool,
    /// The left batch being met, and the next single row of the side that gives them.
    left_batch: usize,
    row: usize,
    /// What the condition reads of the side that comes in batches, once that was asked for.
    prepared: Option<RecordBatch>,
    /// Pairs found but not yet copied: left (batch, row), and right rows.
    left_rows: Vec<(usize, usize)>,
    right_rows: Vec<u64>,
}

impl Pairing {
    pub(super) fn new(right: RecordBatch, matches: Matches, block: &Block) -> Self {
        let right_steps = right.num_rows() * block.batches.len();
        Self {
            by_left_row: block.row_count() <= right_steps,
            right,
            matches,
            left_batch: 0,
            row: 0,
            prepared: None,
            left_rows: Vec::new(),
            right_rows: Vec::new(),
        }
    }

    /// Passes to the next single row, or the next left batch.
    fn step(&mut self, left_row_count: usize) {
        self.row += 1;
        let row_count = if self.by_left_row {
            left_row_count
        } else {
            self.right.num_rows()
        };
        if self.row >= row_count {
            self.row = 0;
            self.left_batch += 1;
            if !self.by_left_row {
                self.prepared = None;
            }
        }
    }
}

/// What a pairing meets, and where its rows go.
pub(super) struct Meeting<'a> {
    pub(super) needs: Needs,
    pub(super) filters: Option<&'a Filters>,
    pub(super) block: &'a Block,
    pub(super) visited: Option<&'a Visited>,
    pub(super) output: &'a mut Output,
}

impl Meeting<'_> {
    /// Goes on until a batch of output is ready or enough was done; true if all pairs were tried.
    pub(super) fn advance(&mut self, pairing: &mut Pairing) -> Result<bool> {
        if pairing.right.num_rows() == 0 {
            return Ok(true);
        }
        let mut tried = 0;
        while let Some(left) = self.block.batches.get(pairing.left_batch) {
            if tried >= PAIRS_AT_ONCE || self.output.is_ready() {
                return Ok(false);
            }
            match self.filters {
                None if !self.needs.pairs => {
                    self.match_all(pairing);
                    return Ok(true);
                }
                None => self.cross(pairing, left)?,
                Some(filters) if pairing.by_left_row => {
                    self.try_left_row(pairing, left, &filters.left_rows)?;
                }
                Some(filters) => self.try_right_row(pairing, left, &filters.right_rows)?,
            }
            tried += if pairing.by_left_row {
                pairing.right.num_rows()
            } else {
                left.num_rows()
            };
            self.flush(pairing, false)?;
            pairing.step(left.num_rows());
        }
        self.flush(pairing, true)?;
        Ok(true)
    }

    /// Without a condition all rows match: gives those of one step.
    fn cross(&mut self, pairing: &mut Pairing, left: &RecordBatch) -> Result<()> {
        if pairing.left_batch == 0 && pairing.row == 0 {
            self.match_all(pairing);
        }
        let right = &pairing.right;
        if pairing.by_left_row {
            let left = Rows::Repeated(left, pairing.row);
            self.output
                .push(right.num_rows(), &left, &Rows::Whole(right), None)
        } else {
            let right = Rows::Repeated(right, pairing.row);
            self.output
                .push(left.num_rows(), &Rows::Whole(left), &right, None)
        }
    }

    fn match_all(&self, pairing: &mut Pairing) {
        if self.needs.right_matches {
            pairing.matches.insert_all();
        }
        if let Some(visited) = self.visited
            && let Some(first) = self.block.first_rows.first()
        {
            (*first..first + self.block.row_count()).for_each(|row| visited.insert(row));
        }
    }

    fn try_left_row(
        &mut self,
        pairing: &mut Pairing,
        left: &RecordBatch,
        filter: &PairFilter,
    ) -> Result<()> {
        let row = pairing.row;
        let number = self.block.first_rows[pairing.left_batch] + row;
        if !self.needs.pairs && self.visited.is_some_and(|visited| visited.contains(number)) {
            return Ok(());
        }
        let prepared = match &mut pairing.prepared {
            Some(prepared) => prepared,
            none => none.insert(filter.prepare(&pairing.right)?),
        };
        let found = filter.matches(left, row, prepared)?;
        let count = found.count_set_bits();
        if count == 0 {
            return Ok(());
        }
        if let Some(visited) = self.visited {
            visited.insert(number);
        }
        if self.needs.right_matches {
            pairing.matches.union(&found);
        }
        if self.needs.pairs {
            let left_row = (pairing.left_batch, row);
            pairing
                .left_rows
                .extend(std::iter::repeat_n(left_row, count));
            pairing
                .right_rows
                .extend(found.set_indices().map(|row| row as u64));
        }
        Ok(())
    }

    fn try_right_row(
        &mut self,
        pairing: &mut Pairing,
        left: &RecordBatch,
        filter: &PairFilter,
    ) -> Result<()> {
        let row = pairing.row;
        if !self.needs.pairs && self.needs.right_matches && pairing.matches.contains(row) {
            return Ok(());
        }
        let prepared = match &mut pairing.prepared {
            Some(prepared) => prepared,
            none => none.insert(filter.prepare(left)?),
        };
        let found: BooleanBuffer = filter.matches(&pairing.right, row, prepared)?;
        let count = found.count_set_bits();
        if count == 0 {
            return Ok(());
        }
        if let Some(visited) = self.visited {
            let first = self.block.first_rows[pairing.left_batch];
            found
                .set_indices()
                .for_each(|row| visited.insert(first + row));
        }
        if self.needs.right_matches {
            pairing.matches.insert(row);
        }
        if self.needs.pairs {
            let batch = pairing.left_batch;
            pairing
                .left_rows
                .extend(found.set_indices().map(|row| (batch, row)));
            pairing
                .right_rows
                .extend(std::iter::repeat_n(row as u64, count));
        }
        Ok(())
    }

    /// Copies the pairs found to the output, whole batches of them if more are to come.
    fn flush(&mut self, pairing: &mut Pairing, is_last: bool) -> Result<()> {
        let batch_rows = self.output.batch_rows().max(1);
        while pairing.right_rows.len() >= batch_rows || (is_last && !pairing.right_rows.is_empty())
        {
            let count = pairing.right_rows.len().min(batch_rows);
            let right_rows = UInt64Array::from_iter_values(pairing.right_rows.drain(..count));
            let left = Rows::Interleaved(&self.block.batches, &pairing.left_rows[..count]);
            let right = Rows::Taken(&pairing.right, &right_rows);
            self.output.push(count, &left, &right, None)?;
            pairing.left_rows.drain(..count);
        }
        Ok(())
    }
}
