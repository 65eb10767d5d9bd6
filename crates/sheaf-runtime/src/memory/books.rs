//! The books of the budget: who holds how much, of the process's pool and of its query's.
//!
//! Plain data under the budget's lock: grants nothing by waiting, wakes nobody. Asking others to
//! give back is the [arbiter](super::arbiter)'s, the rules are the [accounts](super::account)'.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryConsumer;
use sheaf_base::ByteCount;

use super::account::{Account, Standing};
use super::arbiter::Desk;
use super::{Holder, pool_bytes};

/// Holders named in an error.
const HOLDERS_NAMED_MAX: usize = 3;

#[derive(Debug)]
pub(super) struct Books {
    pub(super) limit: ByteCount,
    process: Account,
    /// Of each query that runs, by numbers of their own.
    queries: HashMap<u64, Account>,
    queries_opened: u64,
    /// Keyed by the consumer's id; every registered consumer is here, idle ones with 0 bytes.
    entries: HashMap<usize, Entry>,
}

#[derive(Debug)]
struct Entry {
    holder: Holder,
    /// The account of its query.
    query: Option<u64>,
    /// Where it can be asked to give back; `None` for operators that cannot be asked.
    desk: Option<Arc<Desk>>,
}

impl Entry {
    fn standing(&self) -> Standing {
        Standing {
            held_bytes: self.holder.bytes,
            can_spill: self.holder.can_spill,
            can_be_asked: self.desk.is_some(),
        }
    }
}

/// Which pool is short, and so whose holders can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// A query is at its own limit: only what its own operators give back helps.
    Query(u64),
    Process,
}

impl Shortage {
    fn concerns(self, entry: &Entry) -> bool {
        match self {
            Self::Query(query) => entry.query == Some(query),
            Self::Process => true,
        }
    }
}

impl Books {
    pub(super) fn new(limit: ByteCount) -> Self {
        Self {
            limit,
            process: Account::new(pool_bytes(limit)),
            queries: HashMap::new(),
            queries_opened: 0,
            entries: HashMap::new(),
        }
    }

    pub(super) fn set_limit(&mut self, limit: ByteCount) {
        self.limit = limit;
        self.process.pool_bytes = pool_bytes(limit);
    }

    pub(super) fn process(&self) -> &Account {
        &self.process
    }

    /// A number for the account of a query that may reserve `limit_bytes`.
    pub(super) fn open_query(&mut self, limit_bytes: usize) -> u64 {
        self.queries_opened += 1;
        let account = Account::new(limit_bytes);
        self.queries.insert(self.queries_opened, account);
        self.queries_opened
    }

    pub(super) fn close_query(&mut self, query: u64) {
        self.queries.remove(&query);
    }

    pub(super) fn query(&self, query: u64) -> Option<&Account> {
        self.queries.get(&query)
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.entries.values().map(|entry| &entry.holder)
    }

    /// `query` is its id, and the number of its account.
    pub(super) fn register(&mut self, consumer: &MemoryConsumer, query: Option<(u64, u64)>) {
        let entry = self.entry(consumer);
        entry.holder.query = query.map(|(id, _)| id);
        entry.query = query.map(|(_, account)| account);
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

    /// Whether the rules of the [module](super) give `consumer` that much more; if not, what is
    /// short.
    pub(super) fn may_grow(
        &self,
        consumer: &MemoryConsumer,
        additional: usize,
    ) -> Result<(), Shortage> {
        let entry = self.entries.get(&consumer.id());
        let standing = entry.map_or_else(
            || Standing {
                held_bytes: 0,
                can_spill: consumer.can_spill(),
                can_be_asked: false,
            },
            Entry::standing,
        );
        if let Some(query) = entry.and_then(|entry| entry.query)
            && let Some(account) = self.queries.get(&query)
            && !account.allows(standing, additional)
        {
            return Err(Shortage::Query(query));
        }
        match self.process.allows(standing, additional) {
            true => Ok(()),
            false => Err(Shortage::Process),
        }
    }

    /// The largest holder at a desk where somebody listens, if it holds more than `consumer`
    /// does: who holds most is the one to spill.
    pub(super) fn largest_listener(
        &self,
        consumer: &MemoryConsumer,
        shortage: Shortage,
    ) -> Option<&Arc<Desk>> {
        let own = match consumer.can_spill() {
            true => self.held(consumer),
            false => 0,
        };
        self.entries
            .iter()
            .filter(|(id, entry)| **id != consumer.id() && entry.holder.bytes > own)
            .filter(|(_, entry)| shortage.concerns(entry))
            .filter_map(|(_, entry)| Some((entry.holder.bytes, entry.desk.as_ref()?)))
            .filter(|(_, desk)| desk.listens())
            .max_by_key(|(bytes, _)| *bytes)
            .map(|(_, desk)| desk)
    }

    /// Whether memory may come free without a request: an operator of Sheaf's holds some and has
    /// not said that it cannot give.
    pub(super) fn others_may_give(&self, consumer: &MemoryConsumer, shortage: Shortage) -> bool {
        self.entries.iter().any(|(id, entry)| {
            let desk = entry.desk.as_ref();
            *id != consumer.id()
                && entry.holder.bytes > 0
                && shortage.concerns(entry)
                && desk.is_some_and(|desk| !desk.is_passed_over())
        })
    }

    pub(super) fn grow(&mut self, consumer: &MemoryConsumer, additional: usize) {
        let entry = self.entry(consumer);
        let (before, query) = (entry.standing(), entry.query);
        entry.holder.bytes = entry.holder.bytes.saturating_add(additional);
        entry.holder.peak_bytes = entry.holder.peak_bytes.max(entry.holder.bytes);
        for account in self.accounts(query) {
            account.grow(before, additional);
        }
    }

    pub(super) fn shrink(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        let entry = self.entry(consumer);
        let (before, query) = (entry.standing(), entry.query);
        let returned = bytes.min(before.held_bytes);
        entry.holder.bytes -= returned;
        for account in self.accounts(query) {
            account.shrink(before, returned);
        }
    }

    /// Why `consumer` does not get `additional` bytes: what is short, and who holds most.
    pub(super) fn refusal(
        &self,
        consumer: &MemoryConsumer,
        additional: usize,
        shortage: Shortage,
    ) -> String {
        if let Shortage::Query(query) = shortage
            && let Some(account) = self.queries.get(&query)
        {
            return format!(
                "{} holds {} and asked for {} more; of query_memory_limit = {} the query holds {}",
                consumer.name(),
                ByteCount::from(self.held(consumer)),
                ByteCount::from(additional),
                ByteCount::from(account.pool_bytes),
                ByteCount::from(account.reserved()),
            );
        }
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
            ByteCount::from(self.process.pool_bytes),
            ByteCount::from(self.process.reserved()),
        )
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

    /// The accounts that a holder of `query` counts in.
    fn accounts(&mut self, query: Option<u64>) -> impl Iterator<Item = &mut Account> {
        let query = query.and_then(|query| self.queries.get_mut(&query));
        query.into_iter().chain([&mut self.process])
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
            query: None,
            desk: None,
        })
    }
}
