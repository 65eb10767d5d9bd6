//! Queries against the facts of a small session; expectations are PostgreSQL's own.

use std::sync::Arc;

use sheaf_base::Result;
use sheaf_sql::StatementKind;

use crate::bind::bind;
use crate::database::Database;
use crate::external::EngineFunctions;
use crate::run::Run;
use crate::testing::facts;
use crate::types::Oid;
use crate::value::output;

fn rows(sql: &str) -> Result<(Vec<Oid>, Vec<Vec<String>>)> {
    let statement = sheaf_sql::parse(sql)?.pop();
    let Some(StatementKind::Query(query)) = statement.map(|statement| statement.kind) else {
        unreachable!("a query")
    };
    let bound = bind(&query, &EngineFunctions::default())?;
    let database = Database::new(Arc::new(facts()));
    let found = Run::new(&database, &[]).query(&bound.query)?;
    let columns = &bound.query.columns;
    let rows = found.iter().map(|row| {
        let cells = row.iter().zip(columns);
        let cells = cells.map(|(value, column)| output(value, column.type_of, &database));
        cells
            .map(|text| text.unwrap_or_else(|| "NULL".to_owned()))
            .collect()
    });
    Ok((columns.iter().map(|c| c.type_of).collect(), rows.collect()))
}

#[track_caller]
fn check(sql: &str, expected: &[&str]) {
    let (_, rows) = rows(sql).unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
    assert_eq!(rows, expected, "{sql}");
}

#[test]
fn names_stand_for_numbers_of_objects() {
    check(
        "SELECT 'pg_class'::regclass::oid, 1259::regclass",
        &["1259|pg_class"],
    );
    check(
        "SELECT 'information_schema.tables'::regclass::text",
        &["information_schema.tables"],
    );
    check(
        "SELECT 'int4'::regtype, 'text[]'::regtype::oid, to_regtype('nope')",
        &["integer|1009|NULL"],
    );
    let error = rows("SELECT 'nope'::regclass").unwrap_err();
    assert_eq!(error.state().code(), "42P01");
    assert_eq!(error.message(), "relation \"nope\" does not exist");
}

#[test]
fn queries_within_expressions_name_columns_outside() {
    check(
        "SELECT c.relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)
         FROM pg_class c WHERE c.relname IN ('sales', 'pg_am') ORDER BY 1",
        &["pg_am|4", "sales|2"],
    );
    check(
        "SELECT c.relname, ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid ORDER BY a.attnum)
         FROM pg_class c WHERE c.relname = 'sales'",
        &["sales|{id,region}"],
    );
    check(
        "SELECT n.nspname FROM pg_namespace n WHERE EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'big')",
        &["public"],
    );
}

#[test]
fn joins_keep_rows_without_partners() {
    check(
        "SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) LEFT JOIN (VALUES (2), (3)) b(y) ON a.x = b.y ORDER BY 1",
        &["1|NULL", "2|2"],
    );
    check(
        "SELECT a.x, b.y FROM (VALUES (1), (2)) a(x) FULL JOIN (VALUES (2), (3)) b(y) ON a.x = b.y ORDER BY 1, 2",
        &["1|NULL", "2|2", "NULL|3"],
    );
    check(
        "SELECT a.x, l.y FROM (VALUES (1), (2)) a(x) CROSS JOIN LATERAL (SELECT a.x * 10 AS y) l ORDER BY 1",
        &["1|10", "2|20"],
    );
    check(
        "SELECT * FROM (VALUES (1, 'a')) a(x, y) JOIN (VALUES (1, 'b')) b(x, z) USING (x)",
        &["1|a|b"],
    );
}

#[test]
fn groups_windows_and_sets() {
    check(
        "SELECT x % 2 AS odd, count(*), array_agg(x ORDER BY x DESC), string_agg(x::text, ',' ORDER BY x) FILTER (WHERE x > 1)
         FROM generate_series(1, 4) x GROUP BY 1 ORDER BY 1",
        &["0|2|{4,2}|2,4", "1|2|{3,1}|3"],
    );
    check(
        "SELECT x, row_number() OVER (PARTITION BY x % 2 ORDER BY x DESC) FROM generate_series(1, 4) x ORDER BY 1",
        &["1|2", "2|2", "3|1", "4|1"],
    );
    check(
        "SELECT unnest(ARRAY[1, 2]), unnest(ARRAY['a'])",
        &["1|a", "2|NULL"],
    );
    check(
        "SELECT (information_schema._pg_expandarray(ARRAY[7, 8])).n, (information_schema._pg_expandarray(ARRAY[7, 8])).x",
        &["1|7", "2|8"],
    );
    check(
        "SELECT count(*), max(indexrelid) FROM pg_index",
        &["0|NULL"],
    );
}

#[test]
fn queries_that_name_themselves_end() {
    check(
        "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT sum(n) FROM t",
        &["10"],
    );
}

#[test]
fn operators_and_patterns() {
    check(
        "SELECT 'sales' OPERATOR(pg_catalog.~) '^(sales)$' COLLATE pg_catalog.default, 'a' = ANY (ARRAY['a', 'b']),
                'r' = ANY ('{r,v}'::\"char\"[]), 3 <> ALL (ARRAY[1, 2]), 'abc' LIKE 'a%', 'x' IN ('y', NULL)",
        &["t|t|t|t|t|NULL"],
    );
    check(
        "SELECT ARRAY[1, 2] @> ARRAY[2], ARRAY[1] || 2, ('{1,2}'::int2[])[2], '1 2'::int2vector",
        &["t|{1,2}|2|1 2"],
    );
    check(
        "SELECT NULL UNION ALL SELECT 1 UNION ALL SELECT '2' ORDER BY 1",
        &["1", "2", "NULL"],
    );
    check(
        "SELECT 1 UNION SELECT 1 UNION ALL SELECT 2 ORDER BY 1 DESC",
        &["2", "1"],
    );
    check(
        "SELECT json_build_object('a', 1, 'b', NULL), pg_typeof(1::oid)",
        &["{\"a\" : 1, \"b\" : null}|oid"],
    );
}

#[test]
fn privileges_are_told_as_they_are() {
    check(
        "SELECT has_table_privilege('sales', 'SELECT'), has_table_privilege('sheaf', 'sales', 'INSERT')",
        &["t|t"],
    );
    let error = rows("SELECT has_table_privilege('nope', 'SELECT')").unwrap_err();
    assert_eq!(error.state().code(), "42P01");
}

#[test]
fn columns_have_postgres_types() {
    let (types, _) =
        rows("SELECT oid, relname, relkind, relnatts, relacl, oid::regclass FROM pg_class")
            .unwrap();
    assert_eq!(types, [26, 19, 18, 21, 1034, 2205]);
}
