//! What is held and what is left behind: wide rows, shared buffers, cancelling, a full disk, others
//! who need memory.

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::collect;
use futures::StreamExt;
use sheaf_base::{ByteCount, ErrorKind, SheafError};
use sheaf_runtime::memory::{Grant, Holding, QueryPool};
use sheaf_runtime::{EngineRuntime, RuntimeOptions};

use super::*;

fn batch(ids: &[i64], text: impl Fn(i64) -> String) -> RecordBatch {
    let texts: StringViewArray = ids.iter().map(|id| Some(text(*id))).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef),
        ("text", Arc::new(texts) as ArrayRef),
    ])
    .unwrap()
}

/// The numbers `0..count`, in another order.
fn shuffled(count: i64) -> Vec<i64> {
    // 7,919 has no factor in common with the counts of these tests.
    (0..count).map(|n| n * 7_919 % count).collect()
}

fn assert_in_order(batches: &[RecordBatch], count: i64) {
    let ids = batches.iter().flat_map(|batch| {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    });
    assert!(ids.eq(0..count));
}

#[tokio::test]
async fn texts_that_share_the_buffers_of_all_rows() {
    // One batch whose texts lie in common buffers of 4.8 MB, in slices.
    let whole = batch(&shuffled(40_000), |id| format!("{id:0>120}"));
    let slices: Vec<_> = (0..400).map(|n| whole.slice(n * 100, 100)).collect();
    let environment = environment(1_500_000);
    let plan = plan(slices, &[("text", ascending(false))], None);
    let sorted = collect(Arc::clone(&plan), context(128, &environment)).await;
    let sorted = sorted.unwrap();
    assert_in_order(&sorted, 40_000);
    assert!(spill_count(&plan) > 2);
    for batch in &sorted {
        // 128 texts of 120 bytes, their views, their ids: none holds on to the rest.
        assert!(batch.get_array_memory_size() < 3 * 128 * (120 + 16 + 8));
    }
    assert_nothing_is_left(&environment).await;
}

#[tokio::test]
async fn rows_of_which_few_fit_into_memory() {
    let batches: Vec<_> = shuffled(40)
        .chunks(4)
        .map(|ids| batch(ids, |id| format!("{id:0>50000}").repeat(2)))
        .collect();
    let environment = environment(2_500_000);
    let plan = plan(batches, &[("text", ascending(false))], None);
    let sorted = collect(Arc::clone(&plan), context(128, &environment)).await;
    assert_in_order(&sorted.unwrap(), 40);
    assert!(spill_count(&plan) > 2);
    assert_nothing_is_left(&environment).await;
}

#[tokio::test]
async fn a_row_larger_than_memory_is_an_error() {
    let environment = environment(500_000);
    let rows = batch(&[1], |id| format!("{id:0>50000}").repeat(20));
    let plan = plan(vec![rows], &[("text", ascending(false))], None);
    let error = collect(plan, context(128, &environment)).await.unwrap_err();
    assert!(error.to_string().contains("Sort[0]"), "{error}");
    assert_eq!(SheafError::from(error).kind(), ErrorKind::Resource);
    assert_nothing_is_left(&environment).await;
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_leaves_nothing() {
    let engine = engine(1_200_000, 100_000);
    let environment = query(&engine, 1);
    let rows = batch(&shuffled(60_000), |id| format!("{:0>100}", id * 1_000_003));
    let plan = plan(vec![rows], &[("text", ascending(false))], None);
    let error = collect(plan, context(128, &environment)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the sort cannot spill"), "{text}");
    assert_eq!(SheafError::from(error).kind(), ErrorKind::Resource);
    assert_eq!(environment.memory_pool.reserved(), 0);
    assert_eq!(engine.runtime_env().disk_manager.used_disk_space(), 0);
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing() {
    for memory_bytes in [PLENTY, 1_000_000] {
        for batch_count in [0, 1, 40] {
            let rows = batch(&shuffled(30_000), |id| format!("{id:0>60}"));
            let environment = environment(memory_bytes);
            let plan = plan(vec![rows], &[("text", ascending(false))], None);
            let mut stream = plan.execute(0, context(100, &environment)).unwrap();
            for _ in 0..batch_count {
                stream.next().await.unwrap().unwrap();
            }
            drop(stream);
            assert_nothing_is_left(&environment).await;
        }
    }
}

/// A process that may use so much.
pub(super) fn engine(memory_bytes: u64, disk_bytes: u64) -> Arc<EngineRuntime> {
    let options = RuntimeOptions {
        threads: 2,
        memory_limit: ByteCount(memory_bytes),
        temp_directory: None,
        temp_bytes_max: ByteCount(disk_bytes),
    };
    EngineRuntime::new(options).unwrap()
}

pub(super) fn query(engine: &EngineRuntime, id: u64) -> Arc<RuntimeEnv> {
    let pool = QueryPool::new(Arc::clone(engine.memory()), id, None);
    let env = RuntimeEnvBuilder::from_runtime_env(&engine.runtime_env());
    env.with_memory_pool(Arc::new(pool)).build_arc().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_get_what_is_in_memory_while_rows_are_handed_out() {
    for taken in [0, 1, 50] {
        let engine = engine(25_000_000, 1_000_000_000);
        let environment = query(&engine, 1);
        let rows = batch(&shuffled(40_000), |id| format!("{id:0>100}"));
        let plan = plan(vec![rows], &[("text", ascending(false))], None);
        let mut stream = plan.execute(0, context(100, &environment)).unwrap();
        let mut sorted = Vec::new();
        for _ in 0..=taken {
            sorted.push(stream.next().await.unwrap().unwrap());
        }
        assert_eq!(spill_count(&plan), 0);
        let held = environment.memory_pool.reserved();
        assert!(held > 5_000_000, "{held} bytes");
        // Nobody takes rows meanwhile.
        let other = query(&engine, 2);
        let holding = Holding::new("HashJoin[0]", &other.memory_pool);
        assert_eq!(holding.grow(16_000_000).await.unwrap(), Grant::Granted);
        assert_eq!(spill_count(&plan), 1);
        while let Some(batch) = stream.next().await {
            sorted.push(batch.unwrap());
        }
        assert_in_order(&sorted, 40_000);
        drop(stream);
        assert_eq!(environment.memory_pool.reserved(), 0);
        assert_eq!(engine.runtime_env().disk_manager.used_disk_space(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sorts_share_what_there_is() {
    let engine = engine(6_000_000, 1_000_000_000);
    let sorts = (1..=2).map(|id| {
        let environment = query(&engine, id);
        let batches = shuffled(50_000)
            .chunks(1_000)
            .map(|ids| batch(ids, |id| format!("{id:0>100}")))
            .collect();
        let plan = plan(batches, &[("text", ascending(false))], None);
        engine.cpu().spawn(async move {
            let sorted = collect(Arc::clone(&plan), context(128, &environment)).await;
            assert_in_order(&sorted.unwrap(), 50_000);
            assert!(spill_count(&plan) > 0);
        })
    });
    for sort in sorts.collect::<Vec<_>>() {
        sort.await.unwrap();
    }
    assert_eq!(engine.memory().holders(), []);
}
