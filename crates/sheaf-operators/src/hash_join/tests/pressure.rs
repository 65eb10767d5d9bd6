//! Other operators need memory while a join takes in rows, probes, and hands out rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{JoinType, Result};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, stream};
use sheaf_base::ByteCount;
use sheaf_runtime::memory::{Grant, Holding, MemoryBudget, QueryPool};

use super::faults::{Disk, MESSAGE};
use super::fixture::{Case, JOIN_TYPES, Row, batches, context, rows, spills, text_of};

const BATCH_ROWS: usize = 16;

/// A query with others beside it, who may want all of its memory at any time.
#[derive(Debug)]
struct Others {
    budget: Arc<MemoryBudget>,
    pool: Arc<dyn MemoryPool>,
    env: Arc<RuntimeEnv>,
    /// What they leave, and want besides: then the asker is an operator of the engine, which does
    /// not wait for who cannot be asked, as the blocks of a key cannot.
    slack_bytes: usize,
    granted: AtomicUsize,
    refused: AtomicUsize,
}

impl Others {
    fn new(memory: u64) -> Arc<Self> {
        Arc::new(Self::with_disk(memory, DiskManagerBuilder::default()))
    }

    fn with_disk(memory: u64, disk: DiskManagerBuilder) -> Self {
        let budget = Arc::new(MemoryBudget::new(ByteCount(memory)));
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool))
            .with_disk_manager_builder(disk);
        Self {
            budget,
            pool,
            env: env.build_arc().unwrap(),
            slack_bytes: 0,
            granted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// Takes all that is free, and then wants `bytes` more, from whoever is asked for them.
    async fn want(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let filler = MemoryConsumer::new("filler").register(&self.pool);
        for step in [65_536, 8_192, 1_024, 64] {
            while filler.try_grow(step).is_ok() {}
        }
        // What a bucket takes that is begun meanwhile must not be refused.
        filler.shrink(self.slack_bytes);
        let is_granted = if self.slack_bytes > 0 {
            let asker = MemoryConsumer::new("asker").register(&self.pool);
            asker.try_grow(self.slack_bytes + bytes).is_ok()
        } else {
            let asker = Holding::new("asker", &self.pool);
            asker.grow(bytes).await.ok() == Some(Grant::Granted)
        };
        match is_granted {
            true => self.granted.fetch_add(1, Ordering::Relaxed),
            false => self.refused.fetch_add(1, Ordering::Relaxed),
        };
    }
}

/// Batches before each of which others want memory.
#[derive(Debug)]
struct Contested {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    others: Arc<Others>,
    wanted_bytes: usize,
}

impl PartitionStream for Contested {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (others, wanted) = (Arc::clone(&self.others), self.wanted_bytes);
        let rows = stream::iter(self.batches.clone()).then(move |batch| {
            let others = Arc::clone(&others);
            async move {
                others.want(wanted).await;
                Ok(batch)
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}

fn contested(
    prefix: &str,
    rows: &[Row],
    others: &Arc<Others>,
    wanted_bytes: usize,
) -> Arc<dyn ExecutionPlan> {
    let (schema, batches) = batches(prefix, rows);
    let stream = Contested {
        schema: Arc::clone(&schema),
        batches,
        others: Arc::clone(others),
        wanted_bytes,
    };
    let streams: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(stream)];
    let plan = StreamingTableExec::try_new(schema, streams, None, None, false, None);
    Arc::new(plan.unwrap())
}

/// Runs a plan of one partition; others want memory after each batch, too.
async fn run(
    plan: &Arc<dyn ExecutionPlan>,
    others: &Others,
    wanted_bytes: usize,
) -> Result<Vec<String>> {
    let mut stream = plan.execute(0, context(BATCH_ROWS, &others.env))?;
    let mut out = Vec::new();
    while let Some(batch) = stream.next().await.transpose()? {
        assert!(batch.num_rows() <= BATCH_ROWS);
        out.push(batch);
        others.want(wanted_bytes).await;
    }
    Ok(text_of(&out))
}

/// What others want: while build rows arrive, before each probe batch, after each output batch. 0
/// bytes are always there.
const WANTED: [[usize; 3]; 5] = [
    [500, 0, 0],
    [0, 500, 0],
    [0, 0, 500],
    [100, 1_500, 1_000],
    [0, 1_000_000, 1],
];

async fn check(case: &Case, left: &[Row], right: &[Row], wanted: [usize; 3]) -> Arc<Others> {
    let others = Arc::new(Others {
        slack_bytes: 20_000,
        ..Others::with_disk(400_000, DiskManagerBuilder::default())
    });
    let plan = case.plan_of(
        contested("l", left, &others, wanted[0]),
        contested("r", right, &others, wanted[1]),
    );
    let rows = run(&plan, &others, wanted[2]).await.unwrap();
    let expected = case.expected(left, right);
    assert_eq!(rows.len(), expected.len(), "{case:?}, wanted {wanted:?}");
    assert_eq!(rows, expected, "{case:?}, wanted {wanted:?}");
    assert_eq!(others.budget.reserved(), 0, "{case:?}");
    others
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_given_back_in_every_phase() {
    let (left, right) = (rows(400, 90, 9, false, 21), rows(200, 90, 9, false, 22));
    let keys = [&[0][..], &[1], &[2], &[1, 2]];
    // Every type with all that is wanted, keys and filters in turn: four keys and five wants have
    // every pair in 20 steps, of which there are 50.
    let cases = JOIN_TYPES.iter().flat_map(|join_type| {
        let wanted = WANTED.into_iter();
        wanted.map(move |wanted| (*join_type, wanted))
    });
    for (step, (join_type, wanted)) in cases.enumerate() {
        let case = Case {
            filtered: step % 3 == 0,
            nulls_equal: step % 2 == 0,
            ..Case::of(join_type, keys[step % keys.len()])
        };
        check(&case, &left, &right, wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_in_half_of_the_rows_is_given_back_when_it_can_be() {
    let (left, right) = (rows(160, 20, 9, true, 23), rows(120, 20, 9, true, 24));
    for join_type in JOIN_TYPES {
        for keys in [&[0][..], &[1], &[2]] {
            for wanted in [WANTED[1], WANTED[2]] {
                check(&Case::of(join_type, keys), &left, &right, wanted).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_in_keeps_its_nulls_when_rows_are_given_back() {
    let with_nulls = rows(100, 30, 7, false, 25);
    let without = rows(60, 30, 1_000_000, false, 26);
    let case = Case {
        null_aware: true,
        ..Case::of(JoinType::LeftAnti, &[0])
    };
    for left in [&with_nulls, &without] {
        for right in [&with_nulls[..], &without, &[]] {
            for wanted in WANTED {
                check(&case, left, right, wanted).await;
            }
        }
    }
}

/// Whoever asks gets what the join holds, at once: no wait runs into its limit, and no answer is
/// that nobody can give.
#[tokio::test]
async fn who_asks_is_granted_memory_while_rows_are_probed_and_handed_out() {
    let (left, right) = (rows(230, 200, 9, false, 27), rows(300, 200, 9, false, 28));
    for (join_type, wanted) in [
        (JoinType::Inner, [0, 500, 0]),
        (JoinType::Inner, [0, 0, 0]),
        // Its first rows come out when all have been probed.
        (JoinType::LeftAnti, [0, 0, 0]),
    ] {
        let others = Others::new(400_000);
        let plan = Case::of(join_type, &[0]).plan_of(
            contested("l", &left, &others, wanted[0]),
            contested("r", &right, &others, wanted[1]),
        );
        let mut stream = plan.execute(0, context(BATCH_ROWS, &others.env)).unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert!(first.num_rows() > 0);
        let before = others.granted.load(Ordering::Relaxed);
        others.want(1_000).await;
        assert_eq!(others.granted.load(Ordering::Relaxed), before + 1);
        assert!(spills(&plan) > 0, "{join_type}");
        // Others want nothing while buckets are joined, which need a little themselves.
        while let Some(batch) = stream.next().await {
            batch.unwrap();
        }
        assert_eq!(others.budget.reserved(), 0);
    }
}

/// While the matches of one row are handed out that are more than a batch, the table cannot be
/// given: whoever asks is told so, and does not wait for the arbiter's limit of ten seconds.
#[tokio::test]
async fn who_asks_for_a_table_in_use_is_refused_at_once() {
    let (left, right) = (rows(300, 1, 9, false, 34), rows(5, 1, 9, false, 35));
    let others = Others::new(400_000);
    let case = Case::of(JoinType::Inner, &[0]);
    let plan = case.plan_of(
        contested("l", &left, &others, 0),
        contested("r", &right, &others, 0),
    );
    let mut stream = plan.execute(0, context(BATCH_ROWS, &others.env)).unwrap();
    let mut out = vec![stream.next().await.unwrap().unwrap()];
    let start = Instant::now();
    for _ in 0..3 {
        others.want(500).await;
    }
    assert_eq!(others.refused.load(Ordering::Relaxed), 3);
    assert!(start.elapsed() < Duration::from_secs(5));
    while let Some(batch) = stream.next().await.transpose().unwrap() {
        out.push(batch);
    }
    assert_eq!(text_of(&out), case.expected(&left, &right));
}

/// Build rows that wait to be handed out are lost on the way to a file: whoever takes them is told.
#[tokio::test]
async fn rows_lost_while_they_are_handed_out_are_an_error() {
    let (left, right) = (rows(230, 60, 9, false, 32), rows(0, 1, 9, false, 33));
    let disk = Disk::new(usize::MAX);
    let others = Arc::new(Others::with_disk(400_000, disk.manager()));
    let case = Case::of(JoinType::LeftAnti, &[0]);
    let plan = case.plan_of(
        contested("l", &left, &others, 0),
        contested("r", &right, &others, 0),
    );
    let mut stream = plan.execute(0, context(BATCH_ROWS, &others.env)).unwrap();
    stream.next().await.unwrap().unwrap();
    disk.fail();
    others.want(500).await;
    let mut error = None;
    while let Some(batch) = stream.next().await {
        error = batch.err();
    }
    let error = error.expect("rows are missing, and nobody is told");
    assert!(error.to_string().contains(MESSAGE), "{error}");
    drop(stream);
    drop(plan);
    assert_eq!(others.budget.reserved(), 0);
}

/// Two joins, one above the other, each with a share of what one of them would take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_above_one_another_share_the_memory() {
    let tables = [29, 30, 31].map(|seed| rows(600, 400, 9, false, seed));
    let case = Case::of(JoinType::Inner, &[1]);
    let lower = Case {
        projection: Some(vec![5, 6, 7, 8, 9]),
        ..case.clone()
    };
    let expected = {
        let [a, b, c] = &tables;
        let matches = |l: &Row, r: &Row| case.matches(l, r);
        let b_rows = b.iter().flat_map(|b| {
            let count = c.iter().filter(|c| matches(b, c)).count();
            std::iter::repeat_n(b.clone(), count)
        });
        case.expected(a, &b_rows.collect::<Vec<Row>>()).len()
    };
    for memory in [60_000, 150_000, 10_000_000] {
        let others = Others::new(memory);
        let [a, b, c] = &tables;
        // The lower one shows the columns of its right side, whose names begin with "r".
        let below = lower.plan_of(
            super::fixture::table("l", c, 2),
            super::fixture::table("r", b, 3),
        );
        let plan = case.plan_of(super::fixture::table("l", a, 2), below);
        let rows = super::fixture::run(plan, BATCH_ROWS, &others.env).await;
        assert_eq!(rows.unwrap().len(), expected, "{memory}");
        assert_eq!(others.budget.reserved(), 0);
    }
}
