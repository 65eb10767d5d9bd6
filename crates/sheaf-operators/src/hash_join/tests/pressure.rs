//! Other operators need memory while a join takes in rows, probes, and hands out rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{JoinType, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, stream};
use sheaf_base::ByteCount;
use sheaf_runtime::memory::{Grant, Holding, MemoryBudget, QueryPool};

use super::fixture::{Case, JOIN_TYPES, Row, batches, context, rows, spills, text_of};

const BATCH_ROWS: usize = 16;

/// A query with others beside it, who may want all of its memory at any time.
#[derive(Debug)]
struct Others {
    budget: Arc<MemoryBudget>,
    pool: Arc<dyn MemoryPool>,
    env: Arc<RuntimeEnv>,
    granted: AtomicUsize,
    refused: AtomicUsize,
}

impl Others {
    fn new(memory: u64) -> Arc<Self> {
        let budget = Arc::new(MemoryBudget::new(ByteCount(memory)));
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(Arc::clone(&budget), 1, None));
        let env = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool));
        Arc::new(Self {
            budget,
            pool,
            env: env.build_arc().unwrap(),
            granted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        })
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
        let asker = Holding::new("asker", &self.pool);
        match asker.grow(bytes).await {
            Ok(Grant::Granted) => self.granted.fetch_add(1, Ordering::Relaxed),
            _ => self.refused.fetch_add(1, Ordering::Relaxed),
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
    let others = Others::new(400_000);
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

#[tokio::test]
async fn rows_are_given_back_in_every_phase() {
    let (left, right) = (rows(230, 60, 9, false, 21), rows(300, 60, 9, false, 22));
    for join_type in JOIN_TYPES {
        for keys in [&[0][..], &[1], &[2], &[1, 2]] {
            for (filtered, nulls_equal) in [(false, false), (true, true)] {
                for wanted in WANTED {
                    let case = Case {
                        filtered,
                        nulls_equal,
                        ..Case::of(join_type, keys)
                    };
                    check(&case, &left, &right, wanted).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn one_key_in_half_of_the_rows_is_given_back_when_it_can_be() {
    let (left, right) = (rows(160, 20, 9, true, 23), rows(120, 20, 9, true, 24));
    for join_type in JOIN_TYPES {
        for keys in [&[0][..], &[1], &[2]] {
            // Not while a block of the key is joined, for which whoever asks waits in vain.
            for wanted in WANTED.iter().filter(|wanted| wanted[2] == 0) {
                check(&Case::of(join_type, keys), &left, &right, *wanted).await;
            }
        }
    }
}

#[tokio::test]
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
        (JoinType::Inner, [0, 0, 500]),
        (JoinType::Left, [0, 300, 300]),
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
        others.want(2_000).await;
        assert_eq!(others.granted.load(Ordering::Relaxed), before + 1);
        assert!(spills(&plan) > 0, "{join_type}");
        while let Some(batch) = stream.next().await {
            batch.unwrap();
            others.want(wanted[2]).await;
        }
        assert_eq!(others.budget.reserved(), 0);
    }
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
