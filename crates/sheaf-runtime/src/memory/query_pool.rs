//! One query's account: what its operators reserve of the process's budget, and its own limit.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as EngineResult;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use sheaf_base::ByteCount;

use super::MemoryBudget;

/// A query's view of the [`MemoryBudget`], which counts what the query reserves. The query may
/// have a limit of its own: a pool within the pool, granted by the same rules.
#[derive(Debug)]
pub struct QueryPool {
    budget: Arc<MemoryBudget>,
    query: u64,
    /// The number of its account in the books.
    account: u64,
    /// Bytes that the query may reserve; `usize::MAX` if only the budget limits it.
    limit_bytes: usize,
}

impl QueryPool {
    /// An empty account of the query with that id. `limit` is what it may reserve, and cannot
    /// be more than the budget's.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>, query: u64, limit: Option<ByteCount>) -> Self {
        let limit_bytes = limit.map_or(usize::MAX, ByteCount::as_usize);
        Self {
            account: budget.open_query(limit_bytes),
            budget,
            query,
            limit_bytes,
        }
    }

    /// The most that the query had reserved at one time, in bytes.
    pub fn peak_bytes(&self) -> usize {
        self.budget.query_bytes(self.account).1
    }

    pub(super) fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }
}

impl Drop for QueryPool {
    fn drop(&mut self) {
        // Reservations keep their pool, so there are none.
        self.budget.close_query(self.account);
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "sheaf query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.budget
            .register_for(consumer, Some((self.query, self.account)));
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.budget.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.budget.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.budget.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        self.budget.try_grow(reservation, additional)
    }

    /// Bytes that this query has reserved.
    fn reserved(&self) -> usize {
        self.budget.query_bytes(self.account).0
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
