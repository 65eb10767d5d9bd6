//! Rows in, rows out, before and after the filter is known.

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, DynamicFilterPhysicalExpr, lit};
use futures::TryStreamExt;

use super::*;

const BATCH_ROWS: usize = 1_024;

fn column() -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new("n", 0))
}

fn unknown() -> Arc<DynamicFilterPhysicalExpr> {
    let filter = DynamicFilterPhysicalExpr::new(vec![column()], lit(true));
    Arc::new(filter)
}

/// `n >= least`.
fn from(least: i64) -> Arc<dyn PhysicalExpr> {
    Arc::new(BinaryExpr::new(column(), Operator::GtEq, lit(least)))
}

/// The numbers from 0 in batches; before each batch, `before` is told its number.
fn numbers(batch_count: i64, before: impl Fn(i64) + Send + 'static) -> SendableRecordBatchStream {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let batch_schema = Arc::clone(&schema);
    let batches = stream::iter(0..batch_count).map(move |batch| {
        before(batch);
        let rows = i64::try_from(BATCH_ROWS).unwrap();
        let numbers = Int64Array::from_iter_values(batch * rows..(batch + 1) * rows);
        Ok(RecordBatch::try_new(
            Arc::clone(&batch_schema),
            vec![Arc::new(numbers)],
        )?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

async fn kept(
    input: SendableRecordBatchStream,
    filter: &Arc<DynamicFilterPhysicalExpr>,
) -> Vec<i64> {
    let filter = Arc::clone(filter) as Arc<dyn PhysicalExpr>;
    assert!(is_filled_at_run_time(&filter));
    let rows = filtered_at_run_time(input, &[filter], BATCH_ROWS, RatioMetrics::new());
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let numbers = batches.iter().flat_map(|batch| {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        numbers.values().to_vec()
    });
    numbers.collect()
}

#[tokio::test]
async fn rows_pass_until_the_filter_is_known() {
    let filter = unknown();
    let maker = Arc::clone(&filter);
    let input = numbers(10, move |batch| {
        if batch == 4 {
            maker.update(from(9_000)).unwrap();
        }
    });
    // Four batches of 1,024 come before.
    let expected: Vec<i64> = (0..4 * 1_024).chain(9_000..10 * 1_024).collect();
    assert_eq!(kept(input, &filter).await, expected);
}

#[tokio::test]
async fn what_never_is_known_drops_nothing() {
    let expected: Vec<i64> = (0..3 * 1_024).collect();
    assert_eq!(kept(numbers(3, |_| ()), &unknown()).await, expected);
}

#[tokio::test]
async fn a_filter_that_keeps_most_rows_is_given_up_until_it_changes() {
    let filter = unknown();
    filter.update(from(1_000)).unwrap();
    let maker = Arc::clone(&filter);
    let last = 99;
    let input = numbers(100, move |batch| {
        if batch == last {
            maker.update(from(last * 1_024 + 24)).unwrap();
        } else if batch == 70 {
            // This is like the filter before, so it is still not worth while after its trial.
            maker.update(from(0)).unwrap();
        }
    });
    let expected: Vec<i64> = (1_000..99 * 1_024)
        .chain(99 * 1_024 + 24..100 * 1_024)
        .collect();
    assert_eq!(kept(input, &filter).await, expected);
}

#[tokio::test]
async fn after_its_trial_a_useless_filter_is_not_evaluated() {
    // Division by zero in row 200,000: were the filter evaluated there, it would fail.
    let filter = unknown();
    let divided: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(
        lit(1_i64),
        Operator::Divide,
        Arc::new(BinaryExpr::new(column(), Operator::Minus, lit(200_000_i64))),
    ));
    let always = Arc::new(BinaryExpr::new(divided, Operator::LtEq, lit(5_i64)));
    filter.update(always).unwrap();
    let count = kept(numbers(200, |_| ()), &filter).await.len();
    assert_eq!(count, 200 * BATCH_ROWS);
}
