//! `CREATE FUNCTION` and `CREATE MACRO`, in PostgreSQL's forms and DuckDB's.
//!
//! Bodies of SQL are read by [`super::body`], those in other languages not at all ([`super::code`]).

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::body::{self, Body};
use super::failure::Parse;
use super::{Reader, aggregate, code};
use crate::limits::FUNCTION_PARAMETERS_MAX;
use crate::rewrite;
use crate::statement::{
    FunctionBody, FunctionDefinition, FunctionOverload, FunctionParameter, FunctionReturns,
    FunctionSignature, FunctionSource, FunctionVolatility, ParameterKind, StatementKind,
};

/// Words that PostgreSQL lets a function be declared with and that say nothing here, with the number
/// of tokens behind them.
const IGNORED: &[(&[&str], usize)] = &[
    (&["LEAKPROOF"], 0),
    (&["NOT", "LEAKPROOF"], 0),
    (&["CALLED", "ON", "NULL", "INPUT"], 0),
    (&["SECURITY", "INVOKER"], 0),
    (&["PARALLEL"], 1),
    (&["COST"], 1),
    (&["ROWS"], 1),
];

/// What is said of when a function gives the same; of one that is inlined, its body tells.
const VOLATILITIES: &[(&str, FunctionVolatility)] = &[
    ("IMMUTABLE", FunctionVolatility::Immutable),
    ("STABLE", FunctionVolatility::Stable),
    ("VOLATILE", FunctionVolatility::Volatile),
];

/// How `CREATE … FUNCTION` starts.
pub(super) struct FunctionWords {
    or_replace: bool,
    is_macro: bool,
    is_aggregate: bool,
}

impl FunctionWords {
    /// `CREATE [OR REPLACE] AGGREGATE`, in another language than SQL.
    pub(super) fn of_aggregate(or_replace: bool) -> Self {
        Self {
            or_replace,
            is_macro: false,
            is_aggregate: true,
        }
    }
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
        is_aggregate: false,
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
        is_aggregate: words.is_aggregate,
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
    /// What AS or RETURN says, with its text.
    source: Option<(FunctionSource, String)>,
    /// The language's name, in lower case.
    language: Option<String>,
    volatility: FunctionVolatility,
    is_strict: bool,
}

fn overload(reader: &mut Reader<'_>) -> Parse<FunctionOverload> {
    let parameters = parameters(reader)?;
    let mut clauses = Clauses::default();
    while !reader.at_end() && !reader.at(&Token::Comma) {
        clause(reader, &mut clauses)?;
    }
    let Some((source, text)) = clauses.source.take() else {
        return reader.expected("AS expression, AS TABLE query or RETURN expression");
    };
    let returns = clauses.returns.take().unwrap_or(FunctionReturns::Any);
    let source = match source {
        FunctionSource::Code(mut code) => {
            code.volatility = clauses.volatility;
            code.is_strict = clauses.is_strict;
            FunctionSource::Code(code)
        }
        FunctionSource::Sql(body) => {
            let body = returned(reader, body, &returns)?;
            FunctionSource::Sql(strict(reader, body, &parameters, clauses.is_strict)?)
        }
    };
    Ok(FunctionOverload {
        parameters,
        returns,
        source,
        body_text: text,
    })
}

/// `body` as what RETURNS says that it is.
fn returned(
    reader: &Reader<'_>,
    body: FunctionBody,
    returns: &FunctionReturns,
) -> Parse<FunctionBody> {
    Ok(match (body, returns) {
        (FunctionBody::Expr(expr), FunctionReturns::Table(_)) => match *expr {
            Expr::Subquery(query) => FunctionBody::Table(query),
            _ => return reader.expected("a query, since the function RETURNS TABLE"),
        },
        (FunctionBody::Table(query), FunctionReturns::Scalar(_)) => {
            FunctionBody::Expr(Box::new(body::only_expression(query)))
        }
        (body, _) => body,
    })
}

/// `body`, which gives NULL for NULLs if it is declared so.
fn strict(
    reader: &Reader<'_>,
    body: FunctionBody,
    parameters: &[FunctionParameter],
    is_strict: bool,
) -> Parse<FunctionBody> {
    match (body, is_strict) {
        (FunctionBody::Expr(expr), true) => {
            Ok(FunctionBody::Expr(body::null_on_null(expr, parameters)))
        }
        (FunctionBody::Table(_), true) => {
            let error = SheafError::unsupported("a table function cannot be STRICT");
            reader.refuse(error.with_hint("WHERE argument IS NOT NULL says the same"))
        }
        (body, false) => Ok(body),
    }
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
        if clauses.language.is_some() {
            return twice(reader, "LANGUAGE");
        }
        clauses.language = Some(code::language(reader)?);
    } else if reader.word("STRICT") {
        clauses.is_strict = true;
    } else if reader.at_word("AS") || reader.at_word("RETURN") {
        if clauses.source.is_some() {
            return twice(reader, "the body");
        }
        let is_return = reader.at_word("RETURN");
        reader.parser.next_token();
        let from = reader.parser.peek_token_ref().span.start;
        let source = source_of(reader, clauses, is_return)?;
        let to = reader.parser.get_current_token().span.end;
        clauses.source = Some((source, reader.source.slice(from, to).to_owned()));
    } else if let Some((_, volatility)) = VOLATILITIES.iter().find(|(word, _)| reader.word(word)) {
        clauses.volatility = *volatility;
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

/// What stands behind AS or RETURN.
fn source_of(reader: &mut Reader<'_>, clauses: &Clauses, is_return: bool) -> Parse<FunctionSource> {
    let language = clauses.language.clone().or_else(|| code::ahead(reader));
    match language {
        Some(language) if language != code::SQL => code::read(reader, language),
        language => {
            let wanted = Body {
                is_table: matches!(clauses.returns, Some(FunctionReturns::Table(_))),
                is_return,
                is_said: language.is_some(),
            };
            Ok(FunctionSource::Sql(body::read(reader, wanted)?))
        }
    }
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
        false if reader.word("TABLE") => ParameterKind::Relation(match reader.at(&Token::LParen) {
            true => aggregate::columns(reader)?,
            false => Vec::new(),
        }),
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
            () if reader.word("TABLE") => ParameterKind::Relation(Vec::new()),
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
