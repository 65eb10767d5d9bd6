//! Looks at allocated and accounted bytes while a plan runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sheaf::EngineRuntime;
use sheaf::datafusion::execution::memory_pool::MemoryPool;

use crate::allocator::allocated_bytes;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// A difference counts if so many looks in a row see it, some 5 ms: what is reserved just before it
/// is allocated, or freed just before its reservation is, is no fault of the books.
const LOOKS: usize = 50;

/// What was seen, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Differences {
    /// The most that was allocated beyond what was accounted for.
    pub(crate) missing_bytes: usize,
    /// The most that was accounted for beyond what was allocated.
    pub(crate) idle_bytes: usize,
    /// The most that was allocated.
    pub(crate) allocated_peak_bytes: usize,
    /// The most that was accounted for.
    pub(crate) accounted_peak_bytes: usize,
}

/// A thread that looks until it is told to stop.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Differences>,
}

impl Watch {
    /// Begins; what is allocated now is not the plan's.
    pub(crate) fn start(engine: Arc<EngineRuntime>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let before = allocated_bytes();
        let thread = std::thread::spawn(move || {
            let mut seen = Differences::default();
            let mut last = VecDeque::from([(0, 0); LOOKS]);
            while !is_over.load(Ordering::Relaxed) {
                last.pop_front();
                last.push_back(seen.look(before, &engine));
                let lasting = |of: fn(&(usize, usize)) -> usize| last.iter().map(of).min();
                let (missing, idle) = (lasting(|l| l.0), lasting(|l| l.1));
                seen.missing_bytes = seen.missing_bytes.max(missing.unwrap_or(0));
                seen.idle_bytes = seen.idle_bytes.max(idle.unwrap_or(0));
                std::thread::sleep(LOOK_EVERY);
            }
            seen
        });
        Self { stop, thread }
    }

    /// What was seen.
    pub(crate) fn stop(self) -> Differences {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

impl Differences {
    /// What is missing now, and what is idle.
    fn look(&mut self, before: usize, engine: &EngineRuntime) -> (usize, usize) {
        // The smaller difference of two looks: between reading one number and the other, either
        // may have changed.
        let accounted = engine.memory().reserved();
        let allocated = allocated_bytes().saturating_sub(before);
        let accounted_after = engine.memory().reserved();
        let (least, most) = (
            accounted.min(accounted_after),
            accounted.max(accounted_after),
        );
        self.allocated_peak_bytes = self.allocated_peak_bytes.max(allocated);
        self.accounted_peak_bytes = self.accounted_peak_bytes.max(most);
        (
            allocated.saturating_sub(most),
            least.saturating_sub(allocated),
        )
    }
}
