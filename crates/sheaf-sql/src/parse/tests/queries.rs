//! Queries.

use super::{check, one, shape};
use crate::ast::{Expr, SelectItem, SetExpr, TableFactor};
use crate::statement::StatementKind;
use crate::{AsofKeys, asof_join, path_of};

/// Forms that parse and print as they are written.
#[test]
fn postgresql_grammar() {
    let cases = [
        "SELECT 1 + 2 * 3 AS x",
        "SELECT a::INT, $1, E'a\\nb', ARRAY[1, 2, 3], INTERVAL '1 day'",
        "SELECT * FROM t WHERE name ILIKE '%x%' AND a IS NOT DISTINCT FROM b",
        "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC NULLS LAST",
        "SELECT count(*) FILTER (WHERE x > 1) FROM t",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM t",
        "SELECT sum(x) OVER (PARTITION BY g ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT sum(x) OVER w FROM t WINDOW w AS (ORDER BY y RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        "SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) AS c",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT * FROM n",
        "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
        "SELECT rec -> 'k' ->> 'j' FROM t",
        "SELECT a[1], a[1:2], (r).f FROM t",
        "SELECT CASE WHEN a THEN 1 ELSE 2 END, CAST(a AS DECIMAL(10,2))",
        "SELECT a, sum(b) FROM t GROUP BY GROUPING SETS ((a), ()) HAVING sum(b) > 1",
        "SELECT a FROM t GROUP BY ROLLUP (a)",
        "SELECT * FROM t LIMIT 10 OFFSET 5",
        "SELECT * FROM t FETCH FIRST 5 ROWS ONLY",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT EXTRACT(YEAR FROM d), TRIM(BOTH ' ' FROM s) FROM t",
        "SELECT x FROM t WHERE x = ANY(ARRAY[1, 2]) AND EXISTS (SELECT 1)",
        "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4",
        "SELECT a FROM t1 LEFT JOIN t2 USING(a) CROSS JOIN t3 FULL JOIN t4 ON t3.b = t4.b",
        "SELECT * FROM generate_series(1, 10) AS g (i)",
        "SELECT a AT TIME ZONE 'UTC', DATE '2026-01-01', TIMESTAMP '2026-01-01 00:00:00' FROM t",
        "SELECT lambda FROM t WHERE lambda > 1",
        "SELECT a <> b, a || b, a ~ 'x', a !~* 'x', a % b, a ^ b, a @> b FROM t",
    ];
    check(&cases.map(|sql| (sql, sql)));
}

#[test]
fn literals() {
    check(&[
        (
            "SELECT $$it's$$, $tag$a $$ b$tag$",
            "SELECT $$it's$$, $tag$a $$ b$tag$",
        ),
        // PostgreSQL joins strings that a line break parts.
        ("SELECT 'a'\n  'b'", "SELECT 'ab'"),
        ("SELECT 'a' -- comment\n 'b'", "SELECT 'ab'"),
        ("SELECT 1_000_000", "SELECT 1000000"),
        (
            "SELECT {'a': 1, 'b': [1, 2]}",
            "SELECT {'a': 1, 'b': [1, 2]}",
        ),
        ("SELECT {a: 1}", "SELECT {a: 1}"),
        ("SELECT MAP {'a': 1}", "SELECT MAP {'a': 1}"),
        ("SELECT [1, 2, 3,]", "SELECT [1, 2, 3]"),
        ("SELECT 7 // 2", "SELECT 7 // 2"),
        ("SELECT a NOTNULL FROM t", "SELECT a IS NOT NULL FROM t"),
        // An identifier may be any letters.
        (
            "SELECT größe, \"a b\" FROM données",
            "SELECT größe, \"a b\" FROM données",
        ),
    ]);
}

#[test]
fn operators_bind_as_in_postgresql() {
    let grouped = |sql: &str| {
        let StatementKind::Query(query) = one(sql).kind else {
            panic!("{sql}")
        };
        let SetExpr::Select(select) = *query.body else {
            panic!("{sql}")
        };
        let SelectItem::UnnamedExpr(Expr::BinaryOp { left, op, right }) = &select.projection[0]
        else {
            panic!("{sql}")
        };
        format!("[{left}] {op} [{right}]")
    };
    assert_eq!(grouped("SELECT 'a' || 1 + 2"), "['a'] || [1 + 2]");
    assert_eq!(grouped("SELECT a OR b AND c"), "[a] OR [b AND c]");
    assert_eq!(grouped("SELECT 1 + 7 // 2"), "[1] + [7 // 2]");
    assert_eq!(grouped("SELECT a -> 'k' = 'v'"), "[a -> 'k'] = ['v']");
}

#[test]
fn friendly_queries() {
    check(&[
        ("FROM t", "SELECT * FROM t"),
        ("FROM 'a/*.csv'", "SELECT * FROM 'a/*.csv'"),
        (
            "FROM t WHERE x > 1 LIMIT 5",
            "SELECT * FROM t WHERE x > 1 LIMIT 5",
        ),
        ("FROM t SELECT x WHERE x > 1", "FROM t SELECT x WHERE x > 1"),
        (
            "SELECT * FROM (FROM t) AS u",
            "SELECT * FROM (SELECT * FROM t) AS u",
        ),
        (
            "WITH a AS (FROM t) FROM a",
            "WITH a AS (SELECT * FROM t) SELECT * FROM a",
        ),
        (
            "FROM a UNION ALL FROM b",
            "SELECT * FROM a UNION ALL SELECT * FROM b",
        ),
        (
            "SELECT 1 UNION ALL FROM b",
            "SELECT 1 UNION ALL SELECT * FROM b",
        ),
        ("TABLE t", "SELECT * FROM t"),
        ("TABLE t ORDER BY 1", "SELECT * FROM t ORDER BY 1"),
        ("SELECT 1 UNION TABLE t", "SELECT 1 UNION SELECT * FROM t"),
        (
            "SELECT x IN (FROM t) FROM u",
            "SELECT x IN (SELECT * FROM t) FROM u",
        ),
        (
            "SELECT extract(year FROM d) FROM t",
            "SELECT EXTRACT(YEAR FROM d) FROM t",
        ),
        ("SELECT a, b, FROM t", "SELECT a, b FROM t"),
        (
            "SELECT * EXCLUDE (a, b) FROM t",
            "SELECT * EXCLUDE (a, b) FROM t",
        ),
        ("SELECT * EXCLUDE a FROM t", "SELECT * EXCLUDE a FROM t"),
        (
            "SELECT sum(x) OVER (ORDER BY x ROWS UNBOUNDED PRECEDING EXCLUDE TIES) FROM t",
            "SELECT sum(x) OVER (PARTITION BY __sheaf_frame_exclusion('TIES') ORDER BY x \
             ROWS UNBOUNDED PRECEDING) FROM t",
        ),
        (
            "SELECT sum(x) OVER w FROM t WINDOW w AS (PARTITION BY f(a, b), c ROWS BETWEEN \
             UNBOUNDED PRECEDING AND CURRENT ROW exclude current row)",
            "SELECT sum(x) OVER w FROM t WINDOW w AS (PARTITION BY \
             __sheaf_frame_exclusion('CURRENT ROW'), f(a, b), c ROWS BETWEEN UNBOUNDED PRECEDING \
             AND CURRENT ROW)",
        ),
        (
            "SELECT sum(x) OVER (ROWS UNBOUNDED PRECEDING EXCLUDE NO OTHERS) FROM t",
            "SELECT sum(x) OVER (ROWS UNBOUNDED PRECEDING) FROM t",
        ),
        ("SELECT * EXCEPT (a) FROM t", "SELECT * EXCEPT (a) FROM t"),
        ("FROM t SELECT * EXCEPT (a)", "FROM t SELECT * EXCEPT (a)"),
        (
            "SELECT * REPLACE (a + 1 AS a) FROM t",
            "SELECT * REPLACE (a + 1 AS a) FROM t",
        ),
        (
            "SELECT * RENAME (a AS b) FROM t",
            "SELECT * RENAME (a AS b) FROM t",
        ),
        (
            "SELECT t.* EXCLUDE (a) FROM t",
            "SELECT t.* EXCLUDE (a) FROM t",
        ),
        (
            "SELECT a, sum(b) FROM t GROUP BY ALL",
            "SELECT a, sum(b) FROM t GROUP BY ALL",
        ),
        (
            "SELECT a FROM t ORDER BY ALL DESC",
            "SELECT a FROM t ORDER BY ALL DESC",
        ),
        (
            "SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a",
            "SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS a",
        ),
        (
            "FROM a UNION BY NAME FROM b",
            "SELECT * FROM a UNION BY NAME SELECT * FROM b",
        ),
        (
            "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1",
            "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1",
        ),
        (
            "SELECT * FROM t PIVOT (sum(x) FOR m IN ('JAN', 'FEB')) AS p",
            "SELECT * FROM t PIVOT(sum(x) FOR m IN ('JAN', 'FEB')) AS p",
        ),
        (
            "FROM t UNPIVOT (v FOR n IN (a, b))",
            "SELECT * FROM t UNPIVOT(v FOR n IN (a, b))",
        ),
        ("SELECT COLUMNS(*) FROM t", "SELECT COLUMNS(*) FROM t"),
    ]);
}

#[test]
fn samples() {
    check(&[
        (
            "SELECT * FROM t USING SAMPLE 10%",
            "SELECT * FROM t TABLESAMPLE (10 PERCENT)",
        ),
        (
            "SELECT a FROM t AS x WHERE a > 1 GROUP BY a USING SAMPLE 100 ROWS ORDER BY a",
            "SELECT a FROM t AS x TABLESAMPLE (100 ROWS) WHERE a > 1 GROUP BY a ORDER BY a",
        ),
        (
            "FROM t USING SAMPLE reservoir(50 ROWS) REPEATABLE (42)",
            "SELECT * FROM t TABLESAMPLE (50 ROWS) REPEATABLE (42)",
        ),
        (
            "FROM t USING SAMPLE 5 PERCENT (bernoulli, 7)",
            "SELECT * FROM t TABLESAMPLE BERNOULLI (5 PERCENT) REPEATABLE (7)",
        ),
        (
            "FROM t USING SAMPLE 5",
            "SELECT * FROM t TABLESAMPLE (5 ROWS)",
        ),
        (
            "FROM t USING SAMPLE 5 ROWS WITH REPLACEMENT REPEATABLE (7)",
            "SELECT * FROM t TABLESAMPLE (with_replacement(5) ROWS) REPEATABLE (7)",
        ),
        (
            "FROM 'x.csv' TABLESAMPLE 10% WHERE a = 1",
            "SELECT * FROM 'x.csv' TABLESAMPLE (10 PERCENT) WHERE a = 1",
        ),
        (
            "SELECT * FROM t TABLESAMPLE SYSTEM (10) REPEATABLE (3)",
            "SELECT * FROM t TABLESAMPLE SYSTEM (10 PERCENT) REPEATABLE (3)",
        ),
        (
            "SELECT * FROM a JOIN b USING (k) WHERE b.x = 1 USING SAMPLE 1%",
            "SELECT * FROM (SELECT * FROM a JOIN b USING(k)) TABLESAMPLE (1 PERCENT) WHERE b.x = 1",
        ),
        (
            "SELECT * FROM a, b USING SAMPLE 3 ROWS",
            "SELECT * FROM (SELECT * FROM a, b) TABLESAMPLE (3 ROWS)",
        ),
        (
            "FROM a, b USING SAMPLE 3 ROWS",
            "SELECT * FROM (SELECT * FROM a, b) TABLESAMPLE (3 ROWS)",
        ),
        (
            "SELECT (SELECT max(x) FROM u USING SAMPLE 2 ROWS) FROM (FROM t USING SAMPLE 1%) AS s",
            "SELECT (SELECT max(x) FROM u TABLESAMPLE (2 ROWS)) FROM \
             (SELECT * FROM t TABLESAMPLE (1 PERCENT)) AS s",
        ),
        (
            "FROM a USING SAMPLE 1% UNION ALL FROM b USING SAMPLE 2%",
            "SELECT * FROM a TABLESAMPLE (1 PERCENT) UNION ALL \
             SELECT * FROM b TABLESAMPLE (2 PERCENT)",
        ),
    ]);
}

#[test]
fn functions_and_lambdas() {
    check(&[
        (
            "SELECT list_transform(l, lambda x: x + 1) FROM t",
            "SELECT list_transform(l, lambda x : x + 1) FROM t",
        ),
        (
            "SELECT list_reduce(l, LAMBDA a, b: a + b) FROM t",
            "SELECT list_reduce(l, lambda a, b : a + b) FROM t",
        ),
        ("SELECT f(lambda (a, b): a)", "SELECT f(lambda a, b : a)"),
        (
            "SELECT f(lambda x: lambda y: x)",
            "SELECT f(lambda x : lambda y : x)",
        ),
        ("SELECT f(a => 1, b := 2)", "SELECT f(a => 1, b := 2)"),
        (
            "FROM read_csv('x.csv', delim = ';', header => false, types => {'zip': 'VARCHAR'})",
            "SELECT * FROM read_csv('x.csv', delim => ';', header => false, types => {'zip': 'VARCHAR'})",
        ),
        (
            "SELECT count_if(a = 1) FROM t",
            "SELECT count_if(a = 1) FROM t",
        ),
    ]);
    let StatementKind::Query(query) = one("SELECT f(lambda x: x -> 'k')").kind else {
        panic!()
    };
    let SetExpr::Select(select) = *query.body else {
        panic!()
    };
    let text = format!("{:?}", select.projection[0]);
    assert!(
        text.contains("Lambda(") && text.contains("op: Arrow"),
        "{text}"
    );
}

#[test]
fn paths_are_tables() {
    let StatementKind::Query(query) = one("FROM 'a b/*.csv' AS t").kind else {
        panic!()
    };
    let SetExpr::Select(select) = *query.body else {
        panic!()
    };
    let TableFactor::Table { name, alias, .. } = &select.from[0].relation else {
        panic!()
    };
    assert_eq!(path_of(name), Some("a b/*.csv"));
    assert_eq!(alias.as_ref().unwrap().name.value, "t");
    let StatementKind::Query(query) = one("FROM t").kind else {
        panic!()
    };
    let SetExpr::Select(select) = *query.body else {
        panic!()
    };
    let TableFactor::Table { name, .. } = &select.from[0].relation else {
        panic!()
    };
    assert_eq!(path_of(name), None);
}

/// The innermost-first ASOF joins of a query's FROM: (left tables, is_left, keys).
fn asof_of(sql: &str) -> (bool, AsofKeys) {
    let StatementKind::Query(query) = one(sql).kind else {
        panic!("{sql}")
    };
    let SetExpr::Select(select) = *query.body else {
        panic!("{sql}")
    };
    let TableFactor::NestedJoin {
        table_with_joins, ..
    } = &select.from[0].relation
    else {
        panic!("{sql}: {:?}", select.from[0])
    };
    assert_eq!(table_with_joins.joins.len(), 1, "{sql}");
    let join = asof_join(&table_with_joins.joins[0].join_operator)
        .unwrap()
        .unwrap();
    (join.is_left, join.keys)
}

#[test]
fn asof_joins() {
    let on = |keys: AsofKeys| match keys {
        AsofKeys::On { others, inequality } => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            format!("{} | {inequality}", others.join(", "))
        }
        AsofKeys::Using { equal, nearest } => format!("using {equal:?} {nearest}"),
        AsofKeys::Match { equal, inequality } => format!("match {equal:?} {inequality}"),
    };
    let cases = [
        (
            "FROM a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts",
            false,
            "a.k = b.k | a.ts >= b.ts",
        ),
        (
            "FROM a ASOF LEFT JOIN b ON a.ts >= b.ts AND a.k = b.k",
            true,
            "a.k = b.k | a.ts >= b.ts",
        ),
        (
            "FROM a ASOF LEFT OUTER JOIN b ON a.ts > b.ts",
            true,
            " | a.ts > b.ts",
        ),
        (
            "FROM a ASOF INNER JOIN (FROM c) AS b ON a.ts > b.ts",
            false,
            " | a.ts > b.ts",
        ),
        (
            "FROM a ASOF JOIN b MATCH_CONDITION (a.ts >= b.ts) ON a.k = b.k",
            false,
            "a.k = b.k | a.ts >= b.ts",
        ),
        (
            "FROM a ASOF LEFT JOIN b MATCH_CONDITION (a.ts >= b.ts)",
            true,
            " | a.ts >= b.ts",
        ),
    ];
    for (sql, is_left, expected) in cases {
        let (found_left, keys) = asof_of(sql);
        assert_eq!(
            (found_left, on(keys).as_str()),
            (is_left, expected),
            "{sql}"
        );
    }
    let (is_left, keys) = asof_of("FROM a ASOF LEFT JOIN b USING (k, ts)");
    let AsofKeys::Using { equal, nearest } = keys else {
        panic!()
    };
    assert!(is_left && equal.len() == 1);
    assert_eq!(
        (equal[0].to_string().as_str(), nearest.to_string().as_str()),
        ("k", "ts")
    );
    // Joins before and behind keep their order.
    let nested = shape(&one(
        "FROM a JOIN x USING (i) ASOF JOIN b USING (k) JOIN c USING (j)",
    ));
    let marker = crate::rewrite::ASOF_INNER;
    assert_eq!(
        nested,
        format!(
            "SELECT * FROM ((a JOIN x USING(i)) ASOF JOIN b MATCH_CONDITION ({marker}()) \
             USING(k)) JOIN c USING(j)"
        )
    );
}
