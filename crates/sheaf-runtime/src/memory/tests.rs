//! The budget against a model, under random schedules; then each rule by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf_base::{ByteCount, ErrorKind, SheafError};

use super::*;

/// A budget whose pool is `pool` bytes.
pub(super) fn budget(pool: u64) -> Arc<MemoryBudget> {
    Arc::new(MemoryBudget::new(ByteCount(pool * 100 / POOL_PERCENT)))
}

fn spiller(name: &str, budget: &Arc<MemoryBudget>) -> MemoryReservation {
    MemoryConsumer::new(name)
        .with_can_spill(true)
        .register(&(Arc::clone(budget) as _))
}

fn holder(name: &str, budget: &Arc<MemoryBudget>) -> MemoryReservation {
    MemoryConsumer::new(name).register(&(Arc::clone(budget) as _))
}

/// Marsaglia's xorshift64, so that a failing seed can be run again.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub(super) fn size(&mut self, bound: u64) -> usize {
        usize::try_from(self.below(bound)).unwrap()
    }
}

/// Runs one random schedule and checks the budget's books after every step.
fn run_schedule(seed: u64) {
    let mut random = Random(seed);
    let budget = budget(1_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let mut live: Vec<MemoryReservation> = Vec::new();
    for step in 0..400 {
        let context = format!("seed {seed}, step {step}");
        match random.below(10) {
            0 | 1 => live.push(
                MemoryConsumer::new(format!("c{step}"))
                    .with_can_spill(random.below(2) == 0)
                    .register(&pool),
            ),
            2 if !live.is_empty() => {
                let at = random.size(live.len() as u64);
                drop(live.swap_remove(at));
            }
            3 if !live.is_empty() => {
                let at = random.size(live.len() as u64);
                let part = random.size(live[at].size() as u64 + 1);
                let split = live[at].split(part);
                live.push(split);
            }
            4 if !live.is_empty() => {
                let at = random.size(live.len() as u64);
                live[at].grow(random.size(50));
            }
            5 | 6 if !live.is_empty() => {
                let at = random.size(live.len() as u64);
                let part = random.size(live[at].size() as u64 + 1);
                live[at].shrink(part);
            }
            7 if step % 50 == 7 => budget.set_limit(ByteCount(random.below(2_000))),
            _ if !live.is_empty() => {
                let at = random.size(live.len() as u64);
                let before = budget.reserved();
                let additional = random.size(300);
                match live[at].try_grow(additional) {
                    Ok(()) => assert!(budget.reserved() <= budget.pool_bytes(), "{context}"),
                    Err(_) => assert_eq!(budget.reserved(), before, "{context}"),
                }
            }
            _ => {}
        }
        check_books(&budget, &live, &context);
        assert_eq!(pool.reserved(), budget.reserved(), "{context}");
    }
    live.clear();
    assert_eq!((budget.reserved(), pool.reserved()), (0, 0), "seed {seed}");
    assert_eq!(budget.books.lock().holders().count(), 0, "seed {seed}");
}

fn check_books(budget: &MemoryBudget, live: &[MemoryReservation], context: &str) {
    let mut model: HashMap<&str, usize> = HashMap::new();
    for reservation in live {
        *model.entry(reservation.consumer().name()).or_default() += reservation.size();
    }
    model.retain(|_, bytes| *bytes > 0);
    let holders = budget.holders();
    assert_eq!(holders.len(), model.len(), "{context}");
    for held in &holders {
        assert_eq!(
            model.get(held.name.as_str()),
            Some(&held.bytes),
            "{context}: {}",
            held.name
        );
        assert!(held.peak_bytes >= held.bytes, "{context}");
    }
    let books = budget.books.lock();
    let process = books.process();
    let reserved = model.values().sum::<usize>();
    assert_eq!(process.reserved(), reserved, "{context}");
    assert!(process.peak_bytes() >= reserved, "{context}");
    assert_eq!(
        process.spillers(),
        holders.iter().filter(|h| h.can_spill).count(),
        "{context}"
    );
}

#[test]
fn books_are_right_under_random_schedules() {
    for seed in 1..=200 {
        run_schedule(seed);
    }
}

#[test]
fn books_are_right_under_many_threads() {
    let budget = budget(10_000);
    thread::scope(|scope| {
        for seed in 1..=8 {
            let budget = &budget;
            scope.spawn(move || {
                let mut random = Random(seed);
                let mine = spiller(&format!("t{seed}"), budget);
                for _ in 0..2_000 {
                    if mine.try_grow(random.size(500)).is_err() {
                        mine.free();
                    }
                    assert!(budget.reserved() <= 10_000);
                }
            });
        }
    });
    assert_eq!(budget.reserved(), 0);
    assert!(budget.peak_bytes() <= 10_000);
}

#[test]
fn idle_spillers_hold_nothing_back() {
    let budget = budget(8_000);
    let _idle: Vec<_> = (0..50)
        .map(|i| spiller(&format!("idle{i}"), &budget))
        .collect();
    let busy = spiller("busy", &budget);
    busy.try_grow(7_000).unwrap();
}

#[test]
fn one_that_begins_late_can_begin_and_then_gets_its_share() {
    let budget = budget(8_000);
    let first = spiller("first", &budget);
    first.try_grow(7_000).unwrap();
    first.try_grow(1).unwrap_err();
    let late = spiller("late", &budget);
    late.try_grow(1_000)
        .expect("a quarter of its share of 4000 is kept for it");
    late.try_grow(1).unwrap_err();
    first
        .try_grow(1)
        .expect_err("above its share of 4000 now: it has to spill");
    first.free();
    late.try_grow(3_000).unwrap();
}

#[test]
fn unspillable_consumers_come_first_and_shrink_the_shares() {
    let budget = budget(8_000);
    let build = holder("build", &budget);
    build.try_grow(4_000).unwrap();
    let a = spiller("a", &budget);
    let b = spiller("b", &budget);
    a.try_grow(1_000).unwrap();
    b.try_grow(1_000).unwrap();
    a.try_grow(1_001).expect_err("its share is 2000");
    a.try_grow(1_000).unwrap();
    build
        .try_grow(1_000)
        .expect("the last eighth is for those who cannot spill, too");
    build.try_grow(1).unwrap_err();
}

#[test]
fn the_limit_can_change_while_memory_is_held() {
    let budget = budget(8_000);
    let build = holder("build", &budget);
    build.try_grow(6_000).unwrap();
    budget.set_limit(ByteCount(5_000));
    assert_eq!(budget.pool_bytes(), 4_000);
    build.try_grow(1).unwrap_err();
    build.shrink(5_000);
    build.try_grow(3_000).unwrap();
    build.try_grow(1).unwrap_err();
    budget.set_limit(ByteCount(10_000));
    build.try_grow(4_000).unwrap();
    assert_eq!(budget.limit(), ByteCount(10_000));
}

#[test]
fn refusals_name_who_holds_most() {
    let budget = budget(8_000_000);
    let build = holder("HashJoinInput[0]", &budget);
    build.try_grow(5_000_000).unwrap();
    let sort = spiller("ExternalSorter[1]", &budget);
    let error = sort.try_grow(4_000_000).unwrap_err();
    let DataFusionError::ResourcesExhausted(message) = &error else {
        panic!("operators spill on ResourcesExhausted only: {error}");
    };
    assert!(
        message.contains("ExternalSorter[1] holds 0 B and asked for 4.00 MB"),
        "{message}"
    );
    assert!(message.contains("memory_limit = 10.0 MB"), "{message}");
    assert!(message.contains("HashJoinInput[0] 5.00 MB"), "{message}");
    assert_eq!(SheafError::from(error).kind(), ErrorKind::Resource);
}

#[test]
fn a_query_counts_its_own_bytes_and_peak() {
    let budget = budget(8_000);
    let one = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let two = Arc::new(QueryPool::new(Arc::clone(&budget), 2, None));
    let a = MemoryConsumer::new("a").register(&(Arc::clone(&one) as _));
    let b = MemoryConsumer::new("b").register(&(Arc::clone(&two) as _));
    a.try_grow(3_000).unwrap();
    b.try_grow(4_000).unwrap();
    a.shrink(2_000);
    a.try_grow(4_000).expect_err("the budget is shared");
    assert_eq!((one.reserved(), one.peak_bytes()), (1_000, 3_000));
    assert_eq!((two.reserved(), two.peak_bytes()), (4_000, 4_000));
    assert_eq!((budget.reserved(), budget.peak_bytes()), (5_000, 7_000));
    assert_eq!(budget.holders()[0].name, "b");
}

#[test]
fn a_query_has_a_limit_of_its_own() {
    let budget = budget(8_000);
    let limit = Some(ByteCount(3_000));
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, limit));
    let a = MemoryConsumer::new("a").register(&pool);
    a.try_grow(3_000).unwrap();
    let error = a.try_grow(1).unwrap_err();
    assert!(
        error.to_string().contains("query_memory_limit = 3.00 kB"),
        "{error}"
    );
    assert_eq!((pool.reserved(), budget.reserved()), (3_000, 3_000));
    assert_eq!(budget.holders()[0].query, Some(1));
}
