//! Rows and their order stay; batches are as large as time and memory let them be.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};

use super::LargeBatchesExec;
use super::gather::Rows;
use crate::testing::TestSession;

const ROWS: i64 = 100;
/// Rows of a batch of the input, and of one of the engine's.
const INPUT_ROWS: usize = 3;
const ENGINE_ROWS: usize = 4;
const ROWS_WANTED: usize = 16;

fn session() -> TestSession {
    let session = TestSession::new(1, ENGINE_ROWS);
    let n: Int64Array = (0..ROWS).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![("n", Arc::new(n))];
    session.table("t", columns, 1, INPUT_ROWS);
    session
}

async fn batches(session: &TestSession, task: Arc<TaskContext>) -> Vec<RecordBatch> {
    let input = session.plan("SELECT n FROM t").await.unwrap();
    let plan: Arc<dyn ExecutionPlan> = Arc::new(LargeBatchesExec::new(input, ROWS_WANTED));
    collect(plan, task).await.unwrap()
}

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    let columns = batches.iter().map(|batch| batch.column(0));
    let columns = columns.map(|column| column.as_primitive::<Int64Type>().values().to_vec());
    columns.flatten().collect()
}

#[tokio::test]
async fn rows_come_in_their_order_in_batches_that_are_not_too_large() {
    let session = session();
    let batches = batches(&session, session.task_context()).await;
    assert_eq!(numbers(&batches), (0..ROWS).collect::<Vec<_>>());
    // Two of the input are more than one of the engine's, which is where it begins.
    assert_eq!(batches[0].num_rows(), INPUT_ROWS);
    assert!(batches.iter().all(|batch| batch.num_rows() <= ROWS_WANTED));
}

#[tokio::test]
async fn batches_pass_as_they_are_where_there_is_no_memory() {
    let session = session();
    let batches = batches(&session, session.task_with_memory(1)).await;
    assert_eq!(numbers(&batches), (0..ROWS).collect::<Vec<_>>());
    assert!(batches.iter().all(|batch| batch.num_rows() <= INPUT_ROWS));
}

#[test]
fn batches_grow_while_they_are_taken_quickly() {
    let rows = |now| Rows {
        now,
        min: ENGINE_ROWS,
        max: ROWS_WANTED,
    };
    let [quick, neither, slow] = [1, 50, 200].map(Duration::from_millis);
    assert_eq!(rows(4).after(quick), rows(8));
    assert_eq!(rows(8).after(quick), rows(16));
    assert_eq!(rows(16).after(quick), rows(16));
    assert_eq!(rows(8).after(neither), rows(8));
    assert_eq!(rows(16).after(slow), rows(8));
    assert_eq!(rows(4).after(slow), rows(4));
}
