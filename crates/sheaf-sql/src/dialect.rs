//! The grammar's switches: PostgreSQL's rules, plus the friendly forms.
//!
//! The engine's parser asks a dialect many small questions. Where it asks "which dialect is this?"
//! ([`Dialect::dialect`]) we answer PostgreSQL and not "generic": the generic answer switches on
//! forms of other systems that take words away from users, and it lacks PostgreSQL's
//! `WITH x AS MATERIALIZED (…)`. What the generic one has beyond that and we want (`//`) is here.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, LambdaFunction, LambdaFunctionParameter, LambdaSyntax,
    OneOrManyWithParens, Statement, UnaryOperator,
};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::lexer::is_word_token;
use crate::parse::budget;

/// Sheaf's SQL dialect, for the engine's parser.
#[derive(Debug, Clone, Copy, Default)]
pub struct SheafDialect;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// Words that start the statements which the engine's parser may read. It knows many more (loops,
/// procedures of other systems) that nothing here runs and whose nesting it does not bound.
pub(crate) const NATIVE_STATEMENTS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "COMMENT",
    "COMMIT",
    "CREATE",
    "DELETE",
    "DISCARD",
    "DROP",
    "END",
    "FROM",
    "GRANT",
    "INSERT",
    "LISTEN",
    "MERGE",
    "NOTIFY",
    "RELEASE",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UPDATE",
    "USE",
    "VACUUM",
    "VALUES",
    "WITH",
];

/// Whether a name may start with `ch` without quotes.
pub(crate) fn is_name_start(ch: char) -> bool {
    ch.is_alphabetic() || ch == '_' || (!ch.is_ascii() && !ch.is_whitespace())
}

/// Whether a name may go on with `ch` without quotes.
pub(crate) fn is_name_part(ch: char) -> bool {
    is_name_start(ch) || ch.is_ascii_digit() || ch == '$'
}

/// Writes the many one-line switches.
macro_rules! switches {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { true })* };
}

impl Dialect for SheafDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        is_name_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        is_name_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        if is_integer_division(parser) {
            return Some(Ok(self.prec_value(Precedence::MulDivModOp)));
        }
        POSTGRES.get_next_precedence(parser)
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        let next = parser.peek_token_ref();
        let is_known = match &next.token {
            Token::Word(_) => NATIVE_STATEMENTS
                .iter()
                .any(|word| is_word_token(&next.token, word)),
            token => *token == Token::LParen,
        };
        if is_known {
            None
        } else {
            Some(parser.expected_ref("a statement", next))
        }
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if let Err(error) = budget::step() {
            return Some(Err(error));
        }
        is_lambda(parser).then(|| parse_lambda(parser))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if let Some(negated) = symmetric(parser) {
            return Some(parse_symmetric(parser, expr, negated));
        }
        if let Some(negated) = distinct_from(parser) {
            return Some(parse_distinct_from(parser, expr, precedence, negated));
        }
        if !is_integer_division(parser) {
            return None;
        }
        parser.next_token();
        parser.next_token();
        Some(
            parser
                .parse_subexpr(precedence)
                .map(|right| Expr::BinaryOp {
                    left: Box::new(expr.clone()),
                    op: BinaryOperator::DuckIntegerDivide,
                    right: Box::new(right),
                }),
        )
    }

    switches! {
        // Literals.
        supports_string_escape_constant
        supports_unicode_string_literal
        supports_numeric_literal_underscores
        supports_nested_comments
        supports_dictionary_syntax
        support_map_literal_syntax
        supports_struct_literal
        supports_array_typedef_with_brackets
        supports_interval_options
        // Expressions.
        supports_filter_during_aggregation
        supports_window_function_null_treatment_arg
        supports_window_clause_named_window_reference
        supports_named_fn_args_with_assignment_operator
        supports_named_fn_args_with_rarrow_operator
        supports_bitwise_shift_operators
        supports_notnull_operator
        supports_try_convert
        supports_comma_separated_trim
        supports_extract_comma_syntax
        allow_extract_custom
        allow_extract_single_quotes
        // Queries.
        supports_group_by_expr
        supports_order_by_all
        supports_from_first_select
        supports_empty_projections
        supports_trailing_commas
        supports_limit_comma
        supports_select_wildcard_except
        supports_select_wildcard_exclude
        supports_select_wildcard_replace
        supports_select_wildcard_rename
        supports_select_wildcard_ilike
        supports_parens_around_table_factor
        supports_values_as_table_factor
        supports_pipe_operator
        // Statements.
        supports_create_index_with_clause
        supports_create_table_like_parenthesized
        supports_insert_table_alias
        supports_alter_column_type_using
        supports_comment_on
        supports_set_names
        supports_listen_notify
        supports_start_transaction_modifier
    }
}

/// Whether the next two tokens are DuckDB's `//`, which the tokenizer gives as two slashes.
fn is_integer_division(parser: &Parser) -> bool {
    let [first, second] = parser.peek_tokens_ref::<2>();
    first.token == Token::Div && second.token == Token::Div && first.span.end == second.span.start
}

/// Whether `IS [NOT] DISTINCT FROM` follows, and if so whether with NOT.
fn distinct_from(parser: &Parser) -> Option<bool> {
    let tokens = parser.peek_tokens_ref::<4>();
    let keywords = tokens.map(|token| match &token.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    });
    match keywords {
        [Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM] => Some(true),
        [Keyword::IS, Keyword::DISTINCT, Keyword::FROM, _] => Some(false),
        _ => None,
    }
}

/// The parser's own takes all that follows, `AND c` as well, for the right side.
fn parse_distinct_from(
    parser: &mut Parser,
    left: &Expr,
    precedence: u8,
    negated: bool,
) -> Result<Expr, ParserError> {
    for _ in 0..3 + usize::from(negated) {
        parser.next_token();
    }
    let (left, right) = (Box::new(left.clone()), parser.parse_subexpr(precedence)?);
    Ok(match negated {
        true => Expr::IsNotDistinctFrom(left, Box::new(right)),
        false => Expr::IsDistinctFrom(left, Box::new(right)),
    })
}

/// Whether `BETWEEN SYMMETRIC` (or `ASYMMETRIC`) follows, and if so whether NOT stands before it.
fn symmetric(parser: &Parser) -> Option<bool> {
    let keyword = |n| match &parser.peek_nth_token_ref(n).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let negated = keyword(0) == Keyword::NOT;
    let between = usize::from(negated);
    let is_it = keyword(between) == Keyword::BETWEEN
        && matches!(
            keyword(between + 1),
            Keyword::SYMMETRIC | Keyword::ASYMMETRIC
        );
    is_it.then_some(negated)
}

/// `x BETWEEN SYMMETRIC a AND b` is `x BETWEEN a AND b OR x BETWEEN b AND a`; ASYMMETRIC says what
/// holds without it.
fn parse_symmetric(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    if negated {
        parser.expect_keyword(Keyword::NOT)?;
    }
    parser.expect_keyword(Keyword::BETWEEN)?;
    let is_symmetric = parser.next_token().token.to_string().len() == "SYMMETRIC".len();
    let between = parser.parse_between(expr.clone(), false)?;
    let either = match &between {
        Expr::Between {
            expr, low, high, ..
        } if is_symmetric => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(between.clone()),
            op: BinaryOperator::Or,
            right: Box::new(Expr::Between {
                expr: expr.clone(),
                negated: false,
                low: high.clone(),
                high: low.clone(),
            }),
        })),
        _ => Expr::Nested(Box::new(between)),
    };
    Ok(match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(either),
        },
        false => either,
    })
}

/// Whether `lambda x, y:` or `lambda (x, y):` follows; `lambda` stays free as a column's name.
fn is_lambda(parser: &Parser) -> bool {
    let is_word = |n| matches!(parser.peek_nth_token_ref(n).token, Token::Word(_));
    if !parser.peek_keyword(Keyword::LAMBDA) {
        return false;
    }
    let parenthesized = parser.peek_nth_token_ref(1).token == Token::LParen;
    let mut next = if parenthesized { 2 } else { 1 };
    loop {
        if !is_word(next) {
            return false;
        }
        next += 1;
        match parser.peek_nth_token_ref(next).token {
            Token::Comma => next += 1,
            Token::Colon => return !parenthesized,
            Token::RParen if parenthesized => {
                return parser.peek_nth_token_ref(next + 1).token == Token::Colon;
            }
            _ => return false,
        }
    }
}

fn parse_lambda(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::LAMBDA)?;
    let parenthesized = parser.consume_token(&Token::LParen);
    let mut params = Vec::new();
    loop {
        params.push(LambdaFunctionParameter {
            name: parser.parse_identifier()?,
            data_type: None,
        });
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    if parenthesized {
        parser.expect_token(&Token::RParen)?;
    }
    parser.expect_token(&Token::Colon)?;
    let body = Box::new(parser.parse_expr()?);
    let params = match <[LambdaFunctionParameter; 1]>::try_from(params) {
        Ok([only]) => OneOrManyWithParens::One(only),
        Err(many) => OneOrManyWithParens::Many(many),
    };
    Ok(Expr::Lambda(LambdaFunction {
        params,
        body,
        syntax: LambdaSyntax::LambdaKeyword,
    }))
}
