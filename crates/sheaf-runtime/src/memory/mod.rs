//! The memory that queries may reserve.
//!
//! ```text
//! Sort[0]           ─┐
//! Sort[1]           ─┤─ QueryPool (one query: bytes, peak) ─┐
//! HashJoinInput[1] ──┘                                      ├─ MemoryBudget (the process)
//!            …        ─ QueryPool ──────────────────────────┘
//! ```
//!
//! [`MemoryBudget`] grants; a [`QueryPool`] says for which query, so that this can tell its own use
//! and peak. Granting follows three rules, tried in turn by `try_grow`:
//!
//! 1. Nothing is granted beyond the pool's size. Operators that grow without asking (`grow`) are
//!    counted, and everybody else gets less until they shrink.
//! 2. A consumer that can spill holds at most its fair share: what unspillable consumers leave,
//!    divided by the spillable consumers *that hold something*. Registered but idle ones, which a
//!    plan has many of, take nothing from the others.
//! 3. The last eighth of the pool is kept for consumers below a quarter of their share, so that
//!    one that begins late finds enough to begin with, until those above their new share spill.
//!
//! A reservation says what an operator knows it holds. What nobody reserves (decoding buffers,
//! batches between operators, the allocator's slack) lives in the part of `memory_limit` that the
//! pool does not hand out: see [`POOL_PERCENT`].
//!
//! An operator of the engine that is refused spills itself. Operators of Sheaf's hold their memory
//! through a [`Holding`]: rule 2 does not bind them, since they give back when asked. When rule 1
//! refuses, the arbiter (`arbiter.rs`) asks the largest of them, and the asker waits. What outlives
//! queries (created tables) is held by the process ([`Holding::of_process`]), counts as unspillable
//! in rule 2, and gives back when asked like the rest.
//!
//! A query may besides have a limit of its own: a pool within the pool (`account.rs`), in which the
//! three rules hold once more, among the operators of the query. Where it is that limit that refuses,
//! the largest of the query's own operators is asked: what others give back would not help.

mod account;
mod arbiter;
mod books;
mod holding;
mod query_pool;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;
use sheaf_base::ByteCount;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use arbiter::{Desk, Freed};
use books::Books;

pub use holding::{Grant, Holding, Listening};
pub use query_pool::QueryPool;

/// Share of `memory_limit` that can be reserved, in percent. The rest is for what operators hold
/// without a reservation; the process may in all be resident with `memory_limit` + 25 %.
pub const POOL_PERCENT: u64 = 80;

/// What the process takes whatever its limit is: its code, threads, decoders. It counts where the limit
/// is large beside it; a smaller one would leave operators too little to work with.
const PROCESS_BYTES: u64 = 48_000_000;

/// Under this limit nothing is taken off for the process.
const PROCESS_COUNTS_FROM: u64 = 128_000_000;

/// One consumer of memory, as it stood when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The operator's name for itself, for example `Sort[0]`.
    pub name: String,
    /// The query that it works for, if that is known.
    pub query: Option<u64>,
    /// Bytes that it has reserved.
    pub bytes: usize,
    /// The most it had reserved at any time.
    pub peak_bytes: usize,
    /// Whether it spills when refused.
    pub can_spill: bool,
}

/// The memory of the process: what is granted, to whom, and how much may be.
#[derive(Debug)]
pub struct MemoryBudget {
    books: Mutex<Books>,
    freed: Freed,
}

impl MemoryBudget {
    /// A budget of `limit` for the whole process, of which [`POOL_PERCENT`] can be reserved, less what
    /// the process takes for itself.
    #[must_use]
    pub fn new(limit: ByteCount) -> Self {
        Self {
            books: Mutex::new(Books::new(limit)),
            freed: Freed::default(),
        }
    }

    /// The limit as the user gave it.
    pub fn limit(&self) -> ByteCount {
        self.books.lock().limit
    }

    /// Changes the limit, for running queries too. Nothing is taken back; who holds more than the
    /// new limit allows is refused until it shrinks.
    pub fn set_limit(&self, limit: ByteCount) {
        self.books.lock().set_limit(limit);
        self.freed.tell();
    }

    /// Bytes that can be reserved in all.
    pub fn pool_bytes(&self) -> usize {
        self.books.lock().process().pool_bytes
    }

    /// The most that was reserved at one time.
    pub fn peak_bytes(&self) -> usize {
        self.books.lock().process().peak_bytes()
    }

    /// Every consumer that holds memory, largest first.
    pub fn holders(&self) -> Vec<Holder> {
        let books = self.books.lock();
        let mut holders: Vec<Holder> = books.holders().filter(|h| h.bytes > 0).cloned().collect();
        drop(books);
        holders.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        holders
    }

    /// `query` is its id, and the number of its account.
    fn register_for(&self, consumer: &MemoryConsumer, query: Option<(u64, u64)>) {
        self.books.lock().register(consumer, query);
    }

    /// A number for the account of a query.
    fn open_query(&self, limit_bytes: usize) -> u64 {
        self.books.lock().open_query(limit_bytes)
    }

    fn close_query(&self, account: u64) {
        self.books.lock().close_query(account);
    }

    /// What a query holds, and the most that it held at one time.
    fn query_bytes(&self, account: u64) -> (usize, usize) {
        let books = self.books.lock();
        let account = books.query(account);
        account.map_or((0, 0), |account| (account.reserved(), account.peak_bytes()))
    }

    /// From now on `consumer` can be asked, at `desk`, for as long as it is registered.
    fn open_desk(&self, consumer: &MemoryConsumer, desk: Desk) -> Arc<Desk> {
        let desk = Arc::new(desk);
        self.books.lock().set_desk(consumer, Arc::clone(&desk));
        desk
    }

    /// Asks the largest holder that listens, and could help, to give back what `reservation`
    /// lacks. `None` if there is nobody to ask, or the asker itself is the largest.
    fn request(&self, reservation: &MemoryReservation, additional: usize) -> Option<Arc<Desk>> {
        let books = self.books.lock();
        let consumer = reservation.consumer();
        let shortage = books.may_grow(consumer, additional).err()?;
        let desk = books.largest_listener(consumer, shortage)?;
        desk.post(additional);
        Some(Arc::clone(desk))
    }

    /// Whether waiting may help one who holds nothing though nobody can be asked: those who could
    /// be are waiting themselves, and will be told to spill.
    fn is_worth_waiting(&self, reservation: &MemoryReservation, additional: usize) -> bool {
        let books = self.books.lock();
        let consumer = reservation.consumer();
        reservation.size() == 0
            && match books.may_grow(consumer, additional) {
                Ok(()) => true,
                Err(shortage) => books.others_may_give(consumer, shortage),
            }
    }

    /// Grants, or says why not.
    fn take(&self, consumer: &MemoryConsumer, additional: usize) -> Result<(), String> {
        let mut books = self.books.lock();
        if let Err(shortage) = books.may_grow(consumer, additional) {
            return Err(books.refusal(consumer, additional, shortage));
        }
        books.grow(consumer, additional);
        Ok(())
    }

    /// Tells those who wait of what happened at a desk. They look at the desk under the books'
    /// lock before they wait, so none misses it.
    fn tell_of_desk(&self) {
        let _books = self.books.lock();
        self.freed.tell();
    }

    /// For operators of the engine that have nothing to spill: asks, and waits on this thread.
    /// The runtime gives the thread's other tasks to another one meanwhile.
    fn take_waiting(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), String> {
        let consumer = reservation.consumer();
        let start = Instant::now();
        loop {
            let refusal = match self.take(consumer, additional) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            let Some(asked) = self.request(reservation, additional) else {
                return Err(refusal);
            };
            let deadline = start + asked.blocking_wait_max();
            let timed_out = block_in_place(|| {
                let mut books = self.books.lock();
                // What came free between the request and here, or was answered, needs no waking.
                books.may_grow(consumer, additional).is_err()
                    && asked.wanted_bytes() > 0
                    && self
                        .freed
                        .condvar()
                        .wait_until(&mut books, deadline)
                        .timed_out()
            });
            if timed_out {
                asked.pass_over(true);
            }
            if timed_out || Instant::now() > deadline {
                return self.take(consumer, additional);
            }
        }
    }
}

impl MemoryPool for MemoryBudget {
    fn name(&self) -> &str {
        "sheaf"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.register_for(consumer, None);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.books.lock().unregister(consumer);
        self.freed.tell();
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.books.lock().grow(reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.books.lock().shrink(reservation.consumer(), shrink);
        self.freed.tell();
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        let consumer = reservation.consumer();
        let granted = if self.books.lock().cannot_help_itself(consumer) && may_block() {
            self.take_waiting(reservation, additional)
        } else {
            self.take(consumer, additional)
        };
        granted.map_err(DataFusionError::ResourcesExhausted)
    }

    fn reserved(&self) -> usize {
        self.books.lock().process().reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.pool_bytes())
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = self.books.lock();
        let (used, size) = (
            ByteCount::from(books.process().reserved()),
            ByteCount::from(books.process().pool_bytes),
        );
        write!(f, "sheaf({used} of {size})")
    }
}

/// Whether this thread may wait without stopping tasks that it should run.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

fn pool_bytes(limit: ByteCount) -> usize {
    let share = limit.0 / 100 * POOL_PERCENT + limit.0 % 100 * POOL_PERCENT / 100;
    let beyond = limit.0.saturating_sub(PROCESS_COUNTS_FROM);
    ByteCount(share - (beyond / 2).min(PROCESS_BYTES)).as_usize()
}
