//! Numbers that would be read as places of columns: `GROUP BY 1` and `ORDER BY 1` mean the first column,
//! and a parameter whose argument is 1 does not.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByExpr, OrderByKind, Query,
    Select, UnaryOperator, Value, VisitorMut,
};
use sheaf_sql::FunctionBody;
use sheaf_sql::walk::WalkMut;

use super::super::build::call;
use super::inline::parameter_of;

/// Keeps the parameters of `body` that get numbers from being read as places: an order by one is none
/// and goes, a group by one is by `coalesce($n)`.
pub(super) fn keep_values(body: &mut FunctionBody, numbers: &[bool]) {
    if !numbers.contains(&true) {
        return;
    }
    let mut keeper = Keeper { numbers };
    let _ = match body {
        FunctionBody::Expr(expr) => expr.walk_mut(&mut keeper),
        FunctionBody::Table(query) => query.walk_mut(&mut keeper),
    };
}

/// Whether `expr` is a number as it is written.
pub(super) fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::Nested(inner)
        | Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr: inner,
        } => is_number(inner),
        _ => false,
    }
}

struct Keeper<'a> {
    /// Which parameters get numbers.
    numbers: &'a [bool],
}

impl VisitorMut for Keeper<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(items) = &mut order_by.kind
        {
            self.drop_from(items);
            if items.is_empty() {
                query.order_by = None;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            for key in keys.iter_mut().filter(|key| self.is_meant(key)) {
                *key = call("coalesce", vec![key.clone()]);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.clauses.retain_mut(|clause| match clause {
                FunctionArgumentClause::OrderBy(items) => {
                    self.drop_from(items);
                    !items.is_empty()
                }
                _ => true,
            });
        }
        ControlFlow::Continue(())
    }
}

impl Keeper<'_> {
    fn is_meant(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nested(inner) => self.is_meant(inner),
            expr => parameter_of(expr).is_some_and(|at| self.numbers.get(at) == Some(&true)),
        }
    }

    fn drop_from(&self, items: &mut Vec<OrderByExpr>) {
        items.retain(|item| !self.is_meant(&item.expr));
    }
}
