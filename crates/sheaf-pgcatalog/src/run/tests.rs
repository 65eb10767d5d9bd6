//! Runs that are watched: their memory, their end, how much they look at.

use std::cell::Cell;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};
use sheaf_sql::StatementKind;

use super::{Run, Watch};
use crate::bind::{Bound, bind};
use crate::database::Database;
use crate::external::EngineFunctions;
use crate::testing::facts;
use crate::value::Value;

/// So many bytes, and so many looks at the clock.
struct Limits {
    bytes_max: usize,
    held: Cell<usize>,
    peak: Cell<usize>,
    checks_left: Cell<usize>,
}

impl Limits {
    fn of(bytes_max: usize, checks: usize) -> Self {
        Self {
            bytes_max,
            held: Cell::new(0),
            peak: Cell::new(0),
            checks_left: Cell::new(checks),
        }
    }
}

impl Watch for Limits {
    fn check(&self) -> Result<()> {
        let left = self.checks_left.get().checked_sub(1);
        self.checks_left.set(left.unwrap_or(0));
        left.map(|_| ())
            .ok_or_else(|| SheafError::cancelled("cancelled"))
    }

    fn grow(&self, bytes: usize) -> Result<()> {
        let held = self.held.get() + bytes;
        if held > self.bytes_max {
            return Err(SheafError::resource("no memory"));
        }
        self.held.set(held);
        self.peak.set(self.peak.get().max(held));
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.held.set(self.held.get().checked_sub(bytes).unwrap());
    }
}

fn bound(sql: &str) -> Bound {
    let statement = sheaf_sql::parse(sql).unwrap().pop().unwrap();
    let StatementKind::Query(query) = statement.kind else {
        unreachable!("a query")
    };
    bind(&query, &EngineFunctions::default()).unwrap()
}

/// The first value, and the steps that it took.
fn run(sql: &str, limits: &Limits) -> Result<(Value, u64)> {
    let bound = bound(sql);
    let database = Database::new(Arc::new(facts()));
    let run = Run::new(&database, &[]).watched(Some(limits));
    let rows = run.query(&bound.query)?;
    Ok((rows[0][0].clone(), run.steps.get()))
}

const MB: usize = 1 << 20;

#[test]
fn what_grows_is_counted_before_it_is_made() {
    // 40 doublings would be a terabyte.
    let doubled = |start: &str, step: &str| {
        format!(
            "WITH RECURSIVE t(n, s) AS (SELECT 1, {start} UNION ALL SELECT n + 1, {step} FROM t \
             WHERE n < 40) SELECT count(s) FROM t"
        )
    };
    for sql in [
        doubled("'x'", "s || s"),
        doubled("'x'", "concat(s, s)"),
        doubled("'x'", "array_to_string(ARRAY[s, s], ',')"),
        doubled("'x'", "json_build_array(s, s)::text"),
        doubled("'''x'", "quote_literal(s) || s"),
        doubled("ARRAY[1]", "s || s"),
        doubled("ARRAY[1]", "array_cat(s, s)"),
        doubled(
            "'x'",
            "(SELECT string_agg(s, s) FROM generate_series(1, 3))",
        ),
        "SELECT count(*) FROM (SELECT array_agg(n) FROM generate_series(1, 1000000) n) x"
            .to_owned(),
        "SELECT count(*) FROM generate_series(1, 1000000)".to_owned(),
        "SELECT generate_series(1, 1000000)".to_owned(),
        "SELECT DISTINCT n FROM (SELECT generate_series(1, 500000) AS n) x".to_owned(),
    ] {
        let limits = Limits::of(32 * MB, usize::MAX);
        let error = run(&sql, &limits).unwrap_err();
        assert_eq!(error.state().code(), "53000", "{sql}");
        assert!(limits.peak.get() <= 32 * MB, "{sql}");
    }
}

#[test]
fn what_is_done_with_is_given_back() {
    let limits = Limits::of(8 * MB, usize::MAX);
    // A hundred texts of a hundred kilobytes, one after the other.
    let sql = "SELECT count(*) FROM generate_series(1, 100) n
               WHERE (SELECT string_agg('0123456789', '') FROM generate_series(1, 10000 + n)) || n <> ''";
    let (count, _) = run(sql, &limits).unwrap();
    assert_eq!(count, Value::Int(100));
}

#[test]
fn loops_end_when_they_are_to() {
    for sql in [
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a + b < 0",
        "SELECT count(*) FROM generate_series(1, 100000) a FULL JOIN generate_series(1, 100000) b ON a < b - 1000000",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d WHERE a.relname < 'a'
         OR b.relname < 'a' OR c.relname || d.relname < 'a'",
    ] {
        let limits = Limits::of(usize::MAX >> 1, 300);
        let error = run(sql, &limits).unwrap_err();
        assert_eq!(error.state().code(), "57014", "{sql}");
    }
}

/// The types of columns of every relation, as drivers ask for them: each relation is looked up by its
/// row's type, and its columns by the relation, wherever they stand in FROM.
#[test]
fn relations_are_looked_up_in_the_order_that_allows_it() {
    let limits = Limits::of(usize::MAX >> 1, usize::MAX);
    let sql = "SELECT count(CASE WHEN t.typtype = 'c' THEN
                   (SELECT array_agg(a.atttypid ORDER BY a.attnum)
                    FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid
                    WHERE a.attnum > 0 AND c.reltype = t.oid) END) FROM pg_type t";
    let (count, steps) = run(sql, &limits).unwrap();
    let (relations, _) = run("SELECT count(*) FROM pg_class", &limits).unwrap();
    assert_eq!(count, relations);
    // Each column a few times, not once for every relation.
    let (columns, _) = run("SELECT count(*) FROM pg_attribute", &limits).unwrap();
    let columns = u64::try_from(columns.as_int().unwrap()).unwrap();
    assert!(steps < 20 * columns, "{steps} steps for {columns} columns");
}

#[test]
fn a_query_is_evaluated_once_for_the_same_values_outside() {
    let limits = Limits::of(usize::MAX >> 1, usize::MAX);
    let sql = "SELECT max((SELECT count(*) FROM generate_series(1, 10000) m WHERE m > x.k))
               FROM (SELECT n % 2 AS k FROM generate_series(1, 1000) n) x";
    let (largest, steps) = run(sql, &limits).unwrap();
    assert_eq!(largest, Value::Int(10_000));
    assert!(steps < 200_000, "{steps}");
}
