//! The right rows of one partition, which come once for each block of left rows.

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::SpillMetrics;
use futures::StreamExt;

use super::OPERATOR;
use crate::spill::{SpillWriter, SpilledRows};

/// Where the right rows come from. Their batches are the same ones in each pass.
pub(super) enum RightRows {
    /// The input, in the only pass, or the first of several, when they are written to disk.
    Input {
        stream: SendableRecordBatchStream,
        batches: Box<BatchCoalescer>,
        batch_rows: usize,
        is_done: bool,
        writer: Option<Box<SpillWriter>>,
    },
    Spilled {
        rows: SpilledRows,
        stream: SendableRecordBatchStream,
    },
}

impl RightRows {
    /// The rows of `stream`; `passes_again` if they will be asked for more than once.
    pub(super) fn new(
        stream: SendableRecordBatchStream,
        context: &TaskContext,
        metrics: &SpillMetrics,
        passes_again: bool,
    ) -> Result<Self> {
        let batch_rows = context.session_config().batch_size();
        let schema = stream.schema();
        let writer = if passes_again {
            let env = context.runtime_env();
            Some(Box::new(SpillWriter::create(
                &env, metrics, &schema, OPERATOR,
            )?))
        } else {
            None
        };
        // Small batches are joined together: the work for a single left row is done once a batch.
        let batches = BatchCoalescer::new(schema, batch_rows)
            .with_biggest_coalesce_batch_size(Some(batch_rows / 2));
        Ok(Self::Input {
            stream,
            batches: Box::new(batches),
            batch_rows,
            is_done: false,
            writer,
        })
    }

    /// The next batch of this pass.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Spilled { stream, .. } => stream.next().await.transpose(),
            Self::Input {
                stream,
                batches,
                batch_rows,
                is_done,
                writer,
            } => loop {
                if let Some(batch) = batches.next_completed_batch() {
                    if let Some(writer) = writer {
                        writer.append(&batch)?;
                    }
                    return Ok(Some(batch));
                }
                if *is_done {
                    return Ok(None);
                }
                match stream.next().await {
                    Some(batch) => push_slices(batches, &batch?, *batch_rows)?,
                    None => {
                        *is_done = true;
                        batches.finish_buffered_batch()?;
                    }
                }
            },
        }
    }

    /// Begins the next pass, after the last batch of this one.
    pub(super) fn again(&mut self) -> Result<()> {
        let rows = match self {
            Self::Spilled { rows, .. } => rows.clone(),
            Self::Input { writer, .. } => match writer.take() {
                Some(writer) => writer.finish()?,
                None => return Ok(()),
            },
        };
        let stream = rows.read()?;
        *self = Self::Spilled { rows, stream };
        Ok(())
    }
}

/// Adds `batch` in pieces of at most `batch_rows`: a large one would be passed on as it is.
fn push_slices(batches: &mut BatchCoalescer, batch: &RecordBatch, batch_rows: usize) -> Result<()> {
    for at in (0..batch.num_rows()).step_by(batch_rows.max(1)) {
        batches.push_batch(batch.slice(at, batch_rows.min(batch.num_rows() - at)))?;
    }
    Ok(())
}
