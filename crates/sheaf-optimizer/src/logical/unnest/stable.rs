//! Whether a plan gives the same rows, to the last bit, each time it runs.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

/// Whether `plan` may be computed twice where its rows must agree. Doubtful cases are not.
pub(super) fn is_stable(plan: &LogicalPlan) -> bool {
    let mut stable = true;
    let walk = plan.apply_with_subqueries(|node| {
        stable &= is_stable_node(node);
        node.apply_expressions(|expr| {
            stable &= !expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if stable {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    stable && walk.is_ok()
}

fn is_stable_node(node: &LogicalPlan) -> bool {
    match node {
        // Which rows come first is not said.
        LogicalPlan::Limit(_) | LogicalPlan::Window(_) | LogicalPlan::Distinct(Distinct::On(_)) => {
            false
        }
        LogicalPlan::Sort(sort) => sort.fetch.is_none(),
        LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.iter().all(is_stable_aggregate),
        LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_) => false,
        _ => true,
    }
}

/// Sums of floats depend on their order, as do lists and first values.
fn is_stable_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_stable_aggregate(&alias.expr),
        Expr::AggregateFunction(function) => {
            matches!(
                function.func.name(),
                "count" | "min" | "max" | "bool_and" | "bool_or"
            )
        }
        _ => false,
    }
}
