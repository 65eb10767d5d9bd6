//! The books of the budget: who holds how much, and the rules by which more is granted.
//!
//! Plain data under the budget's lock: grants nothing by waiting, wakes nobody. Asking others to
//! give back is the [arbiter](super::arbiter)'s.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryConsumer;
use sheaf_base::ByteCount;

use super::arbiter::Desk;
use super::{Holder, pool_bytes};

/// The part of the pool (one in this many) that only consumers with little get.
const LATECOMER_PART: usize = 8;

/// A consumer has little while it holds less than its fair share divided by this.
const LATECOMER_SHARE: usize = 4;

/// Holders named in an error.
const HOLDERS_NAMED_MAX: usize = 3;

#[derive(Debug)]
pub(super) struct Books {
    pub(super) limit: ByteCount,
    pub(super) pool_bytes: usize,
    /// Keyed by the consumer's id; every registered consumer is here, idle ones with 0 bytes.
    entries: HashMap<usize, Entry>,
    /// Spillable holders with more than 0 bytes.
    spillers: usize,
    spillable_bytes: usize,
    unspillable_bytes: usize,
    pub(super) peak_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    holder: Holder,
    /// Where it can be asked to give back; `None` for operators that cannot be asked.
    desk: Option<Arc<Desk>>,
}

impl Books {
    pub(super) fn new(limit: ByteCount) -> Self {
        Self {
            limit,
            pool_bytes: pool_bytes(limit),
            entries: HashMap::new(),
            spillers: 0,
            spillable_bytes: 0,
            unspillable_bytes: 0,
            peak_bytes: 0,
        }
    }

    pub(super) fn set_limit(&mut self, limit: ByteCount) {
        self.limit = limit;
        self.pool_bytes = pool_bytes(limit);
    }

    pub(super) fn reserved(&self) -> usize {
        self.spillable_bytes.saturating_add(self.unspillable_bytes)
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.entries.values().map(|entry| &entry.holder)
    }

    #[cfg(test)]
    pub(super) fn spillers(&self) -> usize {
        self.spillers
    }

    pub(super) fn register(&mut self, consumer: &MemoryConsumer, query: Option<u64>) {
        self.entry(consumer).holder.query = query;
    }

    pub(super) fn unregister(&mut self, consumer: &MemoryConsumer) {
        // Reservations give everything back before their consumer goes; should one not, the books
        // are set right here rather than being wrong for the life of the process.
        self.shrink(consumer, self.held(consumer));
        self.entries.remove(&consumer.id());
    }

    /// From now on the consumer can be asked, at `desk`.
    pub(super) fn set_desk(&mut self, consumer: &MemoryConsumer, desk: Arc<Desk>) {
        self.entry(consumer).desk = Some(desk);
    }

    /// Whether the rules of the [module](super) give `consumer` that much more.
    pub(super) fn may_grow(&self, consumer: &MemoryConsumer, additional: usize) -> bool {
        let after = self.reserved().saturating_add(additional);
        if after > self.pool_bytes {
            return false;
        }
        if !consumer.can_spill() && !self.can_be_asked(consumer) {
            return true;
        }
        let wanted = self.held(consumer).saturating_add(additional);
        let share = self.share(consumer);
        let kept = self.pool_bytes / LATECOMER_PART;
        let leaves_kept = after <= self.pool_bytes - kept || wanted <= share / LATECOMER_SHARE;
        leaves_kept && (wanted <= share || self.can_be_asked(consumer))
    }

    /// The largest holder at a desk where somebody listens, if it holds more than `consumer`
    /// does: who holds most is the one to spill.
    pub(super) fn largest_listener(&self, consumer: &MemoryConsumer) -> Option<&Arc<Desk>> {
        let own = match consumer.can_spill() {
            true => self.held(consumer),
            false => 0,
        };
        self.entries
            .iter()
            .filter(|(id, entry)| **id != consumer.id() && entry.holder.bytes > own)
            .filter_map(|(_, entry)| Some((entry.holder.bytes, entry.desk.as_ref()?)))
            .filter(|(_, desk)| desk.listens())
            .max_by_key(|(bytes, _)| *bytes)
            .map(|(_, desk)| desk)
    }

    /// Whether memory may come free without a request: an operator of Sheaf's holds some and has
    /// not said that it cannot give.
    pub(super) fn others_may_give(&self, consumer: &MemoryConsumer) -> bool {
        self.entries.iter().any(|(id, entry)| {
            let desk = entry.desk.as_ref();
            *id != consumer.id()
                && entry.holder.bytes > 0
                && desk.is_some_and(|desk| !desk.is_passed_over())
        })
    }

    pub(super) fn grow(&mut self, consumer: &MemoryConsumer, additional: usize) {
        let holder = &mut self.entry(consumer).holder;
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

    pub(super) fn shrink(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        let holder = &mut self.entry(consumer).holder;
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
    pub(super) fn refusal(&self, consumer: &MemoryConsumer, additional: usize) -> String {
        let mut holders: Vec<&Holder> = self.holders().filter(|h| h.bytes > 0).collect();
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
            ByteCount::from(self.held(consumer)),
            ByteCount::from(additional),
            self.limit,
            ByteCount::from(self.pool_bytes),
            ByteCount::from(self.reserved()),
        )
    }

    fn entry(&mut self, consumer: &MemoryConsumer) -> &mut Entry {
        self.entries.entry(consumer.id()).or_insert_with(|| Entry {
            holder: Holder {
                name: consumer.name().to_owned(),
                query: None,
                bytes: 0,
                peak_bytes: 0,
                can_spill: consumer.can_spill(),
            },
            desk: None,
        })
    }

    pub(super) fn held(&self, consumer: &MemoryConsumer) -> usize {
        self.entries
            .get(&consumer.id())
            .map_or(0, |entry| entry.holder.bytes)
    }

    /// Whether `consumer` has nothing to spill, and no [`Holding`](super::Holding) to wait with.
    pub(super) fn cannot_help_itself(&self, consumer: &MemoryConsumer) -> bool {
        (!consumer.can_spill() || self.held(consumer) == 0) && !self.can_be_asked(consumer)
    }

    fn can_be_asked(&self, consumer: &MemoryConsumer) -> bool {
        self.entries
            .get(&consumer.id())
            .is_some_and(|entry| entry.desk.is_some())
    }

    /// What unspillable consumers leave, divided by the spillable ones that hold something.
    fn share(&self, consumer: &MemoryConsumer) -> usize {
        let spillers = self.spillers + usize::from(self.held(consumer) == 0);
        self.pool_bytes.saturating_sub(self.unspillable_bytes) / spillers.max(1)
    }
}
