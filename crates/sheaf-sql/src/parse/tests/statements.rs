//! Statements other than queries.

use super::{check, one, parse};
use crate::statement::StatementKind;

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
fn aggregates() {
    check(&[
        (
            "CREATE AGGREGATE mean2(x DOUBLE) STATE (s DOUBLE, n BIGINT) INIT (0,0) \
             ACCUMULATE (s+x, n+1) MERGE (s+other.s, n+other.n) FINISH s/n",
            "aggregate mean2(x DOUBLE) false false: s DOUBLE, n BIGINT | 0, 0 | s + x, n + 1 | \
             s + other.s, n + other.n | s / n",
        ),
        (
            "create or replace aggregate f(x int, y decimal(10, 2)) init ([]) \
             accumulate (list_append(s, x)) finish len(s) state (s int[])",
            "aggregate f(x INT, y DECIMAL(10,2)) true false: s INT[] | [] | list_append(s, x) | - | len(s)",
        ),
        (
            "CREATE AGGREGATE IF NOT EXISTS f(x INT) STATE (s INT) INIT (0) ACCUMULATE (s)",
            "aggregate f(x INT) false true: s INT | 0 | s | - | -",
        ),
        (
            "CREATE AGGREGATE f(x INT) STATE (s STRUCT(a INT, b STRUCT(c TEXT)[])) INIT (NULL) ACCUMULATE (s)",
            "aggregate f(x INT) false false: s STRUCT(a INT, b STRUCT(c TEXT)[]) | NULL | s | - | -",
        ),
        (
            "DROP AGGREGATE IF EXISTS f, g",
            r#"drop Aggregate ["f", "g"] true"#,
        ),
    ]);
    let statement = one("CREATE AGGREGATE f(x INT) STATE (s INT)\n INIT (0) ACCUMULATE (s + x)");
    let StatementKind::CreateAggregate(definition) = statement.kind else {
        panic!()
    };
    let place = definition.accumulate[0].position;
    assert_eq!((place.line, place.column), (2, 23));
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
            "CREATE ARRAY x AS array_random(shape => [2, 3], seed => 1)",
            "array x [] false false false: SELECT * FROM array_random(shape => [2, 3], seed => 1)",
        ),
        (
            "CREATE OR REPLACE TEMP ARRAY y AS 'x.zarr'",
            "array y [] true false true: SELECT * FROM 'x.zarr'",
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
            r#"Set { name: "memory_limit", value: "4GB", is_local: false }"#,
        ),
        (
            "SET Threads TO 4",
            r#"Set { name: "threads", value: "4", is_local: false }"#,
        ),
        (
            "SET threads = auto",
            r#"Set { name: "threads", value: "auto", is_local: false }"#,
        ),
        (
            "SET datafusion.execution.batch_size = 8192",
            r#"Set { name: "datafusion.execution.batch_size", value: "8192", is_local: false }"#,
        ),
        (
            "SET SESSION a = -1",
            r#"Set { name: "a", value: "-1", is_local: false }"#,
        ),
        (
            "SET search_path = a, \"b\"",
            r#"Set { name: "search_path", value: "a, \"b\"", is_local: false }"#,
        ),
        (
            "SET TIME ZONE 'UTC'",
            r#"Set { name: "timezone", value: "UTC", is_local: false }"#,
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
        crate::parse_expression("a + 1").unwrap().to_string(),
        "a + 1"
    );
    assert!(crate::parse_expression("a + 1, b").is_err());
    assert!(crate::parse_expression("").is_err());
}
