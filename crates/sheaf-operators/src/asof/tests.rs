//! ASOF joins against a loop over all pairs, and their plans.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};

use crate::testing::{Lottery, TestSession};

/// A row: two keys, the time, and a number that tells rows of equal keys and time not apart.
type Row = (Option<u64>, Option<u64>, Option<u64>, u64);

fn random_rows(lottery: &mut Lottery, count: usize) -> Vec<Row> {
    (0..count)
        .map(|_| {
            let (a, b, at) = (
                lottery.maybe(4, 15),
                lottery.maybe(3, 15),
                lottery.maybe(60, 15),
            );
            (
                a,
                b,
                at,
                a.unwrap_or(9) * 10_000 + b.unwrap_or(9) * 1000 + at.unwrap_or(999),
            )
        })
        .collect()
}

/// Numbers, texts, times, numbers.
fn columns(rows: &[Row]) -> Vec<(&'static str, ArrayRef)> {
    let number = |v: Option<u64>| v.map(|v| i64::try_from(v).unwrap());
    let a: Int64Array = rows.iter().map(|r| number(r.0)).collect();
    let b: StringViewArray = rows
        .iter()
        .map(|r| r.1.map(|v| "x".repeat(20 * usize::try_from(v).unwrap())))
        .collect();
    let at: TimestampMicrosecondArray = rows.iter().map(|r| number(r.2)).collect();
    let v: Int64Array = rows.iter().map(|r| number(Some(r.3))).collect();
    vec![
        ("a", Arc::new(a)),
        ("b", Arc::new(b)),
        ("at", Arc::new(at)),
        ("v", Arc::new(v)),
    ]
}

/// The nearest right row for each left row, found by looking at all of them.
fn naive(left: &[Row], right: &[Row], operator: &str, keys: usize, is_left: bool) -> Vec<String> {
    let equal = |l: Option<u64>, r: Option<u64>| l.is_some() && l == r;
    let mut rows = Vec::new();
    for l in left {
        let nearest = right
            .iter()
            .filter(|r| keys < 1 || equal(l.0, r.0))
            .filter(|r| keys < 2 || equal(l.1, r.1))
            .filter(|r| match (l.2, r.2) {
                (Some(l), Some(r)) => match operator {
                    ">=" => l >= r,
                    ">" => l > r,
                    "<=" => l <= r,
                    _ => l < r,
                },
                _ => false,
            })
            .min_by_key(|r| l.2.unwrap().abs_diff(r.2.unwrap()));
        match nearest {
            Some(r) if keys == 2 => rows.push(format!("{}|{}", l.3, r.3)),
            // Only the time tells which row it is when keys are not compared.
            Some(r) => rows.push(format!("{}|{}", l.3, r.3 % 1000)),
            None if is_left => rows.push(format!("{}|NULL", l.3)),
            None => {}
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn agrees_with_a_loop_over_all_pairs() {
    for (seed, (left_count, right_count)) in [(150, 100), (30, 150), (60, 3), (5, 0), (0, 5)]
        .into_iter()
        .enumerate()
    {
        let mut lottery = Lottery::new(seed as u64 + 1);
        let left = random_rows(&mut lottery, left_count);
        let right = random_rows(&mut lottery, right_count);
        for (partitions, batch_rows) in [(1, 1), (3, 7), (4, 8192)] {
            let session = TestSession::new(partitions, batch_rows);
            session.table("l", columns(&left), 3, batch_rows.min(11));
            session.table("r", columns(&right), 2, batch_rows.min(5));
            for operator in [">=", ">", "<=", "<"] {
                for (keys, on) in ["", "l.a = r.a AND", "r.b = l.b AND l.a = r.a AND"]
                    .iter()
                    .enumerate()
                {
                    for (word, is_left) in [("", false), ("LEFT", true)] {
                        let shown = if keys == 2 { "r.v" } else { "r.v % 1000" };
                        let sql = format!(
                            "SELECT l.v, {shown} FROM l ASOF {word} JOIN r ON {on} l.at {operator} r.at"
                        );
                        let found = session.run(&sql).await.sorted().rows;
                        let wanted = naive(&left, &right, operator, keys, is_left);
                        assert_eq!(found, wanted, "{sql}");
                    }
                }
            }
        }
    }
}

async fn prices() -> TestSession {
    let session = TestSession::new(2, 3);
    session
        .create(
            "prices",
            "SELECT * FROM (VALUES ('A', 1, 10), ('A', 5, 11), ('B', 2, 20)) AS t(ticker, at, price)",
        )
        .await;
    session
        .create(
            "trades",
            "SELECT * FROM (VALUES ('A', 4), ('A', 5), ('B', 1), ('C', 9)) AS t(ticker, at)",
        )
        .await;
    session
}

#[tokio::test]
async fn understands_its_spellings() {
    let session = prices().await;
    let inner = "A|4|10\nA|5|11";
    for sql in [
        "SELECT t.ticker, t.at, price FROM trades t ASOF JOIN prices p \
         MATCH_CONDITION (t.at >= p.at) ON t.ticker = p.ticker ORDER BY ALL",
        "SELECT t.ticker, t.at, price FROM trades t ASOF JOIN prices p \
         MATCH_CONDITION (p.at <= t.at) USING (ticker) ORDER BY ALL",
        "SELECT * FROM trades ASOF JOIN prices USING (ticker, at) ORDER BY ALL",
        "SELECT t.ticker, t.at, p.price FROM prices p2 JOIN trades t ON p2.price = 20 ASOF JOIN prices p ON t.ticker = p.ticker AND t.at >= p.at \
         JOIN prices p3 ON p3.at = 2 ORDER BY 1, 2",
    ] {
        let answer = session.run(sql).await;
        assert_eq!(answer.rows.join("\n"), inner, "{sql}");
    }
    let left = session
        .run("SELECT * FROM trades ASOF LEFT JOIN prices USING (ticker, at) ORDER BY ALL")
        .await;
    assert_eq!(
        left.to_string(),
        "ticker|at|price\nA|4|10\nA|5|11\nB|1|NULL\nC|9|NULL"
    );
    let filtered = session
        .run(
            "SELECT t.at, price FROM trades t ASOF LEFT JOIN prices p \
             ON t.ticker = p.ticker AND t.at >= p.at AND p.price < 11 ORDER BY ALL",
        )
        .await;
    assert_eq!(filtered.rows.join(" "), "1|NULL 4|10 5|10 9|NULL");
}

#[tokio::test]
async fn filters_above_do_not_change_matches() {
    let session = prices().await;
    let sql = "SELECT t.at FROM trades t ASOF JOIN prices p ON t.ticker = p.ticker AND t.at >= p.at \
               WHERE p.price = 10";
    assert_eq!(session.run(sql).await.rows, ["4"]);
    let plan = session.explain(sql).await;
    let join = plan.find("AsofJoinExec").unwrap();
    assert!(plan.find("FilterExec").unwrap() < join, "{plan}");
    assert!(!plan[join..].contains("FilterExec"), "{plan}");
}

#[tokio::test]
async fn reads_only_the_columns_it_needs_and_keeps_the_left_order() {
    let session = prices().await;
    let plan = session
        .explain(
            "SELECT price FROM trades t ASOF JOIN prices p \
             ON t.ticker = p.ticker AND t.at >= p.at ORDER BY t.ticker, t.at",
        )
        .await;
    assert!(
        plan.contains("AsofJoinExec: join_type=Inner, on=[(ticker@0, ticker@0)]"),
        "{plan}"
    );
    // One sort for each side, and none above the join.
    assert_eq!(plan.matches("SortExec").count(), 2, "{plan}");
}

#[tokio::test]
async fn sorts_spill_when_memory_is_small() {
    let mut lottery = Lottery::new(5);
    let (left, right) = (
        random_rows(&mut lottery, 3000),
        random_rows(&mut lottery, 3000),
    );
    // Three megabytes a side, and four for all.
    let session = TestSession::with_memory(1, 64, 4_000_000);
    for (name, rows) in [("l", &left), ("r", &right)] {
        let pad: StringViewArray = rows.iter().map(|_| Some("p".repeat(1000))).collect();
        let mut columns = columns(rows);
        columns.push(("pad", Arc::new(pad)));
        session.table(name, columns, 1, 64);
    }
    let sql = "SELECT l.v, CASE WHEN concat(l.pad, r.pad) <> '' THEN r.v END FROM l ASOF LEFT JOIN r \
               ON l.a = r.a AND l.b = r.b AND l.at >= r.at";
    let (found, spill_count) = session.run_counting_spills(sql).await;
    assert_eq!(found.sorted().rows, naive(&left, &right, ">=", 2, true));
    assert!(spill_count > 0);
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let session = prices().await;
    for (on, message) in [
        ("t.ticker = p.ticker", "ASOF JOIN needs an inequality"),
        (
            "t.at >= p.at AND t.at <= p.price",
            "cannot use the condition",
        ),
        ("t.at >= p.at OR t.at = 1", "ASOF JOIN needs an inequality"),
        (
            "t.at >= p.at AND t.ticker > 'a'",
            "cannot use the condition",
        ),
        ("t.at + p.at > 3", "ASOF JOIN needs an inequality"),
        (
            "t.at >= p.at AND t.at <> p.price",
            "cannot use the condition",
        ),
    ] {
        let sql = format!("SELECT * FROM trades t ASOF JOIN prices p ON {on}");
        let error = session.error(&sql).await;
        assert!(error.message().contains(message), "{on}: {error:?}");
        assert!(error.hint().is_some(), "{on}");
    }
}
