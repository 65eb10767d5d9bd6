//! Batches out of chunks of bytes, through an incremental decoder; and the measures of a scan.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{Stream, StreamExt, TryStreamExt};
use sheaf_base::{Result, SheafError};

use super::Batches;
use super::bytes::{Chunks, ReadGauge};

/// A decoder that is fed bytes and gives batches. The readers of Arrow have this shape.
pub(super) trait RecordDecoder: Send {
    /// Takes bytes and gives how many it took; fewer than all means a batch is full. An empty
    /// slice says that no more will come.
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError>;

    /// The rows decoded so far; `None` if there are none.
    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError>;

    /// Whether a batch is full.
    fn is_full(&self) -> bool;

    /// Whether no more bytes are wanted.
    fn is_over(&self) -> bool {
        false
    }
}

/// Turns a decoder's error into one that names file and line; may read the file again.
#[async_trait]
pub(super) trait Explain: Send + Sync {
    /// `rows_before`: rows that were decoded before the batch that failed.
    async fn explain(&self, error: ArrowError, rows_before: u64) -> SheafError;
}

/// Decodes `chunks`.
pub(super) fn decode(
    chunks: Chunks,
    decoder: Box<dyn RecordDecoder>,
    explain: Arc<dyn Explain>,
) -> Batches {
    let state = Decoding {
        chunks,
        decoder,
        explain,
        left: Bytes::new(),
        rows: 0,
        is_done: false,
    };
    let batches = futures::stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|batch| (batch, state)))
    });
    batches.boxed()
}

struct Decoding {
    chunks: Chunks,
    decoder: Box<dyn RecordDecoder>,
    explain: Arc<dyn Explain>,
    /// Bytes of the present chunk that are not yet decoded.
    left: Bytes,
    rows: u64,
    is_done: bool,
}

impl Decoding {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.is_done {
            return Ok(None);
        }
        loop {
            if self.left.is_empty() {
                match self.chunks.try_next().await? {
                    Some(chunk) => self.left = chunk,
                    None => self.is_done = true,
                }
                if self.left.is_empty() && !self.is_done {
                    continue;
                }
            }
            match self.decoder.decode(&self.left) {
                Ok(taken) => self.left = self.left.slice(taken.min(self.left.len())..),
                Err(error) => return Err(self.explained(error).await),
            }
            self.is_done |= self.decoder.is_over();
            if self.decoder.is_full() || self.is_done {
                match self.decoder.flush() {
                    Ok(Some(batch)) => {
                        self.rows += batch.num_rows() as u64;
                        // A full batch right at the end: there may be more to flush.
                        self.is_done = self.is_done && !self.decoder.is_full();
                        return Ok(Some(batch));
                    }
                    Ok(None) if self.is_done => return Ok(None),
                    Ok(None) => {}
                    Err(error) => return Err(self.explained(error).await),
                }
            }
        }
    }

    async fn explained(&mut self, error: ArrowError) -> SheafError {
        self.is_done = true;
        self.explain.explain(error, self.rows).await
    }
}

/// Metrics of one partition of a scan, as the engine's sources have them.
pub(super) struct Measured {
    baseline: BaselineMetrics,
    gauge: Arc<ReadGauge>,
}

impl Measured {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize, bytes: u64) -> Self {
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            gauge: Arc::new(ReadGauge::new(
                MetricBuilder::new(metrics).counter("bytes_scanned", partition),
                bytes,
            )),
        }
    }

    /// What counts the bytes that are read.
    pub(super) fn gauge(&self) -> Arc<ReadGauge> {
        Arc::clone(&self.gauge)
    }

    /// Times the polls of `batches`; when they end, the whole piece counts as read.
    pub(super) fn wrap(self, batches: Batches) -> Batches {
        MeasuredStream {
            batches,
            measured: self,
        }
        .boxed()
    }
}

struct MeasuredStream {
    batches: Batches,
    measured: Measured,
}

impl Stream for MeasuredStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let timer = this.measured.baseline.elapsed_compute().timer();
        let polled = this.batches.poll_next_unpin(context);
        timer.done();
        if matches!(polled, Poll::Ready(None)) {
            this.measured.gauge.finish();
        }
        polled
    }
}
