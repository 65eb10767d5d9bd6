//! The operator beside loops over rows; its tests beside loops over values; errors it must not make.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int8Array, Int32Array, Int64Array,
    RecordBatch, StringViewArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, LikeExpr, Literal};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::{ExecutionPlan, collect};
use futures::{FutureExt, StreamExt};

use super::AdaptiveFilterExec;
use super::pattern::PatternTest;
use super::range::RangeTest;
use super::selection::{Mask, Selection};
use crate::testing::{Lottery, TestSession};

/// id, i, d, t, s.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    i: Option<i32>,
    /// In hundredths.
    d: Option<i128>,
    /// In days.
    t: Option<i32>,
    s: Option<String>,
}

const WORDS: [&str; 8] = [
    "special",
    "requests",
    "%",
    "",
    "spec",
    "ial",
    "größe",
    "requestspecial requests",
];

fn random_rows(lottery: &mut Lottery, count: u64, one_in: u64) -> Vec<Row> {
    let small = |n: Option<u64>| n.map(|n| i32::try_from(n).unwrap() - 50);
    (0..count)
        .map(|id| Row {
            id: id.cast_signed(),
            i: small(lottery.maybe(100, one_in)),
            d: lottery.maybe(100, one_in).map(|n| i128::from(n) - 50),
            t: small(lottery.maybe(100, one_in)),
            s: lottery.maybe(64, one_in).map(|n| {
                let (first, second) = (WORDS[(n % 8) as usize], WORDS[(n / 8) as usize]);
                format!("{first} x{second}")
            }),
        })
        .collect()
}

fn session(rows: &[Row]) -> TestSession {
    let session = TestSession::new(1, 100);
    let decimals: Decimal128Array = rows.iter().map(|r| r.d).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(rows.iter().map(|r| Some(r.id)).collect::<Int64Array>()),
        ),
        (
            "i",
            Arc::new(rows.iter().map(|r| r.i).collect::<Int32Array>()),
        ),
        (
            "d",
            Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()),
        ),
        (
            "t",
            Arc::new(rows.iter().map(|r| r.t).collect::<Date32Array>()),
        ),
        (
            "s",
            Arc::new(
                rows.iter()
                    .map(|r| r.s.clone())
                    .collect::<StringViewArray>(),
            ),
        ),
    ];
    session.table("t", columns, 1, 200);
    session
}

/// The plan with our operator.
fn replace(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    plan.transform_up(|plan| {
        Ok(match plan.downcast_ref::<FilterExec>() {
            Some(engine) => {
                Transformed::yes(Arc::new(AdaptiveFilterExec::in_place_of(engine)) as _)
            }
            None => Transformed::no(plan),
        })
    })
    .data()
    .unwrap()
}

async fn ids(session: &TestSession, predicate: &str) -> Vec<i64> {
    let sql = format!("SELECT id FROM t WHERE {predicate}");
    let plan = replace(session.plan(&sql).await.unwrap());
    assert!(
        session.display(&plan).contains("AdaptiveFilterExec"),
        "{sql}"
    );
    let batches = collect(plan, session.task_context()).await.unwrap();
    let ids = batches.iter().flat_map(|batch| {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        ids.values().to_vec()
    });
    ids.collect()
}

fn hundredths(n: i32) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", n.abs() / 100, n.abs() % 100)
}

type Holds = Box<dyn Fn(&Row) -> Option<bool>>;

/// A conjunct as SQL, and whether it holds for a row.
fn random_conjunct(lottery: &mut Lottery) -> (String, Holds) {
    let n = i32::try_from(lottery.below(110)).unwrap() - 55;
    let (symbol, compare): (&str, fn(i128, i128) -> bool) = match lottery.below(6) {
        0 => ("<", |a, b| a < b),
        1 => ("<=", |a, b| a <= b),
        2 => (">", |a, b| a > b),
        3 => (">=", |a, b| a >= b),
        4 => ("=", |a, b| a == b),
        _ => ("<>", |a, b| a != b),
    };
    let wide = i128::from(n);
    match lottery.below(9) {
        0 => (
            format!("i {symbol} {n}"),
            Box::new(move |r| Some(compare(r.i?.into(), wide))),
        ),
        1 => (
            format!("{n} {symbol} i"),
            Box::new(move |r| Some(compare(wide, r.i?.into()))),
        ),
        2 => (
            format!(
                "d {symbol} arrow_cast('{}', 'Decimal128(10, 2)')",
                hundredths(n)
            ),
            Box::new(move |r| Some(compare(r.d?, wide))),
        ),
        3 => (
            format!("t {symbol} arrow_cast({n}, 'Date32')"),
            Box::new(move |r| Some(compare(r.t?.into(), wide))),
        ),
        4 => (
            "s LIKE '%spec%requests%'".to_owned(),
            Box::new(|r| {
                let (_, after) = r.s.as_ref()?.split_once("spec")?;
                Some(after.contains("requests"))
            }),
        ),
        5 => (
            "s NOT LIKE 'special%'".to_owned(),
            Box::new(|r| Some(!r.s.as_ref()?.starts_with("special"))),
        ),
        6 => (
            format!("(i = {n} OR d > 0 OR t IS NULL)"),
            Box::new(move |r| {
                let known = [r.i.map(|i| i == n), r.d.map(|d| d > 0), Some(r.t.is_none())];
                match (known.contains(&Some(true)), known.contains(&None)) {
                    (true, _) => Some(true),
                    (false, true) => None,
                    (false, false) => Some(false),
                }
            }),
        ),
        7 => (
            format!("id % 3 <> {}", n.rem_euclid(3)),
            Box::new(move |r| Some(r.id % 3 != i64::from(n.rem_euclid(3)))),
        ),
        _ => (
            "s IS NOT NULL".to_owned(),
            Box::new(|r| Some(r.s.is_some())),
        ),
    }
}

#[tokio::test]
async fn a_row_stays_if_every_conjunct_is_true() {
    let mut lottery = Lottery::new(31);
    for round in 0..60 {
        let one_in = if round % 3 == 0 { u64::MAX } else { 5 };
        let rows = random_rows(&mut lottery, 1500, one_in);
        let session = session(&rows);
        let count = 1 + lottery.below(6);
        let conjuncts: Vec<(String, Holds)> =
            (0..count).map(|_| random_conjunct(&mut lottery)).collect();
        let sql: Vec<&str> = conjuncts.iter().map(|(sql, _)| sql.as_str()).collect();
        let sql = sql.join(" AND ");
        let expected: Vec<i64> = rows
            .iter()
            .filter(|row| conjuncts.iter().all(|(_, holds)| holds(row) == Some(true)))
            .map(|row| row.id)
            .collect();
        // A predicate that nothing can satisfy has no filter in its plan.
        let plan = session
            .plan(&format!("SELECT id FROM t WHERE {sql}"))
            .await
            .unwrap();
        if session.display(&plan).contains("FilterExec") {
            assert_eq!(ids(&session, &sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn rows_that_another_conjunct_drops_make_none_fail() {
    let mut lottery = Lottery::new(32);
    let rows = random_rows(&mut lottery, 2000, 7);
    let session = session(&rows);
    let with = |holds: fn(i32) -> bool| -> Vec<i64> {
        let kept = rows.iter().filter(|row| row.i.is_some_and(holds));
        kept.map(|row| row.id).collect()
    };
    let expected = with(|i| i != 0 && 100 / i > 5);
    assert_eq!(ids(&session, "i <> 0 AND 100 / i > 5").await, expected);
    assert_eq!(ids(&session, "100 / i > 5 AND i <> 0").await, expected);
    // What may fail, too, guards divisions, wherever the engine's optimizer has put it.
    for guard in ["i * i > 0", "abs(i) > 0", "100 / (i * i + 1) < 100"] {
        let guarded = format!("{guard} AND 100 / i > 5");
        assert_eq!(ids(&session, &guarded).await, expected, "{guard}");
    }

    let sql = "SELECT id FROM t WHERE 100 / i > 5 AND id >= 0";
    let plan = replace(session.plan(sql).await.unwrap());
    let error = collect(plan, session.task_context()).await.unwrap_err();
    assert!(error.to_string().contains("ivide by zero"), "{error}");
}

fn numbers(count: i64, batch_rows: usize) -> Arc<dyn ExecutionPlan> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, false),
        Field::new("b", DataType::Int64, false),
    ]));
    let a: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let b: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|n| n * n)));
    let whole = RecordBatch::try_new(Arc::clone(&schema), vec![a, b]).unwrap();
    let batches = (0..whole.num_rows())
        .step_by(batch_rows)
        .map(|offset| whole.slice(offset, batch_rows.min(whole.num_rows() - offset)));
    MemorySourceConfig::try_new_exec(&[batches.collect()], schema, None).unwrap()
}

fn compare(column: usize, op: Operator, value: ScalarValue) -> Arc<dyn PhysicalExpr> {
    let column = Arc::new(Column::new(["a", "b"][column], column));
    Arc::new(BinaryExpr::new(column, op, Arc::new(Literal::new(value))))
}

#[tokio::test]
async fn limits_and_projections_are_the_engines() {
    let at_least = |least: i64| compare(0, Operator::GtEq, ScalarValue::from(least));
    let session = TestSession::new(1, 64);
    for (fetch, projection, first) in [
        (Some(1), Some(vec![1]), 10),
        (Some(150), Some(vec![1, 0]), 3),
        (Some(64), None, 500),
        (Some(10_000), None, 900),
        (None, Some(vec![]), 250),
        (Some(333), Some(vec![]), 0),
        (None, None, 5000),
    ] {
        let engine = FilterExecBuilder::new(at_least(first), numbers(1000, 48))
            .apply_projection(projection)
            .unwrap()
            .with_batch_size(64)
            .with_fetch(fetch)
            .build()
            .unwrap();
        let ours = Arc::new(AdaptiveFilterExec::in_place_of(&engine));
        assert_eq!(ours.schema(), engine.schema());
        let task = session.task_context();
        let expected = collect(Arc::new(engine), Arc::clone(&task)).await.unwrap();
        let schema = ours.schema();
        let found = collect(ours, task).await.unwrap();
        assert!(found.iter().all(|batch| batch.num_rows() <= 64));
        let found = concat_batches(&schema, &found).unwrap();
        assert_eq!(found, concat_batches(&schema, &expected).unwrap());
    }
}

#[tokio::test]
async fn it_says_what_the_engines_says_and_counts() {
    let predicate = compare(0, Operator::Lt, ScalarValue::from(250_i64));
    let engine = FilterExec::try_new(predicate, numbers(1000, 100)).unwrap();
    let ours: Arc<dyn ExecutionPlan> = Arc::new(AdaptiveFilterExec::in_place_of(&engine));
    let session = TestSession::new(1, 64);
    let shown = session.display(&ours);
    assert!(
        shown.starts_with("AdaptiveFilterExec: a@0 < 250"),
        "{shown}"
    );
    collect(Arc::clone(&ours), session.task_context())
        .await
        .unwrap();
    let metrics = ours.metrics().unwrap();
    assert_eq!(metrics.output_rows(), Some(250));
    let again = Arc::clone(&ours).reset_state().unwrap();
    assert_eq!(again.metrics().unwrap().output_rows(), None);
    assert_eq!(again.schema(), ours.schema());
}

#[tokio::test]
async fn dropping_it_drops_its_input() {
    let predicate = compare(0, Operator::Lt, ScalarValue::from(0_i64));
    let input = numbers(1000, 10);
    let engine = FilterExec::try_new(predicate, Arc::clone(&input)).unwrap();
    let ours = AdaptiveFilterExec::in_place_of(&engine);
    let session = TestSession::new(1, 64);
    let task = session.task_context();
    let holders = Arc::strong_count(&task);
    let mut stream = ours.execute(0, Arc::clone(&task)).unwrap();
    assert!(stream.next().now_or_never().unwrap().is_none());
    drop(stream);
    assert_eq!(Arc::strong_count(&task), holders);
}

fn kept_by_range(test: &RangeTest, values: &ArrayRef) -> [Vec<usize>; 2] {
    let mut mask = Mask::all(values.len());
    test.and_into(values, &mut mask).unwrap();
    let bits = Selection::Mask(mask).into_bits();
    let mut rows: Vec<u32> = (0..u32::try_from(values.len()).unwrap()).collect();
    test.retain(values, &mut rows).unwrap();
    let dense = bits.values().set_indices().collect();
    [dense, rows.into_iter().map(|row| row as usize).collect()]
}

#[test]
fn ranges_hold_to_the_ends_of_their_types() {
    let i8s: Vec<Option<i8>> = (i8::MIN..=i8::MAX).map(Some).chain([None]).collect();
    let u64s = [
        0,
        1,
        2,
        u64::MAX / 2,
        u64::MAX / 2 + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    let i128s = [i128::MIN, i128::MIN + 1, -1, 0, 1, i128::MAX - 1, i128::MAX];
    let decimals = Decimal128Array::from_iter_values(i128s);
    let columns: [(ArrayRef, Vec<ScalarValue>); 3] = [
        (
            Arc::new(i8s.iter().copied().collect::<Int8Array>()),
            [i8::MIN, -100, -1, 0, 1, 99, i8::MAX]
                .map(ScalarValue::from)
                .to_vec(),
        ),
        (
            Arc::new(UInt64Array::from(u64s.to_vec())),
            u64s.map(ScalarValue::from).to_vec(),
        ),
        (
            Arc::new(decimals.with_precision_and_scale(38, 3).unwrap()),
            i128s
                .map(|v| ScalarValue::Decimal128(Some(v), 38, 3))
                .to_vec(),
        ),
    ];
    type Holds = fn(std::cmp::Ordering) -> bool;
    let ops: [(Operator, Holds); 6] = [
        (Operator::Lt, std::cmp::Ordering::is_lt),
        (Operator::LtEq, std::cmp::Ordering::is_le),
        (Operator::Gt, std::cmp::Ordering::is_gt),
        (Operator::GtEq, std::cmp::Ordering::is_ge),
        (Operator::Eq, std::cmp::Ordering::is_eq),
        (Operator::NotEq, std::cmp::Ordering::is_ne),
    ];
    for (values, ends) in columns {
        for (end, (op, holds)) in ends.iter().flat_map(|end| ops.map(|op| (end, op))) {
            let expr = compare(0, op, end.clone());
            let Some(test) = RangeTest::of(expr.as_ref(), values.data_type()) else {
                // Beyond the last value of the widest type.
                assert!(
                    *end == ScalarValue::Decimal128(Some(i128::MAX), 38, 3)
                        || *end == ScalarValue::Decimal128(Some(i128::MIN), 38, 3)
                );
                continue;
            };
            let expected: Vec<usize> = (0..values.len())
                .filter(|row| {
                    let value = ScalarValue::try_from_array(&values, *row).unwrap();
                    !value.is_null() && value.partial_cmp(end).is_some_and(holds)
                })
                .collect();
            for kept in kept_by_range(&test, &values) {
                assert_eq!(kept, expected, "{op} {end}");
            }
        }
    }
}

#[test]
fn two_ends_are_one_range() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    let test = |op, value: i64| {
        let expr = compare(0, op, ScalarValue::from(value));
        RangeTest::of(expr.as_ref(), &DataType::Int64).unwrap()
    };
    let mut range = test(Operator::GtEq, 130);
    assert!(range.narrow(&test(Operator::Lt, 400)));
    assert!(!range.narrow(&test(Operator::NotEq, 200)));
    for kept in kept_by_range(&range, &values) {
        assert_eq!(kept, (130..400).collect::<Vec<_>>());
    }
    assert!(range.narrow(&test(Operator::Lt, 130)));
    for kept in kept_by_range(&range, &values) {
        assert!(kept.is_empty());
    }
}

/// LIKE by the book: `%` stands for any letters, nothing else is special.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|at| is_like(&text[at..], rest)),
        Some((letter, rest)) => text
            .split_first()
            .is_some_and(|(first, text)| first == letter && is_like(text, rest)),
    }
}

#[test]
fn patterns_fit_as_the_standard_says() {
    let mut lottery = Lottery::new(33);
    let mut random = |letters: &[char], most: u64| -> String {
        let count = lottery.below(most + 1);
        (0..count)
            .map(|_| letters[usize::try_from(lottery.below(letters.len() as u64)).unwrap()])
            .collect()
    };
    for _ in 0..400 {
        let texts: Vec<String> = (0..70).map(|_| random(&['a', 'b', 'ß'], 7)).collect();
        let pattern = random(&['a', 'b', 'ß', '%', '%'], 6);
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        let column = Arc::new(Column::new("a", 0));
        let literal = Arc::new(Literal::new(ScalarValue::from(pattern.as_str())));
        for is_negated in [false, true] {
            let like = LikeExpr::new(is_negated, false, column.clone(), literal.clone());
            let Some(test) = PatternTest::of(&like, array.data_type()) else {
                assert!(!pattern.contains('%'), "{pattern}");
                continue;
            };
            let mut mask = Mask::all(texts.len());
            test.and_into(&array, &mut mask).unwrap();
            let bits = Selection::Mask(mask).into_bits();
            let pattern: Vec<char> = pattern.chars().collect();
            for (row, text) in texts.iter().enumerate() {
                let text: Vec<char> = text.chars().collect();
                let expected = is_like(&text, &pattern) != is_negated;
                assert_eq!(bits.value(row), expected, "{text:?} LIKE {pattern:?}");
            }
        }
    }
}

#[test]
fn selections_are_the_same_as_masks_and_as_lists() {
    for row_count in [0, 1, 63, 64, 65, 200] {
        let mut mask = Mask::all(row_count);
        mask.retain(|row| row % 3 == 1);
        let expected: Vec<usize> = (0..row_count).filter(|row| row % 3 == 1).collect();
        let selection = Selection::Mask(mask).into_rows();
        assert_eq!(selection.count(), expected.len());
        let first = expected.len().min(5);
        let bits = selection.first(5).into_bits();
        assert_eq!(bits.len(), row_count);
        let found: Vec<usize> = bits.values().set_indices().collect();
        assert_eq!(found, expected[..first]);
    }
}
