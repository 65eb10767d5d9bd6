//! One partition's batches on their way to larger ones.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::BYTES_MAX;
use crate::spill::batch_bytes;

/// What is above may have batches of twice the rows if it took less than this for one.
const QUICK: Duration = Duration::from_millis(10);

/// It gets batches of half the rows if it took more than this.
const SLOW: Duration = Duration::from_millis(100);

/// How many rows a batch is to have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rows {
    pub(super) now: usize,
    /// At least, which are those of the engine's batches.
    pub(super) min: usize,
    /// At most.
    pub(super) max: usize,
}

impl Rows {
    /// The same once what is above `took` so long for a batch.
    pub(super) fn after(self, took: Duration) -> Self {
        let now = if took < QUICK {
            (self.now * 2).min(self.max)
        } else if took > SLOW {
            (self.now / 2).max(self.min)
        } else {
            self.now
        };
        Self { now, ..self }
    }
}

/// Gathers batches until they have enough rows.
pub(super) struct Gathering {
    input: SendableRecordBatchStream,
    is_input_done: bool,
    rows: Rows,
    held: Vec<RecordBatch>,
    held_rows: usize,
    held_bytes: usize,
    /// Came when there was no room for it beside those that are held.
    waiting: Option<RecordBatch>,
    /// When the last batch was given to what is above.
    given: Option<Instant>,
    /// For what is held and the batch that it becomes, until the next is asked for.
    reservation: MemoryReservation,
}

impl Gathering {
    pub(super) fn new(
        input: SendableRecordBatchStream,
        rows: Rows,
        reservation: MemoryReservation,
    ) -> Self {
        Self {
            input,
            is_input_done: false,
            rows,
            held: Vec::new(),
            held_rows: 0,
            held_bytes: 0,
            waiting: None,
            given: None,
            reservation,
        }
    }

    /// The next batch; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(given) = self.given.take() {
            self.rows = self.rows.after(given.elapsed());
        }
        self.reservation.free();
        while let Some(batch) = self.read().await? {
            if self.hold(&batch)? {
                if self.held_rows >= self.rows.now {
                    break;
                }
            } else if self.held.is_empty() {
                self.given = Some(Instant::now());
                return Ok(Some(batch));
            } else {
                self.waiting = Some(batch);
                break;
            }
        }
        self.joined()
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>> {
        if self.waiting.is_some() {
            return Ok(self.waiting.take());
        }
        while !self.is_input_done {
            match self.input.try_next().await? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => return Ok(Some(batch)),
                None => self.is_input_done = true,
            }
        }
        Ok(None)
    }

    /// Holds `batch` if there is room for it; whether there is.
    fn hold(&mut self, batch: &RecordBatch) -> Result<bool> {
        let bytes = batch_bytes(batch)?;
        let is_room = self.held_rows + batch.num_rows() <= self.rows.now
            && self.held_bytes + bytes <= BYTES_MAX
            && self.reservation.try_grow(2 * bytes).is_ok();
        if is_room {
            self.held.push(batch.clone());
            self.held_rows += batch.num_rows();
            self.held_bytes += bytes;
        }
        Ok(is_room)
    }

    /// What is held as one batch.
    fn joined(&mut self) -> Result<Option<RecordBatch>> {
        let held = std::mem::take(&mut self.held);
        (self.held_rows, self.held_bytes) = (0, 0);
        let batch = match held.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            [first, ..] => concat_batches(first.schema_ref(), &held)?,
        };
        self.given = Some(Instant::now());
        Ok(Some(batch))
    }
}
