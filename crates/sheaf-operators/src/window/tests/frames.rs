//! Frames of all units and bounds, beside a loop over the rows of each.

use std::cmp::Ordering;

use super::{LITTLE, PLENTY, Row, compare, random_rows, run, session};
use crate::testing::Lottery;

/// A bound: rows, groups or values away from the current row, or none.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    Begin,
    Away(i64),
    End,
}

use Bound::{Away, Begin, End};

/// Start and end of the frames that are tried.
pub(super) const FRAMES: &[(Bound, Bound)] = &[
    (Begin, Away(0)),
    (Begin, Away(-2)),
    (Begin, Away(3)),
    (Begin, End),
    (Away(-3), Away(0)),
    (Away(-2), Away(2)),
    (Away(-5), Away(-3)),
    (Away(0), Away(0)),
    (Away(0), Away(4)),
    (Away(2), Away(4)),
    (Away(0), End),
    (Away(-3), End),
    (Away(2), End),
];

pub(super) fn text(bound: Bound, is_start: bool) -> String {
    match bound {
        Begin => "UNBOUNDED PRECEDING".to_owned(),
        End => "UNBOUNDED FOLLOWING".to_owned(),
        Away(0) => "CURRENT ROW".to_owned(),
        Away(n) if n < 0 => format!("{} PRECEDING", -n),
        Away(n) => format!("{n} {}", if is_start || n > 0 { "FOLLOWING" } else { "" }),
    }
}

/// The places of a partition in the frame of row `current`: from PostgreSQL's "Window function
/// calls".
pub(super) fn in_frame(
    rows: &[Row],
    groups: &[i64],
    current: usize,
    units: &str,
    frame: (Bound, Bound),
) -> Vec<usize> {
    let place = |index: usize| match units {
        "ROWS" => index as i64,
        _ => groups[index],
    };
    // Of NULL, so much more or less is NULL; it comes after all others.
    let by_value =
        |index: usize, away: i64| compare(rows[index].2, rows[current].2.map(|value| value + away));
    let is_in = |index: usize| {
        let starts = match frame.0 {
            Begin => true,
            End => false,
            Away(n) if units == "RANGE" => by_value(index, n) != Ordering::Less,
            Away(n) => place(index) >= place(current) + n,
        };
        let ends = match frame.1 {
            Begin => false,
            End => true,
            Away(n) if units == "RANGE" => by_value(index, n) != Ordering::Greater,
            Away(n) => place(index) <= place(current) + n,
        };
        starts && ends
    };
    (0..rows.len()).filter(|index| is_in(*index)).collect()
}

/// How many runs of peers are before each row's.
pub(super) fn groups(rows: &[Row]) -> Vec<i64> {
    let mut group = 0;
    let mut groups = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        group += i64::from(index > 0 && rows[index - 1].2 != row.2);
        groups.push(group);
    }
    groups
}

pub(super) fn or_null(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

pub(super) fn partitions(rows: &[Row]) -> Vec<Vec<Row>> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| {
        compare(a.1, b.1)
            .then(compare(a.2, b.2))
            .then(a.0.cmp(&b.0))
    });
    sorted
        .chunk_by(|a, b| a.1 == b.1)
        .map(<[Row]>::to_vec)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_over_frames_are_as_defined() {
    let mut lottery = Lottery::new(31);
    let rows = random_rows(&mut lottery, 1200, 150, 700);
    let partitions = partitions(&rows);
    let sessions = [session(&rows, PLENTY, 2), session(&rows, LITTLE / 4, 1)];
    for units in ["ROWS", "RANGE", "GROUPS"] {
        for frame in FRAMES {
            let mut expected = Vec::new();
            for partition in &partitions {
                let groups = groups(partition);
                for (index, row) in partition.iter().enumerate() {
                    let rows = in_frame(partition, &groups, index, units, *frame);
                    let values: Vec<i64> = rows.iter().filter_map(|i| partition[*i].3).collect();
                    let sum = (!values.is_empty()).then(|| values.iter().sum());
                    let (min, max) = (values.iter().min().copied(), values.iter().max().copied());
                    let (min, max) = (or_null(min), or_null(max));
                    let sum = or_null(sum);
                    expected.push(format!("{}|{}|{sum}|{min}|{max}", row.0, rows.len()));
                }
            }
            expected.sort();
            let over = format!(
                "PARTITION BY p ORDER BY o{} {units} BETWEEN {} AND {}",
                if units == "ROWS" { ", id" } else { "" },
                text(frame.0, true),
                text(frame.1, false),
            );
            let sql = format!(
                "SELECT * EXCLUDE (pad) FROM (SELECT id, pad, count(*) OVER w, sum(v) OVER w, \
                 min(v) OVER w, max(v) OVER w FROM t WINDOW w AS ({over})) q WHERE pad <> ''"
            );
            for session in &sessions {
                let (found, _) = run(session, &sql).await;
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
    }
}

/// `lag`, `lead` and values of frames; with a partition that goes to disk, since rows far back or
/// far ahead are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_other_rows_are_as_defined() {
    let mut lottery = Lottery::new(32);
    let rows = random_rows(&mut lottery, 4000, 300, 2500);
    let mut expected = Vec::new();
    for rows in partitions(&rows) {
        for (index, row) in rows.iter().enumerate() {
            let value = |index: Option<usize>, default: Option<i64>| {
                or_null(
                    index
                        .and_then(|index| rows.get(index))
                        .map_or(default, |row| row.3),
                )
            };
            let near = index.saturating_sub(5)..rows.len().min(index + 5);
            let frame = in_frame(
                &rows[near.clone()],
                &[],
                index - near.start,
                "ROWS",
                (Away(-2), Away(3)),
            );
            let value_of =
                |place: Option<&usize>| or_null(place.and_then(|place| rows[near.start + place].3));
            let of_frame = |index: usize| value_of(frame.get(index));
            expected.push(format!(
                "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
                row.0,
                value(index.checked_sub(1), None),
                value(index.checked_sub(2000), Some(-1)),
                value(Some(index + 2), None),
                value(Some(index + 2200), Some(-1)),
                of_frame(0),
                value_of(frame.last()),
                of_frame(1),
                or_null(rows.last().and_then(|row| row.3)),
                index + 1,
            ));
        }
    }
    expected.sort();
    let sql = "SELECT * EXCLUDE (pad) FROM (SELECT id, pad, lag(v) OVER w, lag(v, 2000, -1) OVER w, \
        lead(v, 2) OVER w, lead(v, 2200, -1) OVER w, first_value(v) OVER f, last_value(v) OVER f, \
        nth_value(v, 2) OVER f, last_value(v) OVER all_of_p, row_number() OVER w FROM t \
        WINDOW w AS (PARTITION BY p ORDER BY o, id), \
        f AS (PARTITION BY p ORDER BY o, id ROWS BETWEEN 2 PRECEDING AND 3 FOLLOWING), \
        all_of_p AS (PARTITION BY p ORDER BY o, id ROWS BETWEEN UNBOUNDED PRECEDING AND \
        UNBOUNDED FOLLOWING)) q WHERE pad <> ''";
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

/// A running sum holds a batch, whatever the partition; one from the end writes it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_look_back_do_not_hold_the_partition() {
    let mut lottery = Lottery::new(33);
    let rows = random_rows(&mut lottery, 5000, 1, 5000);
    let session = session(&rows, LITTLE, 1);
    for (frame, is_spilled) in [
        ("ROWS UNBOUNDED PRECEDING", false),
        ("RANGE UNBOUNDED PRECEDING", false),
        ("ROWS BETWEEN 10 PRECEDING AND 10 FOLLOWING", false),
        ("ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", true),
    ] {
        let sql = format!(
            "SELECT id, length(pad), sum(v) OVER (PARTITION BY p ORDER BY o, id {frame}) FROM t"
        );
        let (found, spills) = run(&session, &sql).await;
        assert_eq!(found.len(), 5000);
        assert_eq!(spills > 0, is_spilled, "{frame}");
    }
}
