//! What a call may use of the query that it belongs to.

use std::fmt;
use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf_base::{Result, SheafError};
use tokio_util::sync::CancellationToken;

/// Takes what functions print.
pub type Show = dyn Fn(&str) + Send + Sync;

/// The query that a call belongs to: its memory, and how it is told to stop.
#[derive(Clone)]
pub struct CallContext {
    memory: Arc<dyn MemoryPool>,
    stop: CancellationToken,
    printed: Option<Arc<Show>>,
}

impl CallContext {
    /// Calls take their memory from `memory` and stop when `stop` says so.
    #[must_use]
    pub fn new(memory: Arc<dyn MemoryPool>, stop: CancellationToken) -> Self {
        Self {
            memory,
            stop,
            printed: None,
        }
    }

    /// The same query, which is told by `printed` what its functions print.
    #[must_use]
    pub fn with_printed(mut self, printed: Arc<Show>) -> Self {
        self.printed = Some(printed);
        self
    }

    /// Passes on what a function has printed, to be shown as a notice.
    pub fn notify(&self, printed: &str) {
        if let Some(show) = &self.printed {
            show(printed);
        }
    }

    /// The query's account of memory, which no other query has.
    #[must_use]
    pub fn memory(&self) -> &Arc<dyn MemoryPool> {
        &self.memory
    }

    /// An empty reservation in the query's memory, whose holder is called `name` where users see it.
    #[must_use]
    pub fn reservation(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(&self.memory)
    }

    /// Ends when the query does, for whatever reason.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Whether the query goes on.
    ///
    /// # Errors
    /// `Cancelled` if it does not.
    pub fn check(&self) -> Result<()> {
        match self.stop.is_cancelled() {
            true => Err(SheafError::cancelled("the query was cancelled")),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallContext")
    }
}
