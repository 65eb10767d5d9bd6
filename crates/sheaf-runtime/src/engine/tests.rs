//! Plans that end, fail, panic, never end, or are left, each through the whole way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, Int64Array};
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::SessionConfig;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};
use sheaf_base::error::{ErrorKind, SqlState};

use super::stream::RESULT_BATCHES_MAX;
use super::*;
use crate::registry::{QueryLimits, QueryState};

/// A query told to stop gives its error within this time.
const STOP_MAX: Duration = Duration::from_millis(500);

fn runtime() -> Arc<EngineRuntime> {
    runtime_with(ByteCount(100_000_000))
}

fn runtime_with(memory_limit: ByteCount) -> Arc<EngineRuntime> {
    let options = RuntimeOptions {
        threads: 2,
        memory_limit,
        ..RuntimeOptions::default()
    };
    EngineRuntime::new(options).unwrap()
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

fn batch(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let array = Int64Array::from_iter_values(values);
    RecordBatch::try_new(schema(), vec![Arc::new(array)]).unwrap()
}

/// A partition whose rows a function makes, given the number of the batch.
struct Source<F> {
    schema: Arc<Schema>,
    make: F,
    /// Held by the running stream, and by nothing else but the test.
    running: Weak<()>,
}

impl<F> std::fmt::Debug for Source<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl<F> PartitionStream for Source<F>
where
    F: Fn(usize) -> Option<EngineResult<RecordBatch>> + Clone + Send + Sync + 'static,
{
    fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn execute(&self, _task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let make = self.make.clone();
        let running = self.running.upgrade();
        let rows = stream::unfold(0, move |number| {
            let next = make(number);
            let _running = &running;
            async move {
                tokio::task::yield_now().await;
                next.map(|batch| (batch, number + 1))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema(), rows))
    }
}

fn plan<F>(partitions: Vec<F>) -> Arc<dyn ExecutionPlan>
where
    F: Fn(usize) -> Option<EngineResult<RecordBatch>> + Clone + Send + Sync + 'static,
{
    watched_plan(partitions, &Arc::new(()))
}

fn watched_plan<F>(partitions: Vec<F>, running: &Arc<()>) -> Arc<dyn ExecutionPlan>
where
    F: Fn(usize) -> Option<EngineResult<RecordBatch>> + Clone + Send + Sync + 'static,
{
    let partitions = partitions
        .into_iter()
        .map(|make| {
            Arc::new(Source {
                schema: schema(),
                make,
                running: Arc::downgrade(running),
            }) as _
        })
        .collect();
    Arc::new(StreamingTableExec::try_new(schema(), partitions, None, [], true, None).unwrap())
}

fn start(
    runtime: &EngineRuntime,
    plan: Arc<dyn ExecutionPlan>,
    timeout: Option<Duration>,
) -> (SendableRecordBatchStream, Arc<Query>) {
    let query = runtime.registry().begin(
        "test",
        QueryLimits {
            time: timeout,
            memory: None,
        },
    );
    let task = Arc::new(TaskContext::default().with_runtime(runtime.runtime_env()));
    let stream = runtime.execute(plan, task, Arc::clone(&query)).unwrap();
    (stream, query)
}

fn collect(stream: SendableRecordBatchStream) -> Vec<EngineResult<RecordBatch>> {
    block_on(stream.collect())
}

fn values(results: Vec<EngineResult<RecordBatch>>) -> Vec<i64> {
    let batches: Vec<RecordBatch> = results.into_iter().collect::<EngineResult<_>>().unwrap();
    let all = concat_batches(&schema(), &batches).unwrap();
    all.column(0).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn one_partition_keeps_its_order() {
    let runtime = runtime();
    let source = |n: usize| (n < 100).then(|| Ok(batch([n as i64])));
    let (stream, query) = start(&runtime, plan(vec![source]), None);
    assert_eq!(query.progress().state, QueryState::Running);
    assert_eq!(values(collect(stream)), (0..100).collect::<Vec<i64>>());
    let progress = query.progress();
    assert_eq!((progress.state, progress.rows_out), (QueryState::Done, 100));
    assert_eq!(runtime.registry().list().len(), 1);
}

#[test]
fn many_partitions_are_merged() {
    let runtime = runtime();
    let partitions = (0..7_i64)
        .map(|p| move |n: usize| (n < 10).then(|| Ok(batch([p * 10 + n as i64]))))
        .collect();
    let (stream, _query) = start(&runtime, plan(partitions), None);
    let mut rows = values(collect(stream));
    rows.sort_unstable();
    assert_eq!(rows, (0..70).collect::<Vec<i64>>());
}

#[test]
fn a_plan_of_no_partitions_has_no_rows() {
    let runtime = runtime();
    let plan = MemorySourceConfig::try_new_exec(&[], schema(), None).unwrap();
    let (stream, query) = start(&runtime, plan, None);
    assert_eq!(collect(stream).len(), 0);
    assert_eq!(query.progress().state, QueryState::Done);
}

#[test]
fn cancelling_gives_one_error_at_once() {
    let runtime = runtime();
    let endless = |_| Some(Ok(batch([1])));
    let running = Arc::new(());
    let (mut stream, query) = start(
        &runtime,
        watched_plan(vec![endless, endless], &running),
        None,
    );
    block_on(stream.next()).unwrap().unwrap();
    let asked = Instant::now();
    assert!(runtime.registry().cancel(query.id()));
    let rest = collect(stream);
    assert!(asked.elapsed() < STOP_MAX, "{:?}", asked.elapsed());
    assert_eq!(
        rest.len(),
        1,
        "batches that wait are not handed over any more"
    );
    let error = SheafError::from(rest.into_iter().next().unwrap().unwrap_err());
    assert_eq!(error.message(), "canceling statement due to user request");
    assert_eq!(error.state(), SqlState::QUERY_CANCELED);
    assert_eq!(query.progress().state, QueryState::Cancelled);
    wait_until_alone(&running);
}

#[test]
fn timeouts_stop_a_query_that_gives_nothing_and_that_nobody_polls() {
    let runtime = runtime();
    let nothing = |_| Some(Ok(batch([])));
    let running = Arc::new(());
    let timeout = Duration::from_millis(50);
    let (stream, query) = start(
        &runtime,
        watched_plan(vec![nothing], &running),
        Some(timeout),
    );
    block_on(query.cancelled());
    wait_until_alone(&running);
    assert_eq!(query.progress().state, QueryState::TimedOut);
    let results = collect(stream);
    assert!(query.progress().elapsed < timeout + STOP_MAX);
    let error = SheafError::from(results.into_iter().find_map(Result::err).unwrap());
    assert_eq!(
        error.message(),
        "canceling statement due to statement timeout"
    );
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(
        runtime.registry().list()[0].progress.state,
        QueryState::TimedOut
    );
}

#[test]
fn workers_that_compute_without_a_pause_do_not_delay_the_answer() {
    let runtime = runtime();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(parking_lot::Mutex::new(gate));
    let stuck = move |_| {
        let _ = gate.lock().recv();
        None
    };
    let partitions = vec![stuck.clone(), stuck.clone(), stuck];
    let (stream, query) = start(&runtime, plan(partitions), Some(Duration::from_millis(50)));
    let results = collect(stream);
    assert!(query.progress().elapsed < STOP_MAX);
    assert_eq!(results.len(), 1);
    assert!(results[0].is_err());
    drop(release);
}

#[test]
fn a_panic_is_an_error_and_the_process_goes_on() {
    let runtime = runtime();
    for partitions in [1, 3] {
        let source = |n: usize| {
            assert!(n < 2, "two batches are enough");
            Some(Ok(batch([1])))
        };
        let (stream, query) = start(&runtime, plan(vec![source; partitions]), None);
        let error = collect(stream).into_iter().find_map(Result::err).unwrap();
        let error = SheafError::from(error);
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(
            error.message().contains("two batches are enough"),
            "{error}"
        );
        assert_eq!(query.progress().state, QueryState::Failed);
    }
    let (stream, _query) = start(
        &runtime,
        plan(vec![|n| (n < 1).then(|| Ok(batch([7])))]),
        None,
    );
    assert_eq!(values(collect(stream)), [7]);
}

#[test]
fn an_error_ends_the_query_with_its_message() {
    let runtime = runtime();
    let source = |n: usize| {
        Some(match n {
            0 => Ok(batch([1])),
            _ => Err(DataFusionError::from(SheafError::data(
                "a.csv:3: bad number",
            ))),
        })
    };
    let (stream, query) = start(&runtime, plan(vec![source]), None);
    let results = collect(stream);
    assert_eq!(results.len(), 2);
    assert_eq!(query.progress().state, QueryState::Failed);
    let listed = runtime.registry().list();
    assert_eq!(listed[0].error.as_deref(), Some("a.csv:3: bad number"));
}

#[test]
fn dropping_the_stream_stops_the_plan_and_back_pressure_held_it() {
    let runtime = runtime();
    let made = Arc::new(AtomicUsize::new(0));
    let running = Arc::new(());
    let counter = Arc::clone(&made);
    let endless = move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some(Ok(batch([1])))
    };
    let (mut stream, query) = start(&runtime, watched_plan(vec![endless], &running), None);
    block_on(stream.next()).unwrap().unwrap();
    drop(stream);
    wait_until_alone(&running);
    // One handed over, those in the channel, one that waits to be sent.
    assert!(made.load(Ordering::Relaxed) <= RESULT_BATCHES_MAX + 2);
    assert_eq!(query.progress().state, QueryState::Cancelled);
}

#[test]
fn a_query_that_was_cancelled_before_it_ran_does_not_run() {
    let runtime = runtime();
    let query = runtime.registry().begin("test", QueryLimits::default());
    query.cancel();
    let task = Arc::new(TaskContext::default());
    let plan = plan(vec![|_| None]);
    let error = runtime
        .execute(plan, task, Arc::clone(&query))
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(query.progress().state, QueryState::Cancelled);
}

#[test]
fn a_part_does_not_end_its_query() {
    let runtime = runtime();
    let query = runtime.registry().begin("copy", QueryLimits::default());
    let task = Arc::new(TaskContext::default());
    let plan = plan(vec![|n| (n < 2).then(|| Ok(batch([1])))]);
    let stream = runtime
        .execute_part(plan, task, Arc::clone(&query))
        .unwrap();
    assert_eq!(collect(stream).len(), 2);
    assert_eq!(query.progress().state, QueryState::Running);
}

#[tokio::test]
async fn a_runtime_can_be_dropped_on_another_runtime() {
    drop(runtime());
}

/// Each engine has planning threads, whose stacks go back to the system when they end.
#[test]
fn engines_begin_and_end_many_times_at_once() {
    let drop_some = || {
        for _ in 0..100 {
            drop(runtime());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(drop_some);
        }
    });
}

#[test]
fn sorting_more_than_memory_spills_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let runtime = EngineRuntime::new(RuntimeOptions {
        threads: 2,
        memory_limit: ByteCount(16_000_000),
        temp_directory: Some(temp.path().to_owned()),
        temp_bytes_max: ByteCount(1_000_000_000),
    })
    .unwrap();
    const BATCHES: usize = 500;
    const ROWS: i64 = 8_192;
    // Multiplying by an odd number permutes the numbers below a power of two... here a prime
    // modulus: every row is (i * 48271) mod (2^31 - 1), all different.
    let source = |n: usize| {
        (n < BATCHES).then(|| {
            let first = n as i64 * ROWS;
            Ok(batch(
                (first..first + ROWS).map(|i| (i + 1) * 48_271 % 2_147_483_647),
            ))
        })
    };
    let order = LexOrdering::new([PhysicalSortExpr::new(
        col("n", &schema()).unwrap(),
        SortOptions::default(),
    )])
    .unwrap();
    let sort = Arc::new(SortExec::new(order, plan(vec![source])));
    let query = runtime.registry().begin("sort", QueryLimits::default());
    let mut config = SessionConfig::new();
    config.options_mut().execution.sort_spill_reservation_bytes = 1_000_000;
    let task = TaskContext::default().with_session_config(config);
    let task = Arc::new(task.with_runtime(runtime.runtime_env()));
    let stream = runtime.execute(sort, task, Arc::clone(&query)).unwrap();
    let rows = values(collect(stream));
    assert_eq!(rows.len(), BATCHES * 8_192);
    assert!(rows.is_sorted());
    let progress = query.progress();
    assert!(progress.spilled_bytes > 10_000_000, "{progress:?}");
    assert!(progress.spill_count > 1, "{progress:?}");
    assert!(progress.memory_peak_bytes > 1_000_000, "{progress:?}");
    assert!(progress.memory_peak_bytes <= 16_000_000, "{progress:?}");
    assert_eq!(query.pool().reserved(), 0);
    assert_eq!(
        (runtime.spill().files(), runtime.spill().bytes()),
        (0, ByteCount(0))
    );
    drop(runtime);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

/// Waits until the plan's streams are gone: they hold the other clones.
fn wait_until_alone(running: &Arc<()>) {
    let asked = Instant::now();
    while Arc::strong_count(running) > 1 {
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "the plan still runs"
        );
        std::thread::yield_now();
    }
}
