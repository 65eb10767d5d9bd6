//! A part of what the join's holding has been granted, given back when it is dropped.

use std::sync::Arc;

use sheaf_runtime::memory::{Grant, Holding};

/// Bytes that belong to some rows, or to an index: they live as long as those.
#[derive(Debug)]
pub(super) struct Portion {
    holding: Arc<Holding>,
    bytes: usize,
}

impl Portion {
    pub(super) fn empty(holding: &Arc<Holding>) -> Self {
        Self::of(holding, 0)
    }

    /// Of what `holding` has been granted, `bytes`.
    pub(super) fn of(holding: &Arc<Holding>, bytes: usize) -> Self {
        Self {
            holding: Arc::clone(holding),
            bytes,
        }
    }

    pub(super) fn holding(&self) -> &Arc<Holding> {
        &self.holding
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more if they are free now.
    pub(super) fn try_grow(&mut self, bytes: usize) -> bool {
        let granted = self.holding.try_grow(bytes) == Grant::Granted;
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Takes over another portion of the same holding.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Cuts `bytes` off, if there are so many.
    pub(super) fn split(&mut self, bytes: usize) -> Option<Self> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(Self::of(&self.holding, bytes))
    }

    /// Gives `bytes` back (all, if there are fewer).
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.holding.shrink(bytes);
    }

    /// Gives back what is beyond `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        self.shrink(self.bytes.saturating_sub(bytes));
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
