//! `CREATE FUNCTION` and `CREATE MACRO`: functions in SQL, in PostgreSQL's forms and DuckDB's.
//!
//! A body in quotes is a text of its own: it is read with places that count in the script.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, LimitClause, Query, SelectItem, SetExpr, Value,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::{Position, SqlState};

use super::failure::{Failure, Parse};
use super::source::{self, Source};
use super::{Reader, aggregate};
use crate::limits::{self, FUNCTION_PARAMETERS_MAX};
use crate::statement::{
    FunctionBody, FunctionDefinition, FunctionOverload, FunctionParameter, FunctionReturns,
    FunctionSignature, ParameterKind, StatementKind,
};
use crate::{lexer, rewrite};

/// Words that PostgreSQL lets a function be declared with and that say nothing about one that is
/// inlined, with the number of tokens behind them.
const IGNORED: &[(&[&str], usize)] = &[
    (&["IMMUTABLE"], 0),
    (&["STABLE"], 0),
    (&["VOLATILE"], 0),
    (&["LEAKPROOF"], 0),
    (&["NOT", "LEAKPROOF"], 0),
    (&["CALLED", "ON", "NULL", "INPUT"], 0),
    (&["SECURITY", "INVOKER"], 0),
    (&["PARALLEL"], 1),
    (&["COST"], 1),
    (&["ROWS"], 1),
];

/// How `CREATE … FUNCTION` starts.
pub(super) struct FunctionWords {
    or_replace: bool,
    is_macro: bool,
}

/// Takes `CREATE [OR REPLACE] [TEMP|TEMPORARY] FUNCTION|MACRO`, or nothing.
pub(super) fn starts(reader: &mut Reader<'_>) -> Option<FunctionWords> {
    let is_word = |reader: &Reader<'_>, at: usize, word: &str| {
        super::is_word(&reader.parser.peek_nth_token_ref(at).token, word)
    };
    let or_replace = is_word(reader, 1, "OR") && is_word(reader, 2, "REPLACE");
    let mut at = if or_replace { 3 } else { 1 };
    at += usize::from(is_word(reader, at, "TEMP") || is_word(reader, at, "TEMPORARY"));
    let is_macro = is_word(reader, at, "MACRO");
    if !is_macro && !is_word(reader, at, "FUNCTION") {
        return None;
    }
    for _ in 0..=at {
        reader.parser.next_token();
    }
    Some(FunctionWords {
        or_replace,
        is_macro,
    })
}

/// `[IF NOT EXISTS] name(parameters) …`, of MACRO with more overloads behind commas.
pub(super) fn read(reader: &mut Reader<'_>, words: FunctionWords) -> Parse<StatementKind> {
    let exists = [Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let if_not_exists = reader.parser.parse_keywords(&exists);
    let mut function = FunctionDefinition {
        position: aggregate::place(reader),
        name: reader.parser.parse_object_name(false)?,
        overloads: Vec::new(),
        or_replace: words.or_replace,
        if_not_exists,
        is_macro: words.is_macro,
    };
    function.overloads.push(overload(reader)?);
    while reader.parser.consume_token(&Token::Comma) {
        function.overloads.push(overload(reader)?);
    }
    Ok(StatementKind::CreateFunction(Box::new(function)))
}

/// What stands behind the parameters, as far as it has been read.
#[derive(Default)]
struct Clauses {
    returns: Option<FunctionReturns>,
    /// A body with its text.
    body: Option<(FunctionBody, String)>,
    is_language_sql: bool,
    is_strict: bool,
}

fn overload(reader: &mut Reader<'_>) -> Parse<FunctionOverload> {
    let parameters = parameters(reader)?;
    let mut clauses = Clauses::default();
    while !reader.at_end() && !reader.at(&Token::Comma) {
        clause(reader, &mut clauses)?;
    }
    let Some((body, text)) = clauses.body else {
        return reader.expected("AS expression, AS TABLE query or RETURN expression");
    };
    let returns = clauses.returns.unwrap_or(FunctionReturns::Any);
    let body = match (body, &returns) {
        (FunctionBody::Expr(expr), FunctionReturns::Table(_)) => match *expr {
            Expr::Subquery(query) => FunctionBody::Table(query),
            _ => return reader.expected("a query, since the function RETURNS TABLE"),
        },
        (FunctionBody::Table(query), FunctionReturns::Scalar(_)) => {
            FunctionBody::Expr(Box::new(only_expression(query)))
        }
        (body, _) => body,
    };
    let body = match (body, clauses.is_strict) {
        (FunctionBody::Expr(expr), true) => FunctionBody::Expr(null_on_null(expr, &parameters)),
        (FunctionBody::Table(_), true) => {
            let error = SheafError::unsupported("a table function cannot be STRICT");
            return reader.refuse(error.with_hint("WHERE argument IS NOT NULL says the same"));
        }
        (body, false) => body,
    };
    Ok(FunctionOverload {
        parameters,
        returns,
        body,
        body_text: text,
    })
}

fn clause(reader: &mut Reader<'_>, clauses: &mut Clauses) -> Parse<()> {
    let twice = |reader: &Reader<'_>, what: &str| {
        let error = SheafError::user(format!("{what} is given twice"));
        reader.refuse(error.with_state(SqlState::SYNTAX_ERROR))
    };
    if reader.at_word("RETURNS") && super::is_word(next(reader, 1), "NULL") {
        for word in ["RETURNS", "NULL", "ON", "NULL", "INPUT"] {
            reader.expect_word(word)?;
        }
        clauses.is_strict = true;
    } else if reader.at_word("RETURNS") {
        if clauses.returns.is_some() {
            return twice(reader, "RETURNS");
        }
        clauses.returns = Some(returns(reader)?);
    } else if reader.at_word("LANGUAGE") {
        language(reader)?;
        clauses.is_language_sql = true;
    } else if reader.word("STRICT") {
        clauses.is_strict = true;
    } else if reader.at_word("AS") || reader.at_word("RETURN") {
        if clauses.body.is_some() {
            return twice(reader, "the body");
        }
        let is_return = reader.at_word("RETURN");
        reader.parser.next_token();
        let from = reader.parser.peek_token_ref().span.start;
        let body = body(reader, clauses, is_return)?;
        let to = reader.parser.get_current_token().span.end;
        clauses.body = Some((body, reader.source.slice(from, to).to_owned()));
    } else if !ignored(reader) {
        return reader.expected("RETURNS, LANGUAGE, IMMUTABLE, STRICT, AS or RETURN");
    }
    Ok(())
}

fn next<'a>(reader: &'a Reader<'_>, at: usize) -> &'a Token {
    &reader.parser.peek_nth_token_ref(at).token
}

/// Takes words that say nothing.
fn ignored(reader: &mut Reader<'_>) -> bool {
    let found = IGNORED.iter().find(|(words, _)| {
        let mut words = words.iter().enumerate();
        words.all(|(at, word)| super::is_word(next(reader, at), word))
    });
    let Some((words, behind)) = found else {
        return false;
    };
    for _ in 0..words.len() + behind {
        reader.parser.next_token();
    }
    true
}

/// Whether a token is the name of the language `sql`, also in quotes.
fn is_sql(token: &Token) -> bool {
    source::literal_text(token).is_some_and(|name| name.eq_ignore_ascii_case("sql"))
}

fn language(reader: &mut Reader<'_>) -> Parse<()> {
    reader.expect_word("LANGUAGE")?;
    let token = &reader.parser.peek_token_ref().token;
    let Some(name) = source::literal_text(token) else {
        return reader.expected("sql");
    };
    if !is_sql(token) {
        let error = SheafError::unsupported(format!("there are no functions in LANGUAGE {name}"));
        return reader.refuse(error.with_hint("LANGUAGE sql is the only one"));
    }
    reader.parser.next_token();
    Ok(())
}

/// `RETURNS type|TABLE [(column type, …)]`.
fn returns(reader: &mut Reader<'_>) -> Parse<FunctionReturns> {
    reader.expect_word("RETURNS")?;
    if reader.at_word("SETOF") {
        let error = SheafError::unsupported("RETURNS SETOF is not supported")
            .with_hint("RETURNS TABLE (name type)");
        return reader.refuse(error);
    }
    if !reader.word("TABLE") {
        return Ok(FunctionReturns::Scalar(aggregate::data_type(reader)?));
    }
    Ok(FunctionReturns::Table(match reader.at(&Token::LParen) {
        true => aggregate::columns(reader)?,
        false => Vec::new(),
    }))
}

/// `(name, name type, name := default, relation TABLE, …)`.
fn parameters(reader: &mut Reader<'_>) -> Parse<Vec<FunctionParameter>> {
    reader.expect(&Token::LParen)?;
    let mut parameters = Vec::new();
    while !reader.parser.consume_token(&Token::RParen) {
        if parameters.len() == FUNCTION_PARAMETERS_MAX {
            return reader.refuse(SheafError::user(format!(
                "a function has at most {FUNCTION_PARAMETERS_MAX} parameters"
            )));
        }
        parameters.push(parameter(reader)?);
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            break;
        }
    }
    Ok(parameters)
}

fn parameter(reader: &mut Reader<'_>) -> Parse<FunctionParameter> {
    for mode in ["OUT", "INOUT", "VARIADIC"] {
        if reader.at_word(mode) && matches!(next(reader, 1), Token::Word(_)) {
            let error = SheafError::unsupported(format!("there are no {mode} parameters"));
            return reader.refuse(error.with_hint("RETURNS says what the function gives"));
        }
    }
    if reader.at_word("IN") {
        reader.parser.next_token();
    }
    let name = reader.parser.parse_identifier()?;
    let is_generic = match next(reader, 0) {
        Token::Comma | Token::RParen | Token::Assignment | Token::Eq => true,
        token => super::is_word(token, "DEFAULT"),
    };
    let kind = match is_generic {
        true => ParameterKind::Generic,
        false if reader.word("TABLE") => ParameterKind::Relation,
        false => ParameterKind::Typed(aggregate::data_type(reader)?),
    };
    let has_default = reader.parser.consume_token(&Token::Assignment)
        || reader.parser.consume_token(&Token::Eq)
        || reader.word("DEFAULT");
    let default = match has_default {
        true => {
            let mut value = reader.parser.parse_expr()?;
            rewrite::tree(&mut value);
            Some(value)
        }
        false => None,
    };
    Ok(FunctionParameter {
        name,
        kind,
        default,
    })
}

fn body(reader: &mut Reader<'_>, clauses: &Clauses, is_return: bool) -> Parse<FunctionBody> {
    let is_table = matches!(clauses.returns, Some(FunctionReturns::Table(_)));
    // A body in another language is not read as if it were SQL.
    let is_quoted = source::literal_text(next(reader, 0)).is_some();
    if is_quoted && super::is_word(next(reader, 1), "LANGUAGE") && !is_sql(next(reader, 2)) {
        reader.parser.next_token();
        language(reader)?;
    }
    match next(reader, 0).clone() {
        Token::DollarQuotedString(quoted) if !is_return => {
            let tag = quoted.tag.as_ref().map_or(0, |tag| tag.chars().count());
            return quoted_body(reader, &quoted.value, tag as u64 + 2, clauses);
        }
        Token::SingleQuotedString(text)
            if !is_return
                && (clauses.is_language_sql || super::is_word(next(reader, 1), "LANGUAGE")) =>
        {
            return quoted_body(reader, &text, 1, clauses);
        }
        _ => {}
    }
    if !is_return && reader.at_word("TABLE") {
        reader.parser.next_token();
        return Ok(FunctionBody::Table(reader.query()?));
    }
    if reader.at_query() && !reader.at(&Token::LParen) || is_table {
        if !is_table {
            let error = SheafError::user("a function that gives rows says so")
                .with_state(SqlState::SYNTAX_ERROR)
                .with_hint("AS TABLE query, or RETURNS TABLE AS query; one value: AS (query)");
            return reader.refuse(error);
        }
        return Ok(FunctionBody::Table(reader.query()?));
    }
    let mut expr = reader.parser.parse_expr()?;
    rewrite::tree(&mut expr);
    Ok(FunctionBody::Expr(Box::new(expr)))
}

/// A body in quotes, which open with `quotes` characters: a query.
fn quoted_body(
    reader: &mut Reader<'_>,
    text: &str,
    quotes: u64,
    clauses: &Clauses,
) -> Parse<FunctionBody> {
    let start = source::position(reader.parser.peek_token_ref().span.start);
    let start = Position {
        line: start.line,
        column: start.column + quotes,
    };
    let source = Source::at(text, start);
    if lexer::split(text).len() > 1 {
        let error = SheafError::unsupported("a function's body is one query").with_position(start);
        return Err(Failure::Explained(error));
    }
    let tokens = source.tokens()?;
    limits::check(&tokens)?;
    let tokens = rewrite::tokens(tokens)?;
    let mut inner = Reader::new(&source, tokens.clone());
    let query = inner.query().and_then(|query| {
        inner.expect_end()?;
        Ok(query)
    });
    let query = query.map_err(|failure| Failure::Explained(failure.explain(&source, &tokens)))?;
    reader.parser.next_token();
    Ok(match clauses.returns {
        Some(FunctionReturns::Table(_)) => FunctionBody::Table(query),
        _ => FunctionBody::Expr(Box::new(only_expression(first_row(query)))),
    })
}

/// As PostgreSQL's functions do, of a query with an order the first row. Without one, more rows than
/// one are an error.
fn first_row(mut query: Box<Query>) -> Box<Query> {
    if query.order_by.is_some() && query.limit_clause.is_none() && query.fetch.is_none() {
        let one = Value::Number("1".to_owned(), false);
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(one.with_empty_span())),
            offset: None,
            limit_by: Vec::new(),
        });
    }
    query
}

/// The value of a query: of `SELECT expression` alone, the expression.
fn only_expression(query: Box<Query>) -> Expr {
    let is_alone = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty();
    let item = match query.body.as_ref() {
        SetExpr::Select(select)
            if is_alone
                && select.distinct.is_none()
                && select.from.is_empty()
                && select.selection.is_none()
                && select.having.is_none()
                && select.qualify.is_none()
                && select.named_window.is_empty() =>
        {
            match select.projection.as_slice() {
                [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => {
                    Some(expr.clone())
                }
                _ => None,
            }
        }
        _ => None,
    };
    item.unwrap_or(Expr::Subquery(query))
}

/// NULL where an argument is: what STRICT says.
fn null_on_null(body: Box<Expr>, parameters: &[FunctionParameter]) -> Box<Expr> {
    let is_null = (1..=parameters.len()).map(|number| {
        let parameter = Value::Placeholder(format!("${number}"));
        Expr::IsNull(Box::new(Expr::Value(parameter.with_empty_span())))
    });
    let any_null = is_null.reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::Or,
        right: Box::new(right),
    });
    let Some(condition) = any_null else {
        return body;
    };
    let null = Expr::Value(Value::Null.with_empty_span());
    Box::new(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: null,
        }],
        else_result: Some(body),
    })
}

/// `FUNCTION|MACRO [TABLE] [IF EXISTS] name[(type, …)], … [CASCADE|RESTRICT]`, behind DROP.
pub(super) fn read_drop(reader: &mut Reader<'_>, is_macro: bool) -> Parse<StatementKind> {
    if is_macro {
        reader.word("TABLE");
    }
    let exists = [Keyword::IF, Keyword::EXISTS];
    let if_exists = reader.parser.parse_keywords(&exists);
    let mut functions = vec![signature(reader)?];
    while reader.parser.consume_token(&Token::Comma) {
        functions.push(signature(reader)?);
    }
    let cascade = reader.word("CASCADE");
    if !cascade {
        reader.word("RESTRICT");
    }
    Ok(StatementKind::DropFunction {
        functions,
        if_exists,
        cascade,
        is_macro,
    })
}

/// `name[(type, …)]`; `any` is the type of a parameter without one.
pub(super) fn signature(reader: &mut Reader<'_>) -> Parse<FunctionSignature> {
    let name = reader.parser.parse_object_name(false)?;
    if !reader.parser.consume_token(&Token::LParen) {
        return Ok(FunctionSignature { name, types: None });
    }
    let mut types: Vec<ParameterKind> = Vec::new();
    while !reader.parser.consume_token(&Token::RParen) {
        types.push(match () {
            () if reader.word("ANY") => ParameterKind::Generic,
            () if reader.word("TABLE") => ParameterKind::Relation,
            () => ParameterKind::Typed(aggregate::data_type(reader)?),
        });
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            break;
        }
    }
    let types = Some(types);
    Ok(FunctionSignature { name, types })
}
