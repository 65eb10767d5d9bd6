//! CREATE FUNCTION in all its forms, and relations as arguments.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
};

use super::{check, one};
use crate::statement::{
    FunctionBody, FunctionReturns, FunctionSource, ParameterKind, StatementKind,
};
use crate::{RelationArgument, parse, parse_expression};

/// A function in one line: parameters, what it returns, body.
fn shape(sql: &str) -> String {
    let StatementKind::CreateFunction(function) = one(sql).kind else {
        panic!("{sql}");
    };
    let overloads = function.overloads.iter().map(|overload| {
        let parameters = overload.parameters.iter().map(|parameter| {
            let kind = match &parameter.kind {
                ParameterKind::Generic => String::new(),
                ParameterKind::Typed(data_type) => format!(" {data_type}"),
                ParameterKind::Relation(columns) if columns.is_empty() => " TABLE".to_owned(),
                ParameterKind::Relation(columns) => format!(" TABLE of {}", columns.len()),
            };
            let default = parameter.default.as_ref();
            let default = default.map_or(String::new(), |default| format!(" = {default}"));
            format!("{}{kind}{default}", parameter.name)
        });
        let parameters: Vec<String> = parameters.collect();
        let returns = match &overload.returns {
            FunctionReturns::Any => String::new(),
            FunctionReturns::Scalar(data_type) => format!(" {data_type}"),
            FunctionReturns::Table(columns) => format!(" table of {}", columns.len()),
        };
        let body = match &overload.source {
            FunctionSource::Sql(FunctionBody::Expr(expr)) => format!("value {expr}"),
            FunctionSource::Sql(FunctionBody::Table(query)) => format!("rows {query}"),
            FunctionSource::Code(code) => {
                let place = if code.is_file { "file" } else { "code" };
                let strict = if code.is_strict { " strict" } else { "" };
                let (language, text) = (&code.language, &code.text);
                format!("{:?}{strict} {language} {place} {text}", code.volatility)
            }
        };
        format!("({}){returns}: {body}", parameters.join(", "))
    });
    let overloads: Vec<String> = overloads.collect();
    let kind = if function.is_aggregate {
        "of rows "
    } else {
        ""
    };
    format!("{kind}{} {}", function.name, overloads.join(" and "))
}

#[test]
fn functions_in_other_languages() {
    for (sql, expected) in [
        (
            "CREATE FUNCTION f(x DOUBLE, y BIGINT DEFAULT 3) RETURNS DOUBLE IMMUTABLE STRICT \
             LANGUAGE wasm AS 'score.wasm#score'",
            "f (x DOUBLE, y BIGINT = 3) DOUBLE: Immutable strict wasm file score.wasm#score",
        ),
        (
            "CREATE FUNCTION f(x DOUBLE) RETURNS DOUBLE AS $$ a $b$; $$ STABLE LANGUAGE 'Python'",
            "f (x DOUBLE) DOUBLE: Stable python code  a $b$; ",
        ),
        (
            "CREATE FUNCTION f(t TABLE (a INT, b TEXT), u TABLE) RETURNS TABLE (c INT) \
             CALLED ON NULL INPUT LANGUAGE wasm AS 'f.wasm'",
            "f (t TABLE of 2, u TABLE) table of 1: Volatile wasm file f.wasm",
        ),
        (
            "CREATE OR REPLACE AGGREGATE f(x DOUBLE, y INT := 1) RETURNS DOUBLE \
             RETURNS NULL ON NULL INPUT LANGUAGE wasm AS 'f.wasm'",
            "of rows f (x DOUBLE, y INT = 1) DOUBLE: Volatile strict wasm file f.wasm",
        ),
    ] {
        assert_eq!(shape(sql), expected, "{sql}");
    }
}

#[test]
fn functions_of_all_forms() {
    for (sql, expected) in [
        (
            "CREATE FUNCTION f(a, b INTEGER, c := 3) AS a + b",
            "f (a, b INTEGER, c = 3): value a + b",
        ),
        (
            "CREATE MACRO f(a, b := 1) AS a + b",
            "f (a, b = 1): value a + b",
        ),
        (
            "CREATE MACRO f(a) AS a, (a, b) AS a + b",
            "f (a): value a and (a, b): value a + b",
        ),
        (
            "CREATE OR REPLACE TEMP MACRO f() AS TABLE FROM t",
            "f (): rows SELECT * FROM t",
        ),
        (
            "CREATE MACRO f(a) AS TABLE (SELECT a)",
            "f (a): rows (SELECT a)",
        ),
        (
            "CREATE FUNCTION f(a int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE RETURN a",
            "f (a INT = 2) INT: value a",
        ),
        (
            "CREATE FUNCTION f(a int) RETURNS int AS $$ SELECT $1 + a; $$ LANGUAGE SQL",
            "f (a INT) INT: value $1 + a",
        ),
        (
            "CREATE FUNCTION f(a int) RETURNS int AS $b$ SELECT max(x) FROM t $b$ LANGUAGE 'sql'",
            "f (a INT) INT: value (SELECT max(x) FROM t)",
        ),
        (
            "CREATE FUNCTION f(r TABLE, n) RETURNS TABLE AS SELECT * FROM r LIMIT n",
            "f (r TABLE, n) table of 0: rows SELECT * FROM r LIMIT n",
        ),
        (
            "CREATE FUNCTION f() RETURNS TABLE (x int, y text) LANGUAGE sql AS 'SELECT 1, 2'",
            "f () table of 2: rows SELECT 1, 2",
        ),
        (
            "CREATE FUNCTION f(a int, b int) RETURNS int STRICT RETURN a",
            "f (a INT, b INT) INT: value CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL ELSE a END",
        ),
        ("CREATE MACRO f() AS 'text'", "f (): value 'text'"),
        (
            "CREATE FUNCTION f(x) AS (SELECT max(y) FROM t WHERE y < x)",
            "f (x): value (SELECT max(y) FROM t WHERE y < x)",
        ),
    ] {
        assert_eq!(shape(sql), expected, "{sql}");
    }
}

#[test]
fn bodies_have_their_text_and_places() {
    let sql = "CREATE FUNCTION f(a) AS  a  +  1";
    let StatementKind::CreateFunction(function) = one(sql).kind else {
        panic!();
    };
    assert_eq!(function.overloads[0].body_text, "a  +  1");
    for (sql, place) in [
        ("CREATE FUNCTION f(a) AS", (1, 24)),
        (
            "CREATE FUNCTION f(a) RETURNS int AS $$\nSELECT a +\n$$",
            (2, 11),
        ),
        ("CREATE FUNCTION f(a) AS SELECT a", (1, 25)),
        ("CREATE FUNCTION f(a) LANGUAGE c AS a", (1, 36)),
        ("CREATE FUNCTION f(a) LANGUAGE c LANGUAGE c AS 'a'", (1, 33)),
        ("CREATE AGGREGATE f(a INT) LANGUAGE c", (1, 37)),
    ] {
        let error = parse(sql).unwrap_err();
        let found = error.position().map(|found| (found.line, found.column));
        assert_eq!(found, Some(place), "{sql}: {error}");
    }
}

#[test]
fn relations_are_arguments() {
    check(&[
        (
            "SELECT * FROM f(TABLE t)",
            "SELECT * FROM f((SELECT * FROM t))",
        ),
        (
            "SELECT * FROM f(1, TABLE s.t, 2)",
            "SELECT * FROM f(1, (SELECT * FROM s.t), 2)",
        ),
        (
            "SELECT f(r => TABLE 'a.csv')",
            "SELECT f(r => (SELECT * FROM 'a.csv'))",
        ),
        (
            "SELECT * FROM f(TABLE (SELECT 1, 2 ORDER BY 1), 3)",
            "SELECT * FROM f((SELECT * FROM (SELECT 1, 2 ORDER BY 1)), 3)",
        ),
        (
            "SELECT * FROM f(TABLE t PARTITION BY k ORDER BY ts DESC, 3)",
            "SELECT * FROM f((SELECT * FROM t DISTRIBUTE BY k SORT BY ts DESC), 3)",
        ),
        (
            "SELECT * FROM f(r => TABLE s.t PARTITION BY (k, lower(j)) ORDER BY (a, b DESC))",
            "SELECT * FROM f(r => (SELECT * FROM s.t DISTRIBUTE BY k, lower(j) SORT BY a, b DESC))",
        ),
        (
            "SELECT * FROM f(TABLE (SELECT 1 AS k, 2) PARTITION BY (k + 1) * 2)",
            "SELECT * FROM f((SELECT * FROM (SELECT 1 AS k, 2) DISTRIBUTE BY (k + 1) * 2))",
        ),
        (
            "SELECT * FROM f(TABLE t ORDER BY ts)",
            "SELECT * FROM f((SELECT * FROM t SORT BY ts))",
        ),
        ("SELECT * FROM (TABLE t)", "SELECT * FROM (SELECT * FROM t)"),
        ("SELECT 1 IN (TABLE t)", "SELECT 1 IN (SELECT * FROM t)"),
        ("SELECT EXISTS (TABLE t)", "SELECT EXISTS (SELECT * FROM t)"),
        (
            "WITH c AS (TABLE t) TABLE c",
            "WITH c AS (SELECT * FROM t) SELECT * FROM c",
        ),
    ]);
}

/// What a function reads of a relation in partitions: rows of each together, in their order.
#[test]
fn relations_are_arranged() {
    for (argument, keys, arranged) in [
        ("t", 0, "SELECT * FROM t"),
        (
            "t PARTITION BY k ORDER BY ts DESC",
            1,
            "SELECT * FROM t ORDER BY k, ts DESC",
        ),
        ("t PARTITION BY (k, j)", 2, "SELECT * FROM t ORDER BY k, j"),
        ("t ORDER BY ts", 0, "SELECT * FROM t ORDER BY ts"),
    ] {
        let call = parse_expression(&format!("f(TABLE {argument})")).unwrap();
        let Expr::Function(Function {
            args: FunctionArguments::List(list),
            ..
        }) = call
        else {
            panic!("{argument}");
        };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query)))] = &list.args[..]
        else {
            panic!("{argument}");
        };
        let relation = RelationArgument::of(query.as_ref().clone());
        assert_eq!(relation.partition_by.len(), keys, "{argument}");
        assert_eq!(relation.is_arranged(), argument != "t", "{argument}");
        assert_eq!(relation.arranged().to_string(), arranged, "{argument}");
    }
}
