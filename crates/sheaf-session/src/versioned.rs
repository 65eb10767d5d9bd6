//! A value that counts how often it was changed.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A lock whose version is another one after each time that somebody might have written.
#[derive(Debug, Default)]
pub(crate) struct Versioned<T> {
    value: RwLock<T>,
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
        self.version.fetch_add(1, Ordering::AcqRel);
        guard
    }

    /// To be asked before reading: what is read then is of this version, or a later one.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
