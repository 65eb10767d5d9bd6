//! What joins become in a plan, what they let scans leave out, and that they end under a limit.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::JoinType;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionConfig, SessionContext, col};
use futures::TryStreamExt;
use futures::executor::block_on;
use sheaf_base::{ByteCount, SheafError};
use sheaf_runtime::{EngineRuntime, QueryLimits, RuntimeOptions};

use crate::options::{engine_options, set_memory_limit};
use crate::physical::physical_rules;

const LIMIT: ByteCount = ByteCount(24_000_000);

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    engine_options(config.options_mut());
    set_memory_limit(config.options_mut(), LIMIT);
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_physical_optimizer_rules(physical_rules())
        .build();
    SessionContext::new_with_state(state)
}

/// A table of `key(row)` and the row's number, each column's name beginning with `prefix`.
fn numbers(
    context: &SessionContext,
    prefix: &str,
    rows: i64,
    key: impl Fn(i64) -> i64,
) -> DataFrame {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(key)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch =
        RecordBatch::try_from_iter([(format!("{prefix}k"), keys), (format!("{prefix}v"), values)]);
    context.read_batch(batch.unwrap()).unwrap()
}

fn shape(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

async fn rows(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Vec<String> {
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(values.join("|"));
        }
    }
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregate_by_the_join_key_is_still_right() {
    let context = context();
    // Every key below 1,000 is 20 times on the left and 30 times on the right.
    let left = numbers(&context, "l", 20_000, |i| i % 1_000);
    let right = numbers(&context, "r", 30_000, |i| i % 1_000);
    let plan = left
        .join(right, JoinType::Inner, &["lk"], &["rk"], None)
        .unwrap()
        .aggregate(vec![col("lk")], vec![count(col("rv"))])
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let shape = shape(&plan);
    assert!(shape.contains("HashJoinExec: join_type=Inner"), "{shape}");
    let mut expected: Vec<String> = (0..1_000).map(|key| format!("{key}|600")).collect();
    expected.sort();
    assert_eq!(rows(plan, &context).await, expected, "{shape}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_learn_the_bounds_of_the_build_side() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.parquet");
    let file = file.to_str().unwrap();
    let context = context();
    let options = Default::default();
    numbers(&context, "r", 100_000, |i| i)
        .write_parquet(file, options, None)
        .await
        .unwrap();
    let left = numbers(&context, "l", 3, |i| 40 + i);
    let right = context
        .read_parquet(file, ParquetReadOptions::default())
        .await
        .unwrap();
    let plan = left
        .join(right, JoinType::Inner, &["lk"], &["rk"], None)
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let before = shape(&plan);
    assert!(before.contains("DynamicFilter [ empty ]"), "{before}");
    assert_eq!(
        rows(Arc::clone(&plan), &context).await,
        ["40|0|40|40", "41|1|41|41", "42|2|42|42"]
    );
    let after = shape(&plan);
    assert!(after.contains("rk@0 >= 40 AND rk@0 <= 42"), "{after}");
}

#[test]
fn a_join_larger_than_memory_ends() {
    let temp = tempfile::tempdir().unwrap();
    let engine = EngineRuntime::new(RuntimeOptions {
        threads: 2,
        memory_limit: LIMIT,
        temp_directory: Some(temp.path().to_owned()),
        temp_bytes_max: ByteCount(1_000_000_000),
    })
    .unwrap();
    let rows = 1_000_000;
    let context = context();
    // Permutations of the keys: 7 and 11 do not divide 1,000,000.
    let left = numbers(&context, "l", rows, |i| i * 7 % rows);
    let right = numbers(&context, "r", rows, |i| i * 11 % rows);
    let sums = left
        .join(right, JoinType::Inner, &["lk"], &["rk"], None)
        .and_then(|joined| {
            joined.aggregate(
                vec![],
                vec![count(col("lv")), sum(col("lv")), sum(col("rv"))],
            )
        })
        .unwrap();
    let plan = block_on(sums.create_physical_plan()).unwrap();
    let task = TaskContext::default()
        .with_session_config(context.copied_config())
        .with_runtime(engine.runtime_env());
    let query = engine.registry().begin("join", QueryLimits::default());
    let stream = engine
        .execute(plan, Arc::new(task), Arc::clone(&query))
        .unwrap();
    let batches: Vec<RecordBatch> = block_on(stream.try_collect())
        .map_err(SheafError::from)
        .unwrap();
    let sum_of_all = rows * (rows - 1) / 2;
    let values: Vec<i64> = batches[0]
        .columns()
        .iter()
        .map(|c| c.as_any().downcast_ref::<Int64Array>().unwrap().value(0))
        .collect();
    assert_eq!(values, [rows, sum_of_all, sum_of_all]);
    let progress = query.progress();
    assert!(progress.spilled_bytes > 1_000_000, "{progress:?}");
    let peak_bytes = engine.memory().peak_bytes() as u64;
    assert!(peak_bytes <= LIMIT.0, "{peak_bytes} bytes");
    assert_eq!(engine.spill().bytes(), ByteCount(0));
}
