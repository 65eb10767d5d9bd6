//! One query's account: counts what its operators reserve on the way to the process's budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use sheaf_base::ByteCount;

use super::MemoryBudget;

/// A query's view of the [`MemoryBudget`]: every request is the budget's to grant; the bytes and
/// their peak are counted for the query, which may have a limit of its own.
#[derive(Debug)]
pub struct QueryPool {
    budget: Arc<MemoryBudget>,
    query: u64,
    /// Bytes that the query may reserve; `usize::MAX` if only the budget limits it.
    limit_bytes: usize,
    /// What was granted, and what is being asked for.
    claimed_bytes: AtomicUsize,
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl QueryPool {
    /// An empty account of the query with that id. `limit` is what it may reserve, and cannot
    /// be more than the budget's.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>, query: u64, limit: Option<ByteCount>) -> Self {
        Self {
            budget,
            query,
            limit_bytes: limit.map_or(usize::MAX, ByteCount::as_usize),
            claimed_bytes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
        }
    }

    /// The most that the query had reserved at one time, in bytes.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// Whether the query's own limit forbids `additional` bytes.
    pub(super) fn is_full(&self, additional: usize) -> bool {
        let claimed = self.claimed_bytes.load(Ordering::Relaxed);
        claimed.saturating_add(additional) > self.limit_bytes
    }

    /// Counts what was granted.
    fn count(&self, additional: usize) {
        let before = self.bytes.fetch_add(additional, Ordering::Relaxed);
        self.peak_bytes
            .fetch_max(before.saturating_add(additional), Ordering::Relaxed);
    }

    /// Claims `additional` bytes, unless the query's own limit forbids them.
    fn claim(&self, consumer: &MemoryConsumer, additional: usize) -> EngineResult<()> {
        self.claimed_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| {
                bytes
                    .checked_add(additional)
                    .filter(|after| *after <= self.limit_bytes)
            })
            .map(|_| ())
            .map_err(|bytes| {
                DataFusionError::ResourcesExhausted(format!(
                    "{} asked for {}; of query_memory_limit = {} the query holds {}",
                    consumer.name(),
                    ByteCount::from(additional),
                    ByteCount::from(self.limit_bytes),
                    ByteCount::from(bytes),
                ))
            })
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "sheaf query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.budget.register_for(consumer, Some(self.query));
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.budget.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.claimed_bytes.fetch_add(additional, Ordering::Relaxed);
        self.budget.grow(reservation, additional);
        self.count(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        // Counted after it was granted and before it is returned, so that the query never seems to
        // hold what others have been granted meanwhile.
        self.bytes.fetch_sub(shrink, Ordering::Relaxed);
        self.budget.shrink(reservation, shrink);
        self.claimed_bytes.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        self.claim(reservation.consumer(), additional)?;
        if let Err(refused) = self.budget.try_grow(reservation, additional) {
            self.claimed_bytes.fetch_sub(additional, Ordering::Relaxed);
            return Err(refused);
        }
        self.count(additional);
        Ok(())
    }

    /// Bytes that this query has reserved.
    fn reserved(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.budget.pool_bytes().min(self.limit_bytes))
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
