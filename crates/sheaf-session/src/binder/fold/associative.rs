//! Columns of a state that an associative operator makes: `s + x`, `least(s, x)`, … Partial ones are
//! merged by the same operator, whatever MERGE says or if it is not there.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value,
    Visit, Visitor,
};

use super::clause::OTHER;
use crate::binder::normalize;

/// How a column is merged, in expressions.
pub(super) struct Associative {
    /// Merged with another value, it changes nothing.
    pub(super) neutral: Expr,
    pub(super) merge: Expr,
}

/// How the column `name` is merged that becomes `next` with each row; `None` if that cannot be told.
pub(super) fn associative(name: &str, names: &[&str], next: &Expr) -> Option<Associative> {
    let column = Column { name, names };
    let own = || Box::new(Expr::Identifier(quoted(name)));
    let other = || Box::new(Expr::CompoundIdentifier(vec![quoted(OTHER), quoted(name)]));
    let by_operator = |op: BinaryOperator, neutral: Value| Associative {
        neutral: Expr::value(neutral),
        merge: Expr::BinaryOp {
            left: own(),
            op,
            right: other(),
        },
    };
    match plain(next) {
        Expr::BinaryOp { op, .. } => {
            let (op, neutral) = match op {
                BinaryOperator::Plus | BinaryOperator::Minus => (BinaryOperator::Plus, number("0")),
                BinaryOperator::Multiply => (BinaryOperator::Multiply, number("1")),
                BinaryOperator::And => (BinaryOperator::And, Value::Boolean(true)),
                BinaryOperator::Or => (BinaryOperator::Or, Value::Boolean(false)),
                _ => return None,
            };
            column.is_chain(next, &op).then(|| by_operator(op, neutral))
        }
        Expr::Function(call) if column.is_extreme(call) => {
            let mut merge = call.clone();
            if let FunctionArguments::List(list) = &mut merge.args {
                let argument = |expr: Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
                list.args = vec![argument(*own()), argument(*other())];
            }
            Some(Associative {
                neutral: Expr::value(Value::Null),
                merge: Expr::Function(merge),
            })
        }
        _ => None,
    }
}

/// A column among those of its state.
struct Column<'a> {
    name: &'a str,
    names: &'a [&'a str],
}

impl Column<'_> {
    /// Whether `expr` is this column, with something of the row put to it by `op` once or more often.
    fn is_chain(&self, expr: &Expr, op: &BinaryOperator) -> bool {
        let Expr::BinaryOp {
            left,
            op: found,
            right,
        } = plain(expr)
        else {
            return self.is_self(expr);
        };
        let is_minus = *op == BinaryOperator::Plus && *found == BinaryOperator::Minus;
        (found == op || is_minus) && self.is_chain(left, op) && self.is_of_row(right)
            || found == op && self.is_of_row(left) && self.is_chain(right, op)
    }

    /// Whether this is `least` or `greatest` of the column and something of the row. They leave out
    /// NULLs, so NULL is neutral.
    fn is_extreme(&self, call: &Function) -> bool {
        let name = call.name.to_string().to_lowercase();
        let FunctionArguments::List(list) = &call.args else {
            return false;
        };
        let values = list.args.iter().map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
            _ => None,
        });
        let Some(values) = values.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let (own, of_row): (Vec<&Expr>, Vec<&Expr>) =
            values.into_iter().partition(|value| self.is_self(value));
        ["least", "greatest"].contains(&name.as_str())
            && own.len() == 1
            && of_row.iter().all(|value| self.is_of_row(value))
    }

    fn is_self(&self, expr: &Expr) -> bool {
        matches!(plain(expr), Expr::Identifier(name) if normalize(name) == self.name)
    }

    /// Whether no column of the state is named.
    fn is_of_row(&self, expr: &Expr) -> bool {
        struct Finder<'a>(&'a [&'a str]);
        impl Visitor for Finder<'_> {
            type Break = ();

            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                let first = match expr {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(names) => names.first(),
                    _ => None,
                };
                match first.is_some_and(|name| self.0.contains(&normalize(name).as_str())) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }
        }
        expr.visit(&mut Finder(self.names)).is_continue()
    }
}

/// An expression without brackets around it.
fn plain(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

fn number(digits: &str) -> Value {
    Value::Number(digits.to_owned(), false)
}
