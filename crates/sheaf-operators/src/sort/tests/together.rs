//! Partitions that are sorted into one.

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::collect;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, Gauge, SpillMetrics, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use sheaf_runtime::memory::{Grant, Holding};
use tokio::sync::oneshot;

use super::memory::{engine, query};
use super::*;
use crate::sort::{SortMeans, sorted_together};

const ROW_COUNT: i64 = 400_000;

fn numbers(numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("number", DataType::Int64, false)]);
    let numbers = Int64Array::from_iter_values(numbers);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers)]).unwrap()
}

fn input(
    rows: RecordBatch,
    rest: impl Future<Output = Result<RecordBatch>> + Send + 'static,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let batches = stream::iter([Ok(rows)]).chain(stream::once(rest));
    Box::pin(RecordBatchStreamAdapter::new(schema, batches.boxed()))
}

fn sorted_inputs(
    inputs: [SendableRecordBatchStream; 2],
    environment: &Arc<RuntimeEnv>,
) -> SendableRecordBatchStream {
    let ordering = ordering(&[("number", descending(false))], &inputs[0].schema());
    let inputs = (0..).zip(inputs).map(|(partition, input)| {
        let means = SortMeans {
            context: context(1_000, environment),
            partition,
            spill_metrics: SpillMetrics::new(&ExecutionPlanMetricsSet::new(), partition),
            elapsed: Time::new(),
            peak: Gauge::new(),
        };
        (input, means)
    });
    sorted_together(inputs.collect(), &ordering, None).unwrap()
}

/// One partition has ended and holds its rows while the other waits for its input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_ended_partition_has_is_given_back() {
    let engine = engine(25_000_000, 1_000_000_000);
    let environment = query(&engine, 1);
    let (go_on, waits) = oneshot::channel();
    let odd = input(numbers((0..ROW_COUNT).map(|n| 2 * n + 1)), async {
        Ok(numbers([]))
    });
    let even = input(numbers([0]), async {
        waits.await.unwrap();
        Ok(numbers((1..ROW_COUNT).map(|n| 2 * n)))
    });
    let rows = sorted_inputs([odd, even], &environment).try_collect::<Vec<_>>();
    let rows = SpawnedTask::spawn(rows);
    // Numbers and the heads of their keys: 8 + 16 bytes a row.
    while environment.memory_pool.reserved() < 24 * 400_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;

    let other = query(&engine, 2);
    let holding = Holding::new("HashJoin[0]", &other.memory_pool);
    assert_eq!(holding.grow(16_000_000).await.unwrap(), Grant::Granted);
    holding.free();
    go_on.send(()).unwrap();
    let mut expected = (0..2 * ROW_COUNT).rev();
    for batch in rows.join_unwind().await.unwrap().unwrap() {
        let found = batch
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        assert!(
            found
                .values()
                .iter()
                .copied()
                .eq(expected.by_ref().take(found.len()))
        );
    }
    assert_eq!(expected.next(), None);
    assert_eq!(engine.memory().holders(), []);
    assert_eq!(engine.runtime_env().disk_manager.used_disk_space(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_all_partitions_are_merged_as_one() {
    let engine = engine(4_000_000, 1_000_000_000);
    let environment = query(&engine, 1);
    // 200,000 numbers of 8 bytes with heads of 16: 4.8 MB.
    let partitions = [0, 1, 2, 3].map(|partition| {
        let batches = (0..50).map(|batch| {
            numbers((0..1_000).map(move |n| (batch * 1_000 + n) * 7_919 % 50_000 * 4 + partition))
        });
        batches.collect::<Vec<_>>()
    });
    let plan = plan_of(&partitions, &[("number", descending(false))], None);
    let found = collect(Arc::clone(&plan), context(500, &environment))
        .await
        .unwrap();
    assert!(spill_count(&plan) > 0);
    let mut expected = (0..200_000_i64).rev();
    for batch in found {
        let found = batch
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        assert!(
            found
                .values()
                .iter()
                .copied()
                .eq(expected.by_ref().take(found.len()))
        );
    }
    assert_eq!(expected.next(), None);
    assert_eq!(environment.memory_pool.reserved(), 0);
}

#[tokio::test]
async fn an_error_of_one_input_is_that_of_all() {
    let environment = environment(PLENTY);
    let fails = input(numbers(0..10), async {
        Err(DataFusionError::Execution("the disk is gone".to_owned()))
    });
    let waits = input(numbers(0..10), std::future::pending());
    let mut rows = sorted_inputs([waits, fails], &environment);
    let error = rows.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    drop(rows);
    // The task of the other input ends when it is next scheduled.
    tokio::task::yield_now().await;
    assert_nothing_is_left(&environment).await;
}

#[tokio::test]
async fn a_dropped_stream_ends_its_tasks() {
    let environment = environment(PLENTY);
    let inputs = [0, 10].map(|from| input(numbers(from..from + 10), std::future::pending()));
    let mut rows = sorted_inputs(inputs, &environment);
    assert!(futures::poll!(rows.next()).is_pending());
    while environment.memory_pool.reserved() == 0 {
        tokio::task::yield_now().await;
    }
    drop(rows);
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_nothing_is_left(&environment).await;
}
