//! Who of the probe partitions has ended.
//!
//! What is left when all have ended is done by the last: none ever waits for another, whom its
//! consumer may not poll before this one has ended. A partition that is dropped earlier counts as
//! ended; but rows that its probe rows might have matched must not come out as unmatched then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::build::ProbeFacts;

/// Where the partitions are.
#[derive(Debug)]
pub(super) struct Probes {
    /// How many have not ended, begun or not.
    left: AtomicUsize,
    facts: Arc<ProbeFacts>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Probe {
    probes: Arc<Probes>,
    has_ended: bool,
}

impl Probes {
    pub(super) fn new(partitions: usize, facts: Arc<ProbeFacts>) -> Self {
        Self {
            left: AtomicUsize::new(partitions),
            facts,
        }
    }

    /// The next of the partitions.
    pub(super) fn partition(self: &Arc<Self>) -> Probe {
        Probe {
            probes: Arc::clone(self),
            has_ended: false,
        }
    }
}

impl Probe {
    /// All probe rows of this partition have been seen; whether no other partition is left.
    pub(super) fn end(mut self) -> bool {
        self.has_ended = true;
        self.probes.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !self.has_ended {
            let facts = &self.probes.facts;
            facts.is_cut_short.store(true, Ordering::Release);
            self.probes.left.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
