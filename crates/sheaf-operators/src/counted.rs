//! Counts what an operator gives: rows, bytes and the time of its end, in its metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::{Stream, StreamExt};

/// The stream `inner`, each of its batches recorded in `metrics`.
pub(crate) fn counted(
    inner: SendableRecordBatchStream,
    metrics: BaselineMetrics,
) -> SendableRecordBatchStream {
    Box::pin(CountedStream { inner, metrics })
}

struct CountedStream {
    inner: SendableRecordBatchStream,
    metrics: BaselineMetrics,
}

impl Stream for CountedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let poll = self.inner.poll_next_unpin(cx);
        self.metrics.record_poll(poll)
    }
}

impl RecordBatchStream for CountedStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.inner.schema())
    }
}
