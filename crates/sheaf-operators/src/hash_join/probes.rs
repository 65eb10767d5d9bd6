//! Who of the probe partitions has begun, and who has ended.
//!
//! What is left when all have ended is shared among those that are still there. A partition that
//! is dropped earlier holds nobody up; but rows that its probe rows might have matched must not
//! come out as unmatched then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::build::ProbeFacts;

/// Where the partitions are.
#[derive(Debug)]
pub(super) struct Probes {
    counts: watch::Sender<Counts>,
    facts: Arc<ProbeFacts>,
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Not begun: nobody may ever poll them, or not before others have ended.
    waiting: usize,
    running: usize,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Probe {
    probes: Arc<Probes>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Ended,
}

impl Probes {
    pub(super) fn new(partitions: usize, facts: Arc<ProbeFacts>) -> Self {
        let (counts, _) = watch::channel(Counts {
            waiting: partitions,
            running: 0,
        });
        Self { counts, facts }
    }

    /// The next of the partitions.
    pub(super) fn partition(self: &Arc<Self>) -> Probe {
        Probe {
            probes: Arc::clone(self),
            progress: Progress::Waiting,
        }
    }
}

impl Probe {
    pub(super) fn begin(&mut self) {
        self.go(Progress::Running);
    }

    /// All probe rows of this partition have been seen.
    pub(super) fn end(&mut self) {
        self.go(Progress::Ended);
    }

    /// Waits for the other partitions; whether all have ended. Not so if some have not even begun:
    /// whoever ends last will do the rest.
    pub(super) async fn all_end(&self) -> bool {
        let mut counts = self.probes.counts.subscribe();
        let settled = counts.wait_for(|counts| counts.running == 0 || counts.waiting > 0);
        // The sender lives in `self`.
        settled.await.is_ok_and(|counts| counts.waiting == 0)
    }

    fn go(&mut self, next: Progress) {
        let before = std::mem::replace(&mut self.progress, next);
        self.probes.counts.send_modify(|counts| {
            for (progress, count) in [(before, false), (next, true)] {
                let of = match progress {
                    Progress::Waiting => &mut counts.waiting,
                    Progress::Running => &mut counts.running,
                    Progress::Ended => continue,
                };
                *of = match count {
                    true => *of + 1,
                    false => of.saturating_sub(1),
                };
            }
        });
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.progress != Progress::Ended {
            self.probes
                .facts
                .is_cut_short
                .store(true, Ordering::Release);
            self.go(Progress::Ended);
        }
    }
}
