//! The operator beside loops over rows, with little memory and with plenty, and cancelled.

use std::fmt::Write;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::Schema;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{JoinSide, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, col, lit};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionConfig;
use sheaf_base::ByteCount;
use sheaf_runtime::memory::{MemoryBudget, QueryPool};
use std::sync::Arc;

use super::build::{Build, Gathering};
use super::*;
use crate::testing::Lottery;

const JOIN_TYPES: [JoinType; 10] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
];

const PLENTY: usize = 100_000_000;
/// Enough for a batch a partition, not for a side.
const LITTLE: usize = 60_000;

type Row = (i32, Option<i64>, Option<String>);

fn random_rows(lottery: &mut Lottery, count: usize) -> Vec<Row> {
    (0..count)
        .map(|id| {
            let number = lottery.maybe(20, 8).map(u64::cast_signed);
            let text = lottery
                .maybe(4, 6)
                .map(|t| format!("a text {t} that is not inline"));
            (i32::try_from(id).unwrap(), number, text)
        })
        .collect()
}

/// Rows in `partitions` of small batches.
fn plan(prefix: &str, rows: &[Row], partitions: usize) -> Arc<dyn ExecutionPlan> {
    let columns: Vec<(String, ArrayRef)> = vec![
        (
            format!("{prefix}i"),
            Arc::new(rows.iter().map(|r| r.0).collect::<Int32Array>()),
        ),
        (
            format!("{prefix}n"),
            Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        ),
        (
            format!("{prefix}t"),
            Arc::new(
                rows.iter()
                    .map(|r| r.2.clone())
                    .collect::<StringViewArray>(),
            ),
        ),
    ];
    let columns = columns
        .iter()
        .map(|(name, column)| (name, Arc::clone(column), true));
    let whole = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut parts = vec![Vec::new(); partitions];
    for (number, at) in (0..rows.len()).step_by(7).enumerate() {
        parts[number % partitions].push(whole.slice(at, 7.min(rows.len() - at)));
    }
    MemorySourceConfig::try_new_exec(&parts, whole.schema(), None).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    None,
    /// `ln < rn`
    Less,
    /// `lt = rt AND ln + rn > 25`
    Both,
    /// `ln > 17`, of one side only.
    LeftOnly,
    Never,
}

impl Condition {
    fn holds(self, l: &Row, r: &Row) -> bool {
        match self {
            Self::None => true,
            Self::Less => matches!((l.1, r.1), (Some(l), Some(r)) if l < r),
            Self::Both => {
                l.2.is_some()
                    && l.2 == r.2
                    && matches!((l.1, r.1), (Some(l), Some(r)) if l + r > 25)
            }
            Self::LeftOnly => l.1.is_some_and(|n| n > 17),
            Self::Never => false,
        }
    }

    fn filter(self, left: &Schema, right: &Schema) -> Option<JoinFilter> {
        let schema = Arc::new(Schema::new(vec![
            right.field(1).clone(),
            left.field(1).clone(),
            left.field(2).clone(),
            right.field(2).clone(),
        ]));
        let place = |index, side| ColumnIndex { index, side };
        let places = vec![
            place(1, JoinSide::Right),
            place(1, JoinSide::Left),
            place(2, JoinSide::Left),
            place(2, JoinSide::Right),
        ];
        let column = |name: &str| col(name, &schema).unwrap();
        let binary = |l: Arc<dyn PhysicalExpr>, op, r| -> Arc<dyn PhysicalExpr> {
            Arc::new(BinaryExpr::new(l, op, r))
        };
        let expression = match self {
            Self::None => return None,
            Self::Less => binary(column("ln"), Operator::Lt, column("rn")),
            Self::Both => {
                let sum = binary(column("ln"), Operator::Plus, column("rn"));
                binary(
                    binary(column("lt"), Operator::Eq, column("rt")),
                    Operator::And,
                    binary(sum, Operator::Gt, lit(25_i64)),
                )
            }
            Self::LeftOnly => binary(column("ln"), Operator::Gt, lit(17_i64)),
            Self::Never => lit(false),
        };
        Some(JoinFilter::new(expression, places, schema))
    }
}

fn text(row: Option<&Row>) -> String {
    let Some((id, number, text)) = row else {
        return "NULL|NULL|NULL".to_owned();
    };
    let number = number.map_or("NULL".to_owned(), |n| n.to_string());
    format!("{id}|{number}|{}", text.as_deref().unwrap_or("NULL"))
}

/// What the standard says, row by row.
fn naive(left: &[Row], right: &[Row], join_type: JoinType, on: Condition) -> Vec<String> {
    let needs = Needs::of(join_type);
    let mut rows = Vec::new();
    let mut left_met = vec![false; left.len()];
    let mut right_met = vec![false; right.len()];
    for (l, left_row) in left.iter().enumerate() {
        for (r, right_row) in right.iter().enumerate() {
            if on.holds(left_row, right_row) {
                left_met[l] = true;
                right_met[r] = true;
                if needs.pairs {
                    rows.push(format!(
                        "{}|{}",
                        text(Some(left_row)),
                        text(Some(right_row))
                    ));
                }
            }
        }
    }
    let (side, met) = if needs.left_matches {
        (left, &left_met)
    } else {
        (right, &right_met)
    };
    for (row, met) in side.iter().zip(met) {
        match join_type {
            JoinType::LeftSemi | JoinType::RightSemi if *met => rows.push(text(Some(row))),
            JoinType::LeftAnti | JoinType::RightAnti if !met => rows.push(text(Some(row))),
            JoinType::LeftMark | JoinType::RightMark => {
                rows.push(format!("{}|{met}", text(Some(row))));
            }
            JoinType::Left | JoinType::Full if !met => {
                rows.push(format!("{}|{}", text(Some(row)), text(None)));
            }
            _ => {}
        }
    }
    if matches!(join_type, JoinType::Right | JoinType::Full) {
        for (row, _) in right.iter().zip(right_met).filter(|(_, met)| !met) {
            rows.push(format!("{}|{}", text(None), text(Some(row))));
        }
    }
    rows.sort();
    rows
}

fn task(memory_bytes: usize, batch_rows: usize) -> Arc<TaskContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0);
    task_of(runtime, batch_rows)
}

fn task_of(runtime: RuntimeEnvBuilder, batch_rows: usize) -> Arc<TaskContext> {
    let config = SessionConfig::new().with_batch_size(batch_rows);
    let task = TaskContext::default()
        .with_session_config(config)
        .with_runtime(runtime.build_arc().unwrap());
    Arc::new(task)
}

async fn run(plan: Arc<dyn ExecutionPlan>, memory_bytes: usize) -> Result<Vec<String>> {
    let task = task(memory_bytes, 16);
    let batches = collect(plan, Arc::clone(&task)).await?;
    assert_eq!(task.memory_pool().reserved(), 0, "memory is given back");
    assert_eq!(task.runtime_env().disk_manager.used_disk_space(), 0);
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        assert!(batch.num_rows() <= 16, "{} rows", batch.num_rows());
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|c| ArrayFormatter::try_new(c, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let mut line = String::new();
            for column in &columns {
                write!(line, "|{}", column.value(row)).unwrap();
            }
            rows.push(line.trim_start_matches('|').to_owned());
        }
    }
    rows.sort();
    Ok(rows)
}

fn join(
    left: &[Row],
    right: &[Row],
    partitions: usize,
    join_type: JoinType,
    on: Condition,
) -> Arc<BlockNestedLoopJoinExec> {
    let (left, right) = (plan("l", left, 1), plan("r", right, partitions));
    let filter = on.filter(&left.schema(), &right.schema());
    Arc::new(BlockNestedLoopJoinExec::try_new(left, right, filter, join_type, None).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_the_rows_of_two_loops() {
    let mut lottery = Lottery::new(11);
    // Also empty sides, and each side the smaller one.
    for (l, r) in [(130, 120), (9, 120), (130, 9), (0, 40), (40, 0), (0, 0)] {
        let left = random_rows(&mut lottery, l);
        let right = random_rows(&mut lottery, r);
        for join_type in JOIN_TYPES {
            for on in [
                Condition::Less,
                Condition::Both,
                Condition::LeftOnly,
                Condition::Never,
            ] {
                let expected = naive(&left, &right, join_type, on);
                for (partitions, memory) in [(1, PLENTY), (3, PLENTY), (1, LITTLE), (3, LITTLE)] {
                    let join = join(&left, &right, partitions, join_type, on);
                    let found = run(Arc::clone(&join) as _, memory).await.unwrap();
                    let context = format!("{l} {join_type} {r} {on:?} {partitions} {memory}");
                    assert!(found == expected, "{context}: {} rows", found.len());
                    let spills = join.metrics().unwrap().spill_count().unwrap_or(0);
                    // A quarter of LITTLE is one batch with its buffer of texts, of 8 KiB.
                    let may_spill = l > 16 && memory == LITTLE;
                    assert!(may_spill || spills == 0, "{context}");
                    assert!(spills > 0 || l < 130 || memory != LITTLE, "{context}");
                }
            }
        }
    }
}

/// The partitions of one join, and of two at once, in a query whose own limit is a few batches:
/// each goes on with as few rows as there is memory for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_share_a_small_limit_of_their_query() {
    let mut lottery = Lottery::new(17);
    let left = random_rows(&mut lottery, 130);
    let right = random_rows(&mut lottery, 120);
    let budget = Arc::new(MemoryBudget::new(ByteCount(100_000_000)));
    for limit in [40_000, 100_000] {
        for join_type in JOIN_TYPES {
            let pool = QueryPool::new(Arc::clone(&budget), 1, Some(ByteCount(limit)));
            let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool));
            let task = task_of(runtime, 16);
            let [one, two] = [Condition::Less, Condition::Both].map(|on| {
                let join = join(&left, &right, 3, join_type, on);
                (collect(join, Arc::clone(&task)), on)
            });
            let joined = futures::future::join(one.0, two.0);
            // No wait may run into the arbiter's limit, which is the tenth part of this.
            let joined = tokio::time::timeout(Duration::from_secs(100), joined).await;
            let (first, second) = joined.expect("the partitions starve one another");
            for (found, on) in [(first, one.1), (second, two.1)] {
                let found: usize = found.unwrap().iter().map(RecordBatch::num_rows).sum();
                let expected = naive(&left, &right, join_type, on).len();
                assert_eq!(found, expected, "{join_type} {on:?} in {limit} bytes");
            }
        }
    }
    assert_eq!(budget.reserved(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_condition_all_rows_meet() {
    let mut lottery = Lottery::new(12);
    for (l, r) in [(40, 30), (330, 3), (3, 330), (0, 5), (5, 0)] {
        let left = random_rows(&mut lottery, l);
        let right = random_rows(&mut lottery, r);
        for join_type in JOIN_TYPES {
            let expected = naive(&left, &right, join_type, Condition::None);
            for (partitions, memory) in [(1, PLENTY), (3, LITTLE)] {
                let join = join(&left, &right, partitions, join_type, Condition::None);
                let found = run(join, memory).await.unwrap();
                assert!(
                    found == expected,
                    "{l} {join_type} {r}: {} rows",
                    found.len()
                );
            }
        }
    }
}

#[tokio::test]
async fn gives_the_columns_asked_for() {
    let mut lottery = Lottery::new(13);
    let (left, right) = (random_rows(&mut lottery, 20), random_rows(&mut lottery, 30));
    let plans = || (plan("l", &left, 1), plan("r", &right, 2));
    let on = |l: &Arc<dyn ExecutionPlan>, r: &Arc<dyn ExecutionPlan>| {
        Condition::Less.filter(&l.schema(), &r.schema())
    };
    let (l, r) = plans();
    let filter = on(&l, &r);
    let engine =
        NestedLoopJoinExec::try_new(l, r, filter, &JoinType::Full, Some(vec![5, 0])).unwrap();
    let ours = Arc::new(BlockNestedLoopJoinExec::from_nested_loop(&engine).unwrap());
    assert_eq!(ours.schema(), engine.schema());
    let expected: Vec<String> = {
        let mut rows: Vec<String> = naive(&left, &right, JoinType::Full, Condition::Less)
            .iter()
            .map(|row| row.split('|').collect::<Vec<_>>())
            .map(|row| format!("{}|{}", row[5], row[0]))
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(run(ours, PLENTY).await.unwrap(), expected);
    // No column at all: count(*) over a cross join.
    let (l, r) = plans();
    let none = BlockNestedLoopJoinExec::try_new(l, r, None, JoinType::Inner, Some(vec![])).unwrap();
    let batches = collect(Arc::new(none), task(PLENTY, 16)).await.unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        600
    );
}

/// Left rows that are more than may stay while they are probed go to disk; the bits for them stay
/// reserved.
#[tokio::test]
async fn left_rows_beyond_a_quarter_of_the_limit_go_to_disk() {
    let left = random_rows(&mut Lottery::new(19), 200);
    let held_bytes = async |memory_bytes: usize| {
        let task = task(memory_bytes, 16);
        let rows = plan("l", &left, 1).execute(0, Arc::clone(&task)).unwrap();
        let gathering = Gathering {
            context: task,
            metrics: SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0),
            notes_visited: true,
            partition_count: 1,
        };
        Build::gather(rows, gathering).await.unwrap().held_bytes()
    };
    // 200 bits take 4 words.
    let bits = 4 * 8;
    let all = held_bytes(PLENTY).await;
    assert!(all > 10 * bits, "{all} bytes");
    // Twice of what is held is enough to gather, and half of it may not stay.
    assert_eq!(held_bytes(all * 2).await, bits);
    assert_eq!(held_bytes(all * 4 + 4).await, all);
}

/// Why there is an operator of ours. When the engine's is mended this fails: then see what ours
/// still has to offer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_gives_left_rows_twice_when_it_spills() {
    let mut lottery = Lottery::new(14);
    let (left, right) = (
        random_rows(&mut lottery, 330),
        random_rows(&mut lottery, 300),
    );
    let expected = naive(&left, &right, JoinType::LeftAnti, Condition::Both);
    let (l, r) = (plan("l", &left, 1), plan("r", &right, 3));
    let filter = Condition::Both.filter(&l.schema(), &r.schema());
    let engine = NestedLoopJoinExec::try_new(l, r, filter, &JoinType::LeftAnti, None).unwrap();
    let found = collect(Arc::new(engine), task(LITTLE, 16)).await.unwrap();
    let found: usize = found.iter().map(RecordBatch::num_rows).sum();
    assert!(
        found > expected.len(),
        "{found} rows, {} are right",
        expected.len()
    );
}

#[tokio::test]
async fn yields_while_no_pair_matches() {
    let mut lottery = Lottery::new(15);
    let (left, right) = (
        random_rows(&mut lottery, 40_000),
        random_rows(&mut lottery, 40_000),
    );
    for on in [Condition::Never, Condition::Both] {
        let join = join(&left, &right, 1, JoinType::LeftMark, on);
        // One thread: the deadline is only seen if the join yields.
        let joined = collect(join, task(PLENTY, 8192));
        let ended = tokio::time::timeout(Duration::from_millis(50), joined).await;
        assert!(ended.is_err(), "1.6 billion pairs in 50 ms?");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_when_it_is_dropped_in_any_phase() {
    use futures::StreamExt;
    let mut lottery = Lottery::new(16);
    let (left, right) = (
        random_rows(&mut lottery, 330),
        random_rows(&mut lottery, 300),
    );
    for batches in [0, 1, 10, 100, 1000] {
        let task = task(LITTLE, 16);
        let join = join(&left, &right, 2, JoinType::Full, Condition::Less);
        let mut streams: Vec<_> = (0..2)
            .map(|p| join.execute(p, Arc::clone(&task)).unwrap())
            .collect();
        for stream in &mut streams {
            for _ in 0..batches {
                stream.next().await;
            }
        }
        drop(streams);
        drop(join);
        assert_eq!(task.memory_pool().reserved(), 0, "after {batches}");
        // The reader of a spill file may be a moment later in letting go.
        for _ in 0..1000 {
            if task.runtime_env().disk_manager.used_disk_space() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(task.runtime_env().disk_manager.used_disk_space(), 0);
    }
}
