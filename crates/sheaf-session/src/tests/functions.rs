//! Functions in SQL: places of errors, what siblings may do, and plans.

use arrow::util::display::array_value_to_string;

use super::{block_on, number, session};
use crate::{Access, Session};

/// An error in a body stands at the call, one in a definition where it is written.
#[test]
fn what_is_wrong_with_a_function_has_a_place() {
    let session = session();
    let setup = "CREATE TABLE t AS SELECT 1 AS x, 'a' AS s; CREATE FUNCTION up(a) AS upper(a) + 1;
        CREATE FUNCTION gone(a) AS (SELECT max(x) FROM t WHERE x < a);
        CREATE FUNCTION outer_up(a) AS up(a)";
    block_on(session.sql(setup)).unwrap();
    let cases = [
        ("CREATE FUNCTION f(a) AS\n  a + nosuch", (2, 7), "nosuch"),
        (
            "CREATE FUNCTION f(a) RETURNS int AS $$\n SELECT a + nosuch $$ LANGUAGE sql",
            (2, 13),
            "nosuch",
        ),
        ("CREATE FUNCTION f(a, b, a) AS a", (1, 25), "twice"),
        ("CREATE FUNCTION f(n) AS f(n - 1)", (1, 17), "f → f"),
        ("SELECT 1,\n up(s) FROM t", (2, 2), "function \"up\""),
        (
            "SELECT 1,\n outer_up(s) FROM t",
            (2, 2),
            "function \"outer_up\"",
        ),
        ("SELECT up()", (1, 8), "needs the argument"),
        ("SELECT * FROM up(1, 2)", (1, 15), "takes at most 1"),
        (
            "CREATE OR REPLACE TABLE t AS SELECT 1 AS y; SELECT\n gone(y) FROM t",
            (2, 2),
            "function \"gone\": column \"x\"",
        ),
    ];
    for (sql, place, words) in cases {
        let error = block_on(session.sql(sql)).unwrap_err();
        let found = error.position().map(|found| (found.line, found.column));
        assert_eq!(found, Some(place), "{sql}: {error}");
        assert!(error.message().contains(words), "{sql}: {error}");
    }
}

/// A reader calls the functions that there were when it began, creates none, and gains nothing by
/// their bodies.
#[test]
fn siblings_call_functions_and_may_not_create_them() {
    let first = session();
    let setup =
        "CREATE TABLE t AS SELECT 20 AS x; CREATE FUNCTION f(a) AS a * 2 + (SELECT sum(x) FROM t);
        CREATE FUNCTION file(p) RETURNS TABLE AS SELECT * FROM read_csv(p);
        CREATE FUNCTION running() AS (SELECT count(*) FROM sheaf.queries)";
    block_on(first.sql(setup)).unwrap();
    let reader = first.sibling(Access::NamedTables);
    block_on(first.sql("CREATE FUNCTION late(a) AS a")).unwrap();
    block_on(async {
        assert_eq!(number(&reader, "SELECT f(11)::bigint").await, 42);
        let told = "SELECT count(body) FROM sheaf.functions WHERE name IN ('f', 'file')";
        assert_eq!(number(&reader, told).await, 1);
        assert_eq!(number(&first, told).await, 2);
        for (sql, code) in [
            ("CREATE FUNCTION g(a) AS a", "42501"),
            ("CREATE OR REPLACE MACRO f(a) AS a", "42501"),
            ("PREPARE p AS CREATE FUNCTION g(a) AS a", "25006"),
            ("DROP FUNCTION f", "25006"),
            ("SHOW CREATE FUNCTION file", "25006"),
            ("SELECT * FROM file('/etc/passwd')", "42501"),
            ("SELECT running()", "42501"),
            ("SELECT late(1)", "42883"),
        ] {
            let error = reader.sql(sql).await.unwrap_err();
            assert_eq!(error.state().code(), code, "{sql}: {error}");
        }
    });
}

/// A body whose call stands beside columns is planned by itself once after each change of the
/// catalogue, and each time if it reads files, by itself or through others.
#[test]
fn a_body_is_planned_by_itself_once() {
    let session = session();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.csv");
    let path = path.to_str().unwrap();
    let setup = format!(
        "COPY (SELECT 1 AS x) TO '{path}'; CREATE TABLE t AS SELECT 1 AS x; CREATE VIEW v AS FROM '{path}';
         CREATE FUNCTION below(a) AS (SELECT count(*) FROM t WHERE t.x < a);
         CREATE FUNCTION over_below(a) AS below(a) + (SELECT 1);
         CREATE FUNCTION in_view(a) AS (SELECT count(*) FROM v WHERE v.x < a) + below(a);
         CREATE FUNCTION of_view(a) AS in_view(a)"
    );
    block_on(session.sql(&setup)).unwrap();
    let is_known = |name: &str| {
        let catalog = &session.inner.catalog;
        let functions = catalog.functions.all();
        functions[name][0].checked.is_at(catalog.version())
    };
    let call = |name: &str| {
        let sql = format!("SELECT {name}(x) FROM t");
        block_on(session.sql(&sql)).unwrap();
        is_known(name)
    };
    assert!(!is_known("below"));
    assert!(call("below") && call("over_below"));
    assert!(!call("in_view") && !call("of_view"));
    block_on(session.sql("CREATE TABLE other AS SELECT 1 AS y")).unwrap();
    assert!(!is_known("below"));
    assert!(call("below"));
    block_on(session.sql("CREATE OR REPLACE TABLE t AS SELECT 1 AS y")).unwrap();
    let error = block_on(session.sql("SELECT below(x) FROM (SELECT 1 AS x)")).unwrap_err();
    assert!(error.message().contains("column \"t.x\""), "{error}");
}

/// The physical plan of a query; the logical one keeps the names under which relations stand.
async fn explained(session: &Session, query: &str) -> String {
    let sql = format!("EXPLAIN (FORMAT text) {query}");
    let batches = session.sql(&sql).await.unwrap().collect().await.unwrap();
    let lines = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap())
    });
    let plan = lines.collect::<Vec<_>>().join("\n");
    plan.split("-- physical plan").nth(1).unwrap().to_owned()
}

/// A call has the plan of what it stands for: predicates reach the scan, and constants are folded.
#[test]
fn calls_have_the_plans_of_what_they_stand_for() {
    let session = session();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.parquet");
    let path = path.to_str().unwrap();
    let setup = format!(
        "COPY (SELECT g AS id, g % 10 AS k FROM generate_series(1, 100) AS s(g)) TO '{path}';
         CREATE VIEW n AS FROM '{path}';
         CREATE FUNCTION late(a BIGINT, least := 10 * 9) AS a > least;
         CREATE FUNCTION between_ids(lo, hi) RETURNS TABLE AS SELECT id, k FROM n WHERE id BETWEEN lo AND hi;
         CREATE FUNCTION of_k(r TABLE, v BIGINT) RETURNS TABLE AS SELECT * FROM r WHERE k = v"
    );
    let pairs = [
        (
            "SELECT count(*) FROM n WHERE late(id)",
            "SELECT count(*) FROM n WHERE id > 90",
        ),
        (
            "SELECT k FROM between_ids(3, 2 + 5) WHERE k = 4",
            "SELECT k FROM n WHERE id BETWEEN 3 AND 7 AND k = 4",
        ),
        (
            "SELECT id FROM of_k(TABLE n, 3) WHERE id < 50",
            "SELECT id FROM n WHERE k = 3 AND id < 50",
        ),
    ];
    block_on(async {
        session.sql(&setup).await.unwrap();
        for (call, written) in pairs {
            let plan = explained(&session, call).await;
            assert_eq!(plan, explained(&session, written).await, "{call}");
        }
        let plan = explained(&session, pairs[0].0).await;
        assert!(plan.contains("predicate=id@0 > 90"), "{plan}");
    });
}
