//! Joins larger than memory, fan-out, cancelling: what is held, and what is left behind.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::JoinType;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;

use super::fixture::{Case, context, environment, spills};

pub(super) const BATCH_ROWS: usize = 1024;

/// `rows` rows whose keys are `key(row)`, in two partitions.
pub(super) fn numbers(prefix: &str, rows: i64, key: impl Fn(i64) -> i64) -> Arc<dyn ExecutionPlan> {
    let fields: Vec<Field> = ["k", "v"]
        .iter()
        .map(|name| Field::new(format!("{prefix}{name}"), DataType::Int64, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut parts = vec![Vec::new(); 2];
    for (number, from) in (0..rows).step_by(BATCH_ROWS).enumerate() {
        let range = || from..rows.min(from + BATCH_ROWS as i64);
        let keys = Int64Array::from_iter_values(range().map(&key));
        let values = Int64Array::from_iter_values(range());
        parts[number % 2].push(
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys), Arc::new(values)])
                .unwrap(),
        );
    }
    MemorySourceConfig::try_new_exec(&parts, schema, None).unwrap()
}

async fn count(plan: &Arc<dyn ExecutionPlan>, environment: &Arc<RuntimeEnv>) -> usize {
    let context = context(BATCH_ROWS, environment);
    let parts = datafusion::physical_plan::collect_partitioned(Arc::clone(plan), context)
        .await
        .unwrap();
    let batches = parts.iter().flatten();
    batches
        .map(|batch| {
            assert!(batch.num_rows() <= BATCH_ROWS);
            batch.num_rows()
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_larger_than_memory() {
    let rows = 300_000;
    // 7 and 11 do not divide the number of rows: both sides have every key once. Sparse keys.
    for (factor, extra) in [(1, 0), (1_000_003, 5_000)] {
        for (join_type, expected) in [
            (JoinType::Inner, rows),
            (JoinType::Full, rows + 2 * extra),
            (JoinType::LeftAnti, extra),
            (JoinType::RightAnti, extra),
        ] {
            let left = numbers("l", rows + extra, |i| {
                if i < rows {
                    i * 7 % rows * factor
                } else {
                    -i * 2
                }
            });
            let right = numbers("r", rows + extra, |i| {
                if i < rows {
                    i * 11 % rows * factor
                } else {
                    -i * 2 - 1
                }
            });
            let plan = Case::of(join_type, &[0]).plan_of(left, right);
            let environment = environment(1_000_000);
            let joined = count(&plan, &environment).await;
            assert_eq!(joined as i64, expected, "{join_type}, factor {factor}");
            assert!(spills(&plan) > 0);
            assert_eq!(environment.memory_pool.reserved(), 0);
            assert_eq!(environment.disk_manager.used_disk_space(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_larger_than_memory() {
    // 40,000 × 12 pairs of the key 1, and 100 keys that are there once on each side.
    let left = numbers("l", 40_100, |i| if i < 40_000 { 1 } else { i * 1_000 });
    let right = numbers("r", 112, |i| if i < 12 { 1 } else { (i + 39_988) * 1_000 });
    for (join_type, expected) in [
        (JoinType::Inner, 480_100),
        (JoinType::Right, 480_100),
        (JoinType::RightSemi, 112),
        (JoinType::LeftSemi, 40_100),
        (JoinType::RightMark, 112),
        (JoinType::LeftAnti, 0),
    ] {
        let plan = Case::of(join_type, &[0]).plan_of(Arc::clone(&left), Arc::clone(&right));
        let environment = environment(200_000);
        assert_eq!(count(&plan, &environment).await, expected, "{join_type}");
        assert!(spills(&plan) > 0);
        assert_eq!(environment.memory_pool.reserved(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_leaves_nothing() {
    // While rows arrive, are probed, and while buckets are joined.
    for batches in [0, 1, 40, 90, 97] {
        let left = numbers("l", 200_000, |i| i * 1_000);
        let right = numbers("r", 200_000, |i| i * 1_000);
        let plan = Case::of(JoinType::Inner, &[0]).plan_of(left, right);
        let environment = environment(1_000_000);
        let context = context(BATCH_ROWS, &environment);
        let taking: Vec<_> = (0..2)
            .map(|partition| {
                let mut stream = plan.execute(partition, Arc::clone(&context)).unwrap();
                SpawnedTask::spawn(async move {
                    for _ in 0..batches {
                        stream.next().await.transpose().unwrap();
                    }
                })
            })
            .collect();
        for taken in taking {
            taken.join().await.unwrap();
        }
        // Tasks end at their next pause.
        let mut waits = 0;
        while environment.memory_pool.reserved() > 0
            || environment.disk_manager.used_disk_space() > 0
        {
            tokio::task::yield_now().await;
            std::thread::yield_now();
            waits += 1;
            assert!(waits < 10_000_000, "something was left behind");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_can_be_executed_twice_and_partition_by_partition() {
    let plan = Case::of(JoinType::Full, &[0]).plan_of(
        numbers("l", 3_000, |i| i),
        numbers("r", 3_000, |i| i + 1_000),
    );
    let environment = environment(usize::MAX);
    for _ in 0..2 {
        let context = context(BATCH_ROWS, &environment);
        let mut rows = 0;
        for partition in 0..2 {
            let mut stream = plan.execute(partition, Arc::clone(&context)).unwrap();
            while let Some(batch) = stream.next().await {
                rows += batch.unwrap().num_rows();
            }
        }
        assert_eq!(rows, 4_000);
    }
}
