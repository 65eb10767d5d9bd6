//! What a call may use of the query that it belongs to.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf_base::{Result, SheafError};
use tokio_util::sync::CancellationToken;

/// Takes what functions print.
pub type Show = dyn Fn(&str) + Send + Sync;

/// The query that a call belongs to: its memory, how it is told to stop, and what languages keep between
/// its calls. Clones are of one query, which makes one of them; when the last is gone, so is what was kept.
#[derive(Clone)]
pub struct CallContext {
    memory: Arc<dyn MemoryPool>,
    stop: CancellationToken,
    printed: Option<Arc<Show>>,
    kept: Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl CallContext {
    /// Calls take their memory from `memory` and stop when `stop` says so.
    #[must_use]
    pub fn new(memory: Arc<dyn MemoryPool>, stop: CancellationToken) -> Self {
        Self {
            memory,
            stop,
            printed: None,
            kept: Arc::default(),
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

    /// What the query keeps of this type, made at the first call: idle instances of a language, say.
    ///
    /// # Memory
    /// What it holds it reserves with [`CallContext::reservation`]; it must not hold the context itself.
    #[must_use]
    pub fn kept<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let value = kept
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::<T>::default());
        let value = Arc::clone(value);
        // Each is stored under its own type, so that the other arm is never taken.
        value.downcast().unwrap_or_default()
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
