//! A shared sub-plan runs once, whoever asks and however little memory there is.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use crate::testing::TestSession;

fn numbers(session: &TestSession, rows: i64) {
    let column: ArrayRef = Arc::new((0..rows).collect::<Int64Array>());
    session.table("t", vec![("a", column)], 4, 1000);
}

#[tokio::test]
async fn random_rows_are_the_same_for_each_reader() {
    for partitions in [1, 4] {
        let session = TestSession::new(partitions, 100);
        numbers(&session, 5000);
        let sql = "WITH c AS (SELECT a, random() AS r FROM t) \
                   SELECT count(*) FROM c x JOIN c y ON x.a = y.a AND x.r = y.r";
        assert_eq!(session.run(sql).await.rows, ["5000"]);
        let sql = "WITH c AS (SELECT random() AS r FROM t), d AS (SELECT * FROM c) \
                   SELECT count(DISTINCT r) FROM (SELECT r FROM d UNION ALL SELECT r FROM c)";
        assert_eq!(session.run(sql).await.rows, ["5000"]);
    }
}

#[tokio::test]
async fn a_limit_takes_the_same_rows_for_each_reader() {
    let session = TestSession::new(4, 100);
    numbers(&session, 5000);
    let sql = "WITH c AS (SELECT a FROM t LIMIT 700) SELECT count(*) FROM c WHERE a IN (TABLE c)";
    assert_eq!(session.run(sql).await.rows, ["700"]);
}

#[tokio::test]
async fn queries_read_once_or_alike_are_not_shared() {
    let session = TestSession::new(4, 100);
    numbers(&session, 10);
    for (sql, is_shared) in [
        (
            "WITH c AS (SELECT random() AS r FROM t) SELECT * FROM c",
            false,
        ),
        ("WITH c AS (SELECT a FROM t) SELECT * FROM c x, c y", false),
        (
            "WITH c AS MATERIALIZED (SELECT a FROM t) SELECT * FROM c x, c y",
            true,
        ),
        (
            "WITH c AS (SELECT random() AS r FROM t) SELECT * FROM c x, c y",
            true,
        ),
        (
            "WITH c AS NOT MATERIALIZED (SELECT random() AS r FROM t) SELECT * FROM c x, c y",
            false,
        ),
    ] {
        let plan = session.explain(sql).await;
        assert_eq!(plan.contains("SharedExec"), is_shared, "{sql}\n{plan}");
    }
}

#[tokio::test]
async fn rows_go_to_disk_when_memory_ends() {
    let session = TestSession::with_memory(2, 1000, 400_000);
    numbers(&session, 100_000);
    let sql = "WITH c AS MATERIALIZED (SELECT a FROM t) \
               SELECT count(*), sum(a) FROM (SELECT a FROM c UNION ALL SELECT a FROM c)";
    let (answer, spill_count) = session.run_counting_spills(sql).await;
    // Twice the sum of 0 … 99,999.
    assert_eq!(answer.rows, ["200000|9999900000"]);
    assert_eq!(spill_count, 1);
}

#[tokio::test]
async fn a_reader_that_stops_early_does_not_stop_the_others() {
    let session = TestSession::new(2, 100);
    numbers(&session, 5000);
    let sql = "WITH c AS MATERIALIZED (SELECT a FROM t) \
               SELECT (SELECT count(*) FROM (SELECT a FROM c LIMIT 1) q) AS few, count(*) AS all_of_them FROM c";
    assert_eq!(session.run(sql).await.rows, ["1|5000"]);
}

#[tokio::test]
async fn an_error_reaches_each_reader() {
    let session = TestSession::new(2, 100);
    numbers(&session, 5000);
    let sql = "WITH c AS MATERIALIZED (SELECT 1 / (a - 4000) AS q FROM t) \
               SELECT count(x.q) FROM c x JOIN c y ON x.q = y.q";
    let error = session.error(sql).await;
    assert!(
        error.to_string().to_lowercase().contains("divide"),
        "{error}"
    );
}
