//! How many digits behind the point a `numeric` may have, as far as that is told without its value:
//! results are decimals of one scale, to which further digits are rounded.

use super::Binder;
use crate::plan::{Arithmetic, Expr, NUMERIC_SCALE, OutColumn};
use crate::types::{INT4, Kind, NUMERIC, Oid, kind_of, types};
use crate::value::Value;

/// Digits behind the point of quotients and means.
const QUOTIENT_SCALE: u8 = 16;
/// The most digits behind the point; as many can be before it.
const SCALE_MAX: u8 = 19;

/// The digits of a column: none of whole numbers.
pub(super) fn scale_of_column(column: &OutColumn) -> u8 {
    match kind_of(types().base_of(column.type_of)) {
        Kind::Int => 0,
        _ => column.scale,
    }
}

fn of_type(oid: Oid) -> u8 {
    scale_of_column(&OutColumn::new("", oid))
}

impl Binder<'_> {
    /// The digits of an expression's value.
    pub(super) fn scale_of(&self, expr: &Expr) -> u8 {
        let scale = match expr {
            Expr::Value(Value::Numeric(number)) => {
                u8::try_from(number.scale()).unwrap_or(SCALE_MAX)
            }
            Expr::Value(Value::Int(_) | Value::Null) => 0,
            Expr::Column { up, index } => {
                let depth = self.scopes.len().checked_sub(up + 1);
                let scope = depth.and_then(|depth| self.scopes.get(depth));
                let column = scope.and_then(|scope| scope.column_at_place(*index));
                column.map_or(NUMERIC_SCALE, scale_of_column)
            }
            Expr::Arithmetic(_, type_of, ..) if *type_of != NUMERIC => of_type(INT4),
            Expr::Arithmetic(what, _, left, right) => {
                let (left, right) = (self.scale_of(left), self.scale_of(right));
                match what {
                    Arithmetic::Multiply => left.saturating_add(right),
                    Arithmetic::Divide => left.max(right).max(QUOTIENT_SCALE),
                    _ => left.max(right),
                }
            }
            Expr::Cast(inner, to) if *to == NUMERIC => match kind_of(inner.type_of) {
                Kind::Int => 0,
                Kind::Numeric => self.scale_of(&inner.expr),
                _ => NUMERIC_SCALE,
            },
            Expr::Case {
                branches,
                otherwise,
            } => {
                let branches = branches.iter().map(|(_, then)| self.scale_of(then));
                branches.fold(self.scale_of(otherwise), u8::max)
            }
            Expr::Let(_, body) => self.scale_of(body),
            Expr::Coalesce(all) => {
                let all = all.iter().map(|expr| self.scale_of(expr));
                all.max().unwrap_or(NUMERIC_SCALE)
            }
            Expr::Scalar(query) => query.columns.first().map_or(NUMERIC_SCALE, scale_of_column),
            Expr::Call(_, arguments) => {
                let first = arguments.first();
                first.map_or(NUMERIC_SCALE, |first| self.scale_of(&first.expr))
            }
            Expr::Aggregate(index) => {
                let scope = self.scopes.last();
                let call = scope.and_then(|scope| scope.aggregates.get(*index));
                call.map_or(NUMERIC_SCALE, |call| {
                    let first = call.arguments.first();
                    let scale = first.map_or(NUMERIC_SCALE, |first| self.scale_of(&first.expr));
                    match call.function.name {
                        "avg" => scale.max(QUOTIENT_SCALE),
                        _ => scale,
                    }
                })
            }
            _ => NUMERIC_SCALE,
        };
        scale.min(SCALE_MAX)
    }
}
