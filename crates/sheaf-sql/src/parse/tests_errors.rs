//! What is refused, where the error points, and what it advises.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::visit_relations;
use sheaf_base::{ErrorKind, SheafError};

use super::parse;
use crate::ast::{BinaryOperator, Expr, SelectItem, SetExpr};
use crate::limits::{
    CONNECTIVES_MAX, EXPRESSION_DEPTH_MAX, NESTED_RELATIONS_MAX, NESTING_MAX, QUERY_NESTING_MAX,
    STATEMENT_BYTES_MAX, UNIONS_MAX,
};
use crate::statement::StatementKind;

fn error(sql: &str) -> SheafError {
    match parse(sql) {
        Ok(statements) => panic!("{sql}: {statements:?}"),
        Err(error) => error,
    }
}

fn place(error: &SheafError) -> (u64, u64) {
    error
        .position()
        .map_or((0, 0), |position| (position.line, position.column))
}

#[test]
fn errors_say_what_was_expected_and_where() {
    let cases = [
        (
            "SELECT",
            (1, 7),
            "expected an expression, found the end of the statement",
        ),
        (
            "SELECT 1 +",
            (1, 11),
            "expected an expression, found the end of the statement",
        ),
        (
            "SELECT 1;\nSELECT 2 FROM;  \n",
            (2, 14),
            "found the end of the statement",
        ),
        ("SELECT 1;\n  SELECT FROM WHERE", (2, 15), "found WHERE"),
        (
            "SELECT * FROM a JOIN ON a.x = b.x",
            (1, 22),
            "expected a table, found ON",
        ),
        ("FROM @stage", (1, 6), "expected a table, found @"),
        (
            "SELECT (1",
            (1, 10),
            "expected ), found the end of the statement",
        ),
        ("SELECT a b c FROM t", (1, 12), "found c"),
        ("SELECT 'abc", (1, 8), "unterminated string literal"),
        (
            "SELECT 1; SELECT /* a",
            (1, 22),
            "while in a multi-line comment",
        ),
        (
            "SELECT * FROM (SELECT 1 FROM t WHER x) AS u",
            (1, 37),
            "found x",
        ),
        (
            "SELECT * FROM (SELECT * FROM (SELECT 1 +) AS a) AS b",
            (1, 41),
            "expected an expression",
        ),
        (
            "FROM (SELECT count(*), b FROM t WHERE) AS u",
            (1, 38),
            "expected an expression",
        ),
        (
            "SELECT * FROM (SELECT (SELECT 1) FROM t WHERE a = ) AS u",
            (1, 51),
            "an expression",
        ),
        (
            "SELECT * FROM (SELECT 1",
            (1, 24),
            "expected ), found the end of the statement",
        ),
        ("COPY t TO x", (1, 11), "expected a path in quotes, found x"),
        (
            "COPY t TO",
            (1, 10),
            "expected a path in quotes, found the end of the statement",
        ),
        ("COPY t TO 'x' FOO", (1, 15), "found FOO"),
        (
            "COPY t TO 'x' (FORMAT csv",
            (1, 26),
            "found the end of the statement",
        ),
        ("EXPLAIN", (1, 8), "expected a statement to explain"),
        (
            "EXPLAIN (FORMAT csv) SELECT 1",
            (1, 17),
            "EXPLAIN has no format \"csv\"",
        ),
        ("SET a", (1, 6), "expected = or TO"),
        ("SET a =", (1, 8), "expected a value"),
        ("CANCEL QUERY x", (1, 14), "expected the number of a query"),
        (
            "CANCEL QUERY 99999999999999999999",
            (1, 14),
            "no number of a query",
        ),
        ("SHOW", (1, 5), "expected ALL, TABLES"),
        (
            "FROM t USING SAMPLE x",
            (1, 21),
            "expected a number of rows or a percentage",
        ),
        (
            "SELECT 1 USING SAMPLE 10%",
            (1, 10),
            "USING SAMPLE needs a FROM clause",
        ),
        (
            "CREATE EXTERNAL TABLE t STORED AS csv",
            (1, 38),
            "expected LOCATION 'path'",
        ),
        (
            "DROP TABLE",
            (1, 11),
            "expected a name, found the end of the statement",
        ),
        ("DROP TABLE t u", (1, 14), "found u"),
        ("é", (1, 1), "expected a statement, found é"),
        ("123", (1, 1), "expected a statement, found 123"),
    ];
    for (sql, expected_place, message) in cases {
        let error = error(sql);
        let text = error.message();
        assert!(text.contains(message), "{sql}\n  {text}\n  {message}");
        assert_eq!(place(&error), expected_place, "{sql}: {text}");
        assert_eq!(error.kind(), ErrorKind::UserInput, "{sql}");
    }
}

#[test]
fn misspelt_words_are_recognised() {
    let cases = [
        ("SELCT 1", "did you mean SELECT?"),
        ("SELECT 1; UPDAET t SET a = 1", "did you mean UPDATE?"),
        ("DESCRIEB t", "did you mean DESCRIBE?"),
        ("SELECT * FORM t", "did you mean FROM?"),
        ("SELECT a FORM t WHERE x = 1", "did you mean FROM?"),
        ("SELECT a FROM t WHER x = 1", "did you mean WHERE?"),
        ("SELECT a FROM t GROPU BY a", "did you mean GROUP?"),
        ("EXPLAIN (FORMAT jsn) SELECT 1", "did you mean json?"),
    ];
    for (sql, hint) in cases {
        let error = error(sql);
        assert_eq!(error.hint(), Some(hint), "{sql}: {error}");
    }
    assert_eq!(error("SELECT a b c FROM t").hint(), None);
    assert_eq!(error("xyzzy plugh").hint(), None);
}

#[test]
fn what_cannot_be_run_is_said_to_be_so() {
    for sql in [
        "COPY t FROM 'x.csv'",
        "COPY t TO STDOUT",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
    ] {
        let error = error(sql);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}");
        assert!(
            error.hint().is_some() && error.position().is_some(),
            "{sql}"
        );
    }
}

#[test]
fn one_statements_error_does_not_reach_the_next() {
    assert_eq!(place(&error("SELECT 1 +; SELECT 2")), (1, 11));
    assert_eq!(place(&error("SELECT (1; SELECT 2)")), (1, 10));
}

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
    ];
    for sql in cases {
        let error = error(&sql);
        assert!(error.position().is_some(), "{}…: {error}", &sql[..40]);
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
