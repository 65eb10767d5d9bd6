//! The operator beside loops over rows and beside the engine's, with little memory and with plenty.

mod clauses;
mod frames;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, Int64Array, RecordBatch, StringViewArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
    collect, collect_partitioned,
};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::*;
use crate::testing::{Lottery, TestSession};

/// id, partition, order, value.
type Row = (i64, Option<i64>, Option<i64>, Option<i64>);

const PLENTY: usize = 1_000_000_000;
/// Less than a large partition, more than a few batches.
const LITTLE: usize = 400_000;

/// `large` of the rows lie in one partition.
fn random_rows(lottery: &mut Lottery, count: u64, partitions: u64, large: u64) -> Vec<Row> {
    let number = |n: Option<u64>| n.map(u64::cast_signed);
    (0..count)
        .map(|id| {
            let partition = match id < large {
                true => Some(7),
                false => number(lottery.maybe(partitions, 20)),
            };
            let (order, value) = (lottery.maybe(50, 15), lottery.maybe(100, 10));
            (id.cast_signed(), partition, number(order), number(value))
        })
        .collect()
}

fn session(rows: &[Row], memory_bytes: usize, threads: usize) -> TestSession {
    let session = TestSession::with_memory(threads, 128, memory_bytes);
    // A mixed order, and enough bytes in a row.
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.0 * 7_919 % 10_007);
    let pad = |row: &Row| Some(format!("{:0>200}", row.0));
    let columns: Vec<(&str, Arc<dyn Array>)> = vec![
        (
            "id",
            Arc::new(rows.iter().map(|r| Some(r.0)).collect::<Int64Array>()),
        ),
        (
            "p",
            Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        ),
        (
            "o",
            Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>()),
        ),
        (
            "v",
            Arc::new(rows.iter().map(|r| r.3).collect::<Int64Array>()),
        ),
        (
            "pad",
            Arc::new(rows.iter().map(pad).collect::<StringViewArray>()),
        ),
    ];
    session.table("t", columns, 2, 128);
    session
}

/// The plan with our operator.
fn replace(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    plan.transform_up(|plan| {
        Ok(match WindowExec::in_place_of(&plan) {
            Some(ours) => Transformed::yes(Arc::new(ours) as _),
            None => Transformed::no(plan),
        })
    })
    .data()
    .unwrap()
}

/// The plan with our operator over rows that are sorted already: the engine's sort cannot do with
/// as little memory.
fn over_sorted(
    session: &TestSession,
    plan: Arc<dyn ExecutionPlan>,
) -> BoxFuture<'_, Arc<dyn ExecutionPlan>> {
    async move {
        if plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>() {
            let task = session.task_with_memory(PLENTY);
            let rows = collect_partitioned(Arc::clone(&plan), task).await.unwrap();
            let source = MemorySourceConfig::try_new(&rows, plan.schema(), None).unwrap();
            let ordering = plan.output_ordering().unwrap().clone();
            let source = source.try_with_sort_information(vec![ordering]).unwrap();
            return DataSourceExec::from_data_source(source) as _;
        }
        let mut children = Vec::new();
        for child in plan.children() {
            children.push(over_sorted(session, Arc::clone(child)).await);
        }
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        plan.replace_children(children, options).unwrap()
    }
    .boxed()
}

fn spill_count(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut count = 0;
    plan.apply(|plan| {
        if plan.is::<WindowExec>() {
            count += plan.metrics().unwrap().spill_count().unwrap_or(0);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    count
}

fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        assert!(batch.num_rows() <= 128, "{} rows", batch.num_rows());
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|c| ArrayFormatter::try_new(c, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(values.join("|"));
        }
    }
    rows.sort();
    rows
}

/// The rows of `sql`, and how often window nodes spilled.
async fn run(session: &TestSession, sql: &str) -> (Vec<String>, usize) {
    let plan = replace(session.plan(sql).await.unwrap());
    assert!(session.display(&plan).contains("WindowExec"), "{sql}");
    let plan = over_sorted(session, plan).await;
    let task = session.task_context();
    let batches = collect(Arc::clone(&plan), Arc::clone(&task)).await;
    let batches = batches.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(task.memory_pool().reserved(), 0, "memory is given back");
    (texts(&batches), spill_count(&plan))
}

/// NULLS LAST, as PostgreSQL sorts.
fn compare(a: Option<i64>, b: Option<i64>) -> Ordering {
    a.is_none().cmp(&b.is_none()).then(a.cmp(&b))
}

fn bucket(row: usize, row_count: usize, buckets: usize) -> usize {
    // PostgreSQL: as equal as possible, the remainder goes to the first buckets, one each.
    let mut end = 0;
    (1..=buckets)
        .find(|bucket| {
            end += row_count / buckets + usize::from(*bucket <= row_count % buckets);
            row < end
        })
        .unwrap()
}

/// The functions of `NUMBERS` and `WHOLE`, from their definitions.
fn naive(rows: &[Row]) -> Vec<String> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| compare(a.1, b.1).then(compare(a.2, b.2)));
    let mut lines = Vec::new();
    for partition in sorted.chunk_by(|a, b| a.1 == b.1) {
        let count = partition.len();
        let values: Vec<i64> = partition.iter().filter_map(|r| r.3).collect();
        let text = |n: Option<i64>| n.map_or("NULL".to_owned(), |n| n.to_string());
        let sum = (!values.is_empty()).then(|| values.iter().sum::<i64>());
        let max = values.iter().max().copied();
        for (dense, peers) in partition.chunk_by(|a, b| a.2 == b.2).enumerate() {
            let before = partition.iter().take_while(|r| r.2 != peers[0].2).count();
            let percent = if count == 1 {
                0.0
            } else {
                before as f64 / (count - 1) as f64
            };
            let dist = (before + peers.len()) as f64 / count as f64;
            for row in peers {
                lines.push(format!(
                    "{}|{}|{}|{percent:.9}|{dist:.9}|{}|{}|{}|{count}",
                    row.0,
                    before + 1,
                    dense + 1,
                    text(sum),
                    text(max),
                    values.len(),
                ));
            }
        }
    }
    lines.sort();
    lines
}

const NAIVE_SQL: &str = "SELECT id, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, \
     cume_dist() OVER w, sum(v) OVER all_of_p, max(v) OVER all_of_p, count(v) OVER all_of_p, \
     count(*) OVER all_of_p FROM t WHERE pad <> '' \
     WINDOW w AS (PARTITION BY p ORDER BY o), \
     all_of_p AS (PARTITION BY p ORDER BY o ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)";

/// Shares with as many digits as [`naive`] gives them.
fn rounded(lines: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
            for share in &mut fields[3..5] {
                *share = format!("{:.9}", share.parse::<f64>().unwrap());
            }
            fields.join("|")
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_what_the_definitions_say() {
    let mut lottery = Lottery::new(21);
    for (count, partitions, large) in [
        (0, 1, 0),
        (1, 1, 0),
        (3000, 1, 3000),
        (3000, 900, 0),
        (4000, 100, 2500),
    ] {
        let rows = random_rows(&mut lottery, count, partitions, large);
        let expected = naive(&rows);
        for (memory, threads) in [(PLENTY, 1), (PLENTY, 2), (LITTLE, 1)] {
            let session = session(&rows, memory, threads);
            let sql = format!("SELECT * FROM ({NAIVE_SQL}) q");
            // `pad` is carried along, so that rows are wide.
            let sql = sql
                .replace("SELECT id,", "SELECT id, pad,")
                .replace("SELECT *", "SELECT * EXCLUDE (pad)");
            let (found, spills) = run(&session, &sql).await;
            let context = format!("{count} {partitions} {large} {memory} {threads}");
            let found = rounded(found);
            let wrong = found
                .iter()
                .zip(&expected)
                .find(|(found, right)| found != right);
            assert!(
                found.len() == expected.len() && wrong.is_none(),
                "{context}: {wrong:?}"
            );
            assert_eq!(spills > 0, large > 0 && memory < PLENTY, "{context}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_buckets_are_dense() {
    let mut lottery = Lottery::new(22);
    let rows = random_rows(&mut lottery, 4000, 100, 2500);
    let mut expected = Vec::new();
    let mut sorted = rows.clone();
    sorted.sort_by(|a, b| {
        compare(a.1, b.1)
            .then(compare(a.2, b.2))
            .then(a.0.cmp(&b.0))
    });
    for partition in sorted.chunk_by(|a, b| a.1 == b.1) {
        for (number, row) in partition.iter().enumerate() {
            let count = partition.len();
            let (few, many) = (bucket(number, count, 7), bucket(number, count, 900));
            expected.push(format!("{}|{}|{few}|{many}", row.0, number + 1));
        }
    }
    expected.sort();
    let sql = "SELECT * EXCLUDE (pad) FROM (SELECT id, pad, row_number() OVER w, ntile(7) OVER w, \
               ntile(900) OVER w FROM t WINDOW w AS (PARTITION BY p ORDER BY o, id)) q \
               WHERE pad <> ''";
    for (memory, is_spilled) in [(PLENTY, false), (LITTLE, true)] {
        let (found, spills) = run(&session(&rows, memory, 1), sql).await;
        assert!(found == expected, "{memory}");
        assert_eq!(spills > 0, is_spilled);
    }
    // Alone, it streams.
    let sql = "SELECT id, row_number() OVER (PARTITION BY p ORDER BY o, id) AS n FROM t";
    let session = session(&rows, LITTLE, 1);
    let plan = over_sorted(&session, replace(session.plan(sql).await.unwrap())).await;
    assert!(session.display(&plan).contains("mode=streaming"));
    let found = texts(&collect(plan, session.task_context()).await.unwrap());
    let numbers: Vec<String> = expected
        .iter()
        .map(|line| line.splitn(3, '|').take(2).collect::<Vec<_>>().join("|"))
        .collect();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(found, sorted(numbers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_functions_are_as_the_engines() {
    let mut lottery = Lottery::new(23);
    let rows = random_rows(&mut lottery, 3000, 300, 500);
    let session = session(&rows, PLENTY, 2);
    for function in [
        "sum(v) OVER (PARTITION BY p ORDER BY o, id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)",
        "last_value(v) OVER (PARTITION BY p ORDER BY o, id ROWS BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING)",
        "count(*) FILTER (WHERE v > 50) OVER (PARTITION BY p)",
        "array_agg(v) OVER (PARTITION BY p ORDER BY o, id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        "median(v) OVER (PARTITION BY p)",
        "count(DISTINCT v) OVER (PARTITION BY p)",
        "avg(v) OVER ()",
        "ntile(3) OVER (ORDER BY id)",
    ] {
        let sql = format!("SELECT id, {function} AS f FROM t");
        let plan = session.plan_of_the_engine(&sql).await;
        let engine = collect(plan, session.task_context()).await.unwrap();
        let options = FormatOptions::new().with_null("NULL");
        let mut expected = Vec::new();
        for batch in &engine {
            for row in 0..batch.num_rows() {
                let text = |c: usize| {
                    let column = ArrayFormatter::try_new(batch.column(c), &options).unwrap();
                    column.value(row).to_string()
                };
                expected.push(format!("{}|{}", text(0), text(1)));
            }
        }
        expected.sort();
        assert!(run(&session, &sql).await.0 == expected, "{function}");
    }
}

/// A set of all texts is more than there is room for.
#[tokio::test]
async fn a_state_that_needs_too_much_says_so() {
    let mut lottery = Lottery::new(24);
    let rows = random_rows(&mut lottery, 5000, 1, 5000);
    let session = session(&rows, LITTLE, 1);
    let sql = "SELECT id, count(DISTINCT pad) OVER (PARTITION BY p ORDER BY o, id \
               ROWS UNBOUNDED PRECEDING) AS f FROM t";
    let plan = over_sorted(&session, replace(session.plan(sql).await.unwrap())).await;
    let task = session.task_context();
    let error = collect(plan, Arc::clone(&task)).await.unwrap_err();
    assert!(error.to_string().contains("Resources exhausted"), "{error}");
    assert_eq!(task.memory_pool().reserved(), 0, "memory is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_when_it_is_dropped_in_any_phase() {
    let mut lottery = Lottery::new(25);
    let rows = random_rows(&mut lottery, 4000, 100, 2500);
    let session = session(&rows, LITTLE, 1);
    let frames = "SELECT id, pad, sum(v) OVER w, lag(v, 2000) OVER w FROM t WINDOW w AS \
        (PARTITION BY p ORDER BY o, id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)";
    let clauses = "SELECT id, pad, min(v) FILTER (WHERE v > 9) OVER w, sum(v) OVER w, \
        last_value(v) IGNORE NULLS OVER w, lead(v, 900) IGNORE NULLS OVER w FROM t WINDOW w AS \
        (PARTITION BY p ORDER BY o ROWS BETWEEN 5 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES)";
    let sizes = NAIVE_SQL.replace("SELECT id,", "SELECT id, pad,");
    for (sql, batches) in [frames, clauses, &sizes]
        .into_iter()
        .flat_map(|sql| [0, 1, 5, 15, 30].map(|batches| (sql, batches)))
    {
        let plan = over_sorted(&session, replace(session.plan(sql).await.unwrap())).await;
        let task = session.task_context();
        let plan = Arc::clone(&plan).reset_state().unwrap();
        let mut stream = plan.execute(0, Arc::clone(&task)).unwrap();
        for _ in 0..batches {
            stream.next().await.unwrap().unwrap();
        }
        drop(stream);
        for _ in 0..1000 {
            let disk = task.runtime_env().disk_manager.used_disk_space();
            if disk > 0 || task.memory_pool().reserved() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(task.memory_pool().reserved(), 0, "after {batches}");
        assert_eq!(task.runtime_env().disk_manager.used_disk_space(), 0);
    }
}
