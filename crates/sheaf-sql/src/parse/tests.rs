//! Accepted forms and what they mean. The forms are those of PostgreSQL's and DuckDB's manuals.

use super::parse;
use crate::ast::{Expr, SelectItem, SetExpr, TableFactor};
use crate::statement::{CopySource, Described, ExternalTable, Statement, StatementKind};
use crate::{AsofKeys, asof_join, path_of};

fn one(sql: &str) -> Statement {
    let mut statements = parse(sql).unwrap_or_else(|e| panic!("{sql}\n{e}: {:?}", e.position()));
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0)
}

/// A statement in one line: queries as the engine prints them.
fn shape(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Query(query) => query.to_string(),
        StatementKind::Native(native) => format!("native {native}"),
        StatementKind::Explain {
            analyze,
            verbose,
            format,
            statement,
        } => {
            format!(
                "explain {analyze} {verbose} {format:?}: {}",
                shape(statement)
            )
        }
        StatementKind::Copy {
            source,
            target,
            format,
            partitioned_by,
            options,
        } => {
            let source = match source {
                CopySource::Query(query) => format!("({query})"),
                CopySource::Table(name) => name.to_string(),
            };
            let format = format.as_deref().unwrap_or("-");
            format!("copy {source} to {target} {format} {partitioned_by:?} {options:?}")
        }
        StatementKind::CreateView {
            name,
            columns,
            query,
            or_replace,
            if_not_exists,
            temporary,
        } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            format!("view {name} {columns:?} {or_replace} {if_not_exists} {temporary}: {query}")
        }
        StatementKind::CreateTableAs {
            name,
            query,
            or_replace,
            if_not_exists,
            temporary,
        } => {
            format!("table {name} {or_replace} {if_not_exists} {temporary}: {query}")
        }
        StatementKind::CreateExternalTable(table) => external(table),
        StatementKind::Drop {
            what,
            names,
            if_exists,
        } => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            format!("drop {what:?} {names:?} {if_exists}")
        }
        other => shape_of_rest(other),
    }
}

fn shape_of_rest(kind: &StatementKind) -> String {
    let described = |what: &Described| match what {
        Described::Relation(relation) => format!("relation {relation}"),
        Described::Query(query) => format!("query {query}"),
    };
    match kind {
        StatementKind::ShowColumns { relation } => format!("columns {relation}"),
        StatementKind::ShowPartitions { relation } => format!("partitions {relation}"),
        StatementKind::Describe(what) => format!("describe {}", described(what)),
        StatementKind::Summarize(what) => format!("summarize {}", described(what)),
        StatementKind::Prepare {
            name,
            types,
            statement,
        } => {
            format!("prepare {name} {types:?}: {}", shape(statement))
        }
        StatementKind::Execute { name, parameters } => {
            let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
            format!("execute {name} {parameters:?}")
        }
        StatementKind::Deallocate { name } => {
            format!(
                "deallocate {}",
                name.as_ref().map_or("all".into(), ToString::to_string)
            )
        }
        other => format!("{other:?}"),
    }
}

fn external(table: &ExternalTable) -> String {
    let columns: Vec<String> = table.columns.iter().map(ToString::to_string).collect();
    let partitions: Vec<String> = table
        .partitioned_by
        .iter()
        .map(|column| match &column.data_type {
            Some(data_type) => format!("{} {data_type}", column.name),
            None => column.name.to_string(),
        })
        .collect();
    format!(
        "external {} {columns:?} {} {:?} {partitions:?} {:?} {} {} {}",
        table.name,
        table.format.as_deref().unwrap_or("-"),
        table.locations,
        table.options,
        table.or_replace,
        table.if_not_exists,
        table.temporary,
    )
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(shape(&one(sql)), *expected, "{sql}");
    }
}

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

#[test]
fn explain_statements() {
    check(&[
        ("EXPLAIN SELECT 1", "explain false false Tree: SELECT 1"),
        (
            "EXPLAIN FROM t",
            "explain false false Tree: SELECT * FROM t",
        ),
        (
            "EXPLAIN ANALYZE VERBOSE SELECT 1",
            "explain true true Tree: SELECT 1",
        ),
        (
            "EXPLAIN (FORMAT json, ANALYZE) SELECT 1",
            "explain true false Json: SELECT 1",
        ),
        (
            "EXPLAIN (ANALYZE false, FORMAT TEXT, COSTS OFF) (SELECT 1)",
            "explain false false Text: (SELECT 1)",
        ),
        (
            "EXPLAIN FORMAT dot SELECT 1",
            "explain false false Dot: SELECT 1",
        ),
        (
            "EXPLAIN ANALYZE FROM t",
            "explain true false Tree: SELECT * FROM t",
        ),
        (
            "EXPLAIN COPY t TO 'x.csv'",
            "explain false false Tree: copy t to x.csv - [] []",
        ),
    ]);
}

#[test]
fn copy_statements() {
    check(&[
        ("COPY t TO 'x.csv'", "copy t to x.csv - [] []"),
        (
            "COPY (SELECT 1) TO 'x' (FORMAT csv, HEADER false, DELIMITER ';')",
            r#"copy (SELECT 1) to x csv [] [("header", "false"), ("delimiter", ";")]"#,
        ),
        (
            "COPY (FROM t) TO 'd' WITH (FORMAT PARQUET, PARTITION_BY (a, b), OVERWRITE)",
            r#"copy (SELECT * FROM t) to d parquet ["a", "b"] [("overwrite", "true")]"#,
        ),
        (
            "COPY t TO 'd' STORED AS parquet PARTITIONED BY (a, b) OPTIONS ('format.compression' 'zstd(3)')",
            r#"copy t to d parquet ["a", "b"] [("format.compression", "zstd(3)")]"#,
        ),
        (
            "COPY (SELECT 1) TO 'x' PARTITIONED BY (a)",
            r#"copy (SELECT 1) to x - ["a"] []"#,
        ),
        (
            "COPY t (a, \"B\") TO 'x.csv'",
            r#"copy (SELECT a, "B" FROM t) to x.csv - [] []"#,
        ),
        (
            "COPY t TO 'x' CSV HEADER",
            r#"copy t to x csv [] [("header", "true")]"#,
        ),
        (
            "COPY 'a.csv' TO 'a.parquet'",
            "copy 'a.csv' to a.parquet - [] []",
        ),
        (
            "COPY t TO 'x' (FORMAT csv, FORCE_QUOTE (a, b), LEVEL -1, PARTITION_BY y)",
            r#"copy t to x csv ["y"] [("force_quote", "a,b"), ("level", "-1")]"#,
        ),
    ]);
}

#[test]
fn create_and_drop_statements() {
    check(&[
        (
            "CREATE VIEW v AS FROM t",
            "view v [] false false false: SELECT * FROM t",
        ),
        (
            "CREATE OR REPLACE TEMP VIEW s.v (a, b) AS SELECT 1, 2",
            r#"view s.v ["a", "b"] true false true: SELECT 1, 2"#,
        ),
        (
            "CREATE VIEW IF NOT EXISTS v AS SELECT 1",
            "view v [] false true false: SELECT 1",
        ),
        (
            "CREATE TABLE t AS FROM 'x.csv'",
            "table t false false false: SELECT * FROM 'x.csv'",
        ),
        (
            "CREATE OR REPLACE TEMP TABLE t AS SELECT 1",
            "table t true false true: SELECT 1",
        ),
        ("CREATE TABLE t (a INT)", "native CREATE TABLE t (a INT)"),
        (
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'a/*.csv' OPTIONS (header true, 'format.delimiter' ';')",
            r#"external t [] csv ["a/*.csv"] [] [("header", "true"), ("format.delimiter", ";")] false false false"#,
        ),
        (
            "CREATE OR REPLACE EXTERNAL TABLE t (a INT, b TEXT) PARTITIONED BY (year INT) LOCATION ('a', 'b')",
            r#"external t ["a INT", "b TEXT"] - ["a", "b"] ["year INT"] [] true false false"#,
        ),
        (
            "CREATE EXTERNAL TABLE IF NOT EXISTS t STORED AS parquet PARTITIONED BY (y, m) LOCATION 'd'",
            r#"external t [] parquet ["d"] ["y", "m"] [] false true false"#,
        ),
        ("DROP TABLE a, b.c", r#"drop Table ["a", "b.c"] false"#),
        ("DROP VIEW IF EXISTS v CASCADE", r#"drop View ["v"] true"#),
        ("DROP SCHEMA s", "native DROP SCHEMA s"),
    ]);
}

#[test]
fn settings_and_shows() {
    check(&[
        (
            "SET memory_limit = '4GB'",
            r#"Set { name: "memory_limit", value: "4GB" }"#,
        ),
        ("SET Threads TO 4", r#"Set { name: "threads", value: "4" }"#),
        (
            "SET threads = auto",
            r#"Set { name: "threads", value: "auto" }"#,
        ),
        (
            "SET datafusion.execution.batch_size = 8192",
            r#"Set { name: "datafusion.execution.batch_size", value: "8192" }"#,
        ),
        ("SET SESSION a = -1", r#"Set { name: "a", value: "-1" }"#),
        (
            "SET search_path = a, \"b\"",
            r#"Set { name: "search_path", value: "a, \"b\"" }"#,
        ),
        (
            "SET TIME ZONE 'UTC'",
            r#"Set { name: "timezone", value: "UTC" }"#,
        ),
        ("SET a = DEFAULT", r#"Reset { name: Some("a") }"#),
        ("RESET a.b", r#"Reset { name: Some("a.b") }"#),
        ("RESET ALL", "Reset { name: None }"),
        ("SHOW ALL", "ShowAll"),
        ("SHOW memory_limit", r#"Show { name: "memory_limit" }"#),
        ("SHOW a.b.c", r#"Show { name: "a.b.c" }"#),
        ("SHOW TIME ZONE", r#"Show { name: "timezone" }"#),
        ("SHOW TABLES", "ShowTables { pattern: None }"),
        (
            "SHOW TABLES LIKE 'a%'",
            r#"ShowTables { pattern: Some("a%") }"#,
        ),
        ("SHOW FUNCTIONS", "ShowFunctions { pattern: None }"),
        ("SHOW COLUMNS FROM t", "columns t"),
        ("SHOW COLUMNS IN 'a.csv'", "columns 'a.csv'"),
        ("SHOW PARTITIONS FROM 'a/*.csv'", "partitions 'a/*.csv'"),
        (
            "SHOW PARTITIONS FROM read_csv('x', delim = ';')",
            "partitions read_csv('x', delim => ';')",
        ),
        ("CANCEL QUERY 17", "CancelQuery { id: 17 }"),
    ]);
}

#[test]
fn descriptions_and_prepared_statements() {
    check(&[
        ("DESCRIBE t", "describe relation t"),
        ("DESC 'a.csv'", "describe relation 'a.csv'"),
        ("DESCRIBE TABLE t", "describe relation t"),
        ("DESCRIBE", "ShowTables { pattern: None }"),
        (
            "DESCRIBE read_csv('a.csv', header => true)",
            "describe relation read_csv('a.csv', header => true)",
        ),
        ("DESCRIBE SELECT 1", "describe query SELECT 1"),
        ("DESCRIBE FROM t", "describe query SELECT * FROM t"),
        ("SUMMARIZE s.t", "summarize relation s.t"),
        (
            "SUMMARIZE FROM t WHERE a",
            "summarize query SELECT * FROM t WHERE a",
        ),
        ("SUMMARIZE (SELECT 1)", "summarize query (SELECT 1)"),
        (
            "PREPARE p (INT) AS SELECT $1",
            "prepare p [Int(None)]: SELECT $1",
        ),
        ("PREPARE p AS FROM t", "prepare p []: SELECT * FROM t"),
        ("EXECUTE p (1, 'a')", r#"execute p ["1", "'a'"]"#),
        ("EXECUTE p", "execute p []"),
        ("DEALLOCATE PREPARE p", "deallocate p"),
        ("DEALLOCATE ALL", "deallocate all"),
    ]);
}

#[test]
fn statements_of_the_engine() {
    check(&[
        ("BEGIN", "native BEGIN"),
        ("COMMIT", "native COMMIT"),
        ("ROLLBACK", "native ROLLBACK"),
        (
            "INSERT INTO t VALUES (1)",
            "native INSERT INTO t VALUES (1)",
        ),
        (
            "INSERT INTO t FROM u",
            "native INSERT INTO t SELECT * FROM u",
        ),
        (
            "INSERT INTO t (a, b) FROM u",
            "native INSERT INTO t (a, b) SELECT * FROM u",
        ),
        (
            "DELETE FROM t WHERE a = 1",
            "native DELETE FROM t WHERE a = 1",
        ),
        (
            "UPDATE t SET a = 1 FROM u WHERE t.k = u.k",
            "native UPDATE t SET a = 1 FROM u WHERE t.k = u.k",
        ),
    ]);
}

#[test]
fn each_statement_has_its_text_and_place() {
    let script = "-- first\nSELECT 1; /* é ; */ FROM t\n  WHERE a = ';' -- end\n;\n;\n  SET a = 'ü'; EXPLAIN SELECT 2";
    let statements = parse(script).unwrap();
    let found: Vec<(&str, u64, u64)> = statements
        .iter()
        .map(|statement| {
            (
                statement.text.as_str(),
                statement.start.line,
                statement.start.column,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("SELECT 1", 2, 1),
            ("FROM t\n  WHERE a = ';'", 2, 21),
            ("SET a = 'ü'", 6, 3),
            ("EXPLAIN SELECT 2", 6, 16),
        ]
    );
    let StatementKind::Explain { statement, .. } = &statements[3].kind else {
        panic!()
    };
    assert_eq!(
        (statement.text.as_str(), statement.start.column),
        ("SELECT 2", 24)
    );
    assert_eq!(parse("").unwrap(), []);
    assert_eq!(parse(" ; -- nothing\n ; ").unwrap(), []);
}

#[test]
fn expressions_stand_alone() {
    assert_eq!(
        super::parse_expression("a + 1").unwrap().to_string(),
        "a + 1"
    );
    assert!(super::parse_expression("a + 1, b").is_err());
    assert!(super::parse_expression("").is_err());
}
