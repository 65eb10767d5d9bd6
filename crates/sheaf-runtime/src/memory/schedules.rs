//! The arbiter under random schedules: operators that grow, give back, sit still and go away.
//!
//! What must hold, whatever the schedule: every operator ends (nobody waits for ever), nothing is
//! granted beyond the pool or a query's limit, and an asker that holds nothing gets memory while
//! others that count in the same pool can give it: it is refused only where all that is held there
//! is held by those who cannot be asked (operators of the engine) or had nothing to give just now
//! (tables of which rows are in use).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::books::Shortage;
use super::tests::{Random, budget};
use super::*;

/// Far more than any schedule takes; far less than one broken wait for every operator.
const SCHEDULE_MAX: Duration = Duration::from_secs(60);

const POOL_BYTES: u64 = 1_000;

/// What an operator works with.
#[derive(Clone)]
struct Means {
    seed: u64,
    query: u64,
    pool: Arc<QueryPool>,
    budget: Arc<MemoryBudget>,
    limit_bytes: usize,
    /// Whether some hold what others cannot ask for.
    may_be_refused: bool,
    /// Whether one thread runs all operators and none blocks it, so that nothing changes between
    /// a refusal and its asker's look at the books.
    sees_refusals: bool,
}

impl Means {
    fn pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.pool) as _
    }

    /// One row may be as large as a fifth of the pool, so five operators fill it.
    fn row(&self, random: &mut Random) -> usize {
        1 + random.size(ByteCount::from(self.limit_bytes).0 / 5)
    }

    fn check(&self) {
        let seed = self.seed;
        assert!(self.budget.reserved() <= self.budget.pool_bytes(), "{seed}");
        assert!(self.pool.reserved() <= self.limit_bytes, "seed {seed}");
    }

    /// Asks until there is an answer other than that nobody can give.
    async fn grow(&self, holding: &Holding, bytes: usize) -> Grant {
        loop {
            match holding.grow(bytes).await {
                Ok(grant) => return grant,
                Err(refusal) => self.check_refusal(holding, &refusal.to_string()),
            }
            yield_now().await;
        }
    }

    /// Whoever is refused has nothing, and of the pool that is short somebody has some, but nobody
    /// who gives whenever asked.
    fn check_refusal(&self, refused: &Holding, refusal: &str) {
        let seed = self.seed;
        assert!(self.may_be_refused, "seed {seed}: {refusal}");
        assert_eq!(refused.bytes(), 0, "seed {seed}: {refusal}");
        if !self.sees_refusals {
            return;
        }
        let is_query = refusal.contains("query_memory_limit");
        let mut holders = self.budget.holders();
        holders.retain(|holder| !is_query || holder.query == Some(self.query));
        assert!(!holders.is_empty(), "seed {seed}: {refusal}");
        let gives = holders.iter().find(|holder| holder.name.starts_with("op"));
        assert_eq!(gives, None, "seed {seed}: {refusal}");
    }
}

/// An operator of Sheaf's: takes in input that arrives slowly, spills when told to or asked to,
/// then hands out output while it holds the rest, and does not listen.
async fn operator(means: Means) {
    let mut random = Random(means.seed);
    let holding = Holding::new(format!("op{}", means.seed), &means.pool());
    {
        let _listening = holding.listen();
        for _ in 0..40 {
            let bytes = means.row(&mut random);
            while means.grow(&holding, bytes).await == Grant::SpillFirst {
                assert!(holding.bytes() > 0, "told to spill nothing");
                holding.free();
                holding.answer();
            }
            means.check();
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

/// An operator of Sheaf's that hands out output for a long time, holding what it took in, while a
/// task of its own answers; sometimes with nothing, where rows are in use.
async fn answering_operator(means: Means) {
    let mut random = Random(means.seed);
    let holding = Arc::new(Holding::answered_by_task(
        format!("table{}", means.seed),
        &means.pool(),
    ));
    // The bytes that are held, as the rows of a table are; locked by whoever moves them.
    let rows = Arc::new(Mutex::new(0_usize));
    let in_use = Arc::new(AtomicBool::new(false));
    let giver = Handle::current().spawn(give(
        Arc::clone(&holding),
        Arc::clone(&rows),
        Arc::clone(&in_use),
    ));
    for _ in 0..30 {
        let bytes = means.row(&mut random);
        while means.grow(&holding, bytes).await == Grant::SpillFirst {
            let mut rows = rows.lock();
            holding.shrink(std::mem::take(&mut *rows));
            holding.answer();
        }
        *rows.lock() += bytes;
        means.check();
        in_use.store(random.below(8) == 0, Ordering::Release);
        for _ in 0..random.below(8) {
            yield_now().await;
        }
        in_use.store(false, Ordering::Release);
    }
    giver.abort();
    let _ = giver.await;
    holding.free();
}

async fn give(holding: Arc<Holding>, rows: Arc<Mutex<usize>>, in_use: Arc<AtomicBool>) {
    loop {
        let _listening = holding.listen();
        let wanted = holding.asked().await;
        if !in_use.load(Ordering::Acquire) {
            let mut rows = rows.lock();
            let given = wanted.min(*rows);
            *rows -= given;
            holding.shrink(given);
        }
        holding.answer();
        yield_now().await;
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
    // Of two queries the first may have a limit of its own.
    let limit = (random.below(2) == 0).then(|| 200 + random.below(600));
    let kinds: Vec<u64> = (0..2 + random.below(6)).map(|_| random.below(6)).collect();
    runtime.block_on(async {
        let query = |number: u64, limit: Option<u64>| {
            let limit = limit.map(ByteCount);
            Arc::new(QueryPool::new(Arc::clone(&budget), number, limit))
        };
        let pools = [query(0, limit), query(1, None)];
        let mut tasks = Vec::new();
        for ((number, pool), kind) in (0_u64..).zip(pools.iter().cycle()).zip(&kinds) {
            let limit = limit.filter(|_| number % 2 == 0).unwrap_or(POOL_BYTES);
            let means = Means {
                seed: seed * 100 + number + 1,
                query: number % 2,
                pool: Arc::clone(pool),
                budget: Arc::clone(&budget),
                limit_bytes: ByteCount(limit).as_usize(),
                may_be_refused: kinds.iter().any(|kind| *kind < 3),
                sees_refusals: threads == 1 && !kinds.contains(&0),
            };
            let task = match kind {
                0 => runtime.spawn(engine_operator(means.seed, means.pool())),
                1 | 2 => runtime.spawn(answering_operator(means)),
                _ => runtime.spawn(operator(means)),
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
            .largest_listener(build.consumer(), Shortage::Process)
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

/// An answer that comes before its asker sleeps is not missed: no wait runs into its limit, which
/// is seconds for a holder with a task of its own.
#[test]
fn an_operator_that_cannot_spill_does_not_wait_when_it_has_been_answered() {
    let budget = budget(8_000);
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let miser = Holding::answered_by_task("miser", &pool);
    assert_eq!(miser.try_grow(6_000), Grant::Granted);
    let start = Instant::now();
    let _answers = runtime.spawn(async move {
        loop {
            let _listening = miser.listen();
            miser.asked().await;
            miser.answer();
        }
    });
    let asks = runtime.spawn(async move {
        let build = MemoryConsumer::new("build").register(&pool);
        for _ in 0..2_000 {
            assert!(build.try_grow(4_000).is_err());
            yield_now().await;
        }
    });
    runtime.block_on(asks).unwrap();
    assert!(start.elapsed() < super::arbiter::WAIT_MAX);
}

#[tokio::test]
async fn a_query_at_its_own_limit_asks_its_own_operators() {
    let budget = budget(8_000);
    let limit = Some(ByteCount(2_000));
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, limit));
    let other: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 2, None));
    let (mine, others) = (Holding::new("mine", &pool), Holding::new("others", &other));
    assert_eq!(mine.try_grow(1_700), Grant::Granted);
    assert_eq!(others.try_grow(3_000), Grant::Granted);
    let (_mine, _others) = (mine.listen(), others.listen());
    let asker = Holding::new("asker", &pool);
    let giver = async {
        let wanted = mine.asked().await;
        assert_eq!((wanted, others.wanted_bytes()), (1_000, 0));
        mine.shrink(wanted);
        mine.answer();
    };
    let (grant, ()) = tokio::join!(asker.grow(1_000), giver);
    assert_eq!(grant.unwrap(), Grant::Granted);
    assert_eq!((mine.bytes(), others.bytes()), (700, 3_000));
}

#[tokio::test]
async fn of_a_querys_own_limit_something_is_kept_for_those_that_begin_late() {
    let budget = budget(8_000);
    let limit = Some(ByteCount(800));
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, limit));
    let first = Holding::new("first", &pool);
    assert_eq!(first.try_grow(701), Grant::SpillFirst);
    assert_eq!(first.try_grow(700), Grant::Granted);
    let late = Holding::new("late", &pool);
    assert_eq!(late.grow(100).await.unwrap(), Grant::Granted);
    assert_eq!((pool.reserved(), budget.reserved()), (800, 800));
}

#[tokio::test]
async fn a_task_of_its_own_answers_while_the_operator_itself_waits() {
    let budget = budget(7_500);
    let limit = Some(ByteCount(3_000));
    let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, limit));
    let other: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 2, None));
    let (one, two) = (
        Holding::new("one", &pool),
        Holding::answered_by_task("two", &pool),
    );
    let third = Holding::new("third", &other);
    assert_eq!(one.try_grow(500), Grant::Granted);
    assert_eq!(two.try_grow(2_000), Grant::Granted);
    assert_eq!(third.try_grow(4_000), Grant::Granted);
    let _listening = (two.listen(), third.listen());
    // The process is short, so two waits for the third, which does not hear; one, at the query's
    // limit, waits for two.
    let gives = async {
        assert_eq!(two.asked().await, 300);
        two.free();
        two.answer();
    };
    let (two_grant, one_grant, ()) = tokio::join!(two.grow(100), one.grow(300), gives);
    assert_eq!(two_grant.unwrap(), Grant::Granted);
    assert_eq!(one_grant.unwrap(), Grant::Granted);
    assert_eq!((one.bytes(), two.bytes()), (800, 100));
}
