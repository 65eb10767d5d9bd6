//! The queries of the process: those that run, and the last ones that have ended.
//!
//! ```text
//! begin ─> Planning ─ set_plan ─> Running ─┬─ finish ─> Done | Failed
//!             │                      │     │
//!             └──── cancel, time limit ────┴─ finish ─> Cancelled | TimedOut
//! ```
//!
//! The registry holds running queries weakly: a query lives as long as whoever runs it, and one
//! that is dropped unfinished is entered as cancelled. What is kept of ended queries is bounded.

mod query;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sheaf_base::ByteCount;
use tokio::runtime::Handle;

use crate::memory::{MemoryBudget, QueryPool};
use crate::progress::Progress;

pub use query::{Outcome, Query, QueryState};

/// Ended queries that are remembered.
pub const FINISHED_QUERIES_MAX: usize = 200;

/// Characters of a statement's text that are remembered after its query has ended.
pub const FINISHED_TEXT_CHARS_MAX: usize = 10_000;

/// A query as it stood when asked.
#[derive(Debug, Clone)]
pub struct QuerySnapshot {
    /// The number by which `CANCEL QUERY` knows it.
    pub id: u64,
    /// The statement; cut to [`FINISHED_TEXT_CHARS_MAX`] characters once the query has ended.
    pub text: String,
    /// When it began.
    pub started_at: SystemTime,
    /// How far it has come; frozen once it has ended.
    pub progress: Progress,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// The list of queries of one process.
#[derive(Debug)]
pub struct QueryRegistry {
    books: Arc<Books>,
    budget: Arc<MemoryBudget>,
    timers: Handle,
    next_id: AtomicU64,
}

/// What one query may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryLimits {
    /// Time after which it is cancelled.
    pub time: Option<Duration>,
    /// Memory that it may reserve, besides what the process's budget allows.
    pub memory: Option<ByteCount>,
}

/// What queries enter themselves into when they end.
#[derive(Debug, Default)]
struct Books {
    running: Mutex<BTreeMap<u64, Weak<Query>>>,
    finished: Mutex<VecDeque<QuerySnapshot>>,
}

impl QueryRegistry {
    /// An empty list. Time limits are kept on `timers`; queries reserve memory from `budget`.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>, timers: Handle) -> Self {
        Self {
            books: Arc::default(),
            budget,
            timers,
            next_id: AtomicU64::new(1),
        }
    }

    /// Enters a query that begins now, and that is cancelled when its time has passed.
    pub fn begin(&self, text: &str, limits: QueryLimits) -> Arc<Query> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let pool = QueryPool::new(Arc::clone(&self.budget), id, limits.memory);
        let query = Arc::new(Query::new(id, text, pool, Arc::downgrade(&self.books)));
        self.books.running.lock().insert(id, Arc::downgrade(&query));
        if let Some(timeout) = limits.time {
            self.timers.spawn(query.expire_after(timeout));
        }
        query
    }

    /// Every query that runs and the last ones that have ended, by id.
    pub fn list(&self) -> Vec<QuerySnapshot> {
        let running = self.running();
        let mut list: Vec<QuerySnapshot> = self.books.finished.lock().iter().cloned().collect();
        // A query may have ended between the two looks.
        let ended = list.len();
        for query in running {
            if !list[..ended].iter().any(|q| q.id == query.id()) {
                list.push(query.snapshot());
            }
        }
        list.sort_by_key(|q| q.id);
        list
    }

    /// The running query of that id.
    pub fn get(&self, id: u64) -> Option<Arc<Query>> {
        self.books.running.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Cancels the running query of that id; false if there is none.
    pub fn cancel(&self, id: u64) -> bool {
        self.get(id).is_some_and(|query| query.cancel())
    }

    fn running(&self) -> Vec<Arc<Query>> {
        self.books
            .running
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

impl Books {
    fn ended(&self, mut snapshot: QuerySnapshot) {
        if let Some((cut, _)) = snapshot.text.char_indices().nth(FINISHED_TEXT_CHARS_MAX) {
            snapshot.text.truncate(cut);
            snapshot.text.push('…');
        }
        let mut finished = self.finished.lock();
        if finished.len() >= FINISHED_QUERIES_MAX {
            finished.pop_front();
        }
        let id = snapshot.id;
        finished.push_back(snapshot);
        drop(finished);
        self.running.lock().remove(&id);
    }
}
