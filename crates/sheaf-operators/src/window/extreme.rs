//! The least or the greatest value of a frame that moves along a partition.
//!
//! Of the rows in the frame only those matter that no later one beats; their values lie in order.
//! A row that comes in drives out those it beats, one that goes out is the first of them, if it is
//! there at all: D. Lemire, "Streaming Maximum-Minimum Filter Using No More than Three Comparisons
//! per Element" (2006). Most often they are few, but where values come in order they are all.
//!
//! Memory: reserved. Where it is refused the last of them are left out, and read again once the
//! others have gone.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::Array;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::min_max::{Max, Min};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use sheaf_runtime::memory::{Grant, Holding};

use super::frame::Span;
use super::function::Aggregate;
use super::reader::Reader;
use super::spool::Spool;

/// So many candidates are held without asking for memory.
const CANDIDATES_MIN: usize = 16;

/// Bytes reserved at a time.
const STEP_BYTES: usize = 16 * 1024;

/// How a better value compares with another, if `function` is the least or the greatest.
pub(super) fn better_of(function: &AggregateFunctionExpr) -> Option<Ordering> {
    let function = function.fun().inner();
    if function.is::<Min>() {
        Some(Ordering::Less)
    } else if function.is::<Max>() {
        Some(Ordering::Greater)
    } else {
        None
    }
}

/// See the module's text.
pub(super) struct Extreme {
    better: Ordering,
    /// Whether no row goes out, so that one candidate is enough.
    grows: bool,
    reader: Reader,
    /// The rows that have been looked at, and not gone out.
    rows: Span,
    /// Rows and values, the best first.
    candidates: VecDeque<(u64, ScalarValue)>,
    candidate_bytes: usize,
    holding: Arc<Holding>,
    reserved_bytes: usize,
    /// The first row that is left out of the candidates.
    left_out_from: Option<u64>,
}

impl Extreme {
    pub(super) fn new(
        better: Ordering,
        reader: Reader,
        grows: bool,
        holding: &Arc<Holding>,
    ) -> Self {
        Self {
            better,
            grows,
            reader,
            rows: Span::default(),
            candidates: VecDeque::new(),
            candidate_bytes: 0,
            holding: Arc::clone(holding),
            reserved_bytes: 0,
            left_out_from: None,
        }
    }

    /// The best value of `rows`, whose ends must not go back; `None` if all are NULL.
    pub(super) async fn value(
        &mut self,
        rows: Span,
        aggregate: &Aggregate,
        spool: &Spool,
    ) -> Result<Option<&ScalarValue>> {
        while self
            .candidates
            .front()
            .is_some_and(|(row, _)| *row < rows.start)
        {
            self.pop(VecDeque::pop_front);
        }
        if self.candidates.is_empty() {
            let from = self.left_out_from.take().unwrap_or(self.rows.end);
            self.go_on_from(from.max(rows.start));
        }
        self.rows.start = self.rows.start.max(rows.start);
        while self.rows.end < rows.end {
            let Some(loaded) = self.reader.at(spool, self.rows.end).await? else {
                return internal_err!("rows of a frame are not there");
            };
            let (begin, end) = (self.rows.end, loaded.end().min(rows.end));
            let values = loaded.slices(begin, end);
            let (args, mask) = aggregate.split(&values);
            let Some(values) = args.first() else {
                return internal_err!("{} has no argument", aggregate.expr.name());
            };
            let nulls = values.logical_nulls();
            for index in 0..values.len() {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(index));
                if !is_null && mask.as_ref().is_none_or(|mask| mask.value(index)) {
                    let value = ScalarValue::try_from_array(values, index)?;
                    self.push(begin + index as u64, value);
                }
            }
            self.rows.end = end;
        }
        Ok(self.candidates.front().map(|(_, value)| value))
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        let left_out = self.left_out_from.unwrap_or(u64::MAX);
        self.reader.needed_from().min(left_out)
    }

    /// Nothing before `row` matters any more.
    fn go_on_from(&mut self, row: u64) {
        match row < self.rows.end {
            true => self.reader.restart(row),
            false => self.reader.skip_to(row),
        }
        self.rows = Span {
            start: row,
            end: row,
        };
    }

    fn push(&mut self, row: u64, value: ScalarValue) {
        let is_better = |than: &ScalarValue| value.partial_cmp(than) == Some(self.better);
        if self.grows
            && self
                .candidates
                .front()
                .is_some_and(|(_, best)| !is_better(best))
        {
            return;
        }
        let beaten = self.candidates.iter().rev();
        let beaten = beaten.take_while(|(_, other)| other.partial_cmp(&value) != Some(self.better));
        let beaten = beaten.count();
        for _ in 0..beaten {
            self.pop(VecDeque::pop_back);
        }
        if beaten > 0 || self.candidates.is_empty() {
            // It beats those that were left out as well: they are worse than the last that was not.
            self.left_out_from = None;
        }
        if self.left_out_from.is_some() {
            return;
        }
        let bytes = self.candidate_bytes + candidate_bytes(&value);
        if !self.reserve(bytes) && self.candidates.len() >= CANDIDATES_MIN {
            self.left_out_from = Some(row);
            return;
        }
        self.candidate_bytes = bytes;
        self.candidates.push_back((row, value));
    }

    fn pop(
        &mut self,
        from: impl Fn(&mut VecDeque<(u64, ScalarValue)>) -> Option<(u64, ScalarValue)>,
    ) {
        if let Some((_, value)) = from(&mut self.candidates) {
            self.candidate_bytes -= candidate_bytes(&value);
        }
    }

    /// Reserves what `bytes` of candidates need, and gives the rest back; false if it is refused.
    fn reserve(&mut self, bytes: usize) -> bool {
        let wanted = bytes.next_multiple_of(STEP_BYTES);
        if wanted > self.reserved_bytes {
            let more = wanted - self.reserved_bytes;
            if self.holding.try_grow(more) != Grant::Granted {
                return false;
            }
            self.reserved_bytes = wanted;
        } else if self.reserved_bytes - wanted > STEP_BYTES {
            self.holding.shrink(self.reserved_bytes - wanted);
            self.reserved_bytes = wanted;
        }
        true
    }
}

impl Drop for Extreme {
    fn drop(&mut self) {
        self.holding.shrink(self.reserved_bytes);
    }
}

fn candidate_bytes(value: &ScalarValue) -> usize {
    size_of::<u64>() + value.size()
}
