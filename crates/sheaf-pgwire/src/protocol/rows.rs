//! The rows of a running statement, read in portions by whoever asks: a portal, a cursor and its
//! FETCHes. What is held is the running query and the rest of one batch.

use std::sync::Arc;

use sheaf::arrow::array::RecordBatch;
use sheaf::sql::FetchRows;
use sheaf::{QueryResult, Result, SheafError, SqlState};
use tokio::sync::Mutex;

/// Rows that a cursor and the portals of its FETCHes share.
pub(super) type SharedSource = Arc<Mutex<RowSource>>;

/// Rows, and how far they were read.
pub(super) struct RowSource {
    /// `None` when it has ended.
    running: Option<QueryResult>,
    /// What is left of a batch.
    rest: Option<RecordBatch>,
    position: u64,
    is_at_end: bool,
    /// A portion of it was not read or not sent to its end: rows are missing.
    has_failed: bool,
}

/// What a FETCH does: goes over rows, then shows some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    Onwards {
        skipped: u64,
        shown: u64,
    },
    /// The row it stands on, which cannot be shown again.
    Here {
        is_on_row: bool,
    },
}

impl RowSource {
    pub(super) fn of_engine(result: QueryResult) -> Self {
        Self {
            running: Some(result),
            rest: None,
            position: 0,
            is_at_end: false,
            has_failed: false,
        }
    }

    /// Rows that are there already.
    pub(super) fn of_batch(batch: RecordBatch) -> Self {
        Self {
            running: None,
            rest: Some(batch),
            position: 0,
            is_at_end: false,
            has_failed: false,
        }
    }

    /// Nothing more is read of it, which would go on behind a gap.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.running = None;
        self.rest = None;
    }

    /// Its reader keeps the time from now on: that between portions is nobody's.
    pub(super) fn lift_time_limit(&self) {
        if let Some(running) = &self.running {
            running.query().lift_time_limit();
        }
    }

    pub(super) fn shared(self) -> SharedSource {
        Arc::new(Mutex::new(self))
    }

    /// The next rows, at least one and at most `rows_max`; `None` at the end. May be dropped and
    /// called anew without loss.
    pub(super) async fn next(&mut self, rows_max: u64) -> Option<Result<RecordBatch>> {
        if self.has_failed {
            return Some(Err(cannot_run()));
        }
        let batch = loop {
            let next = match (self.rest.take(), &mut self.running) {
                (Some(rest), _) => Some(Ok(rest)),
                (None, Some(running)) => running.next_batch().await,
                (None, None) => None,
            };
            match next {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => break batch,
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.running = None;
                    self.is_at_end = true;
                    return None;
                }
            }
        };
        let taken = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let taken = taken.min(batch.num_rows());
        if taken < batch.num_rows() {
            self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
        }
        self.position += taken as u64;
        Some(Ok(batch.slice(0, taken)))
    }

    /// Goes over rows; how many there were, at most `rows_max`.
    ///
    /// # Errors
    /// Those of the query.
    pub(super) async fn skip(&mut self, rows_max: u64) -> Result<u64> {
        let mut skipped = 0;
        while skipped < rows_max {
            match self.next(rows_max - skipped).await.transpose()? {
                Some(batch) => skipped += batch.num_rows() as u64,
                None => break,
            }
        }
        Ok(skipped)
    }

    /// What a FETCH or MOVE does from here.
    ///
    /// # Errors
    /// `UserInput` (55000) if it would have to go back, or has failed.
    pub(super) fn steps(&self, rows: FetchRows, is_move: bool) -> Result<Steps> {
        if self.has_failed {
            return Err(cannot_run());
        }
        let onwards = |skipped, shown| Ok(Steps::Onwards { skipped, shown });
        let is_on_row = self.position > 0 && !self.is_at_end;
        let is_untouched = self.position == 0 && !self.is_at_end;
        match rows {
            FetchRows::All => onwards(0, u64::MAX),
            FetchRows::Count(0) | FetchRows::Relative(0) if is_move || !is_on_row => {
                Ok(Steps::Here { is_on_row })
            }
            FetchRows::Count(count) if count > 0 => onwards(0, count.unsigned_abs()),
            FetchRows::Relative(count) if count > 0 => onwards(count.unsigned_abs() - 1, 1),
            FetchRows::Absolute(row) if row > 0 => {
                let row = row.unsigned_abs();
                // Where it stands behind the last row, that is a place of its own.
                let here = self.position + u64::from(self.is_at_end);
                match row > here {
                    true => onwards(row - here - 1, 1),
                    false => Err(backward()),
                }
            }
            FetchRows::Absolute(0) if is_untouched => onwards(0, 0),
            FetchRows::BackwardAll if is_move && is_untouched => onwards(0, 0),
            _ => Err(backward()),
        }
    }
}

fn cannot_run() -> SheafError {
    SheafError::user("portal cannot be run")
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_hint("a statement that read of it has failed; declare it anew")
}

fn backward() -> SheafError {
    SheafError::user("cursor can only scan forward")
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_hint("declare it anew to start over")
}

#[cfg(test)]
mod tests {
    use sheaf::arrow::array::{ArrayRef, AsArray, Int32Array};
    use sheaf::arrow::datatypes::Int32Type;

    use super::*;

    fn ten() -> RowSource {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(1..=10));
        RowSource::of_batch(RecordBatch::try_from_iter([("n", numbers)]).unwrap())
    }

    fn next(rows: &mut RowSource, most: u64) -> Vec<i32> {
        let batch = futures::executor::block_on(rows.next(most));
        let values = batch.map(|batch| {
            let batch = batch.unwrap();
            batch
                .column(0)
                .as_primitive::<Int32Type>()
                .values()
                .to_vec()
        });
        values.unwrap_or_default()
    }

    #[test]
    fn rows_come_in_portions_and_once() {
        let mut rows = ten();
        assert_eq!(next(&mut rows, 3), [1, 2, 3]);
        assert_eq!(futures::executor::block_on(rows.skip(4)).unwrap(), 4);
        assert_eq!(next(&mut rows, 100), [8, 9, 10]);
        assert!(!rows.is_at_end, "nobody has looked beyond");
        assert!(next(&mut rows, 1).is_empty() && rows.is_at_end);
    }

    /// As `DoPortalRunFetch` in PostgreSQL's `pquery.c` does for cursors declared NO SCROLL.
    #[test]
    fn steps_lead_onwards_only() {
        let mut rows = ten();
        let onwards = |skipped, shown| Steps::Onwards { skipped, shown };
        assert_eq!(
            rows.steps(FetchRows::Absolute(3), false).unwrap(),
            onwards(2, 1)
        );
        assert_eq!(
            rows.steps(FetchRows::BackwardAll, true).unwrap(),
            onwards(0, 0)
        );
        assert_eq!(
            rows.steps(FetchRows::Count(0), false).unwrap(),
            Steps::Here { is_on_row: false }
        );
        next(&mut rows, 4);
        assert_eq!(
            rows.steps(FetchRows::Absolute(5), false).unwrap(),
            onwards(0, 1)
        );
        assert_eq!(
            rows.steps(FetchRows::Relative(2), false).unwrap(),
            onwards(1, 1)
        );
        assert_eq!(
            rows.steps(FetchRows::Count(0), true).unwrap(),
            Steps::Here { is_on_row: true }
        );
        for back in [
            FetchRows::Count(0),
            FetchRows::Count(-1),
            FetchRows::Absolute(4),
            FetchRows::Absolute(-1),
            FetchRows::Absolute(0),
            FetchRows::BackwardAll,
        ] {
            let error = rows.steps(back, false).unwrap_err();
            assert_eq!(error.state().code(), "55000", "{back:?}");
        }
    }
}
