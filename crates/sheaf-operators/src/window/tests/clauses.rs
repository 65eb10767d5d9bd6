//! FILTER, IGNORE NULLS and EXCLUDE in frames of all units and bounds, beside loops over the rows of
//! each.

use std::collections::HashMap;

use super::frames::Bound::{self, Away, Begin, End};
use super::frames::{groups, in_frame, or_null, partitions, text};
use super::{LITTLE, PLENTY, Row, compare, random_rows, run, session};
use crate::testing::Lottery;

/// Of the frames in [`FRAMES`](super::frames::FRAMES) one of each kind.
const FRAMES: &[(Bound, Bound)] = &[
    (Begin, Away(0)),
    (Begin, End),
    (Away(-2), Away(2)),
    (Away(-5), Away(-3)),
    (Away(2), Away(4)),
    (Away(0), End),
];

const EXCLUSIONS: &[&str] = &["NO OTHERS", "CURRENT ROW", "GROUP", "TIES"];

/// What is asked of each frame, beside [`answers`].
const FUNCTIONS: &[&str] = &[
    "count(*) OVER",
    "sum(v) FILTER (WHERE v % 3 = 0) OVER",
    "count(v) FILTER (WHERE v % 3 = 0) OVER",
    "min(v) FILTER (WHERE v % 2 = 0) OVER",
    "max(v) OVER",
    "first_value(v) OVER",
    "last_value(v) OVER",
    "nth_value(v, 3) OVER",
    "first_value(v) IGNORE NULLS OVER",
    "last_value(v) IGNORE NULLS OVER",
    "nth_value(v, 2) IGNORE NULLS OVER",
    // No value can be taken back from it.
    "string_agg(CAST(v AS VARCHAR), ',') FILTER (WHERE v > 20) OVER",
];

fn answers(values: &[Option<i64>]) -> Vec<String> {
    let of = |keeps: fn(i64) -> bool| {
        let counted = values.iter().flatten().copied();
        counted.filter(move |v| keeps(*v))
    };
    let known: Vec<i64> = of(|_| true).collect();
    let by_three: Vec<i64> = of(|v| v % 3 == 0).collect();
    let texts: Vec<String> = of(|v| v > 20).map(|v| v.to_string()).collect();
    let or_none = |text: String| {
        if text.is_empty() {
            "NULL".to_owned()
        } else {
            text
        }
    };
    vec![
        values.len().to_string(),
        or_null((!by_three.is_empty()).then(|| by_three.iter().sum())),
        by_three.len().to_string(),
        or_null(of(|v| v % 2 == 0).min()),
        or_null(known.iter().max().copied()),
        or_null(values.first().copied().flatten()),
        or_null(values.last().copied().flatten()),
        or_null(values.get(2).copied().flatten()),
        or_null(known.first().copied()),
        or_null(known.last().copied()),
        or_null(known.get(1).copied()),
        or_none(texts.join(",")),
    ]
}

/// From PostgreSQL's "Window function calls": the current row is a peer of itself.
fn is_left_out(exclusion: &str, current: usize, groups: &[i64], place: usize) -> bool {
    let is_current = place == current;
    match exclusion {
        "CURRENT ROW" => is_current,
        "GROUP" => groups[place] == groups[current],
        "TIES" => groups[place] == groups[current] && !is_current,
        _ => false,
    }
}

/// The lines of a result: id, number of the row, and what each function says.
fn lines(
    partitions: &[Vec<Row>],
    units: &str,
    frame: (Bound, Bound),
    exclusion: &str,
) -> Vec<String> {
    let mut lines = Vec::new();
    for partition in partitions {
        let groups = groups(partition);
        for (current, row) in partition.iter().enumerate() {
            let mut line = vec![row.0.to_string(), (current + 1).to_string()];
            let frame = in_frame(partition, &groups, current, units, frame);
            let rows = frame
                .iter()
                .filter(|place| !is_left_out(exclusion, current, &groups, **place));
            let values: Vec<_> = rows.map(|place| partition[*place].3).collect();
            line.extend(answers(&values));
            lines.push(line.join("|"));
        }
    }
    lines.sort();
    lines
}

/// Peers come in any order; which one it was the numbers of the rows tell.
fn in_order_of(mut partitions: Vec<Vec<Row>>, found: &[String]) -> Vec<Vec<Row>> {
    let number = |line: &String| {
        let mut fields = line.split('|').map(|field| field.parse::<i64>().unwrap());
        (fields.next().unwrap(), fields.next().unwrap())
    };
    let numbers: HashMap<i64, i64> = found.iter().map(number).collect();
    for partition in &mut partitions {
        partition.sort_by_key(|row| numbers[&row.0]);
        assert!(partition.is_sorted_by(|a, b| compare(a.2, b.2).is_le()));
    }
    partitions
}

/// One case in how many is tried with little memory too: no divisor of the number of exclusions, so
/// that each of them is.
const CASES_PER_SPILL: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clauses_are_as_defined() {
    let mut lottery = Lottery::new(41);
    let rows = random_rows(&mut lottery, 260, 30, 200);
    let (plenty, little) = (session(&rows, PLENTY, 2), session(&rows, LITTLE / 10, 1));
    let frames = FRAMES
        .iter()
        .flat_map(|frame| EXCLUSIONS.iter().map(move |exclusion| (frame, exclusion)));
    let units = ["ROWS", "RANGE", "GROUPS"];
    let cases = units
        .into_iter()
        .flat_map(|units| frames.clone().map(move |(frame, e)| (units, frame, e)));
    let mut spills_in_all = [0, 0];
    for (case, (units, frame, exclusion)) in cases.enumerate() {
        let between = format!("{} AND {}", text(frame.0, true), text(frame.1, false));
        let over =
            format!("(PARTITION BY p ORDER BY o {units} BETWEEN {between} EXCLUDE {exclusion})");
        let functions: Vec<String> = FUNCTIONS.iter().map(|f| format!("{f} {over}")).collect();
        let sql = format!(
            "SELECT * EXCLUDE (pad) FROM (SELECT id, row_number() OVER (PARTITION BY p ORDER BY o), \
             pad, {} FROM t) q WHERE pad <> ''",
            functions.join(", ")
        );
        let mut tried = vec![(&plenty, false)];
        if case % CASES_PER_SPILL == 0 {
            tried.push((&little, true));
        }
        for (session, is_little) in tried {
            let (found, spills) = run(session, &sql).await;
            spills_in_all[usize::from(is_little)] += spills;
            let partitions = in_order_of(partitions(&rows), &found);
            let expected = lines(&partitions, units, *frame, exclusion);
            let wrong = found
                .iter()
                .zip(&expected)
                .find(|(found, right)| found != right);
            assert!(
                found.len() == expected.len() && wrong.is_none(),
                "{over}: {wrong:?}"
            );
        }
    }
    assert_eq!(spills_in_all[0], 0);
    assert!(spills_in_all[1] > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_that_have_values_are_as_defined() {
    let mut lottery = Lottery::new(42);
    let rows = random_rows(&mut lottery, 2400, 200, 1800);
    let mut expected = Vec::new();
    for rows in partitions(&rows) {
        for (current, row) in rows.iter().enumerate() {
            let before = rows[..current].iter().rev().filter_map(|row| row.3);
            let after = rows[current + 1..].iter().filter_map(|row| row.3);
            let line = [
                row.0.to_string(),
                or_null(before.clone().next()),
                or_null(before.clone().nth(2)),
                or_null(before.clone().nth(999).or(Some(-1))),
                or_null(after.clone().next()),
                or_null(after.clone().nth(999).or(Some(-1))),
                or_null(row.3),
            ];
            expected.push(line.join("|"));
        }
    }
    expected.sort();
    let sql = "SELECT * EXCLUDE (pad) FROM (SELECT id, pad, lag(v) IGNORE NULLS OVER w, \
        lag(v, 3) IGNORE NULLS OVER w, lag(v, 1000, -1) IGNORE NULLS OVER w, \
        lead(v) IGNORE NULLS OVER w, lead(v, 1000, -1) IGNORE NULLS OVER w, \
        lag(v, 0) IGNORE NULLS OVER w FROM t \
        WINDOW w AS (PARTITION BY p ORDER BY o, id)) q WHERE pad <> ''";
    for (memory, is_spilled) in [(PLENTY, false), (LITTLE, true)] {
        let (found, spills) = run(&session(&rows, memory, 1), sql).await;
        let wrong = found
            .iter()
            .zip(&expected)
            .find(|(found, right)| found != right);
        assert!(
            found.len() == expected.len() && wrong.is_none(),
            "{memory}: {wrong:?}"
        );
        assert_eq!(spills > 0, is_spilled, "{memory}");
    }
}

/// Where values come in order each may yet be the least: more than there is memory for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extremes_of_sorted_rows_need_no_memory_for_all() {
    let rows: Vec<Row> = (0..5000)
        .map(|id| (id, Some(1), Some(id), Some(id)))
        .collect();
    let session = session(&rows, LITTLE / 4, 1);
    let sql = "SELECT id, length(pad), min(v) OVER w, max(v) OVER w FROM t WINDOW w AS \
        (PARTITION BY p ORDER BY o ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)";
    let (found, spills) = run(&session, sql).await;
    let mut expected: Vec<String> = rows
        .iter()
        .map(|row| format!("{}|200|{}|4999", row.0, row.0))
        .collect();
    expected.sort();
    assert!(found == expected);
    assert!(spills > 0);
}

/// A value carried forward over many NULLs holds no rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_carried_forward_do_not_hold_the_partition() {
    let rows: Vec<Row> = (0..5000)
        .map(|id| (id, Some(1), Some(id), (id == 7).then_some(1)))
        .collect();
    let session = session(&rows, LITTLE, 1);
    for function in [
        "last_value(v) IGNORE NULLS OVER (PARTITION BY p ORDER BY o)",
        "lag(v) IGNORE NULLS OVER (PARTITION BY p ORDER BY o)",
        "max(v) OVER (PARTITION BY p ORDER BY o ROWS BETWEEN 1900 PRECEDING AND CURRENT ROW)",
        "sum(v) FILTER (WHERE v > 0) OVER (PARTITION BY p ORDER BY o \
         ROWS BETWEEN 9 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)",
    ] {
        let (found, spills) = run(
            &session,
            &format!("SELECT id, length(pad), {function} FROM t"),
        )
        .await;
        assert_eq!(found.len(), 5000);
        assert_eq!(spills, 0, "{function}");
    }
}
