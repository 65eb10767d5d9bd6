//! Filters that operators above fill in while a plan runs, as a join does when its build side is
//! there, over one stream of rows.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::expressions::{DynamicFilterTracking, Literal};
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_expr_common::physical_expr::{
    snapshot_generation, snapshot_physical_expr,
};
use datafusion::physical_plan::metrics::RatioMetrics;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::conjunction::Conjunction;

/// Rows after which a filter shows whether it pays.
const TRIAL_ROWS: usize = 64 * 1024;

/// A filter that keeps more than this share of the rows does not pay.
const KEPT_PART_MAX: f64 = 0.8;

/// Whether `filter` is filled in while the plan runs.
pub(crate) fn is_filled_at_run_time(filter: &Arc<dyn PhysicalExpr>) -> bool {
    DynamicFilterTracking::classify(filter).contains_dynamic_filter()
}

/// The rows of `input` of which all `filters` are true, as far as they are known, in batches of about
/// `batch_rows`. Filters that keep most rows are given up: who made them drops the rest.
///
/// # Memory
/// At most two batches of output.
/// # Errors
/// Those of the filters.
pub(crate) fn filtered_at_run_time(
    input: SendableRecordBatchStream,
    filters: &[Arc<dyn PhysicalExpr>],
    batch_rows: usize,
    selectivity: RatioMetrics,
) -> SendableRecordBatchStream {
    if filters.is_empty() {
        return input;
    }
    let schema = input.schema();
    let run = Run {
        filter: conjunction(filters.iter().cloned()),
        generation: None,
        known: None,
        row_count: 0,
        kept_count: 0,
        coalescer: BatchCoalescer::new(Arc::clone(&schema), batch_rows)
            .with_biggest_coalesce_batch_size(Some(batch_rows / 2)),
        schema: Arc::clone(&schema),
        input: Some(input),
        selectivity,
    };
    let batches = stream::try_unfold(Box::new(run), |mut run| async move {
        Ok(run.next().await?.map(|batch| (batch, run)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

struct Run {
    input: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    filter: Arc<dyn PhysicalExpr>,
    /// Of the filter, when it was last looked at.
    generation: Option<u64>,
    /// What was known of the filter then; `None` if that drops nothing worth while.
    known: Option<Conjunction>,
    row_count: usize,
    kept_count: usize,
    coalescer: BatchCoalescer,
    selectivity: RatioMetrics,
}

impl Run {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            let Some(input) = &mut self.input else {
                return Ok(None);
            };
            match input.next().await.transpose()? {
                Some(batch) => self.take_in(batch)?,
                None => {
                    self.input = None;
                    self.coalescer.finish_buffered_batch()?;
                }
            }
        }
    }

    fn take_in(&mut self, batch: RecordBatch) -> Result<()> {
        self.look()?;
        let Some(known) = &mut self.known else {
            return Ok(self.coalescer.push_batch(batch)?);
        };
        let selection = known.select(&batch)?;
        let kept = selection.count();
        self.selectivity.add_total(batch.num_rows());
        self.selectivity.add_part(kept);
        self.row_count += batch.num_rows();
        self.kept_count += kept;
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let pays = self.kept_count as f64 <= KEPT_PART_MAX * self.row_count as f64;
        if self.row_count >= TRIAL_ROWS && !pays {
            self.known = None;
        }
        if kept > 0 {
            let bits = selection.into_bits();
            self.coalescer.push_batch_with_filter(batch, &bits)?;
        }
        Ok(())
    }

    /// Looks whether more is known of the filter.
    fn look(&mut self) -> Result<()> {
        let generation = snapshot_generation(&self.filter);
        if self.generation == Some(generation) {
            return Ok(());
        }
        self.generation = Some(generation);
        (self.row_count, self.kept_count) = (0, 0);
        let known = snapshot_physical_expr(Arc::clone(&self.filter))?;
        self.known = match is_true(&known) {
            true => None,
            false => Some(Conjunction::new(&known, &self.schema)?),
        };
        Ok(())
    }
}

fn is_true(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expr.downcast_ref::<Literal>();
    literal.is_some_and(|literal| *literal.value() == ScalarValue::Boolean(Some(true)))
}
