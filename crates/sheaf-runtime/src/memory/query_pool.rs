//! One query's account: counts what its operators reserve on the way to the process's budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result as EngineResult;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use sheaf_base::ByteCount;

use super::MemoryBudget;

/// A query's view of the [`MemoryBudget`]: every request is the budget's to grant; the bytes and
/// their peak are counted for the query.
#[derive(Debug)]
pub struct QueryPool {
    budget: Arc<MemoryBudget>,
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl QueryPool {
    /// An empty account with `budget`.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>) -> Self {
        Self {
            budget,
            bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
        }
    }

    /// The most that the query had reserved at one time, in bytes.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn count(&self, additional: usize) {
        let before = self.bytes.fetch_add(additional, Ordering::Relaxed);
        self.peak_bytes
            .fetch_max(before.saturating_add(additional), Ordering::Relaxed);
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "sheaf query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.budget.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.budget.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.budget.grow(reservation, additional);
        self.count(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.budget.shrink(reservation, shrink);
        // Counted after it was granted and before it is returned, so this cannot go below zero.
        self.bytes.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        self.budget.try_grow(reservation, additional)?;
        self.count(additional);
        Ok(())
    }

    /// Bytes that this query has reserved.
    fn reserved(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.budget.memory_limit()
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "query({} in {})",
            ByteCount::from(self.reserved()),
            self.budget
        )
    }
}
