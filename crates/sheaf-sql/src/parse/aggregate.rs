//! `CREATE AGGREGATE`: folds of the user's own. Aggregates in other languages than SQL are functions
//! ([`super::function`]).

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, ColumnDef, DataType, StructBracketKind, StructField,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::failure::Parse;
use super::{Reader, source};
use crate::limits::AGGREGATE_COLUMNS_MAX;
use crate::rewrite;
use crate::statement::{AggregateDefinition, ClauseExpr, StatementKind};

/// Tokens of a declaration among which LANGUAGE is looked for.
const DECLARATION_TOKENS_MAX: usize = 1024;

/// Takes `CREATE [OR REPLACE] AGGREGATE`, or nothing; whether it replaces.
pub(super) fn starts(reader: &mut Reader<'_>) -> Option<bool> {
    let is_word = |reader: &Reader<'_>, at: usize, word: &str| {
        super::is_word(&reader.parser.peek_nth_token_ref(at).token, word)
    };
    let or_replace = is_word(reader, 1, "OR") && is_word(reader, 2, "REPLACE");
    let at = if or_replace { 3 } else { 1 };
    if !is_word(reader, at, "AGGREGATE") {
        return None;
    }
    for _ in 0..=at {
        reader.parser.next_token();
    }
    Some(or_replace)
}

/// Whether a language is said behind the name and the parameters that stand next.
pub(super) fn is_code(reader: &Reader<'_>) -> bool {
    let mut depth = 0_usize;
    for at in 0..DECLARATION_TOKENS_MAX {
        match &reader.parser.peek_nth_token_ref(at).token {
            Token::EOF | Token::SemiColon => return false,
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            token if depth == 0 && super::is_word(token, "LANGUAGE") => return true,
            _ => {}
        }
    }
    false
}

/// `[IF NOT EXISTS] name(x TYPE, …)`, then the clauses, each once, in any order.
pub(super) fn read(reader: &mut Reader<'_>, or_replace: bool) -> Parse<StatementKind> {
    let exists = [Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let if_not_exists = reader.parser.parse_keywords(&exists);
    let mut aggregate = AggregateDefinition {
        position: place(reader),
        name: reader.parser.parse_object_name(false)?,
        arguments: columns(reader)?,
        state: Vec::new(),
        init: Vec::new(),
        accumulate: Vec::new(),
        merge: None,
        finish: None,
        or_replace,
        if_not_exists,
    };
    while !reader.at_end() {
        clause(reader, &mut aggregate)?;
    }
    match () {
        () if aggregate.state.is_empty() => reader.expected("STATE (name type, …)"),
        () if aggregate.init.is_empty() => reader.expected("INIT (value, …)"),
        () if aggregate.accumulate.is_empty() => reader.expected("ACCUMULATE (expression, …)"),
        () => Ok(StatementKind::CreateAggregate(Box::new(aggregate))),
    }
}

fn clause(reader: &mut Reader<'_>, aggregate: &mut AggregateDefinition) -> Parse<()> {
    let once = |reader: &mut Reader<'_>, word: &str, is_given: bool| match is_given {
        true => {
            let error = SheafError::user(format!("{word} is given twice"));
            reader.refuse(error.with_state(SqlState::SYNTAX_ERROR))
        }
        false => {
            reader.parser.next_token();
            Ok(())
        }
    };
    if reader.at_word("STATE") {
        once(reader, "STATE", !aggregate.state.is_empty())?;
        aggregate.state = columns(reader)?;
    } else if reader.at_word("INIT") {
        once(reader, "INIT", !aggregate.init.is_empty())?;
        aggregate.init = expressions(reader)?;
    } else if reader.at_word("ACCUMULATE") {
        once(reader, "ACCUMULATE", !aggregate.accumulate.is_empty())?;
        aggregate.accumulate = expressions(reader)?;
    } else if reader.at_word("MERGE") {
        once(reader, "MERGE", aggregate.merge.is_some())?;
        aggregate.merge = Some(expressions(reader)?);
    } else if reader.at_word("FINISH") {
        once(reader, "FINISH", aggregate.finish.is_some())?;
        aggregate.finish = Some(expression(reader)?);
    } else {
        return reader.expected("STATE, INIT, ACCUMULATE, MERGE or FINISH");
    }
    Ok(())
}

/// `(name type, …)`.
pub(super) fn columns(reader: &mut Reader<'_>) -> Parse<Vec<ColumnDef>> {
    reader.expect(&Token::LParen)?;
    let mut columns = Vec::new();
    loop {
        if columns.len() == AGGREGATE_COLUMNS_MAX {
            return too_many(reader);
        }
        columns.push(ColumnDef {
            name: reader.parser.parse_identifier()?,
            data_type: data_type(reader)?,
            options: Vec::new(),
        });
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            return Ok(columns);
        }
    }
}

/// A type; also `STRUCT(name type, …)` and lists of it, which the engine's parser does not know here.
pub(super) fn data_type(reader: &mut Reader<'_>) -> Parse<DataType> {
    let is_struct =
        reader.at_word("STRUCT") && reader.parser.peek_nth_token_ref(1).token == Token::LParen;
    if !is_struct {
        return Ok(reader.parser.parse_data_type()?);
    }
    reader.parser.next_token();
    let fields = columns(reader)?.into_iter().map(|column| StructField {
        field_name: Some(column.name),
        field_type: column.data_type,
        options: None,
    });
    let mut data_type = DataType::Struct(fields.collect(), StructBracketKind::Parentheses);
    while reader.parser.consume_token(&Token::LBracket) {
        reader.expect(&Token::RBracket)?;
        data_type = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(data_type), None));
    }
    Ok(data_type)
}

/// `(expression, …)`.
fn expressions(reader: &mut Reader<'_>) -> Parse<Vec<ClauseExpr>> {
    reader.expect(&Token::LParen)?;
    let mut expressions = Vec::new();
    loop {
        if expressions.len() == AGGREGATE_COLUMNS_MAX {
            return too_many(reader);
        }
        expressions.push(expression(reader)?);
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            return Ok(expressions);
        }
    }
}

fn expression(reader: &mut Reader<'_>) -> Parse<ClauseExpr> {
    let position = place(reader);
    let mut expr = reader.parser.parse_expr()?;
    rewrite::tree(&mut expr);
    Ok(ClauseExpr { expr, position })
}

pub(super) fn place(reader: &Reader<'_>) -> sheaf_base::error::Position {
    source::position(reader.parser.peek_token_ref().span.start)
}

fn too_many<T>(reader: &Reader<'_>) -> Parse<T> {
    reader.refuse(SheafError::user(format!(
        "an aggregate has at most {AGGREGATE_COLUMNS_MAX} arguments and as many states"
    )))
}
