//! Bodies of functions in SQL: an expression, or a query.
//!
//! A body in quotes is a text of its own: it is read with places that count in the script.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, LimitClause, Query, SelectItem, SetExpr, Value,
};
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::{Position, SqlState};

use super::Reader;
use super::failure::{Failure, Parse};
use super::source::{self, Source};
use crate::statement::{FunctionBody, FunctionParameter};
use crate::{lexer, limits, rewrite};

/// What is known of a body before it is read.
#[derive(Clone, Copy)]
pub(super) struct Body {
    /// RETURNS TABLE has been said.
    pub(super) is_table: bool,
    /// RETURN stands before it, not AS.
    pub(super) is_return: bool,
    /// LANGUAGE sql is said somewhere.
    pub(super) is_said: bool,
}

/// Reads a body behind AS or RETURN.
pub(super) fn read(reader: &mut Reader<'_>, wanted: Body) -> Parse<FunctionBody> {
    let Body {
        is_table,
        is_return,
        is_said,
    } = wanted;
    match reader.parser.peek_token().token {
        Token::DollarQuotedString(quoted) if !is_return => {
            let tag = quoted.tag.as_ref().map_or(0, |tag| tag.chars().count());
            return quoted_body(reader, &quoted.value, tag as u64 + 2, is_table);
        }
        Token::SingleQuotedString(text) if !is_return && is_said => {
            return quoted_body(reader, &text, 1, is_table);
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
    is_table: bool,
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
    Ok(match is_table {
        true => FunctionBody::Table(query),
        false => FunctionBody::Expr(Box::new(only_expression(first_row(query)))),
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
pub(super) fn only_expression(query: Box<Query>) -> Expr {
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
pub(super) fn null_on_null(body: Box<Expr>, parameters: &[FunctionParameter]) -> Box<Expr> {
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
