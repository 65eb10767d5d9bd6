//! Large constants that become columns are asked for like the results of calls: as literals the engine
//! would write them once for each row of a batch without asking anybody. Runs last, since nothing is to
//! be simplified by what a constant is after this.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use sheaf_functions::bounded::constant_column;

/// The rule; see the module.
#[derive(Debug, Default)]
pub(super) struct ConstantColumns;

impl OptimizerRule for ConstantColumns {
    fn name(&self) -> &'static str {
        "constant_columns"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(as_column(expr)?.update_data(|expr| name.restore(expr)))
        })
    }
}

/// What becomes a column: the expression itself, or the first argument of an aggregate.
fn as_column(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Alias(_) => expr.map_children(as_column),
        Expr::AggregateFunction(mut aggregate) => {
            let column = aggregate.params.args.first().and_then(constant_column);
            let is_changed = column.is_some();
            for (argument, column) in aggregate.params.args.iter_mut().zip(column) {
                *argument = column;
            }
            let expr = Expr::AggregateFunction(aggregate);
            Ok(match is_changed {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            })
        }
        other => Ok(match constant_column(&other) {
            Some(column) => Transformed::yes(column),
            None => Transformed::no(other),
        }),
    }
}
