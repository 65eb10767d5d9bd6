//! Which rows come out, and in which order.

use std::cmp::Ordering;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    StringArray, StringViewArray,
};
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::collect;

use super::memory::{engine, query};
use super::*;
use crate::testing::{Lottery, rows_of};

/// A row of the tests' table: its number, and what it can be sorted by.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    small: Option<i32>,
    large: Option<i64>,
    text: Option<String>,
    real: Option<f64>,
    flag: Option<bool>,
}

fn random_rows(count: i64, seed: u64) -> Vec<Row> {
    let mut lottery = Lottery::new(seed);
    let rows = (0..count).map(|id| Row {
        id,
        small: lottery.maybe(10, 8).map(|n| i32::try_from(n).unwrap() - 5),
        large: lottery.maybe(1 << 40, 8).map(|n| n as i64 - (1 << 39)),
        // Beginnings that are alike for longer than a head; also the empty text.
        text: lottery.maybe(900, 8).map(|n| match n % 3 {
            0 => format!("{}{n}", "the same beginning for all ".repeat(2)),
            1 => "x".repeat((n % 40) as usize),
            _ => String::new(),
        }),
        real: lottery.maybe(50, 8).map(|n| (n as f64 - 25.0) / 4.0),
        flag: lottery.maybe(2, 8).map(|n| n == 1),
    });
    rows.collect()
}

/// The rows as batches of `batch_rows`, some columns in a type that is not their own.
fn batches(rows: &[Row], batch_rows: usize) -> Vec<RecordBatch> {
    let batch = |rows: &[Row]| {
        let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.id));
        let small: Int32Array = rows.iter().map(|row| row.small).collect();
        let large: Int64Array = rows.iter().map(|row| row.large).collect();
        let decimal: Decimal128Array = rows.iter().map(|row| row.large.map(i128::from)).collect();
        let text: StringViewArray = rows.iter().map(|row| row.text.clone()).collect();
        let plain: StringArray = rows.iter().map(|row| row.text.clone()).collect();
        let real: Float64Array = rows.iter().map(|row| row.real).collect();
        let flag: BooleanArray = rows.iter().map(|row| row.flag).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(ids) as ArrayRef, false),
            ("small", Arc::new(small) as ArrayRef, true),
            ("large", Arc::new(large) as ArrayRef, true),
            ("decimal", Arc::new(decimal) as ArrayRef, true),
            ("text", Arc::new(text) as ArrayRef, true),
            ("plain", Arc::new(plain) as ArrayRef, true),
            ("real", Arc::new(real) as ArrayRef, true),
            ("flag", Arc::new(flag) as ArrayRef, true),
        ])
        .unwrap()
    };
    rows.chunks(batch_rows).map(batch).collect()
}

/// As SQL compares: NULLs at one end, whichever way the values go.
fn compare<T: PartialOrd>(a: Option<&T>, b: Option<&T>, options: SortOptions) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            let order = a.partial_cmp(b).unwrap();
            if options.descending {
                order.reverse()
            } else {
                order
            }
        }
        (None, None) => Ordering::Equal,
        (None, _) if options.nulls_first => Ordering::Less,
        (_, None) if !options.nulls_first => Ordering::Less,
        _ => Ordering::Greater,
    }
}

fn compare_rows(a: &Row, b: &Row, keys: &[(&str, SortOptions)]) -> Ordering {
    let orders = keys.iter().map(|(name, options)| match *name {
        "small" => compare(a.small.as_ref(), b.small.as_ref(), *options),
        "large" | "decimal" => compare(a.large.as_ref(), b.large.as_ref(), *options),
        "text" | "plain" => compare(a.text.as_ref(), b.text.as_ref(), *options),
        "real" => compare(a.real.as_ref(), b.real.as_ref(), *options),
        "flag" => compare(a.flag.as_ref(), b.flag.as_ref(), *options),
        name => panic!("{name} is no key"),
    });
    orders.fold(Ordering::Equal, Ordering::then)
}

fn place(id: i64) -> usize {
    usize::try_from(id).unwrap()
}

/// Compares with a sort of the plain rows, of one partition and of three; the number of spills of the
/// one. Rows with equal keys may come in any order.
async fn check(
    rows: &[Row],
    keys: &[(&str, SortOptions)],
    limit: Option<usize>,
    memory_bytes: usize,
) -> usize {
    check_partitions(3, rows, keys, limit, memory_bytes).await;
    check_partitions(1, rows, keys, limit, memory_bytes).await
}

async fn check_partitions(
    count: usize,
    rows: &[Row],
    keys: &[(&str, SortOptions)],
    limit: Option<usize>,
    memory_bytes: usize,
) -> usize {
    let what = format!("{count} partitions, {memory_bytes} bytes, {keys:?}, limit {limit:?}");
    // Each of several needs the least; only our pool gives every one its share.
    let engine = engine((memory_bytes + (count - 1) * 400_000) as u64, 1_000_000_000);
    let environment = match count {
        1 => environment(memory_bytes),
        _ => query(&engine, 1),
    };
    let mut partitions = vec![Vec::new(); count];
    for (at, batch) in batches(rows, 100).into_iter().enumerate() {
        partitions[at % count].push(batch);
    }
    // The first has most of the rows.
    if let [first, second, _] = &mut partitions[..] {
        first.extend(second.drain(second.len().min(1)..));
    }
    let plan = plan_of(&partitions, keys, limit);
    let sorted = collect(Arc::clone(&plan), context(64, &environment)).await;
    let sorted = sorted.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_nothing_is_left(&environment).await;

    let mut ids = Vec::new();
    let whole: Vec<String> = batches(rows, rows.len()).iter().flat_map(rows_of).collect();
    for batch in &sorted {
        assert!(batch.num_rows() <= 64, "{} rows", batch.num_rows());
        let batch_ids = batch.column(0).as_primitive::<Int64Type>().values();
        // All columns of a row stay together.
        for (id, text) in batch_ids.iter().zip(rows_of(batch)) {
            assert_eq!(text, whole[place(*id)], "{what}");
        }
        ids.extend(batch_ids.iter().map(|id| place(*id)));
    }
    let mut expected: Vec<usize> = (0..rows.len()).collect();
    expected.sort_by(|a, b| compare_rows(&rows[*a], &rows[*b], keys));
    expected.truncate(limit.unwrap_or(usize::MAX));
    assert_eq!(ids.len(), expected.len(), "{what}");
    for (id, expected) in ids.iter().zip(&expected) {
        let order = compare_rows(&rows[*id], &rows[*expected], keys);
        assert_eq!(order, Ordering::Equal, "{what}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), expected.len(), "{what}: a row came twice");
    spill_count(&plan)
}

#[tokio::test]
async fn any_keys_with_plenty_of_memory_and_with_little() {
    let rows = random_rows(8_000, 1);
    for keys in [
        vec![("small", ascending(false))],
        vec![("large", descending(true))],
        vec![("text", ascending(true))],
        vec![("plain", descending(false))],
        vec![("flag", ascending(true)), ("small", descending(false))],
        vec![
            ("small", descending(true)),
            ("text", ascending(false)),
            ("large", ascending(true)),
        ],
        vec![("real", ascending(false)), ("decimal", descending(false))],
        vec![("decimal", ascending(true))],
    ] {
        assert_eq!(check(&rows, &keys, None, PLENTY).await, 0);
        assert!(check(&rows, &keys, None, 1_000_000).await > 0, "{keys:?}");
        // Runs are merged more than once.
        let spills = check(&rows, &keys, None, 400_000).await;
        assert!(spills > 4, "{keys:?}: {spills}");
    }
}

#[tokio::test]
async fn the_first_rows_alone() {
    let rows = random_rows(8_000, 2);
    for limit in [0, 1, 63, 64, 65, 1_000, 7_999, 8_000, 20_000] {
        for keys in [
            vec![("large", ascending(false))],
            vec![("text", descending(true)), ("small", ascending(false))],
        ] {
            for memory_bytes in [PLENTY, 1_000_000, 400_000] {
                check(&rows, &keys, Some(limit), memory_bytes).await;
            }
        }
    }
}

#[tokio::test]
async fn rows_that_come_in_order_or_are_all_equal() {
    let mut rows = random_rows(8_000, 3);
    let keys = [("text", ascending(false)), ("large", ascending(false))];
    for memory_bytes in [PLENTY, 500_000] {
        rows.sort_by(|a, b| compare_rows(a, b, &keys));
        (0..).zip(&mut rows).for_each(|(id, row)| row.id = id);
        check(&rows, &keys, None, memory_bytes).await;
        rows.reverse();
        (0..).zip(&mut rows).for_each(|(id, row)| row.id = id);
        check(&rows, &keys, None, memory_bytes).await;
        let mut equal = rows.clone();
        equal.iter_mut().for_each(|row| row.small = Some(1));
        check(&equal, &[("small", descending(false))], None, memory_bytes).await;
    }
}

#[tokio::test]
async fn no_rows_and_one() {
    for memory_bytes in [PLENTY, 400_000] {
        check(
            &random_rows(1, 4),
            &[("text", ascending(true))],
            None,
            memory_bytes,
        )
        .await;
        let environment = environment(memory_bytes);
        let none = batches(&random_rows(1, 4), 1)[0].slice(0, 0);
        let plan = plan(vec![none], &[("text", ascending(true))], None);
        let rows = collect(plan, context(64, &environment)).await.unwrap();
        assert!(rows.iter().all(|batch| batch.num_rows() == 0));
    }
}
