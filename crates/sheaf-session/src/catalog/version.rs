//! Which state of a catalogue it is, so that what was found true of one is not looked at again.

use std::sync::atomic::{AtomicU64, Ordering};

/// The changes of all catalogues of the process: each has a number of its own, so that a catalogue and
/// a snapshot of it share a number only as long as they are the same.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A state of a catalogue: the last changes of its relations and of its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(super) relations: u64,
    pub(super) functions: u64,
}

/// The number of the last change; 0 before the first.
#[derive(Debug, Default)]
pub(super) struct Changes(AtomicU64);

impl Changes {
    /// Something has changed.
    pub(super) fn count(&self) {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.store(number, Ordering::Release);
    }

    pub(super) fn last(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn snapshot(&self) -> Self {
        Self(AtomicU64::new(self.last()))
    }
}
