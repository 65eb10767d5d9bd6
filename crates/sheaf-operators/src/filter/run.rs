//! A filter at work: batches in, batches of the size wanted out.

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{RatioMetrics, Time};
use futures::StreamExt;

use super::conjunction::Conjunction;

/// One partition's rows on their way through a filter.
pub(super) struct FilterRun {
    /// `None` when it has ended, or no more of it is wanted.
    pub(super) input: Option<SendableRecordBatchStream>,
    pub(super) conjunction: Conjunction,
    /// The columns of the input that are wanted; all, if that is not said.
    pub(super) projection: Option<Vec<usize>>,
    pub(super) coalescer: BatchCoalescer,
    /// How many rows are still wanted.
    pub(super) rows_left: usize,
    /// The share of rows that pass.
    pub(super) selectivity: RatioMetrics,
    pub(super) elapsed: Time,
}

impl FilterRun {
    /// The next batch; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            let batch = input.next().await.transpose()?;
            let elapsed = self.elapsed.clone();
            let _timer = elapsed.timer();
            if let Some(batch) = batch {
                self.take_in(batch)?;
            } else {
                self.input = None;
            }
            if self.rows_left == 0 {
                self.input = None;
            }
            if self.input.is_none() {
                self.coalescer.finish_buffered_batch()?;
            }
        }
    }

    fn take_in(&mut self, batch: RecordBatch) -> Result<()> {
        let mut selection = self.conjunction.select(&batch)?;
        let mut count = selection.count();
        self.selectivity.add_total(batch.num_rows());
        self.selectivity.add_part(count);
        if count > self.rows_left {
            selection = selection.first(self.rows_left);
            count = self.rows_left;
        }
        self.rows_left -= count;
        if count == 0 {
            return Ok(());
        }
        let batch = match &self.projection {
            Some(projection) => batch.project(projection)?,
            None => batch,
        };
        let bits = selection.into_bits();
        Ok(self.coalescer.push_batch_with_filter(batch, &bits)?)
    }
}
