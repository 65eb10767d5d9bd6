//! The range of time that WHERE asks for: the bounds of buckets before the first group of a series
//! and after its last.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, Visitor};
use sheaf_sql::walk::Walk;

use super::keys::is_same;

/// Constants between which times lie; none where WHERE says nothing of that side.
#[derive(Default)]
pub(super) struct Range {
    /// The time is each of these or later.
    pub(super) low: Vec<Expr>,
    /// The time is earlier than each of these.
    pub(super) end: Vec<Expr>,
    /// The time is each of these or earlier.
    pub(super) last: Vec<Expr>,
}

/// The range in which `condition` wants `time`, by the members of its AND.
pub(super) fn of(condition: Option<&Expr>, time: &Expr) -> Range {
    let mut range = Range::default();
    let mut open: Vec<&Expr> = condition.into_iter().collect();
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => open.extend([right.as_ref(), left.as_ref()]),
            Expr::BinaryOp { left, op, right } => {
                if is_same(left, time) && is_constant(right) {
                    range.bound(op, right);
                } else if let (true, Some(op)) = (is_same(right, time), turned(op))
                    && is_constant(left)
                {
                    range.bound(&op, left);
                }
            }
            Expr::Between {
                expr,
                negated: false,
                low,
                high,
            } if is_same(expr, time) && is_constant(low) && is_constant(high) => {
                range.bound(&BinaryOperator::GtEq, low);
                range.bound(&BinaryOperator::LtEq, high);
            }
            _ => {}
        }
    }
    range
}

impl Range {
    fn bound(&mut self, op: &BinaryOperator, bound: &Expr) {
        let bounds = match op {
            BinaryOperator::Gt | BinaryOperator::GtEq => &mut self.low,
            BinaryOperator::Lt => &mut self.end,
            BinaryOperator::LtEq => &mut self.last,
            _ => return,
        };
        bounds.push(bound.clone());
    }
}

/// `bound op time` as `time op bound`.
fn turned(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        _ => return None,
    })
}

/// Whether an expression has neither columns nor sub-queries.
pub(super) fn is_constant(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.walk(&mut Finder).is_continue()
}
