//! Statements beyond the limits and just within them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::visit_relations;

use super::errors::error;
use super::parse;
use crate::ast::{BinaryOperator, Expr, SelectItem, SetExpr};
use crate::limits::{
    CONNECTIVES_MAX, EXPRESSION_DEPTH_MAX, NESTED_RELATIONS_MAX, NESTING_MAX, QUERY_NESTING_MAX,
    STATEMENT_BYTES_MAX, UNIONS_MAX,
};
use crate::statement::StatementKind;

#[test]
fn deep_statements_are_refused_and_not_overflowing() {
    let nested = |open: &str, close: &str, count: usize| {
        format!("SELECT {}1{}", open.repeat(count), close.repeat(count))
    };
    let deep = 100_000;
    let cases = [
        nested("(", ")", deep),
        nested("[", "]", deep),
        nested("(SELECT ", ")", deep),
        nested("- ", "", deep),
        nested("NOT ", "", deep),
        nested("f(", ")", deep),
        nested("INTERVAL ", "", deep),
        nested("CASE WHEN ", " THEN 1 END", deep),
        nested("lambda x: ", "", deep),
        nested("x::ARRAY<", ">", deep),
        format!("SELECT 1{}", " + 1".repeat(deep)),
        format!("SELECT a{}", "::INT".repeat(deep)),
        format!("SELECT a{}", " OR a = 1".repeat(deep)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(deep)),
        format!("FROM a{}", " ASOF JOIN a ON x > y".repeat(deep)),
        format!("SELECT a::{}INT{}", "ARRAY<".repeat(deep), ">".repeat(deep)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(deep)),
        format!("{}SELECT 1", "PREPARE p AS ".repeat(deep)),
        format!("SELECT * FROM {}t", "(".repeat(deep)),
        format!("SELECT NULL::INT{}", "[]".repeat(20)),
        format!("SELECT 1 FROM t{}", " CROSS JOIN t".repeat(700)),
        format!("SELECT 1 FROM t{}", ", t".repeat(700)),
        with_queries(300, ""),
        with_queries(100, " CROSS JOIN t CROSS JOIN t CROSS JOIN t CROSS JOIN t"),
    ];
    for sql in cases {
        let error = error(&sql);
        assert!(error.position().is_some(), "{}…: {error}", &sql[..40]);
    }
}

/// Queries of WITH that each stand on the one before.
fn with_queries(count: usize, joins: &str) -> String {
    let query = |n: usize| match n {
        0 => format!("q0 AS (SELECT * FROM t{joins})"),
        n => format!("q{n} AS (SELECT * FROM q{}{joins})", n - 1),
    };
    let queries: Vec<String> = (0..count).map(query).collect();
    format!("WITH {} SELECT * FROM q{}", queries.join(", "), count - 1)
}

/// What people and their tools write is within the limits: they count what is upon each other, not what is
/// beside each other.
#[test]
fn many_joins_in_many_queries_are_no_fault() {
    let query = format!("SELECT 1 FROM t{}", ", t CROSS JOIN t".repeat(20));
    let union = vec![query.as_str(); 100].join(" UNION ALL ");
    for sql in [
        with_queries(150, ""),
        with_queries(100, " CROSS JOIN t CROSS JOIN t"),
        union,
        format!("SELECT {}1 FROM t", "(SELECT 1 FROM t), ".repeat(300)),
        format!("SELECT {} FROM t", vec!["a"; 5000].join(", ")),
    ] {
        assert!(parse(&sql).is_ok(), "{}…", &sql[..60]);
    }
}

/// What lies just within the limits is parsed, copied, printed, walked and dropped on a test
/// thread's two megabytes.
#[test]
fn the_limits_are_safe() {
    let repeat = |open: &str, middle: &str, close: &str, count: usize| {
        format!("{}{middle}{}", open.repeat(count), close.repeat(count))
    };
    let nesting = NESTING_MAX - 1;
    let cases = [
        format!("SELECT 1 {}", repeat("+ (", "1", ")", 100)),
        format!("SELECT {}", repeat("(", "1", " + 1)", 60)),
        format!("SELECT {}", repeat("(", "1", ")", nesting)),
        format!("SELECT {}", repeat("f(", "1", ")", 100)),
        format!("SELECT {}", repeat("[", "1", "]", 100)),
        format!("SELECT {}", repeat("{'a': ", "1", "}", 100)),
        repeat("SELECT (", "SELECT 1", ")", QUERY_NESTING_MAX),
        repeat("SELECT * FROM (", "SELECT 1", ")", QUERY_NESTING_MAX),
        repeat("WITH a AS (", "SELECT 1", ") FROM a", QUERY_NESTING_MAX),
        format!("SELECT 1{}", " + 1".repeat(EXPRESSION_DEPTH_MAX)),
        format!("SELECT a{}", "::INT".repeat(EXPRESSION_DEPTH_MAX)),
        format!(
            "SELECT a{}",
            " BETWEEN 1 AND 2".repeat(EXPRESSION_DEPTH_MAX)
        ),
        format!("SELECT a{}", " OR a = 1".repeat(CONNECTIVES_MAX)),
        format!("SELECT a{}", " AND b OR a".repeat(CONNECTIVES_MAX / 2)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(UNIONS_MAX)),
        format!(
            "SELECT 1{}",
            " EXCEPT SELECT 1".repeat(NESTED_RELATIONS_MAX)
        ),
        format!(
            "FROM a{}",
            " ASOF JOIN a ON x > y".repeat(NESTED_RELATIONS_MAX)
        ),
        format!("FROM a{}", " PIVOT (sum(x) FOR y IN (1))".repeat(20)),
        format!("SELECT x IN (1{})", ", 2".repeat(100_000)),
    ];
    for sql in cases {
        let start: String = sql.chars().take(40).collect();
        let statements = parse(&sql).unwrap_or_else(|e| panic!("{start}: {e}"));
        let StatementKind::Query(query) = statements[0].kind.clone() else {
            panic!("{start}")
        };
        assert!(query.to_string().len() > 5, "{start}");
        let walked = visit_relations(&query, |_| ControlFlow::<()>::Continue(()));
        assert_eq!(walked, ControlFlow::Continue(()), "{start}");
        drop(query);
        // What has been built when an error is found is dropped in its first shape.
        assert!(parse(&(sql + " ) oops")).is_err(), "{start}");
    }
}

#[test]
fn chains_are_made_shallow_and_keep_their_order() {
    let terms: Vec<String> = (0..100).map(|i| format!("a = {i}")).collect();
    let text = parse(&format!("SELECT {}", terms.join(" OR "))).unwrap();
    let StatementKind::Query(query) = &text[0].kind else {
        panic!()
    };
    assert_eq!(query.to_string(), format!("SELECT {}", terms.join(" OR ")));
    let SetExpr::Select(select) = query.body.as_ref() else {
        panic!()
    };
    let SelectItem::UnnamedExpr(mut expr) = select.projection[0].clone() else {
        panic!()
    };
    let mut depth = 0;
    while let Expr::BinaryOp {
        left,
        op: BinaryOperator::Or,
        ..
    } = expr
    {
        (expr, depth) = (*left, depth + 1);
    }
    assert_eq!(depth, 7);
    let selects: Vec<String> = (0..40).map(|i| format!("SELECT {i}")).collect();
    let union = selects.join(" UNION ALL ");
    assert_eq!(parse(&union).unwrap()[0].kind.query_text(), union);
    // Kinds that do not mix are left as they are.
    let mixed = format!("{union} UNION SELECT 1 UNION ALL SELECT 2");
    assert_eq!(parse(&mixed).unwrap()[0].kind.query_text(), mixed);
}

/// An error within many levels of words that could be names is found once, not twice a level.
#[test]
fn errors_in_the_depth_are_found_in_time() {
    let begun = std::time::Instant::now();
    for (open, close) in [
        ("CASE WHEN true THEN ", " END"),
        ("CAST(", " AS int)"),
        ("try_cast(", " AS int)"),
        ("ARRAY[", "]"),
        ("SUBSTRING(", ")"),
        ("f(", ")"),
    ] {
        let sql = |inner: &str| format!("SELECT {}{inner}{}", open.repeat(40), close.repeat(40));
        error(&sql("1 1"));
        error(&format!("SELECT {}", open.repeat(40)));
        if open != "SUBSTRING(" {
            assert_eq!(parse(&sql("1")).unwrap().len(), 1, "{open}");
        }
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

impl StatementKind {
    fn query_text(&self) -> String {
        match self {
            Self::Query(query) => query.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn statements_have_a_greatest_length() {
    let long = format!("SELECT 1; SELECT '{}'", "x".repeat(STATEMENT_BYTES_MAX));
    let error = error(&long);
    assert!(error.message().contains("longer than 4 MiB"), "{error}");
    // The script may be longer than its statements.
    let many = "SELECT 1;\n".repeat(STATEMENT_BYTES_MAX / 100);
    assert_eq!(parse(&many).unwrap().len(), STATEMENT_BYTES_MAX / 100);
}
