//! Calls whose result may be much larger than their arguments become calls of the bounded functions
//! of `sheaf-functions`, `||` of texts among them. Most are so already, from the registry; this finds
//! what the engine puts into plans by itself. Runs once types are settled, before constants are folded.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;
use sheaf_functions::bounded::{bounded, concatenation};

use super::rewrite::rewrite_expressions;

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct BoundedCalls;

impl AnalyzerRule for BoundedCalls {
    fn name(&self) -> &'static str {
        "bounded_calls"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let bound = |node| rewrite_expressions(node, &mut BoundedCalls);
        Ok(plan.transform_up_with_subqueries(bound)?.data)
    }
}

impl TreeNodeRewriter for BoundedCalls {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::StringConcat,
                right,
            }) => Transformed::yes(concatenation(*left, *right)),
            Expr::ScalarFunction(ScalarFunction { func, args }) => match bounded(&func) {
                Some(func) => Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })),
                None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            },
            other => Transformed::no(other),
        })
    }
}
