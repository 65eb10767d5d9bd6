//! A process under measurement: its resident memory is looked at, and it is stopped when it takes
//! too long. Knows nothing of what the process does.

use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::machine;

/// How often the process is looked at; the system keeps its peak of memory, so little is missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks at a process until dropped.
pub(super) struct ProcessWatch {
    process: u32,
    shared: Arc<Shared>,
}

struct Shared {
    child: Mutex<Child>,
    peak_bytes: AtomicU64,
    timed_out: AtomicBool,
    is_over: AtomicBool,
}

impl ProcessWatch {
    /// Watches `child`, and kills it `time_limit` from now if it still runs.
    pub(super) fn start(child: Child, time_limit: Option<Duration>) -> Self {
        let process = child.id();
        let shared = Arc::new(Shared {
            child: Mutex::new(child),
            peak_bytes: AtomicU64::new(0),
            timed_out: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let watched = Arc::clone(&shared);
        std::thread::spawn(move || watched.watch(process, time_limit));
        Self { process, shared }
    }

    /// The most memory (bytes) that the process has had resident so far.
    pub(super) fn peak_bytes(&self) -> u64 {
        self.shared.look(self.process)
    }

    /// Waits until the process has ended; its own status, or why it was stopped, in words.
    ///
    /// # Errors
    /// The system's, if it cannot be waited for.
    pub(super) fn wait(&self) -> Result<std::result::Result<ExitStatus, String>> {
        loop {
            // Locked for a moment only: the watching thread may have to kill it.
            if let Some(status) = self.shared.child().try_wait()? {
                self.shared.is_over.store(true, Ordering::Relaxed);
                if self.shared.timed_out.load(Ordering::Relaxed) {
                    return Ok(Err("took longer than the time limit".to_owned()));
                }
                return Ok(Ok(status));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for ProcessWatch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, process: u32) -> u64 {
        let now = machine::peak_resident_bytes(process).unwrap_or(0);
        self.peak_bytes.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn watch(&self, process: u32, time_limit: Option<Duration>) {
        let start = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            self.look(process);
            if time_limit.is_some_and(|limit| start.elapsed() > limit) {
                self.timed_out.store(true, Ordering::Relaxed);
                // One that has just ended by itself cannot be killed, and need not be.
                let _ = self.child().kill();
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::ProcessWatch;

    #[test]
    fn a_process_ends_by_itself_or_is_stopped() {
        let quick = Command::new("true").spawn().unwrap();
        let watch = ProcessWatch::start(quick, Some(Duration::from_secs(60)));
        assert!(watch.wait().unwrap().unwrap().success());

        let endless = Command::new("sleep").arg("600").spawn().unwrap();
        let watch = ProcessWatch::start(endless, Some(Duration::from_millis(100)));
        assert!(watch.wait().unwrap().is_err());
        assert!(watch.peak_bytes() > 0);
    }
}
