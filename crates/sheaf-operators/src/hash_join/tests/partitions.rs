//! The last probe partition does what is left; none waits for another, one that goes holds nobody up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::JoinType;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use tokio::time::timeout;

use super::fixture::{Case, JOIN_TYPES, batches, context, environment, rows, text_of};

const PATIENCE: Duration = Duration::from_secs(60);

async fn take(mut stream: SendableRecordBatchStream, batches_max: usize) -> Vec<RecordBatch> {
    let mut taken = Vec::new();
    while taken.len() < batches_max
        && let Some(batch) = stream.next().await
    {
        taken.push(batch.unwrap());
    }
    taken
}

/// Takes so many batches of each partition of `plan` in tasks of their own.
async fn take_all(
    plan: &Arc<dyn ExecutionPlan>,
    batch_rows: usize,
    memory_bytes: usize,
    batches_max: &[usize],
) -> Vec<Vec<RecordBatch>> {
    let environment = environment(memory_bytes);
    let context = context(batch_rows, &environment);
    let tasks: Vec<_> = batches_max
        .iter()
        .enumerate()
        .map(|(partition, &max)| {
            let stream = plan.execute(partition, Arc::clone(&context)).unwrap();
            // One of which nothing is taken goes before the others begin.
            let stream = (max > 0).then_some(stream);
            SpawnedTask::spawn(async move {
                match stream {
                    Some(stream) => take(stream, max).await,
                    None => Vec::new(),
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        let part = timeout(PATIENCE, task.join())
            .await
            .expect("a partition hangs");
        taken.push(part.unwrap());
    }
    taken
}

/// A consumer may want all of one partition before it goes on with another that it has begun, as a
/// merge by order does: none may wait for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_have_begun_may_be_ended_one_after_another() {
    let (left, right) = (rows(230, 60, 9, false, 57), rows(300, 60, 9, false, 58));
    for join_type in JOIN_TYPES {
        let case = Case::of(join_type, &[0]);
        for memory_bytes in [usize::MAX, 20_000] {
            let environment = environment(memory_bytes);
            let context = context(8, &environment);
            let plan = case.plan(&left, &right);
            let mut given = Vec::new();
            let mut begun = Vec::new();
            for partition in 0..3 {
                let mut stream = plan.execute(partition, Arc::clone(&context)).unwrap();
                let first = timeout(PATIENCE, stream.next()).await;
                given.extend(first.expect("a partition waits for one not begun"));
                begun.push(stream);
            }
            let mut given: Vec<RecordBatch> = given.into_iter().map(Result::unwrap).collect();
            for stream in begun {
                let taken = timeout(PATIENCE, take(stream, usize::MAX)).await;
                given.extend(taken.expect("a partition waits for one that nobody polls"));
            }
            assert_eq!(text_of(&given), case.expected(&left, &right), "{case:?}");
        }
    }
}

/// A partition that takes some batches and goes: what the others give are rows of the result, none
/// of them too often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_go_early_hold_nobody_up_and_make_no_row_wrong() {
    let (left, right) = (rows(230, 60, 9, false, 51), rows(300, 60, 9, false, 52));
    for join_type in JOIN_TYPES {
        let case = Case::of(join_type, &[0]);
        let mut wanted: HashMap<String, usize> = HashMap::new();
        for row in case.expected(&left, &right) {
            *wanted.entry(row).or_default() += 1;
        }
        for memory_bytes in [usize::MAX, 20_000] {
            for taken in [
                [0, usize::MAX, usize::MAX],
                [1, usize::MAX, usize::MAX],
                [3, 0, usize::MAX],
                [2, 2, 2],
            ] {
                let plan = case.plan(&left, &right);
                let parts = take_all(&plan, 8, memory_bytes, &taken).await;
                let mut given: HashMap<String, usize> = HashMap::new();
                for row in text_of(&parts.concat()) {
                    *given.entry(row).or_default() += 1;
                }
                for (row, count) in given {
                    let most = wanted.get(&row).copied().unwrap_or(0);
                    assert!(count <= most, "{case:?}, {taken:?}: {row} × {count}");
                }
            }
        }
    }
}

/// A partition that goes before it has begun, and has no rows: nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_without_rows_that_is_never_polled_costs_none() {
    let (left, right) = (rows(230, 60, 9, false, 53), rows(300, 60, 9, false, 54));
    for join_type in [JoinType::Inner, JoinType::Right, JoinType::RightAnti] {
        let case = Case::of(join_type, &[0]);
        for memory_bytes in [usize::MAX, 20_000] {
            let (schema, probe) = batches("r", &right);
            let (some, others) = probe.split_at(probe.len() / 2);
            let parts = [some.to_vec(), others.to_vec(), Vec::new()];
            let probe = MemorySourceConfig::try_new_exec(&parts, schema, None).unwrap();
            let plan = case.plan_of(super::fixture::table("l", &left, 2), probe);
            let taken = [usize::MAX, usize::MAX, 0];
            let parts = take_all(&plan, 8, memory_bytes, &taken).await;
            let given = text_of(&parts.concat());
            assert_eq!(given, case.expected(&left, &right), "{case:?}");
        }
    }
}

/// One after another, as a consumer may that needs them in this order: the last does what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_may_be_taken_one_after_another() {
    let (left, right) = (rows(230, 60, 9, false, 55), rows(300, 60, 9, false, 56));
    for join_type in JOIN_TYPES {
        let case = Case::of(join_type, &[0]);
        for memory_bytes in [usize::MAX, 20_000] {
            let environment = environment(memory_bytes);
            let context = context(8, &environment);
            let plan = case.plan(&left, &right);
            let streams: Vec<_> = (0..3)
                .map(|partition| plan.execute(partition, Arc::clone(&context)).unwrap())
                .collect();
            let mut given = Vec::new();
            for stream in streams {
                let taken = timeout(PATIENCE, take(stream, usize::MAX)).await;
                given.extend(taken.expect("a partition waits for one not begun"));
            }
            assert_eq!(text_of(&given), case.expected(&left, &right), "{case:?}");
        }
    }
}
