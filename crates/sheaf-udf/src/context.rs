//! What a call may use of the query that it belongs to.

use std::fmt;
use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf_base::{Result, SheafError};
use tokio_util::sync::CancellationToken;

/// The query that a call belongs to: its memory, and how it is told to stop.
#[derive(Clone)]
pub struct CallContext {
    memory: Arc<dyn MemoryPool>,
    stop: CancellationToken,
}

impl CallContext {
    /// Calls take their memory from `memory` and stop when `stop` says so.
    #[must_use]
    pub fn new(memory: Arc<dyn MemoryPool>, stop: CancellationToken) -> Self {
        Self { memory, stop }
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
