//! Names of types, operators and columns in syntax trees.

use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::{name_of, parts_of};
use crate::plan::{Arithmetic, Comparison, Pattern};
use crate::types::{CHAR, Oid, type_named};

/// The type that a name in SQL means.
///
/// # Errors
/// `UserInput` (42704) if there is none.
pub(super) fn type_of(data_type: &ast::DataType) -> Result<Oid> {
    let text = match data_type {
        ast::DataType::Custom(name, _) => {
            let quoted = name.0.last().and_then(|part| part.as_ident());
            if quoted.is_some_and(|ident| ident.quote_style.is_some() && ident.value == "char") {
                return Ok(CHAR);
            }
            parts_of(name).pop().unwrap_or_default()
        }
        ast::DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element)
            | ast::ArrayElemTypeDef::Parenthesis(element),
        ) => {
            let element = type_of(element)?;
            return crate::types::types().array_of(element).ok_or_else(|| {
                SheafError::user("there is no type of arrays of these")
                    .with_state(SqlState::UNDEFINED_OBJECT)
            });
        }
        other => other.to_string().to_lowercase(),
    };
    type_named(&text).ok_or_else(|| {
        SheafError::user(format!("type \"{text}\" does not exist"))
            .with_state(SqlState::UNDEFINED_OBJECT)
    })
}

/// What an operator does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operator {
    And,
    Or,
    Comparison(Comparison),
    Arithmetic(Arithmetic),
    Match(Pattern),
    Concat,
    /// `@>`, `<@`, `&&` of arrays.
    Contains,
    Contained,
    Overlaps,
}

const REGULAR: Pattern = Pattern {
    is_like: false,
    ignores_case: false,
    is_negated: false,
};

/// Every operator by its symbol.
const OPERATORS: &[(&str, Operator)] = &[
    ("=", Operator::Comparison(Comparison::Equal)),
    ("<>", Operator::Comparison(Comparison::Unequal)),
    ("!=", Operator::Comparison(Comparison::Unequal)),
    ("<", Operator::Comparison(Comparison::Less)),
    ("<=", Operator::Comparison(Comparison::LessOrEqual)),
    (">", Operator::Comparison(Comparison::Greater)),
    (">=", Operator::Comparison(Comparison::GreaterOrEqual)),
    ("+", Operator::Arithmetic(Arithmetic::Add)),
    ("-", Operator::Arithmetic(Arithmetic::Subtract)),
    ("*", Operator::Arithmetic(Arithmetic::Multiply)),
    ("/", Operator::Arithmetic(Arithmetic::Divide)),
    ("%", Operator::Arithmetic(Arithmetic::Remainder)),
    ("&", Operator::Arithmetic(Arithmetic::And)),
    ("|", Operator::Arithmetic(Arithmetic::Or)),
    ("||", Operator::Concat),
    ("@>", Operator::Contains),
    ("<@", Operator::Contained),
    ("&&", Operator::Overlaps),
    ("~", Operator::Match(REGULAR)),
    (
        "~*",
        Operator::Match(Pattern {
            ignores_case: true,
            ..REGULAR
        }),
    ),
    (
        "!~",
        Operator::Match(Pattern {
            is_negated: true,
            ..REGULAR
        }),
    ),
    (
        "!~*",
        Operator::Match(Pattern {
            ignores_case: true,
            is_negated: true,
            ..REGULAR
        }),
    ),
    (
        "~~",
        Operator::Match(Pattern {
            is_like: true,
            ..REGULAR
        }),
    ),
    (
        "~~*",
        Operator::Match(Pattern {
            is_like: true,
            ignores_case: true,
            ..REGULAR
        }),
    ),
    (
        "!~~",
        Operator::Match(Pattern {
            is_like: true,
            is_negated: true,
            ..REGULAR
        }),
    ),
    (
        "!~~*",
        Operator::Match(Pattern {
            is_like: true,
            is_negated: true,
            ignores_case: true,
        }),
    ),
    ("and", Operator::And),
    ("or", Operator::Or),
];

/// The operator, with the symbol that errors show.
pub(super) fn operator_of(operator: &BinaryOperator) -> Option<(Operator, String)> {
    let symbol = match operator {
        // OPERATOR(pg_catalog.~)
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last()?.clone(),
        other => other.to_string().to_lowercase(),
    };
    let found = OPERATORS.iter().find(|(known, _)| *known == symbol)?;
    Some((found.1, symbol))
}

/// The name of a column that has no alias.
pub(super) fn output_name(expr: &Expr) -> String {
    name_within(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn name_within(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Identifier(ident) => name_of(ident),
        Expr::CompoundIdentifier(parts) => name_of(parts.last()?),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let dots = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(field) => name_within(field),
                ast::AccessExpr::Subscript(_) => None,
            });
            return dots.or_else(|| name_within(root));
        }
        Expr::Function(function) => parts_of(&function.name).pop()?,
        Expr::Cast {
            expr, data_type, ..
        } => return name_within(expr).or_else(|| cast_name(data_type)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return name_within(inner),
        Expr::TypedString(typed) => return cast_name(&typed.data_type),
        Expr::Case { else_result, .. } => {
            let other = else_result.as_ref().and_then(|other| name_within(other));
            other.unwrap_or_else(|| "case".to_owned())
        }
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Tuple(_) => "row".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => "bool".to_owned(),
        Expr::Subquery(query) => match query.body.as_ref() {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                ast::SelectItem::UnnamedExpr(expr) => return name_within(expr),
                ast::SelectItem::ExprWithAlias { alias, .. } => name_of(alias),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

fn cast_name(data_type: &ast::DataType) -> Option<String> {
    let oid = type_of(data_type).ok()?;
    Some(crate::types::internal_name(oid).to_owned())
}
