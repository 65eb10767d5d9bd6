//! The same rows come out with plenty of memory and with little, while they are moved, and nothing
//! stays behind.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use sheaf_base::{ByteCount, ErrorKind, SheafError};
use sheaf_runtime::RuntimeOptions;
use sheaf_runtime::memory::QueryPool;

use super::*;

const PLENTY: u64 = 1_000_000_000;
const MEGABYTE: u64 = 1_000_000;

fn engine(memory_bytes: u64, disk_bytes: u64) -> Arc<EngineRuntime> {
    EngineRuntime::new(RuntimeOptions {
        threads: 2,
        memory_limit: ByteCount(memory_bytes),
        temp_directory: None,
        temp_bytes_max: ByteCount(disk_bytes),
    })
    .unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
    ]))
}

/// Rows `from..to`: the number, and a text that follows from it, NULL for every seventh.
fn batch(from: i64, to: i64) -> RecordBatch {
    let text = |id: i64| (id % 7 != 0).then(|| format!("row {id:>60}"));
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int64Array::from_iter_values(from..to)),
            Arc::new((from..to).map(text).collect::<StringArray>()),
        ],
    )
    .unwrap()
}

/// Rows `0..count`, appended in batches of `size`.
async fn store(engine: &EngineRuntime, count: i64, size: i64) -> Result<StoredRows> {
    let mut writer = StoredRowsWriter::new("table t", schema(), engine);
    let mut from = 0;
    while from < count {
        let to = (from + size).min(count);
        writer.append(&batch(from, to)).await?;
        from = to;
    }
    writer.finish().await
}

/// Reads everything and checks that it is rows `0..count` in order.
async fn check(rows: &Arc<StoredRows>, count: i64) {
    let scan = StoredScanExec::try_new(Arc::clone(rows), None).unwrap();
    let stream = scan.execute(0, Arc::new(TaskContext::default())).unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    let mut next = 0;
    for found in batches {
        let to = next + i64::try_from(found.num_rows()).unwrap();
        assert_eq!(found, batch(next, to));
        next = to;
    }
    assert_eq!(next, count);
    assert_eq!(rows.row_count(), usize::try_from(count).unwrap());
}

fn assert_nothing_is_left(engine: &EngineRuntime) {
    assert_eq!(engine.memory().reserved(), 0);
    assert_eq!(engine.spill().files(), 0);
    assert_eq!(engine.spill().bytes(), ByteCount(0));
}

/// The memory of a query that needs `bytes`, held when this returns.
async fn ask(engine: &EngineRuntime, bytes: usize) -> (Holding, Grant) {
    let pool = Arc::new(QueryPool::new(Arc::clone(engine.memory()), 1, None));
    let holding = Holding::new("HashJoin[0]", &(pool as Arc<dyn MemoryPool>));
    let grant = holding.grow(bytes).await.unwrap();
    (holding, grant)
}

#[tokio::test]
async fn rows_are_in_memory_while_there_is_plenty() {
    let engine = engine(PLENTY, PLENTY);
    let rows = Arc::new(store(&engine, 100_000, 1_000).await.unwrap());
    assert_eq!(rows.disk_bytes(), 0);
    // 8 bytes of number and some 60 of text a row.
    assert!(rows.memory_bytes() > 6_000_000);
    check(&rows, 100_000).await;
    drop(rows);
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn rows_larger_than_memory_go_to_one_file() {
    let engine = engine(MEGABYTE, PLENTY);
    let rows = Arc::new(store(&engine, 100_000, 1_000).await.unwrap());
    assert_eq!(rows.memory_bytes(), 0);
    assert!(rows.disk_bytes() > 0);
    assert!(engine.spill().files() <= 2);
    check(&rows, 100_000).await;
    drop(rows);
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn batches_of_any_size_are_cut_anew() {
    let engine = engine(PLENTY, PLENTY);
    for size in [1, 7, 50_000] {
        let rows = Arc::new(store(&engine, 50_000, size).await.unwrap());
        let batches = rows.shared.chunks.lock().batch_count();
        assert!(batches <= 10, "{batches} batches from batches of {size}");
        check(&rows, 50_000).await;
    }
}

#[tokio::test]
async fn a_part_of_a_batch_does_not_keep_the_whole() {
    let engine = engine(PLENTY, PLENTY);
    let whole = batch(0, 200_000);
    let mut writer = StoredRowsWriter::new("table t", schema(), &engine);
    writer.append(&whole.slice(0, 100)).await.unwrap();
    let rows = Arc::new(writer.finish().await.unwrap());
    let bytes = rows.memory_bytes();
    assert!(bytes < 100_000, "{bytes} bytes for 100 rows");
    check(&rows, 100).await;
}

#[tokio::test]
async fn rows_move_when_a_query_needs_their_memory() {
    let engine = engine(25 * MEGABYTE, PLENTY);
    // 14 MB of the 20 MB that can be reserved.
    let rows = Arc::new(store(&engine, 190_000, 1_000).await.unwrap());
    assert_eq!(rows.disk_bytes(), 0);
    let held = rows.memory_bytes();
    assert!((10_000_000..16_000_000).contains(&held), "{held}");
    // A reader that is in the middle meanwhile.
    let scan = StoredScanExec::try_new(Arc::clone(&rows), None).unwrap();
    let mut reader = scan.execute(0, Arc::new(TaskContext::default())).unwrap();
    assert_eq!(
        reader.try_next().await.unwrap().unwrap().slice(0, 5),
        batch(0, 5)
    );

    let (holding, grant) = ask(&engine, 12_000_000).await;
    assert_eq!(grant, Grant::Granted);
    assert!(rows.memory_bytes() <= 8_000_000);
    assert!(rows.disk_bytes() > 0);
    let rest: Vec<RecordBatch> = reader.try_collect().await.unwrap();
    let numbers = rest
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values());
    assert!(numbers.copied().eq(8192..190_000));
    drop(holding);
    // Two at once, and what has moved stays where it is.
    tokio::join!(check(&rows, 190_000), check(&rows, 190_000));
    drop(rows);
    drop(scan);
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn the_engines_operators_get_memory_too() {
    let engine = engine(25 * MEGABYTE, PLENTY);
    let rows = Arc::new(store(&engine, 190_000, 1_000).await.unwrap());
    let pool: Arc<dyn MemoryPool> = Arc::clone(engine.memory()) as _;
    let asking = engine.cpu().spawn(async move {
        let reservation = MemoryConsumer::new("ExternalSorter[0]")
            .with_can_spill(true)
            .register(&pool);
        reservation.try_grow(9_000_000)
    });
    asking.await.unwrap().unwrap();
    assert!(rows.disk_bytes() > 0);
    check(&rows, 190_000).await;
}

#[tokio::test]
async fn inserted_rows_are_seen_at_once_and_by_later_scans_alone() {
    let engine = engine(PLENTY, PLENTY);
    let rows = Arc::new(store(&engine, 10_000, 1_000).await.unwrap());
    let before = StoredScanExec::try_new(Arc::clone(&rows), None).unwrap();
    let mut writer = StoredRowsWriter::new("table t", schema(), &engine);
    writer.append(&batch(10_000, 15_000)).await.unwrap();
    assert_eq!(rows.row_count(), 10_000);
    rows.absorb(writer.finish().await.unwrap()).await;
    check(&rows, 15_000).await;
    let stream = before.execute(0, Arc::new(TaskContext::default())).unwrap();
    let seen: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    assert_eq!(
        seen.iter().map(RecordBatch::num_rows).sum::<usize>(),
        10_000
    );
    drop((rows, before));
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn rows_on_disk_are_absorbed_as_well() {
    let engine = engine(MEGABYTE, PLENTY);
    let rows = Arc::new(store(&engine, 50_000, 1_000).await.unwrap());
    let mut writer = StoredRowsWriter::new("table t", schema(), &engine);
    for from in (50_000..90_000).step_by(1_000) {
        writer.append(&batch(from, from + 1_000)).await.unwrap();
    }
    rows.absorb(writer.finish().await.unwrap()).await;
    check(&rows, 90_000).await;
    drop(rows);
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_leaves_nothing() {
    let engine = engine(MEGABYTE, 300_000);
    let error = store(&engine, 200_000, 1_000).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("table t cannot spill"), "{text}");
    assert_eq!(SheafError::from(error).kind(), ErrorKind::Resource);
    assert_nothing_is_left(&engine);
}

#[tokio::test]
async fn what_is_given_up_on_the_way_leaves_nothing() {
    for memory_bytes in [PLENTY, MEGABYTE] {
        let engine = engine(memory_bytes, PLENTY);
        let mut writer = StoredRowsWriter::new("table t", schema(), &engine);
        for from in (0..50_000).step_by(1_000) {
            writer.append(&batch(from, from + 1_000)).await.unwrap();
        }
        drop(writer);
        assert_nothing_is_left(&engine);
    }
}

#[tokio::test]
async fn rows_that_cannot_move_stay() {
    let engine = engine(25 * MEGABYTE, 1_000);
    let rows = Arc::new(store(&engine, 190_000, 1_000).await.unwrap());
    let pool = Arc::new(QueryPool::new(Arc::clone(engine.memory()), 1, None));
    let holding = Holding::new("HashJoin[0]", &(pool as Arc<dyn MemoryPool>));
    assert!(holding.grow(12_000_000).await.is_err());
    check(&rows, 190_000).await;
}
