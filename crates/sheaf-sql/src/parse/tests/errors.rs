//! What is refused, where the error points, and what it advises.

use sheaf_base::{ErrorKind, SheafError};

use super::parse;

pub(super) fn error(sql: &str) -> SheafError {
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
        (
            "COPY t TO x",
            (1, 11),
            "expected a path in quotes or STDOUT, found x",
        ),
        (
            "COPY t TO",
            (1, 10),
            "expected a path in quotes or STDOUT, found the end of the statement",
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
        ("WHILE x", (1, 1), "expected a statement, found WHILE"),
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
