//! RENAME and ORDER BY ALL, from text to rows.

use crate::testing::TestSession;

async fn session() -> TestSession {
    let session = TestSession::new(3, 2);
    session
        .create(
            "t",
            "SELECT * FROM (VALUES (1, 30, 'x'), (2, 10, 'y'), (3, 20, 'z')) AS v(a, b, c)",
        )
        .await;
    session
        .create(
            "u",
            "SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS v(a, d)",
        )
        .await;
    session
        .create(
            "mixed",
            r#"SELECT 2 AS "Key", 'p' AS "Val" UNION ALL SELECT 1, 'q'"#,
        )
        .await;
    session
}

/// Statements with what they give.
const RENAMES: &[(&str, &str)] = &[
    (
        "SELECT * RENAME (a AS id) FROM t ORDER BY id",
        "id|b|c\n1|30|x\n2|10|y\n3|20|z",
    ),
    (
        "SELECT * RENAME a AS id FROM t WHERE a > 1 ORDER BY b DESC LIMIT 1",
        "id|b|c\n3|20|z",
    ),
    (
        "SELECT * RENAME (a AS b, b AS a) FROM t ORDER BY a",
        "b|a|c\n2|10|y\n3|20|z\n1|30|x",
    ),
    (
        "SELECT * EXCLUDE (c) RENAME (b AS c) FROM t ORDER BY c",
        "a|c\n2|10\n3|20\n1|30",
    ),
    (
        "SELECT * EXCLUDE (b) RENAME (a AS id) FROM t ORDER BY b",
        "id|c\n2|y\n3|z\n1|x",
    ),
    (
        "SELECT * REPLACE (a * 10 AS a) RENAME (a AS ten, b AS \"B b\") FROM t ORDER BY ten DESC",
        "ten|B b|c\n30|20|z\n20|10|y\n10|30|x",
    ),
    (
        "SELECT * RENAME (a AS old_a), a + 1 AS a FROM t ORDER BY a DESC",
        "old_a|b|c|a\n3|20|z|4\n2|10|y|3\n1|30|x|2",
    ),
    (
        "SELECT t.* RENAME (a AS ta), u.* RENAME (a AS ua) FROM t JOIN u ON t.a = u.a ORDER BY ua",
        "ta|b|c|ua|d\n1|30|x|1|one\n2|10|y|2|two",
    ),
    (
        "SELECT u.d, x.* RENAME (a AS id) FROM t x JOIN u ON x.a = u.a ORDER BY x.a DESC",
        "d|id|b|c\ntwo|2|10|y\none|1|30|x",
    ),
    (
        "WITH w AS (SELECT * RENAME (a AS id) FROM t) SELECT max(id) AS m FROM w",
        "m\n3",
    ),
    (
        "SELECT id FROM (SELECT * RENAME (a AS id) FROM t) q ORDER BY id",
        "id\n1\n2\n3",
    ),
    (
        "WITH w AS (SELECT 5 AS a) SELECT * RENAME (a AS id) FROM w",
        "id\n5",
    ),
    (
        "SELECT a AS id FROM u UNION ALL SELECT * EXCLUDE (d) RENAME (a AS id) FROM u ORDER BY id",
        "id\n1\n1\n2\n2",
    ),
    (
        "SELECT * RENAME (a AS id) FROM t QUALIFY row_number() OVER (ORDER BY b) = 1",
        "id|b|c\n2|10|y",
    ),
    (
        "SELECT DISTINCT * RENAME (a AS id) FROM u ORDER BY ALL",
        "id|d\n1|one\n2|two",
    ),
    (
        "SELECT * RENAME (\"Key\" AS k) FROM mixed ORDER BY k",
        "k|Val\n1|q\n2|p",
    ),
    (
        "SELECT count(*) AS n FROM t WHERE a IN (SELECT id FROM (SELECT * RENAME (a AS id) FROM u))",
        "n\n2",
    ),
];

#[tokio::test]
async fn rename() {
    let session = session().await;
    for (sql, wanted) in RENAMES {
        assert_eq!(session.run(sql).await.to_string(), *wanted, "{sql}");
    }
}

#[tokio::test]
async fn rename_keeps_limits_on_top_of_sorts() {
    let plan = session()
        .await
        .explain("SELECT * RENAME (a AS id) FROM t ORDER BY b LIMIT 2")
        .await;
    assert!(plan.contains("TopK(fetch=2)"), "{plan}");
    let plan = session()
        .await
        .explain("SELECT * RENAME (a AS id) FROM t ORDER BY b")
        .await;
    assert!(plan.contains("Sort") && !plan.contains("Limit"), "{plan}");
}

#[tokio::test]
async fn rename_errors() {
    let session = session().await;
    let error = session
        .error("SELECT * RENAME (amuont AS x) FROM (SELECT 1 AS amount)")
        .await;
    assert_eq!(
        error.message(),
        "column \"amuont\" of RENAME does not exist"
    );
    assert_eq!(error.hint(), Some("did you mean \"amount\"?"));
    let error = session.error("SELECT * RENAME (nothing AS x) FROM t").await;
    assert_eq!(error.hint(), Some("the columns are a, b, c"));
    session
        .error("SELECT * EXCLUDE (a) RENAME (a AS x) FROM t")
        .await;
    let error = session
        .error("SELECT * RENAME (a AS x, a AS y) FROM t")
        .await;
    assert_eq!(error.message(), "column a is renamed twice");
    session.error("SELECT * RENAME (a AS b) FROM t").await;
    session.error("SELECT * FROM \"sheaf.rename\"()").await;
    session.error("SELECT * FROM \"sheaf.rename\"(1, 2)").await;
    session
        .error("SELECT * FROM \"sheaf.order_by_all\"('x')")
        .await;
}

#[tokio::test]
async fn order_by_all() {
    let session = session().await;
    for (sql, wanted) in [
        ("SELECT c, a + b FROM t ORDER BY ALL DESC", "z|23 y|12 x|31"),
        ("SELECT * FROM t ORDER BY ALL", "1|30|x 2|10|y 3|20|z"),
        ("SELECT * FROM mixed ORDER BY ALL", "1|q 2|p"),
        (
            "SELECT *, -a AS e FROM t ORDER BY ALL DESC LIMIT 1 OFFSET 1",
            "2|10|y|-2",
        ),
        (
            "SELECT a FROM u UNION ALL SELECT a FROM t ORDER BY ALL",
            "1 1 2 2 3",
        ),
        (
            "SELECT a FROM t UNION SELECT NULL ORDER BY ALL NULLS FIRST",
            "NULL 1 2 3",
        ),
        (
            "SELECT a FROM t UNION SELECT NULL ORDER BY ALL",
            "1 2 3 NULL",
        ),
        (
            "SELECT a FROM t UNION SELECT NULL ORDER BY ALL DESC",
            "NULL 3 2 1",
        ),
        ("VALUES (2), (1) ORDER BY ALL", "1 2"),
        (
            "SELECT b % 20 AS g, count(*) FROM t GROUP BY ALL ORDER BY ALL",
            "0|1 10|2",
        ),
        (
            "SELECT t.*, u.* FROM t JOIN u ON t.a = u.a ORDER BY ALL DESC",
            "2|10|y|2|two 1|30|x|1|one",
        ),
    ] {
        assert_eq!(session.run(sql).await.rows.join(" "), wanted, "{sql}");
    }
}

#[tokio::test]
async fn small_forms() {
    let session = session().await;
    for (sql, wanted) in [
        ("SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS ONLY", "1 2"),
        (
            "SELECT a FROM t ORDER BY a OFFSET 1 ROWS FETCH NEXT ROW ONLY",
            "2",
        ),
        ("SELECT a FROM t SEMI JOIN u ON t.a = u.a ORDER BY a", "1 2"),
        ("SELECT a FROM t ANTI JOIN u ON t.a = u.a", "3"),
        ("SELECT [1, 2, 3][2:] AS x", "[2, 3]"),
        ("SELECT [1, 2, 3][:2] AS x", "[1, 2]"),
        ("SELECT [1, 2, 3][:] AS x", "[1, 2, 3]"),
        ("SELECT {'a': 1}.a AS x", "1"),
        (
            "SELECT (s).a AS x FROM (SELECT {'a': {'b': 1}} AS s)",
            "{b: 1}",
        ),
        (
            "SELECT (s).a.b AS x FROM (SELECT {'a': {'b': 1}} AS s)",
            "1",
        ),
        ("SELECT s.a.b AS x FROM (SELECT {'a': {'b': 1}} AS s)", "1"),
    ] {
        assert_eq!(session.run(sql).await.rows.join(" "), wanted, "{sql}");
    }
    session
        .error("SELECT a FROM t FETCH FIRST 2 ROWS WITH TIES")
        .await;
    session
        .error("SELECT a FROM t LIMIT 1 FETCH FIRST 2 ROWS ONLY")
        .await;
}
