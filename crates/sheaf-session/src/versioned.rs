//! Values of which it is known which state they are in, so that what was found true of one is not looked
//! at again.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The changes of all such values of the process: each has a number of its own, so that a value and a
/// snapshot of it share a number only as long as they are the same.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A lock whose version is another one after each time that somebody might have written.
#[derive(Debug, Default)]
pub(crate) struct Versioned<T> {
    value: RwLock<T>,
    /// The number of the last change; 0 before the first.
    version: AtomicU64,
}

impl<T> Versioned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: RwLock::new(value),
            version: AtomicU64::new(0),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        let guard = self.value.write();
        // Who has seen the new version before the new value waits for the guard.
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.version.store(number, Ordering::Release);
        guard
    }

    /// To be asked before reading: what is read then is of this version, or a later one.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

impl<T: Clone> Versioned<T> {
    /// The same value, apart from now on.
    pub(crate) fn snapshot(&self) -> Self {
        Self {
            version: AtomicU64::new(self.version()),
            value: RwLock::new(self.read().clone()),
        }
    }
}
