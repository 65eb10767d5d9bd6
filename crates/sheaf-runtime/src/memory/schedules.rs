//! The arbiter under random schedules: operators that grow, give back, sit still and go away.
//!
//! What must hold, whatever the schedule: every operator ends (nobody waits for ever), nothing is
//! granted beyond the pool, and an asker that holds nothing gets memory while others can give it.

use std::time::Duration;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::tests::{Random, budget};
use super::*;

/// Far more than any schedule takes; far less than one broken wait for every operator.
const SCHEDULE_MAX: Duration = Duration::from_secs(60);

const POOL_BYTES: u64 = 1_000;

/// An operator of Sheaf's: takes in input that arrives slowly, spills when told to or asked to,
/// then hands out output while it holds the rest, and does not listen.
async fn operator(seed: u64, pool: Arc<dyn MemoryPool>, budget: Arc<MemoryBudget>) {
    let mut random = Random(seed);
    let holding = Holding::new(format!("op{seed}"), &pool);
    {
        let _listening = holding.listen();
        for _ in 0..40 {
            // One row may be as large as a fifth of the pool, so five operators fill it.
            let bytes = 1 + random.size(POOL_BYTES / 5);
            while holding.grow(bytes).await.unwrap() == Grant::SpillFirst {
                assert!(holding.bytes() > 0, "seed {seed}: told to spill nothing");
                holding.free();
                holding.answer();
            }
            assert!(budget.reserved() <= budget.pool_bytes(), "seed {seed}");
            for _ in 0..random.below(4) {
                tokio::select! {
                    biased;
                    wanted = holding.asked() => {
                        holding.shrink(wanted);
                        holding.answer();
                    }
                    () = yield_now() => {}
                }
            }
        }
    }
    while holding.bytes() > 0 {
        for _ in 0..random.below(4) {
            yield_now().await;
        }
        holding.shrink(1 + random.size(POOL_BYTES / 4));
    }
}

/// An operator of the engine: spills when it is refused, cannot be asked, cannot wait.
async fn engine_operator(seed: u64, pool: Arc<dyn MemoryPool>) {
    let mut random = Random(seed);
    let reservation = MemoryConsumer::new(format!("engine{seed}"))
        .with_can_spill(true)
        .register(&pool);
    for _ in 0..80 {
        if reservation.try_grow(1 + random.size(50)).is_err() {
            reservation.free();
        }
        yield_now().await;
    }
}

fn run_schedule(seed: u64, threads: usize) {
    let mut random = Random(seed);
    let budget = budget(POOL_BYTES);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for number in 0..2 + random.below(6) {
            let query = QueryPool::new(Arc::clone(&budget), number % 2, None);
            let pool: Arc<dyn MemoryPool> = Arc::new(query);
            let seed = seed * 100 + number + 1;
            let task = if random.below(4) == 0 {
                runtime.spawn(engine_operator(seed, pool))
            } else {
                runtime.spawn(operator(seed, pool, Arc::clone(&budget)))
            };
            tasks.push((task, random.below(8) == 0));
        }
        for (task, is_cancelled) in tasks {
            if is_cancelled {
                task.abort();
                continue;
            }
            timeout(SCHEDULE_MAX, task)
                .await
                .unwrap_or_else(|_| panic!("seed {seed}: an operator waits for ever"))
                .unwrap();
        }
    });
    runtime.shutdown_timeout(SCHEDULE_MAX);
    assert_eq!(budget.reserved(), 0, "seed {seed}");
    assert_eq!(budget.books.lock().holders().count(), 0, "seed {seed}");
}

#[test]
fn nobody_waits_for_ever_on_one_thread() {
    for seed in 1..=200 {
        run_schedule(seed, 1);
    }
}

#[test]
fn nobody_waits_for_ever_on_four_threads() {
    for seed in 201..=400 {
        run_schedule(seed, 4);
    }
}

#[tokio::test]
async fn the_largest_is_asked_and_the_asker_waits_until_it_has_given() {
    let budget = budget(8_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let (small, large) = (Holding::new("small", &pool), Holding::new("large", &pool));
    assert_eq!(small.try_grow(1_000), Grant::Granted);
    assert_eq!(large.try_grow(6_000), Grant::Granted);
    let asker = Holding::new("asker", &pool);
    let (_small, _large) = (small.listen(), large.listen());
    let giver = async {
        let wanted = large.asked().await;
        assert_eq!((wanted, small.wanted_bytes()), (4_000, 0));
        large.shrink(wanted);
        large.answer();
    };
    let (grant, ()) = tokio::join!(asker.grow(4_000), giver);
    assert_eq!(grant.unwrap(), Grant::Granted);
    assert_eq!((asker.bytes(), large.bytes()), (4_000, 2_000));
}

#[tokio::test]
async fn the_largest_itself_is_told_to_spill() {
    let budget = budget(8_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let (small, large) = (Holding::new("small", &pool), Holding::new("large", &pool));
    let _listening = small.listen();
    assert_eq!(small.try_grow(2_000), Grant::Granted);
    assert_eq!(large.try_grow(4_000), Grant::Granted);
    assert_eq!(large.grow(3_000).await.unwrap(), Grant::SpillFirst);
    assert_eq!(small.wanted_bytes(), 0);
}

#[tokio::test]
async fn one_that_has_nothing_left_is_not_asked_again() {
    let budget = budget(8_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let miser = Holding::new("miser", &pool);
    assert_eq!(miser.try_grow(7_000), Grant::Granted);
    let _listening = miser.listen();
    let asker = Holding::new("asker", &pool);
    let answers = async {
        miser.asked().await;
        miser.answer();
    };
    let (grant, ()) = tokio::join!(asker.grow(4_000), answers);
    let error = grant.unwrap_err().to_string();
    assert!(error.contains("most is held by miser 7.00 kB"), "{error}");
    asker.grow(4_000).await.unwrap_err();
    assert_eq!(miser.wanted_bytes(), 0, "it is passed over");
}

/// A build side of the engine's has no way to wait but on its thread.
#[test]
fn operators_that_cannot_spill_wait_too() {
    let budget = budget(8_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let large = Holding::new("large", &pool);
    assert_eq!(large.try_grow(6_000), Grant::Granted);
    let build = MemoryConsumer::new("build").register(&pool);
    let gives = runtime.spawn(async move {
        let listening = large.listen();
        let wanted = large.asked().await;
        large.shrink(wanted);
        large.answer();
        drop(listening);
        large
    });
    let large = runtime.block_on(async {
        // The giver has to listen before it can be asked.
        while budget
            .books
            .lock()
            .largest_listener(build.consumer())
            .is_none()
        {
            yield_now().await;
        }
        runtime
            .spawn(async move { build.try_grow(4_000) })
            .await
            .unwrap()
            .unwrap();
        gives.await.unwrap()
    });
    assert_eq!(large.bytes(), 2_000);
}
