//! The stream of one running plan: pulls batches from the CPU runtime, and ends exactly once.
//!
//! States: `Running` (batches come) → `Joining` (the channel is closed; how did the root task
//! end?) → `Ended`.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{
    EmptyRecordBatchStream, ExecutionPlan, RecordBatchStream, SendableRecordBatchStream,
};
use futures::{Stream, StreamExt};
use sheaf_base::SheafError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::registry::{Outcome, Query};

/// Batches of a result that wait for the caller.
pub(super) const RESULT_BATCHES_MAX: usize = 4;

pub(super) struct QueryStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<Sent>,
    /// Gives whether the plan ran to its end; it does not if the query was told to stop.
    root: JoinHandle<bool>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    query: Arc<Query>,
    ends_query: bool,
    phase: Phase,
}

/// What waits for the caller, and is charged to the query until it is taken.
struct Sent {
    batch: EngineResult<RecordBatch>,
    _charge: MemoryReservation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Joining,
    Ended,
}

impl QueryStream {
    pub(super) fn start(
        cpu: &Handle,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        query: Arc<Query>,
        ends_query: bool,
    ) -> Self {
        let (sender, batches) = mpsc::channel(RESULT_BATCHES_MAX);
        let schema = plan.schema();
        let stop = query.stop_token().clone();
        let root_stop = stop.clone();
        let root = cpu.spawn(async move {
            // Dropping the plan's streams, however this ends, aborts the tasks under them.
            tokio::select! {
                biased;
                () = root_stop.cancelled() => false,
                () = drive(plan, task, sender) => true,
            }
        });
        Self {
            schema,
            batches,
            root,
            stop: Box::pin(stop.cancelled_owned()),
            query,
            ends_query,
            phase: Phase::Running,
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.phase = Phase::Ended;
        self.root.abort();
        self.batches.close();
        // What was not taken is not charged for longer than this.
        while self.batches.try_recv().is_ok() {}
        if self.ends_query {
            self.query.finish(outcome);
        }
    }

    fn fail(&mut self, error: DataFusionError) -> Poll<Option<EngineResult<RecordBatch>>> {
        let error = SheafError::from(error);
        self.end(Outcome::Failed(error.message().to_owned()));
        Poll::Ready(Some(Err(error.into())))
    }

    fn cancel(&mut self) -> Poll<Option<EngineResult<RecordBatch>>> {
        self.end(Outcome::Cancelled);
        Poll::Ready(Some(Err(self.query.cancel_error().into())))
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<EngineResult<RecordBatch>>> {
        match ready!(self.batches.poll_recv(cx)).map(|sent| sent.batch) {
            Some(Ok(batch)) => {
                self.query.add_rows_out(batch.num_rows());
                Poll::Ready(Some(Ok(batch)))
            }
            Some(Err(error)) => self.fail(error),
            None => {
                self.phase = Phase::Joining;
                self.poll_join(cx)
            }
        }
    }

    fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Option<EngineResult<RecordBatch>>> {
        match ready!(Pin::new(&mut self.root).poll(cx)) {
            Ok(true) => {
                self.end(Outcome::Done);
                Poll::Ready(None)
            }
            Ok(false) => self.cancel(),
            Err(error) => {
                let fault = match error.try_into_panic() {
                    Ok(panic) => format!("a task panicked: {}", panic_message(panic.as_ref())),
                    Err(_) => "the engine was shut down while the query ran".to_owned(),
                };
                let error = SheafError::internal(fault)
                    .with_hint("this is a fault in Sheaf; please report it");
                self.fail(error.into())
            }
        }
    }
}

impl Stream for QueryStream {
    type Item = EngineResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return self.cancel();
        }
        match self.phase {
            Phase::Joining => self.poll_join(cx),
            _ => self.poll_batch(cx),
        }
    }
}

impl RecordBatchStream for QueryStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for QueryStream {
    fn drop(&mut self) {
        if self.phase != Phase::Ended {
            self.end(Outcome::Cancelled);
        }
    }
}

/// Runs the plan and sends what it gives, until it ends, fails, or nobody listens.
async fn drive(plan: Arc<dyn ExecutionPlan>, task: Arc<TaskContext>, sender: mpsc::Sender<Sent>) {
    // Counted without asking: the batches are there already, and few.
    let result = MemoryConsumer::new("Result").register(task.memory_pool());
    let send = async |batch: EngineResult<RecordBatch>| {
        let charge = result.new_empty();
        charge.grow(batch.as_ref().map_or(0, get_record_batch_memory_size));
        let sent = Sent {
            batch,
            _charge: charge,
        };
        sender.send(sent).await.is_ok()
    };
    let mut stream = match open(plan, Arc::clone(&task)) {
        Ok(stream) => stream,
        Err(error) => {
            send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = stream.next().await {
        let is_last = batch.is_err();
        if !send(batch).await || is_last {
            return;
        }
    }
}

/// One stream of all partitions. Merging runs each partition in a task of its own.
fn open(
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> EngineResult<SendableRecordBatchStream> {
    let partitions = plan.properties().output_partitioning().partition_count();
    if partitions == 0 {
        return Ok(Box::pin(EmptyRecordBatchStream::new(plan.schema())));
    }
    let merged: Arc<dyn ExecutionPlan> = match partitions {
        1 => plan,
        _ => Arc::new(CoalescePartitionsExec::new(plan)),
    };
    merged.execute(0, task)
}

pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
