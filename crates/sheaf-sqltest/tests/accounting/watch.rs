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

/// A difference counts if all looks see it while the process uses so much processor time: what is
/// reserved just before it is allocated, or freed just before its reservation is, is no fault of the
/// books, nor is a disk or another program that it waits for in between.
const LASTING: Duration = Duration::from_millis(5);

/// What was seen, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Differences {
    /// The most that was allocated beyond what was accounted for.
    pub(crate) missing_bytes: usize,
    /// The most that was accounted for beyond what was allocated.
    pub(crate) idle_bytes: usize,
    /// The most that was allocated.
    pub(crate) allocated_peak_bytes: usize,
    /// The most that was accounted for.
    pub(crate) accounted_peak_bytes: usize,
    /// Who held how much of it when the most was not allocated, if only for a moment.
    pub(crate) idle_holders: Vec<(String, usize)>,
    /// What was not allocated then.
    idle_peak_bytes: usize,
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
            let mut last = VecDeque::new();
            while !is_over.load(Ordering::Relaxed) {
                last.push_back(seen.look(before, &engine));
                while last.get(1).is_some_and(Look::is_over) {
                    last.pop_front();
                }
                if last.front().is_some_and(Look::is_over) {
                    let lasting = |of: fn(&Look) -> usize| last.iter().map(of).min().unwrap_or(0);
                    seen.missing_bytes = seen.missing_bytes.max(lasting(|look| look.missing_bytes));
                    seen.idle_bytes = seen.idle_bytes.max(lasting(|look| look.idle_bytes));
                }
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
    fn look(&mut self, before: usize, engine: &EngineRuntime) -> Look {
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
        let idle_bytes = least.saturating_sub(allocated);
        if idle_bytes > self.idle_peak_bytes {
            self.idle_peak_bytes = idle_bytes;
            let holders = engine.memory().holders().into_iter();
            self.idle_holders = holders.map(|holder| (holder.name, holder.bytes)).collect();
        }
        Look {
            at: used_processor_time(),
            missing_bytes: allocated.saturating_sub(most),
            idle_bytes,
        }
    }
}

/// What one look saw.
struct Look {
    /// Processor time that the process had used by then.
    at: Duration,
    missing_bytes: usize,
    idle_bytes: usize,
}

impl Look {
    /// Whether what lasts since then counts.
    fn is_over(&self) -> bool {
        used_processor_time().saturating_sub(self.at) >= LASTING
    }
}

/// Processor time of all threads of this process.
#[expect(unsafe_code, reason = "the standard library does not tell")]
fn used_processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock is written to a structure of its type that lives during the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the system tells no processor time");
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}
