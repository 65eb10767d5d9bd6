//! Against a naive reference, with little memory and with plenty; then each way through by itself.

mod growing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, StringArray};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{ExecutionPlan, collect, execute_stream_partitioned};
use futures::StreamExt;
use sheaf_base::ByteCount;
use sheaf_runtime::memory::{MemoryBudget, QueryPool};

use super::PartitionedAggregateExec;
use crate::testing::{Lottery, TestSession, rows_of};

const PLENTY: ByteCount = ByteCount(10_000_000_000);
const LITTLE: ByteCount = ByteCount(400_000);

/// Puts ours in place of every aggregate.
fn replace(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    plan.transform_down(|plan| {
        let Some(last) = plan.downcast_ref::<AggregateExec>() else {
            return Ok(Transformed::no(plan));
        };
        let ours = match last.mode() {
            AggregateMode::Final | AggregateMode::FinalPartitioned => {
                let exchange = last.input().children().into_iter().next().unwrap();
                let first = exchange.downcast_ref::<AggregateExec>();
                // Without an exchange between them.
                let first = first.or_else(|| last.input().downcast_ref()).unwrap();
                PartitionedAggregateExec::of_pair(first, last)?
            }
            AggregateMode::Single | AggregateMode::SinglePartitioned => {
                PartitionedAggregateExec::of_single(last)?
            }
            _ => return Ok(Transformed::no(plan)),
        };
        Ok(Transformed::yes(Arc::new(ours) as _))
    })
    .data()
    .unwrap()
}

/// A task of a query with `memory`.
fn task(session: &TestSession, memory: ByteCount) -> (Arc<TaskContext>, Arc<MemoryBudget>) {
    let budget = Arc::new(MemoryBudget::new(memory));
    let pool = QueryPool::new(Arc::clone(&budget), 1, None);
    let env = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool));
    let task = TaskContext::default()
        .with_session_config(session.task_context().session_config().clone())
        .with_runtime(env.build_arc().unwrap());
    (Arc::new(task), budget)
}

/// The rows of `sql` by our operator, sorted, and how many files were spilled.
async fn run(session: &TestSession, sql: &str, memory: ByteCount) -> Result<(Vec<String>, usize)> {
    let plan = replace(session.plan(sql).await.unwrap());
    let (task, budget) = task(session, memory);
    let batches = collect(Arc::clone(&plan), task).await?;
    let rows_max = session.task_context().session_config().batch_size();
    assert!(batches.iter().all(|batch| batch.num_rows() <= rows_max));
    let mut rows: Vec<String> = batches.iter().flat_map(rows_of).collect();
    rows.sort();
    assert_eq!(budget.reserved(), 0, "{sql} keeps memory");
    Ok((rows, sum_of(&plan, spill_count)))
}

/// `count` of the metrics of all operators, added up.
fn sum_of(plan: &Arc<dyn ExecutionPlan>, count: fn(&MetricsSet) -> usize) -> usize {
    let own = plan.metrics().map_or(0, |metrics| count(&metrics));
    let below = plan
        .children()
        .into_iter()
        .map(|child| sum_of(child, count));
    own + below.sum::<usize>()
}

fn spill_count(metrics: &MetricsSet) -> usize {
    metrics.spill_count().unwrap_or(0)
}

fn skipped_rows(metrics: &MetricsSet) -> usize {
    let skipped = metrics.sum_by_name("skipped_aggregation_rows");
    skipped.map_or(0, |value| value.as_usize())
}

/// `k`: an integer, often 0; `s`: a text; `v`: a number; each with NULLs.
struct Rows(Vec<(Option<i64>, Option<String>, Option<i64>)>);

impl Rows {
    fn random(count: usize, key_count: u64, seed: u64) -> Self {
        let mut lottery = Lottery::new(seed);
        let signed = |number: u64| i64::try_from(number).unwrap();
        Self(
            (0..count)
                .map(|_| {
                    let is_skewed = lottery.below(2) == 0;
                    let k = lottery.maybe(if is_skewed { 1 } else { key_count }, 9);
                    let s = lottery.maybe(3, 5).map(|s| format!("text number {s}"));
                    let v = lottery.maybe(1_000, 7).map(|v| signed(v) - 500);
                    (k.map(signed), s, v)
                })
                .collect(),
        )
    }

    fn session(&self, partitions: usize, batch_rows: usize) -> TestSession {
        let session = TestSession::new(partitions, batch_rows);
        let k: Int64Array = self.0.iter().map(|row| row.0).collect();
        let s: StringArray = self.0.iter().map(|row| row.1.as_deref()).collect();
        let v: Int64Array = self.0.iter().map(|row| row.2).collect();
        let columns: Vec<(&str, arrow::array::ArrayRef)> =
            vec![("k", Arc::new(k)), ("s", Arc::new(s)), ("v", Arc::new(v))];
        session.table("t", columns, partitions, batch_rows);
        session
    }

    /// count(*), count(v), sum(v), min(v), count(DISTINCT v), count(*) FILTER (WHERE v > 0) of each
    /// group: what `key` makes of the rows that it does not leave out.
    fn grouped(&self, key: impl Fn(&Option<i64>, &Option<String>) -> String) -> Vec<String> {
        let mut groups: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
        for (k, s, v) in &self.0 {
            groups.entry(key(k, s)).or_default().push(*v);
        }
        let mut rows: Vec<String> = groups
            .into_iter()
            .map(|(key, values)| {
                let known: Vec<i64> = values.iter().flatten().copied().collect();
                let or_null = |value: Option<i64>| text(&value);
                let sum = (!known.is_empty()).then(|| known.iter().sum());
                format!(
                    "{key}|{}|{}|{}|{}|{}|{}",
                    values.len(),
                    known.len(),
                    or_null(sum),
                    or_null(known.iter().min().copied()),
                    known.iter().collect::<BTreeSet<_>>().len(),
                    known.iter().filter(|v| **v > 0).count(),
                )
            })
            .collect();
        rows.sort();
        rows
    }
}

const AGGREGATES: &str =
    "count(*), count(v), sum(v), min(v), count(DISTINCT v), count(*) FILTER (WHERE v > 0)";

fn text<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or("NULL".to_owned(), T::to_string)
}

#[tokio::test]
async fn as_the_reference_with_little_memory_and_with_plenty() {
    for (partitions, batch_rows, seed) in [(1, 1_000, 1), (3, 7, 2), (3, 500, 3)] {
        let rows = Rows::random(20_000, 15_000, seed);
        let session = rows.session(partitions, batch_rows);
        let one_key = rows.grouped(|k, _| text(k));
        let two_keys = rows.grouped(|k, s| format!("{}|{}", text(s), text(k)));
        for memory in [PLENTY, LITTLE] {
            let sql = format!("SELECT k, {AGGREGATES} FROM t GROUP BY k");
            let (answer, spill_count) = run(&session, &sql, memory).await.unwrap();
            assert_eq!(answer, one_key, "{partitions} partitions, {memory}");
            assert_eq!(spill_count > 0, memory == LITTLE, "{partitions}, {memory}");
            let sql = format!("SELECT s, k, {AGGREGATES} FROM t GROUP BY s, k");
            let (answer, _) = run(&session, &sql, memory).await.unwrap();
            assert_eq!(answer, two_keys, "{partitions} partitions, {memory}");
        }
    }
}

#[tokio::test]
async fn grouping_sets_as_the_reference() {
    let rows = Rows::random(4_000, 2_000, 4);
    let session = rows.session(3, 500);
    let mut expected = rows.grouped(|k, s| format!("{}|{}", text(k), text(s)));
    expected.extend(rows.grouped(|k, _| format!("{}|NULL", text(k))));
    expected.extend(rows.grouped(|_, _| "NULL|NULL".to_owned()));
    expected.sort();
    let sql = format!("SELECT k, s, {AGGREGATES} FROM t GROUP BY ROLLUP (k, s)");
    for memory in [PLENTY, LITTLE] {
        let (answer, _) = run(&session, &sql, memory).await.unwrap();
        assert_eq!(answer, expected, "{memory}");
    }
}

#[tokio::test]
async fn no_rows_give_no_groups_but_the_one_of_an_empty_grouping_set() {
    for partitions in [1, 3] {
        let session = Rows(Vec::new()).session(partitions, 10);
        let sql = "SELECT k, count(*) FROM t GROUP BY k";
        let (answer, _) = run(&session, sql, PLENTY).await.unwrap();
        assert_eq!(answer, Vec::<String>::new());
        let sql = "SELECT k, count(*), sum(v) FROM t GROUP BY ROLLUP (k)";
        let (answer, _) = run(&session, sql, PLENTY).await.unwrap();
        assert_eq!(answer, ["NULL|0|NULL"]);
    }
}

/// 200,000 keys of 150,000 rows in three partitions, each key once in almost all cases.
#[tokio::test]
async fn rows_pass_ungrouped_where_grouping_does_not_pay() {
    let numbers: Vec<i64> = (0..300_000).map(|i| i * 7_919 % 200_000).collect();
    let session = TestSession::new(2, 8_192);
    let k: Int64Array = numbers.iter().map(|k| Some(*k)).collect();
    session.table("t", vec![("k", Arc::new(k))], 2, 8_192);
    let sql = "SELECT k, count(*) FROM t GROUP BY k";
    let mut expected: BTreeMap<i64, usize> = BTreeMap::new();
    for k in numbers {
        *expected.entry(k).or_default() += 1;
    }
    let mut expected: Vec<String> = expected.iter().map(|(k, n)| format!("{k}|{n}")).collect();
    expected.sort();
    for memory in [PLENTY, ByteCount(2_000_000)] {
        let plan = replace(session.plan(sql).await.unwrap());
        let (task, _) = task(&session, memory);
        let batches = collect(Arc::clone(&plan), task).await.unwrap();
        let mut rows: Vec<String> = batches.iter().flat_map(rows_of).collect();
        rows.sort();
        assert_eq!(rows, expected, "{memory}");
        let skipped = sum_of(&plan, skipped_rows);
        assert_eq!(skipped > 0, memory == PLENTY, "{memory}: {skipped}");
    }
}

#[tokio::test]
async fn one_group_that_does_not_fit_is_an_error_that_names_it() {
    let rows = Rows::random(100_000, 2, 5);
    let session = rows.session(2, 1_000);
    let sql = "SELECT s IS NULL, array_agg(k + v) FROM t GROUP BY 1";
    let error = run(&session, sql, LITTLE).await.unwrap_err();
    let DataFusionError::ResourcesExhausted(message) = error.find_root() else {
        panic!("{error}");
    };
    assert!(message.contains("Aggregate[0]"), "{message}");
}

#[tokio::test]
async fn an_error_of_the_input_reaches_every_output() {
    let rows = Rows::random(3_000, 100, 6);
    let session = rows.session(3, 100);
    let sql = "SELECT k, sum(1 / (v - 7)) FROM t GROUP BY k";
    let plan = replace(session.plan(sql).await.unwrap());
    let (task, budget) = task(&session, PLENTY);
    for mut output in execute_stream_partitioned(plan, task).unwrap() {
        let error = output.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("Divide by zero"), "{error}");
    }
    while budget.reserved() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_in_any_phase_it_keeps_nothing() {
    let rows = Rows::random(50_000, 40_000, 7);
    let session = rows.session(2, 200);
    let sql = format!("SELECT k, {AGGREGATES} FROM t GROUP BY k");
    dropped_in_any_phase(&session, &sql).await;
}

async fn dropped_in_any_phase(session: &TestSession, sql: &str) {
    for micros in [0, 100, 1_000, 10_000, 50_000, 200_000] {
        let plan = replace(session.plan(sql).await.unwrap());
        let (task, budget) = task(session, LITTLE);
        let mut outputs = execute_stream_partitioned(plan, task).unwrap();
        let first = outputs[0].next();
        let _ = tokio::time::timeout(Duration::from_micros(micros), first).await;
        drop(outputs);
        let freed = async {
            while budget.reserved() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), freed)
            .await
            .unwrap_or_else(|_| panic!("after {micros} µs it keeps {}", budget.reserved()));
    }
}
