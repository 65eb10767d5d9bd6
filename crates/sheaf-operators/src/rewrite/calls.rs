//! Operators and casts for which Sheaf has a function: they become calls of it.
//!
//! | written | passed on |
//! |---|---|
//! | `t AT TIME ZONE z` | `timezone(z, t)` |
//! | `x LIKE p ESCAPE e`, `ILIKE` | `x LIKE like_escape(p, e)` |
//! | `x SIMILAR TO p` | `regexp_like(x, similar_to_escape(p))` |
//! | `x::bytea`, `x::blob` | `bytea(x)` |
//! | `struct_pack(a := 1)` | `named_struct('a', 1)` |
//! | `list_sort(list, lambda x: …)` | `list_sort_by(list, lambda x: …)` |
//! | `x BETWEEN a AND b + INTERVAL …` | `x >= a AND x <= b + INTERVAL …` |
//! | `unnest(x)`, also in FROM | `unnest(elements(x))`, which is what `x` is unless it is a VARIANT |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, UnaryOperator, Value, ValueWithSpan,
};

use super::build::{binary, call, take, text};
use super::lateral::is_called;

/// Rewrites `expr` if it is one of the forms above.
pub(super) fn call_functions(expr: &mut Expr) {
    let called = match expr {
        Expr::AtTimeZone {
            timestamp,
            time_zone,
        } => call("timezone", vec![take(time_zone), take(timestamp)]),
        Expr::SimilarTo {
            negated,
            expr: value,
            pattern,
            escape_char,
        } => {
            let mut arguments = vec![take(pattern)];
            arguments.extend(escape_char.take().and_then(escape_text));
            let pattern = call("similar_to_escape", arguments);
            let found = call("regexp_like", vec![take(value), pattern]);
            match negated {
                false => found,
                true => Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(found),
                },
            }
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr: value,
            data_type:
                DataType::Bytea | DataType::Blob(_) | DataType::Binary(_) | DataType::Varbinary(_),
            ..
        } => call("bytea", vec![take(value)]),
        Expr::Between {
            expr: value,
            negated: false,
            low,
            high,
        } if is_column(value) && (has_interval(low) || has_interval(high)) => {
            // Each side is an operator of its own then, of which types are known.
            let (value, low, high) = (take(value), take(low), take(high));
            Expr::Nested(Box::new(binary(
                binary(value.clone(), BinaryOperator::GtEq, low),
                BinaryOperator::And,
                binary(value, BinaryOperator::LtEq, high),
            )))
        }
        Expr::Function(function) => match another_call(function) {
            Some(called) => called,
            None => return,
        },
        _ => return translate_escape(expr),
    };
    *expr = called;
}

/// The call of another function that a call becomes; others are changed in place, or stay.
fn another_call(function: &mut Function) -> Option<Expr> {
    if is_sort_by(function) {
        function.name = ObjectName::from(vec![Ident::new("list_sort_by")]);
        return None;
    }
    let FunctionArguments::List(list) = &mut function.args else {
        return None;
    };
    if is_called(&function.name, "struct_pack") {
        return named_fields(&list.args).map(|fields| call("named_struct", fields));
    }
    if is_called(&function.name, "unnest")
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = &mut list.args[..]
    {
        unnest_elements(value);
    }
    None
}

/// What UNNEST gets of a value that may be a VARIANT. Nested calls of it are one to the engine.
pub(super) fn unnest_elements(value: &mut Expr) {
    let is_list = match value {
        Expr::Array(_) => true,
        Expr::Function(function) => {
            is_called(&function.name, "unnest") || is_called(&function.name, "elements")
        }
        _ => false,
    };
    if !is_list {
        *value = call("elements", vec![take(value)]);
    }
}

/// Whether a list is sorted by a lambda: the planner knows the form without one by that name.
fn is_sort_by(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    let mut arguments = list.args.iter();
    ["list_sort", "array_sort"].contains(&name.as_str())
        && arguments.any(|argument| {
            matches!(
                argument,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(_)))
            )
        })
}

/// A pattern of LIKE with another escape character than the engine's.
fn translate_escape(expr: &mut Expr) {
    if let Expr::Like {
        pattern,
        escape_char,
        ..
    }
    | Expr::ILike {
        pattern,
        escape_char,
        ..
    } = expr
        && let Some(escape) = escape_char.take().and_then(escape_text)
    {
        **pattern = call("like_escape", vec![take(pattern), escape]);
    }
}

/// The character after ESCAPE; `None` for the one that needs no translation.
fn escape_text(escape: ValueWithSpan) -> Option<Expr> {
    let is_default = matches!(&escape.value, Value::SingleQuotedString(c) if c == "\\");
    (!is_default).then_some(Expr::Value(escape))
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn has_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => has_interval(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus,
            right,
        } => {
            matches!(right.as_ref(), Expr::Interval(_))
                || matches!(left.as_ref(), Expr::Interval(_))
                || has_interval(left)
        }
        _ => false,
    }
}

fn named_fields(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let mut fields = Vec::with_capacity(arguments.len() * 2);
    for argument in arguments {
        let (name, value) = match argument {
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (name, value),
            FunctionArg::ExprNamed {
                name: Expr::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (name, value),
            _ => return None,
        };
        let name = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        fields.extend([text(name), value.clone()]);
    }
    Some(fields)
}
