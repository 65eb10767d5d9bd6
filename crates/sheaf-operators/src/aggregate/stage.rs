//! What the inputs and outputs of an operator share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;
use tokio::sync::watch;

use super::parts::PartStore;
use super::shape::Shape;
use super::sink::Sink;

/// The parts, and the tasks that fill them. Dropping the last reference stops the tasks.
pub(super) struct Stage {
    pub(super) shape: Arc<Shape>,
    pub(super) store: Arc<PartStore>,
    pub(super) holding: Arc<Holding>,
    pub(super) context: Arc<TaskContext>,
    /// Inputs with their sinks, until the first output is polled.
    waiting: Mutex<Vec<(Sink, SendableRecordBatchStream)>>,
    tasks: Mutex<JoinSet<()>>,
    left: watch::Sender<Left>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// How many inputs have not ended, or what went wrong with one.
#[derive(Clone)]
struct Left(Result<usize, Arc<DataFusionError>>);

impl Stage {
    pub(super) fn new(
        shape: Arc<Shape>,
        store: Arc<PartStore>,
        holding: Arc<Holding>,
        context: &Arc<TaskContext>,
        inputs: Vec<(Sink, SendableRecordBatchStream)>,
    ) -> Self {
        let (left, _) = watch::channel(Left(Ok(inputs.len())));
        Self {
            shape,
            store,
            holding,
            context: Arc::clone(context),
            waiting: Mutex::new(inputs),
            tasks: Mutex::default(),
            left,
        }
    }

    /// Waits until all inputs are in the parts; starts them if nobody has yet.
    ///
    /// # Errors
    /// The first error of an input, for every output.
    pub(super) fn inputs_end(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        self.start();
        let mut left = self.left.subscribe();
        async move {
            let ended = left.wait_for(|left| !matches!(left.0, Ok(1..))).await;
            match ended.map(|left| left.clone()) {
                Ok(Left(Ok(_))) => Ok(()),
                Ok(Left(Err(error))) => Err(DataFusionError::Shared(error)),
                Err(_) => internal_err!("the inputs of an aggregate went away"),
            }
        }
    }

    fn start(&self) {
        let inputs = std::mem::take(&mut *self.waiting.lock());
        if inputs.is_empty() {
            return;
        }
        let mut tasks = self.tasks.lock();
        tasks.spawn(give_back(
            Arc::clone(&self.store),
            Arc::clone(&self.holding),
        ));
        for (sink, input) in inputs {
            let mut end = EndOfInput {
                left: self.left.clone(),
                is_told: false,
            };
            tasks.spawn(async move {
                let ended = sink.run(input).await;
                end.tell(ended);
            });
        }
    }
}

/// Gives memory back when others want it, for as long as there are parts: also while every output
/// waits for its results to be taken.
async fn give_back(store: Arc<PartStore>, holding: Arc<Holding>) {
    let _listening = holding.listen();
    loop {
        let wanted = holding.asked().await;
        let given = store.spill_largest(wanted);
        holding.answer();
        // The error is kept for whoever takes the part that was lost.
        if given.is_err() {
            return;
        }
        tokio::task::consume_budget().await;
    }
}

/// Tells the outputs how an input has ended, also if its task panics.
struct EndOfInput {
    left: watch::Sender<Left>,
    is_told: bool,
}

impl EndOfInput {
    fn tell(&mut self, ended: Result<()>) {
        self.is_told = true;
        self.left.send_modify(|left| match (&mut left.0, ended) {
            (Ok(count), Ok(())) => *count = count.saturating_sub(1),
            (Ok(_), Err(error)) => left.0 = Err(Arc::new(error)),
            (Err(_), _) => {}
        });
    }
}

impl Drop for EndOfInput {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(internal_err!(
                "a task of an aggregate stopped before its input ended"
            ));
        }
    }
}
