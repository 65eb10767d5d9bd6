//! Where output goes: to whoever polls the stream, or into a queue.
//!
//! The phases of a join are plain asynchronous functions that hand out batches on the way. For the
//! stream, a batch is put into a slot and the function pauses until it has been taken: one future,
//! polled by the stream, with no task or queue between.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::RecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::Stream;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Takes batches and passes them on, small ones merged.
#[derive(Debug)]
pub(super) struct Emitter {
    target: Target,
    /// None if there are no columns to merge.
    coalescer: Option<BatchCoalescer>,
}

/// Who gets the batches.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Slot(Arc<Mutex<Option<RecordBatch>>>),
    Queue(mpsc::Sender<RecordBatch>),
}

impl Emitter {
    /// Merges batches to `batch_rows` rows; those of at least half as many stay as they are.
    pub(super) fn new(target: Target, schema: &SchemaRef, batch_rows: usize) -> Self {
        let coalescer = (!schema.fields().is_empty()).then(|| {
            BatchCoalescer::new(Arc::clone(schema), batch_rows.max(1))
                .with_biggest_coalesce_batch_size(Some(batch_rows / 2))
        });
        Self { target, coalescer }
    }

    /// Passes a batch on, now or with later ones.
    pub(super) async fn emit(&mut self, batch: RecordBatch) -> Result<()> {
        let Some(coalescer) = &mut self.coalescer else {
            return self.target.put(batch).await;
        };
        coalescer.push_batch(batch)?;
        while let Some(batch) = coalescer.next_completed_batch() {
            self.target.put(batch).await?;
        }
        Ok(())
    }

    /// Passes on a batch that needs no merging.
    pub(super) async fn emit_merged(&mut self, batch: RecordBatch) -> Result<()> {
        self.target.put(batch).await
    }

    /// Passes on what was held back for merging.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let Some(coalescer) = &mut self.coalescer else {
            return Ok(());
        };
        coalescer.finish_buffered_batch()?;
        while let Some(batch) = coalescer.next_completed_batch() {
            self.target.put(batch).await?;
        }
        Ok(())
    }
}

impl Target {
    async fn put(&self, batch: RecordBatch) -> Result<()> {
        match self {
            Self::Slot(slot) => {
                *slot.lock() = Some(batch);
                // Whoever takes the batch polls again.
                poll_fn(|_| {
                    if slot.lock().is_none() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                Ok(())
            }
            Self::Queue(queue) => queue
                .send(batch)
                .await
                .map_err(|_| exec_datafusion_err!("nobody takes the output of a join")),
        }
    }
}

/// The batches that a future hands out through its slot.
pub(super) struct EmitterStream {
    schema: SchemaRef,
    slot: Arc<Mutex<Option<RecordBatch>>>,
    /// None when it has ended.
    work: Option<BoxFuture<'static, Result<()>>>,
    /// Rows that are still wanted, if not all are.
    rows_left: Option<usize>,
    metrics: BaselineMetrics,
}

impl EmitterStream {
    /// `work` is given what to emit into; at most `fetch` rows are taken from it.
    pub(super) fn new<F>(
        schema: SchemaRef,
        batch_rows: usize,
        fetch: Option<usize>,
        metrics: BaselineMetrics,
        work: impl FnOnce(Emitter) -> F,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let slot = Arc::default();
        let emitter = Emitter::new(Target::Slot(Arc::clone(&slot)), &schema, batch_rows);
        Self {
            schema,
            slot,
            work: Some(Box::pin(work(emitter))),
            rows_left: fetch,
            metrics,
        }
    }

    fn take(&mut self) -> Option<RecordBatch> {
        let batch = self.slot.lock().take()?;
        let Some(left) = &mut self.rows_left else {
            return Some(batch);
        };
        let batch = batch.slice(0, batch.num_rows().min(*left));
        *left -= batch.num_rows();
        if *left == 0 {
            self.work = None;
        }
        Some(batch)
    }
}

impl Stream for EmitterStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(work) = &mut self.work else {
            return self.metrics.record_poll(Poll::Ready(None));
        };
        let poll = match work.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => {
                self.work = None;
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                self.work = None;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Pending => match self.take() {
                Some(batch) => Poll::Ready(Some(Ok(batch))),
                None => Poll::Pending,
            },
        };
        self.metrics.record_poll(poll)
    }
}

impl RecordBatchStream for EmitterStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
