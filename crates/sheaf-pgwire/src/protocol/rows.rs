//! The rows of a running statement, read in portions by whoever asks: a portal, a cursor and its
//! FETCHes. What is held is the running query and the rest of one batch; of a cursor that scrolls, all
//! rows that were read, most of them on disk ([`ScrolledRows`]).

use std::sync::Arc;

use sheaf::arrow::array::{RecordBatch, UInt64Array};
use sheaf::arrow::compute::take_record_batch;
use sheaf::sql::FetchRows;
use sheaf::{QueryResult, Result, ScrolledRows, SheafError, SqlState};
use tokio::sync::Mutex;

/// Rows that a cursor and the portals of its FETCHes share.
pub(super) type SharedSource = Arc<Mutex<RowSource>>;

/// Rows, and how far they were read.
pub(super) struct RowSource {
    rows: Rows,
    /// A portion of it was not read or not sent to its end: rows are missing.
    has_failed: bool,
}

enum Rows {
    Onwards(Onwards),
    Scrolled {
        rows: Box<ScrolledRows>,
        /// The row it stands on, counted from 1; 0 is before the first, one more than there are is
        /// behind the last.
        place: u64,
    },
}

/// Rows that are read once.
struct Onwards {
    /// `None` when it has ended.
    running: Option<QueryResult>,
    /// What is left of a batch.
    rest: Option<RecordBatch>,
    position: u64,
    is_at_end: bool,
}

/// Where rows are read to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// What a FETCH does: goes over rows, then shows some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    Walk {
        skipped: u64,
        shown: u64,
        direction: Direction,
    },
    /// The row it stands on, which cannot be shown again.
    Here { is_on_row: bool },
}

impl RowSource {
    pub(super) fn of_engine(result: QueryResult) -> Self {
        Self::onwards(Some(result), None)
    }

    /// Rows that are there already.
    pub(super) fn of_batch(batch: RecordBatch) -> Self {
        Self::onwards(None, Some(batch))
    }

    fn onwards(running: Option<QueryResult>, rest: Option<RecordBatch>) -> Self {
        Self {
            rows: Rows::Onwards(Onwards {
                running,
                rest,
                position: 0,
                is_at_end: false,
            }),
            has_failed: false,
        }
    }

    /// Rows that may be read again.
    pub(super) fn scrolled(rows: ScrolledRows) -> Self {
        let rows = Box::new(rows);
        Self {
            rows: Rows::Scrolled { rows, place: 0 },
            has_failed: false,
        }
    }

    /// Nothing more is read of it, which would go on behind a gap.
    pub(super) fn fail(&mut self) {
        *self = Self::onwards(None, None);
        self.has_failed = true;
    }

    /// Its reader keeps the time from now on: that between portions is nobody's.
    pub(super) fn lift_time_limit(&self) {
        let running = match &self.rows {
            Rows::Onwards(rows) => rows.running.as_ref(),
            Rows::Scrolled { rows, .. } => rows.coming(),
        };
        if let Some(running) = running {
            running.query().lift_time_limit();
        }
    }

    pub(super) fn shared(self) -> SharedSource {
        Arc::new(Mutex::new(self))
    }

    /// The next rows, at least one and at most `rows_max`; `None` at the end. May be dropped and
    /// called anew without loss.
    pub(super) async fn next(
        &mut self,
        rows_max: u64,
        direction: Direction,
    ) -> Option<Result<RecordBatch>> {
        if self.has_failed {
            return Some(Err(cannot_run()));
        }
        match (&mut self.rows, direction) {
            (Rows::Onwards(rows), Direction::Forward) => rows.next(rows_max).await,
            (Rows::Onwards(_), Direction::Backward) => Some(Err(backward())),
            (Rows::Scrolled { rows, place }, Direction::Forward) => {
                forwards(rows, place, rows_max).await.transpose()
            }
            (Rows::Scrolled { rows, place }, Direction::Backward) => {
                backwards(rows, place, rows_max).await.transpose()
            }
        }
    }

    /// Goes over rows; how many there were, at most `rows_max`.
    ///
    /// # Errors
    /// Those of the query.
    pub(super) async fn skip(&mut self, rows_max: u64, direction: Direction) -> Result<u64> {
        let mut skipped = 0;
        while skipped < rows_max {
            match self.next(rows_max - skipped, direction).await.transpose()? {
                Some(batch) => skipped += batch.num_rows() as u64,
                None => break,
            }
        }
        Ok(skipped)
    }

    /// What a FETCH or MOVE does from here. One that goes to a place in rows that scroll is there then.
    ///
    /// # Errors
    /// `UserInput` (55000) if it would have to go back and cannot, or has failed; those of the query.
    pub(super) async fn steps(&mut self, rows: FetchRows, is_move: bool) -> Result<Steps> {
        if self.has_failed {
            return Err(cannot_run());
        }
        let (source, place) = match &mut self.rows {
            Rows::Onwards(source) => return source.steps(rows, is_move),
            Rows::Scrolled { rows, place } => (rows, place),
        };
        let steps = scroll(source, place, rows, is_move).await;
        // What the query still had is lost.
        if steps.is_err() {
            self.fail();
        }
        steps
    }
}

impl Onwards {
    async fn next(&mut self, rows_max: u64) -> Option<Result<RecordBatch>> {
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
        let taken = at_most(batch.num_rows(), rows_max);
        if taken < batch.num_rows() {
            self.rest = Some(batch.slice(taken, batch.num_rows() - taken));
        }
        self.position += taken as u64;
        Some(Ok(batch.slice(0, taken)))
    }

    fn steps(&self, rows: FetchRows, is_move: bool) -> Result<Steps> {
        let onwards = |skipped, shown| {
            Ok(Steps::Walk {
                skipped,
                shown,
                direction: Direction::Forward,
            })
        };
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

/// The rows behind `place`, which is on the last of them then, or behind the last of all.
async fn forwards(
    rows: &mut ScrolledRows,
    place: &mut u64,
    rows_max: u64,
) -> Result<Option<RecordBatch>> {
    let Some((batch, at)) = rows.at(*place).await? else {
        *place = rows.row_count() + 1;
        return Ok(None);
    };
    let taken = at_most(batch.num_rows() - at, rows_max);
    *place += taken as u64;
    Ok(Some(batch.slice(at, taken)))
}

/// The rows before `place`, the nearest first.
async fn backwards(
    rows: &mut ScrolledRows,
    place: &mut u64,
    rows_max: u64,
) -> Result<Option<RecordBatch>> {
    let before = match place.checked_sub(2) {
        Some(before) => rows.at(before).await?,
        None => None,
    };
    let Some((batch, at)) = before else {
        *place = 0;
        return Ok(None);
    };
    let taken = at_most(at + 1, rows_max);
    *place -= taken as u64;
    let indices = (0..taken).map(|back| (at - back) as u64);
    let indices = UInt64Array::from_iter_values(indices);
    let reversed = take_record_batch(&batch, &indices);
    Ok(Some(reversed.map_err(|error| {
        SheafError::internal(format!("rows of a cursor cannot be turned round: {error}"))
    })?))
}

/// As PostgreSQL's `DoPortalRunFetch`: places are counted from the first row or the last, then rows
/// are read from there.
async fn scroll(
    rows: &mut ScrolledRows,
    place: &mut u64,
    wanted: FetchRows,
    is_move: bool,
) -> Result<Steps> {
    let walk = |shown, direction| {
        Ok(Steps::Walk {
            skipped: 0,
            shown,
            direction,
        })
    };
    let (forward, back) = (Direction::Forward, Direction::Backward);
    match wanted {
        FetchRows::All => walk(u64::MAX, forward),
        FetchRows::BackwardAll => walk(u64::MAX, back),
        FetchRows::Count(0) | FetchRows::Relative(0) => {
            let is_on_row = (1..=rows.row_count()).contains(place);
            if is_on_row && !is_move {
                *place -= 1;
                return walk(1, forward);
            }
            Ok(Steps::Here { is_on_row })
        }
        FetchRows::Count(count) if count > 0 => walk(count.unsigned_abs(), forward),
        FetchRows::Count(count) => walk(count.unsigned_abs(), back),
        FetchRows::Relative(count) if count > 0 => {
            *place = place.saturating_add(count.unsigned_abs() - 1);
            walk(1, forward)
        }
        FetchRows::Relative(count) => {
            *place = place.saturating_sub(count.unsigned_abs() - 1);
            walk(1, back)
        }
        FetchRows::Absolute(row) if row > 0 => {
            *place = row.unsigned_abs() - 1;
            walk(1, forward)
        }
        FetchRows::Absolute(0) => {
            *place = 0;
            walk(0, forward)
        }
        FetchRows::Absolute(row) => {
            let behind = rows.count().await? + 1;
            *place = behind.saturating_sub(row.unsigned_abs() - 1);
            walk(1, back)
        }
    }
}

fn at_most(rows: usize, rows_max: u64) -> usize {
    usize::try_from(rows_max).unwrap_or(usize::MAX).min(rows)
}

fn cannot_run() -> SheafError {
    SheafError::user("portal cannot be run")
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_hint("a statement that read of it has failed; declare it anew")
}

fn backward() -> SheafError {
    SheafError::user("cursor can only scan forward")
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_hint("declare it with SCROLL, or anew to start over")
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
        let batch = futures::executor::block_on(rows.next(most, Direction::Forward));
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

    fn is_at_end(rows: &RowSource) -> bool {
        matches!(&rows.rows, Rows::Onwards(rows) if rows.is_at_end)
    }

    fn steps(rows: &mut RowSource, wanted: FetchRows, is_move: bool) -> Result<Steps> {
        futures::executor::block_on(rows.steps(wanted, is_move))
    }

    #[test]
    fn rows_come_in_portions_and_once() {
        let mut rows = ten();
        assert_eq!(next(&mut rows, 3), [1, 2, 3]);
        assert_eq!(
            futures::executor::block_on(rows.skip(4, Direction::Forward)).unwrap(),
            4
        );
        assert_eq!(next(&mut rows, 100), [8, 9, 10]);
        assert!(!is_at_end(&rows), "nobody has looked beyond");
        assert!(next(&mut rows, 1).is_empty() && is_at_end(&rows));
    }

    /// As `DoPortalRunFetch` in PostgreSQL's `pquery.c` does for cursors declared NO SCROLL.
    #[test]
    fn steps_lead_onwards_only() {
        let mut rows = ten();
        let onwards = |skipped, shown| Steps::Walk {
            skipped,
            shown,
            direction: Direction::Forward,
        };
        assert_eq!(
            steps(&mut rows, FetchRows::Absolute(3), false).unwrap(),
            onwards(2, 1)
        );
        assert_eq!(
            steps(&mut rows, FetchRows::BackwardAll, true).unwrap(),
            onwards(0, 0)
        );
        assert_eq!(
            steps(&mut rows, FetchRows::Count(0), false).unwrap(),
            Steps::Here { is_on_row: false }
        );
        next(&mut rows, 4);
        assert_eq!(
            steps(&mut rows, FetchRows::Absolute(5), false).unwrap(),
            onwards(0, 1)
        );
        assert_eq!(
            steps(&mut rows, FetchRows::Relative(2), false).unwrap(),
            onwards(1, 1)
        );
        assert_eq!(
            steps(&mut rows, FetchRows::Count(0), true).unwrap(),
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
            let error = steps(&mut rows, back, false).unwrap_err();
            assert_eq!(error.state().code(), "55000", "{back:?}");
        }
    }
}
