//! The memory that queries may reserve.
//!
//! ```text
//! ExternalSorter[0] ─┐
//! ExternalSorter[1] ─┤─ QueryPool (one query: bytes, peak) ─┐
//! HashJoinInput[1] ──┘                                      ├─ MemoryBudget (the process)
//!            …        ─ QueryPool ──────────────────────────┘
//! ```
//!
//! [`MemoryBudget`] grants; [`QueryPool`] only counts on the way, so that a query can tell its own
//! use and peak. Granting follows three rules, tried in turn by `try_grow`:
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
//! A consumer that is refused spills itself; asking others to spill is the arbiter's work, which
//! is to come: it will sit in [`MemoryBudget`] between rule 1 and the refusal.

mod query_pool;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;

use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;
use sheaf_base::ByteCount;

pub use query_pool::QueryPool;

/// Share of `memory_limit` that can be reserved, in percent. The rest is for what operators hold
/// without a reservation; the process may in all be resident with `memory_limit` + 25 %.
pub const POOL_PERCENT: u64 = 80;

/// The part of the pool (one in this many) that only consumers with little get.
const LATECOMER_PART: usize = 8;

/// A consumer has little while it holds less than its fair share divided by this.
const LATECOMER_SHARE: usize = 4;

/// Holders named in an error.
const HOLDERS_NAMED_MAX: usize = 3;

/// One consumer of memory, as it stood when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The operator's name for itself, for example `ExternalSorter[0]`.
    pub name: String,
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
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: ByteCount,
    pool_bytes: usize,
    /// Keyed by the consumer's id; every registered consumer is here, idle ones with 0 bytes.
    holders: HashMap<usize, Holder>,
    /// Spillable holders with more than 0 bytes.
    spillers: usize,
    spillable_bytes: usize,
    unspillable_bytes: usize,
    peak_bytes: usize,
}

impl MemoryBudget {
    /// A budget of `limit` for the whole process, of which [`POOL_PERCENT`] can be reserved.
    #[must_use]
    pub fn new(limit: ByteCount) -> Self {
        Self {
            state: Mutex::new(State {
                limit,
                pool_bytes: pool_bytes(limit),
                holders: HashMap::new(),
                spillers: 0,
                spillable_bytes: 0,
                unspillable_bytes: 0,
                peak_bytes: 0,
            }),
        }
    }

    /// The limit as the user gave it.
    pub fn limit(&self) -> ByteCount {
        self.state.lock().limit
    }

    /// Changes the limit, for running queries too. Nothing is taken back; who holds more than the
    /// new limit allows is refused until it shrinks.
    pub fn set_limit(&self, limit: ByteCount) {
        let mut state = self.state.lock();
        state.limit = limit;
        state.pool_bytes = pool_bytes(limit);
    }

    /// Bytes that can be reserved in all.
    pub fn pool_bytes(&self) -> usize {
        self.state.lock().pool_bytes
    }

    /// The most that was reserved at one time.
    pub fn peak_bytes(&self) -> usize {
        self.state.lock().peak_bytes
    }

    /// Every consumer that holds memory, largest first.
    pub fn holders(&self) -> Vec<Holder> {
        let state = self.state.lock();
        let mut holders: Vec<Holder> = state
            .holders
            .values()
            .filter(|h| h.bytes > 0)
            .cloned()
            .collect();
        drop(state);
        holders.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        holders
    }
}

impl MemoryPool for MemoryBudget {
    fn name(&self) -> &str {
        "sheaf"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state.lock().holder(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state.lock();
        // Reservations give everything back before their consumer goes; should one not, the books
        // are set right here rather than being wrong for the life of the process.
        let left = state.holders.get(&consumer.id()).map_or(0, |h| h.bytes);
        state.shrink(consumer, left);
        state.holders.remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.state.lock().grow(reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.state.lock().shrink(reservation.consumer(), shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> EngineResult<()> {
        let consumer = reservation.consumer();
        let mut state = self.state.lock();
        if state.may_grow(consumer, additional) {
            state.grow(consumer, additional);
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(
            state.refusal(consumer, additional),
        ))
    }

    fn reserved(&self) -> usize {
        self.state.lock().reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.state.lock().pool_bytes)
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let (used, size) = (
            ByteCount::from(state.reserved()),
            ByteCount::from(state.pool_bytes),
        );
        write!(f, "sheaf({used} of {size})")
    }
}

impl State {
    fn holder(&mut self, consumer: &MemoryConsumer) -> &mut Holder {
        self.holders.entry(consumer.id()).or_insert_with(|| Holder {
            name: consumer.name().to_owned(),
            bytes: 0,
            peak_bytes: 0,
            can_spill: consumer.can_spill(),
        })
    }

    fn reserved(&self) -> usize {
        self.spillable_bytes.saturating_add(self.unspillable_bytes)
    }

    fn may_grow(&self, consumer: &MemoryConsumer, additional: usize) -> bool {
        let after = self.reserved().saturating_add(additional);
        if after > self.pool_bytes {
            return false;
        }
        if !consumer.can_spill() {
            return true;
        }
        let held = self.holders.get(&consumer.id()).map_or(0, |h| h.bytes);
        let wanted = held.saturating_add(additional);
        let spillers = self.spillers + usize::from(held == 0);
        let share = self.pool_bytes.saturating_sub(self.unspillable_bytes) / spillers.max(1);
        let kept = self.pool_bytes / LATECOMER_PART;
        wanted <= share && (after <= self.pool_bytes - kept || wanted <= share / LATECOMER_SHARE)
    }

    fn grow(&mut self, consumer: &MemoryConsumer, additional: usize) {
        let holder = self.holder(consumer);
        let begins = holder.bytes == 0 && additional > 0;
        holder.bytes = holder.bytes.saturating_add(additional);
        holder.peak_bytes = holder.peak_bytes.max(holder.bytes);
        if consumer.can_spill() {
            self.spillable_bytes = self.spillable_bytes.saturating_add(additional);
            self.spillers += usize::from(begins);
        } else {
            self.unspillable_bytes = self.unspillable_bytes.saturating_add(additional);
        }
        self.peak_bytes = self.peak_bytes.max(self.reserved());
    }

    fn shrink(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        let holder = self.holder(consumer);
        let returned = bytes.min(holder.bytes);
        holder.bytes -= returned;
        let ends = holder.bytes == 0 && returned > 0;
        if consumer.can_spill() {
            self.spillable_bytes = self.spillable_bytes.saturating_sub(returned);
            self.spillers = self.spillers.saturating_sub(usize::from(ends));
        } else {
            self.unspillable_bytes = self.unspillable_bytes.saturating_sub(returned);
        }
    }

    /// Why `consumer` does not get `additional` bytes, and who holds most.
    fn refusal(&self, consumer: &MemoryConsumer, additional: usize) -> String {
        let held = self.holders.get(&consumer.id()).map_or(0, |h| h.bytes);
        let mut holders: Vec<&Holder> = self.holders.values().filter(|h| h.bytes > 0).collect();
        let named = HOLDERS_NAMED_MAX.min(holders.len());
        if named > 0 {
            holders.select_nth_unstable_by(named - 1, |a, b| b.bytes.cmp(&a.bytes));
            holders.truncate(named);
            holders.sort_by_key(|h| Reverse(h.bytes));
        }
        let most: Vec<String> = holders
            .iter()
            .map(|h| format!("{} {}", h.name, ByteCount::from(h.bytes)))
            .collect();
        let most = if most.is_empty() {
            "nobody".to_owned()
        } else {
            most.join(", ")
        };
        format!(
            "{} holds {} and asked for {} more; of memory_limit = {} queries can reserve {}, and \
             {} are in use; most is held by {most}",
            consumer.name(),
            ByteCount::from(held),
            ByteCount::from(additional),
            self.limit,
            ByteCount::from(self.pool_bytes),
            ByteCount::from(self.reserved()),
        )
    }
}

fn pool_bytes(limit: ByteCount) -> usize {
    ByteCount(limit.0 / 100 * POOL_PERCENT + limit.0 % 100 * POOL_PERCENT / 100).as_usize()
}
