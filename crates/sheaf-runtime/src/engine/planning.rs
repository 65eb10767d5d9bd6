//! Planning on threads of its own.
//!
//! ```text
//! caller's thread  │ planning runtime ([`PLANNING_THREADS`] workers)
//!                  │
//! EngineRuntime::plan ─ task ── parse, bind, optimize, physical plan
//!      │           │
//!      └── query's stop token: the caller goes on at once
//! ```
//!
//! Between two awaits planning computes, at times for seconds (constants that are folded, hundreds of
//! joins that are put in order), and nobody can interrupt a thread. So it has neither the thread of
//! whoever asked, which may serve others too, nor one of those that run plans. What is not waited for
//! any more ends at its next await or between two rules of the optimizer; until then it keeps its
//! worker, and that there are no more workers is the limit on what is planned at a time.

use std::cell::Cell;
use std::future::Future;

use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use super::EngineRuntime;
use super::stream::panic_message;
use crate::registry::Query;

/// Statements that are planned at a time; others wait. More than there are processors, since what is
/// planned may be large, and a small statement is not to wait for it.
pub const PLANNING_THREADS: usize = 16;

/// Stack of a planning thread in bytes; it takes memory as far as it is used. Plans are walked by
/// recursion, here and in the engine below.
pub(super) const PLANNING_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that one constant call may put into a plan, as many as a literal may have; larger ones are
/// computed when the query runs.
pub const FOLDED_VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that all constant calls of a statement may put into its plan.
pub const FOLDED_BYTES_MAX: usize = 16 * 1024 * 1024;

tokio::task_local! {
    /// Bytes that the statement which is planned here has folded.
    static FOLDED_BYTES: Cell<usize>;
}

/// Whether a constant call may be computed whose result has so many bytes: `None` where nothing is
/// planned, and calls are those of a query that runs.
#[must_use]
pub fn may_fold(bytes: usize) -> Option<bool> {
    FOLDED_BYTES
        .try_with(|folded| {
            let total = folded.get().saturating_add(bytes);
            let may = bytes <= FOLDED_VALUE_BYTES_MAX && total <= FOLDED_BYTES_MAX;
            if may {
                folded.set(total);
            }
            may
        })
        .ok()
}

/// A task that ends when nobody waits for it.
struct Awaited<T>(JoinHandle<T>);

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EngineRuntime {
    /// Runs `work`, the planning of `query`, on the planning threads.
    ///
    /// When the query is told to stop, or this future is dropped, `work` is abandoned: it runs on to
    /// its next await, and what it gives is forgotten.
    ///
    /// # Errors
    /// `Cancelled` if the query is told to stop; `Internal` if `work` panics; otherwise what it gives.
    pub async fn plan<T: Send + 'static>(
        &self,
        query: &Query,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let work = FOLDED_BYTES.scope(Cell::new(0), work);
        let abandoned = query.stop_token().clone().drop_guard();
        let outcome = query.guard(on(&self.planning_handle, work)).await;
        abandoned.disarm();
        outcome
    }

    /// Runs `work`, which only computes, on the planning threads.
    ///
    /// # Errors
    /// `Internal` if `work` panics; otherwise what it gives.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        on(&self.planning_handle, async { work() }).await
    }
}

async fn on<T: Send + 'static>(
    threads: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let mut task = Awaited(threads.spawn(work));
    (&mut task.0)
        .await
        .unwrap_or_else(|error| Err(fault(error)))
}

fn fault(error: JoinError) -> SheafError {
    match error.try_into_panic() {
        Ok(panic) => SheafError::internal(format!(
            "planning panicked: {}",
            panic_message(panic.as_ref())
        ))
        .with_hint("this is a fault in Sheaf; please report it"),
        Err(_) => SheafError::internal("the engine was shut down while a statement was planned"),
    }
}
