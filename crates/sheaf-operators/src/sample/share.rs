//! The sample of a share of rows: streams, keeps the input's order.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::BatchCoalescer;
use datafusion::common::Result;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::StreamExt;
use tokio::task::coop::consume_budget;

use super::Share;
use super::priority::RowPriorities;

/// Takes `share` of the rows of `input`.
pub(super) struct ShareSample {
    input: SendableRecordBatchStream,
    /// Rows of a lower priority are kept; `None` keeps all.
    limit: Option<u64>,
    row_priorities: RowPriorities,
    priorities: Vec<u64>,
    /// Joins the few rows of each batch into full ones.
    output: BatchCoalescer,
    is_input_done: bool,
    metrics: BaselineMetrics,
}

impl ShareSample {
    pub(super) fn new(
        input: SendableRecordBatchStream,
        share: Share,
        seed: Option<u64>,
        batch_rows: usize,
        metrics: BaselineMetrics,
    ) -> Self {
        let output = BatchCoalescer::new(input.schema(), batch_rows);
        Self {
            input,
            limit: priority_limit(share),
            row_priorities: RowPriorities::new(seed),
            priorities: Vec::new(),
            output,
            is_input_done: false,
            metrics,
        }
    }

    /// The next batch of the sample.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.output.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.is_input_done {
                return Ok(None);
            }
            consume_budget().await;
            match self.input.next().await {
                Some(batch) => self.take_from(batch?)?,
                None => {
                    self.is_input_done = true;
                    self.output.finish_buffered_batch()?;
                }
            }
        }
    }

    fn take_from(&mut self, batch: RecordBatch) -> Result<()> {
        let _timer = self.metrics.elapsed_compute().timer();
        let Some(limit) = self.limit else {
            return Ok(self.output.push_batch(batch)?);
        };
        self.priorities.clear();
        self.row_priorities.append(&batch, &mut self.priorities)?;
        let kept: BooleanArray = self
            .priorities
            .iter()
            .map(|priority| Some(*priority < limit))
            .collect();
        Ok(self.output.push_batch_with_filter(batch, &kept)?)
    }
}

/// The share of all 2⁶⁴ priorities.
fn priority_limit(share: Share) -> Option<u64> {
    let fraction = share.percent() / 100.0;
    if fraction >= 1.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the product of a fraction below one and 2^64 is in range, and casts saturate"
    )]
    Some((fraction * 2f64.powi(64)) as u64)
}
