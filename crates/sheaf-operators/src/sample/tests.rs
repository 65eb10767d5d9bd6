//! Samples: their sizes, their independence of partitions, what optimizer rules make of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};
use sheaf_base::ErrorKind;

use crate::testing::TestSession;

const ROWS: i64 = 20_000;

fn session(partitions: usize, batch_rows: usize) -> TestSession {
    let session = TestSession::new(partitions, batch_rows);
    fill(&session, partitions, batch_rows);
    session
}

/// `t`: numbers, three texts, and numbers twice as large.
fn fill(session: &TestSession, partitions: usize, batch_rows: usize) {
    let n: Int64Array = (0..ROWS).collect();
    let kind: StringViewArray = (0..ROWS)
        .map(|n| (n % 7 != 0).then(|| format!("a rather long text {}", n % 3)))
        .collect();
    let twice: Int64Array = (0..ROWS).map(|n| n * 2).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(n)),
        ("kind", Arc::new(kind)),
        ("twice", Arc::new(twice)),
    ];
    session.table("t", columns, partitions, batch_rows);
}

fn assert_near(found: f64, wanted: f64, tolerance: f64) {
    assert!(
        (found - wanted).abs() <= tolerance,
        "{found} is not near {wanted}"
    );
}

#[tokio::test]
async fn takes_about_the_share() {
    let session = session(3, 512);
    // Five standard deviations of a binomial distribution at most.
    for (clause, share) in [
        ("TABLESAMPLE BERNOULLI (10)", 0.1),
        ("TABLESAMPLE SYSTEM (25.5)", 0.255),
        ("TABLESAMPLE (50 PERCENT)", 0.5),
        ("TABLESAMPLE 90 PERCENT REPEATABLE (7)", 0.9),
        ("TABLESAMPLE BERNOULLI (0)", 0.0),
        ("TABLESAMPLE (100%)", 1.0),
        ("TABLESAMPLE SYSTEM (100) REPEATABLE (3)", 1.0),
        ("USING SAMPLE 5%", 0.05),
    ] {
        let count = session
            .number(&format!("SELECT count(*) FROM t {clause}"))
            .await;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let rows = ROWS as f64;
        assert_near(
            count,
            rows * share,
            5.0 * (rows * share * (1.0 - share)).sqrt(),
        );
    }
}

#[tokio::test]
async fn a_seed_gives_the_same_rows_whatever_the_partitions() {
    for clause in [
        "(5 PERCENT) REPEATABLE (42)",
        "(300 ROWS) REPEATABLE (42)",
        "(5) SEED (42)",
    ] {
        let sql = format!("SELECT n FROM t AS s TABLESAMPLE {clause} ORDER BY n");
        let wanted = session(1, 8192).run(&sql).await.rows;
        assert!(!wanted.is_empty());
        for (partitions, batch_rows) in [(1, 100), (4, 33), (7, 1024)] {
            assert_eq!(session(partitions, batch_rows).run(&sql).await.rows, wanted);
        }
        let other = sql.replace("42", "43");
        assert_ne!(session(1, 8192).run(&other).await.rows, wanted);
    }
}

#[tokio::test]
async fn the_columns_read_above_do_not_change_a_seeded_sample() {
    let session = session(2, 100);
    let of_one = session
        .run("SELECT n FROM t TABLESAMPLE (100 ROWS) REPEATABLE (1) ORDER BY n")
        .await;
    let of_all = session
        .run("SELECT n, kind, twice FROM t TABLESAMPLE (100 ROWS) REPEATABLE (1) ORDER BY n")
        .await;
    let first: Vec<&str> = of_all
        .rows
        .iter()
        .map(|row| row.split('|').next().unwrap())
        .collect();
    assert_eq!(of_one.rows, first);
}

#[tokio::test]
async fn takes_that_many_different_rows() {
    let session = session(3, 200);
    for (rows, wanted) in [(0, 0), (1, 1), (150, 150), (5000, 5000), (30_000, 20_000)] {
        for seed in ["", " REPEATABLE (5)"] {
            let sql = format!("SELECT n, twice FROM t TABLESAMPLE {rows} ROWS{seed}");
            let answer = session.run(&sql).await;
            let different: BTreeSet<&String> = answer.rows.iter().collect();
            assert_eq!(
                (answer.rows.len(), different.len()),
                (wanted, wanted),
                "{sql}"
            );
            for row in &answer.rows {
                let (n, twice) = row.split_once('|').unwrap();
                assert_eq!(n.parse::<i64>().unwrap() * 2, twice.parse::<i64>().unwrap());
            }
        }
    }
}

#[tokio::test]
async fn rows_have_equal_chances() {
    let session = session(2, 512);
    // The mean of 200 numbers below 20,000, over 60 samples: its deviation is 5774 / √12,000 ≈ 53.
    for seeded in [true, false] {
        let mut sum = 0.0;
        for seed in 0..60 {
            let seed = if seeded {
                format!("REPEATABLE ({seed})")
            } else {
                String::new()
            };
            sum += session
                .number(&format!(
                    "SELECT avg(n) FROM t TABLESAMPLE (200 ROWS) {seed}"
                ))
                .await;
        }
        assert_near(sum / 60.0, 9999.5, 5.0 * 53.0);
    }
}

#[tokio::test]
async fn draws_are_of_any_row_each_time() {
    let session = session(3, 200);
    for seed in ["", " REPEATABLE (5)"] {
        let draws = |rows| format!("FROM t TABLESAMPLE ({rows} ROWS) WITH REPLACEMENT{seed}");
        // Always as many, also beyond the number of rows, and none of nothing.
        for rows in [0, 1, 150, 30_000] {
            let sql = format!("SELECT n, twice {}", draws(rows));
            let answer = session.run(&sql).await;
            assert_eq!(answer.rows.len(), rows, "{sql}");
            for row in &answer.rows {
                let (n, twice) = row.split_once('|').unwrap();
                assert_eq!(n.parse::<i64>().unwrap() * 2, twice.parse::<i64>().unwrap());
            }
        }
        let sql = format!("SELECT count(*) {}", draws(150));
        assert_near(session.number(&sql).await, 150.0, 0.0);
        // Of N rows, N draws leave out a share 1/e: 12,642 are drawn, with a deviation of
        // √(N (1/e - 2/e²)) ≈ 44. The mean of N numbers below N deviates by 5774 / √20,000 ≈ 41.
        let sql = format!("SELECT count(DISTINCT n) {}", draws(20_000));
        assert_near(session.number(&sql).await, 12_642.0, 5.0 * 44.0);
        let sql = format!("SELECT avg(n) {}", draws(20_000));
        assert_near(session.number(&sql).await, 9999.5, 5.0 * 41.0);
        let sql = format!(
            "SELECT count(*) FROM (SELECT n FROM t WHERE n < 0) \
             TABLESAMPLE (9 ROWS) WITH REPLACEMENT{seed}"
        );
        assert_near(session.number(&sql).await, 0.0, 0.0);
    }
}

#[tokio::test]
async fn draws_of_a_seed_are_the_same_whatever_the_partitions() {
    let sql = "SELECT n FROM t AS s TABLESAMPLE (300 ROWS) WITH REPLACEMENT REPEATABLE (42)";
    let wanted = session(1, 8192).run(sql).await.rows;
    for (partitions, batch_rows) in [(1, 100), (4, 33), (7, 1024)] {
        assert_eq!(session(partitions, batch_rows).run(sql).await.rows, wanted);
    }
    let other = sql.replace("42", "43");
    assert_ne!(session(1, 8192).run(&other).await.rows, wanted);
}

#[tokio::test]
async fn what_is_drawn_need_not_differ() {
    let session = session(2, 512);
    // Of three groups, a hundred draws: keys of groups are different ones, draws of them are not.
    let groups = "(SELECT n % 3 AS k, count(*) AS c FROM t GROUP BY n % 3) AS g";
    let sql = format!("SELECT DISTINCT k FROM {groups} TABLESAMPLE (100 ROWS) WITH REPLACEMENT");
    assert_eq!(session.run(&sql).await.rows.len(), 3);
}

#[tokio::test]
async fn equal_rows_do_not_share_one_fate() {
    let session = session(2, 512);
    let sql = "SELECT count(*) FROM (SELECT kind FROM t) TABLESAMPLE (10 PERCENT) REPEATABLE (3)";
    assert_near(session.number(sql).await, 2000.0, 5.0 * 60.0);
    let sql = "SELECT count(*) FROM (SELECT kind FROM t) TABLESAMPLE (100 ROWS) REPEATABLE (3)";
    assert_near(session.number(sql).await, 100.0, 0.0);
}

#[tokio::test]
async fn runs_without_a_seed_differ() {
    let session = session(2, 512);
    let sql = "SELECT n FROM t TABLESAMPLE (20 ROWS) ORDER BY n";
    assert_ne!(session.run(sql).await, session.run(sql).await);
}

#[tokio::test]
async fn filters_and_limits_stay_above() {
    let session = session(2, 512);
    for size in ["500 ROWS", "20 PERCENT"] {
        let sample = format!("FROM t TABLESAMPLE ({size}) REPEATABLE (9)");
        let all = session.run(&format!("SELECT n {sample}")).await;
        let even = all
            .rows
            .iter()
            .filter(|n| n.parse::<i64>().unwrap() % 2 == 0)
            .count();
        let sql = format!("SELECT count(*) {sample} WHERE n % 2 = 0");
        assert_eq!(session.run(&sql).await.rows, [even.to_string()]);
        let limited = session.run(&format!("SELECT n {sample} LIMIT 5")).await;
        assert_eq!(limited.rows.len(), 5);
        assert!(limited.rows.iter().all(|row| all.rows.contains(row)));
    }
    let plan = session
        .explain("SELECT n FROM t TABLESAMPLE (50 ROWS) WHERE n > 5 LIMIT 3")
        .await;
    let sample = plan.find("SampleExec: 50 rows").unwrap();
    assert!(plan.find("FilterExec").unwrap() < sample, "{plan}");
    assert!(!plan[sample..].contains("fetch="), "{plan}");
}

#[tokio::test]
async fn rows_beyond_the_memory_limit_are_an_error() {
    let session = TestSession::with_memory(2, 512, 400_000);
    fill(&session, 2, 512);
    assert_eq!(
        session
            .run("SELECT n FROM t TABLESAMPLE (50 ROWS)")
            .await
            .rows
            .len(),
        50
    );
    let error = session
        .error("SELECT * FROM t TABLESAMPLE (15000 ROWS)")
        .await;
    assert_eq!(error.kind(), ErrorKind::Resource, "{error:?}");
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let session = session(1, 8192);
    for (clause, message) in [
        ("(101 PERCENT)", "between 0 and 100 percent"),
        ("(-1 PERCENT)", "between 0 and 100 percent"),
        ("(1.5 ROWS)", "cannot have 1.5 rows"),
        ("(-5 ROWS)", "cannot have -5 rows"),
        ("('x' ROWS)", "must be a number"),
        ("(n PERCENT)", "must be a number"),
        ("(BUCKET 1 OUT OF 2)", "BUCKET and OFFSET"),
    ] {
        let error = session
            .error(&format!("SELECT * FROM t TABLESAMPLE {clause}"))
            .await;
        assert!(error.message().contains(message), "{clause}: {error:?}");
    }
}

#[tokio::test]
async fn endless_samples_can_be_cancelled() {
    let session = TestSession::new(2, 8192);
    for size in ["0.0001 PERCENT", "0 PERCENT", "10 ROWS"] {
        let sql = format!("SELECT * FROM generate_series(1, 1000000000000) TABLESAMPLE ({size})");
        let run = session.try_run(&sql);
        // One thread runs the query and the clock: a query that never yields would stop both.
        let outcome = tokio::time::timeout(std::time::Duration::from_millis(50), run).await;
        assert!(outcome.is_err(), "{size}");
    }
}
