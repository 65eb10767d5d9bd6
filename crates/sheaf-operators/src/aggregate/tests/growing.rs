//! Aggregates whose states grow with the rows, in groups that fit into memory and in ones that do
//! not, beside their definitions.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use datafusion::common::DataFusionError;

use super::{ByteCount, LITTLE, PLENTY, dropped_in_any_phase, run};
use crate::testing::{Lottery, TestSession};

/// group, value, text.
type Row = (i64, Option<i64>, Option<String>);

/// Half of the rows in group 0, some in a group each.
fn random_rows(count: usize, seed: u64) -> Vec<Row> {
    let mut lottery = Lottery::new(seed);
    let number = |n: Option<u64>| n.map(u64::cast_signed);
    let rows = (0..count).map(|row| {
        let group = match lottery.below(4) {
            0 | 1 => 0,
            2 => 1 + lottery.below(20).cast_signed(),
            _ => 1_000 + row as i64,
        };
        let value = number(lottery.maybe(30_000, 8));
        let text = lottery.maybe(9_000, 6).map(|n| format!("text {n}"));
        (group, value, text)
    });
    rows.collect()
}

fn session(rows: &[Row], partitions: usize) -> TestSession {
    let session = TestSession::new(partitions, 512);
    let groups: Int64Array = rows.iter().map(|row| Some(row.0)).collect();
    let values: Int64Array = rows.iter().map(|row| row.1).collect();
    let halves: Float64Array = rows
        .iter()
        .map(|row| row.1.map(|v| v as f64 / 2.0))
        .collect();
    let texts: StringArray = rows.iter().map(|row| row.2.as_deref()).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(groups)),
        ("v", Arc::new(values)),
        ("h", Arc::new(halves)),
        ("s", Arc::new(texts)),
    ];
    session.table("t", columns, partitions, 512);
    session
}

fn or_null<T: ToString>(value: Option<T>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

fn float(value: f64) -> String {
    format!("{value:?}")
}

/// `p` of the way along sorted values, as PostgreSQL's `percentile_cont`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a place among some thousand values"
)]
fn percentile(sorted: &[i64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = p * last as f64;
    let (low, high) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    Some(low as f64 / 2.0 + (high - low) as f64 / 2.0 * place.fract())
}

const SQL: &str = "count(*), count(DISTINCT v), sum(DISTINCT v), count(DISTINCT s), \
    count(DISTINCT v) FILTER (WHERE v > 20000), median(h), median(DISTINCT h), \
    percentile_cont(0.25) WITHIN GROUP (ORDER BY h), \
    percentile_cont(0.75) WITHIN GROUP (ORDER BY h DESC), \
    array_agg(v ORDER BY v DESC NULLS LAST, s), array_agg(DISTINCT v ORDER BY v), \
    string_agg(s, ';' ORDER BY s), string_agg(DISTINCT s, '' ORDER BY s DESC), min(v)";

/// What `SQL` is of these rows.
fn naive(rows: &[&Row]) -> String {
    let mut values: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
    values.sort_unstable();
    let mut distinct = values.clone();
    distinct.dedup();
    let mut texts: Vec<&str> = rows.iter().filter_map(|row| row.2.as_deref()).collect();
    texts.sort_unstable();
    let mut distinct_texts = texts.clone();
    distinct_texts.dedup();
    let has_null = rows.iter().any(|row| row.1.is_none());
    let list = |items: &mut dyn Iterator<Item = Option<i64>>| {
        let items: Vec<String> = items.map(or_null).collect();
        // PostgreSQL: of no rows it is NULL.
        (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
    };
    let nulls = rows.len() - values.len();
    let all = values.iter().rev().copied().map(Some);
    let all = list(&mut all.chain(std::iter::repeat_n(None, nulls)));
    let once = distinct.iter().copied().map(Some);
    let once = list(&mut once.chain(has_null.then_some(None)));
    let above = distinct.iter().filter(|v| **v > 20_000).count();
    let joined = |texts: &[&str], by: &str| (!texts.is_empty()).then(|| texts.join(by));
    let reversed: Vec<&str> = distinct_texts.iter().rev().copied().collect();
    let fields = [
        rows.len().to_string(),
        distinct.len().to_string(),
        or_null((!distinct.is_empty()).then(|| distinct.iter().sum::<i64>())),
        distinct_texts.len().to_string(),
        above.to_string(),
        or_null(percentile(&values, 0.5).map(float)),
        or_null(percentile(&distinct, 0.5).map(float)),
        or_null(percentile(&values, 0.25).map(float)),
        // From the other end.
        or_null(percentile(&values, 0.25).map(float)),
        or_null(all),
        or_null(once),
        or_null(joined(&texts, ";")),
        or_null(joined(&reversed, "")),
        or_null(values.first()),
    ];
    fields.join("|")
}

/// Floats as [`float`] gives them, to nine digits after the point.
fn rounded(lines: &[String], places: std::ops::Range<usize>) -> Vec<String> {
    let lines = lines.iter().map(|line| {
        let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        for field in &mut fields[places.clone()] {
            if let Ok(number) = field.parse::<f64>() {
                *field = format!("{number:.9}");
            }
        }
        fields.join("|")
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

fn assert_same(found: &[String], expected: &[String], context: &str) {
    assert_eq!(found.len(), expected.len(), "{context}");
    for (found, right) in found.iter().zip(expected) {
        for (column, (found, right)) in found.split('|').zip(right.split('|')).enumerate() {
            let first = found.bytes().zip(right.bytes()).position(|(a, b)| a != b);
            let at = first.unwrap_or(0);
            let near = |text: &str| text.chars().skip(at).take(60).collect::<String>();
            let (found_near, right_near) = (near(found), near(right));
            assert!(
                found == right,
                "{context}, column {column} at {at}: {found_near}, not {right_near}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_larger_than_memory_are_as_defined() {
    for (count, partitions) in [(0, 2), (300, 1), (12_000, 1), (12_000, 3)] {
        let rows = random_rows(count, 11);
        let session = session(&rows, partitions);
        let mut groups: std::collections::BTreeMap<i64, Vec<&Row>> = Default::default();
        for row in &rows {
            groups.entry(row.0).or_default().push(row);
        }
        let by_key: Vec<String> = groups
            .iter()
            .map(|(key, rows)| format!("{key}|{}", naive(rows)))
            .collect();
        let by_key = rounded(&by_key, 6..10);
        let all = rounded(&[naive(&rows.iter().collect::<Vec<_>>())], 5..9);
        // With less, sorts of texts beside each other find no memory now and then.
        for memory in [PLENTY, ByteCount(4_000_000)] {
            let context = format!("{count} rows, {partitions} partitions, {memory}");
            let sql = format!("SELECT k, {SQL} FROM t GROUP BY k");
            let (found, spills) = run(&session, &sql, memory).await.unwrap();
            assert_same(&rounded(&found, 6..10), &by_key, &context);
            let may_spill = memory < PLENTY;
            assert!(spills == 0 || may_spill, "{context}");
            let sql = format!("SELECT {SQL} FROM t");
            let (found, spills) = run(&session, &sql, memory).await.unwrap();
            assert_same(&rounded(&found, 5..9), &all, &context);
            let may_spill = memory < PLENTY;
            assert!(spills == 0 || may_spill, "{context}");
        }
    }
}

/// One value in ten million bytes of memory: the results are small, the values are not.
#[tokio::test]
async fn small_results_of_many_values_need_little_memory() {
    let rows = random_rows(60_000, 12);
    let session = session(&rows, 2);
    let known: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
    let mut distinct = known.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut texts: Vec<&String> = rows.iter().filter_map(|row| row.2.as_ref()).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut sorted = known;
    sorted.sort_unstable();
    let median = percentile(&sorted, 0.5).map(float);
    let expected = format!("{}|{}|{}", distinct.len(), texts.len(), or_null(median));
    let sql = "SELECT count(DISTINCT v), count(DISTINCT s), median(h) FROM t";
    let (found, spills) = run(&session, sql, LITTLE).await.unwrap();
    assert_eq!(found, [expected]);
    assert!(spills > 0);
}

#[tokio::test]
async fn a_result_larger_than_memory_is_an_error_that_names_it() {
    let rows = random_rows(120_000, 13);
    let session = session(&rows, 2);
    for sql in [
        "SELECT array_agg(v ORDER BY v) FROM t",
        "SELECT string_agg(s, ', ') FROM t",
        "SELECT k > 0, array_agg(s) FROM t GROUP BY 1",
    ] {
        let error = run(&session, sql, ByteCount(1_000_000)).await.unwrap_err();
        let DataFusionError::ResourcesExhausted(message) = error.find_root() else {
            panic!("{sql}: {error}");
        };
        assert!(message.contains("Aggregate[0]"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_while_a_large_group_is_sorted_it_keeps_nothing() {
    let rows = random_rows(40_000, 14);
    let session = session(&rows, 2);
    let sql = "SELECT count(DISTINCT v), count(DISTINCT s), median(h) FROM t";
    dropped_in_any_phase(&session, sql).await;
}
