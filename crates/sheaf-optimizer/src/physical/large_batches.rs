//! Gives functions of users larger batches where they want some: those in Python that take arrays.
//!
//! ```text
//! Projection f(x)            Projection f(x)
//!   Scan              ──>      LargeBatches
//!                                Scan
//! ```
//!
//! Below projections, filters and aggregates, which call functions once a batch and hold no more for a larger
//! one. What sorts, joins and windows call has the engine's batches, as have calls that scans take over.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use sheaf_functions::user;
use sheaf_operators::aggregate::PartitionedAggregateExec;
use sheaf_operators::filter::AdaptiveFilterExec;
use sheaf_operators::large_batches::LargeBatchesExec;

/// See the module's text. Runs when no rule is left that looks for an operator's input.
#[derive(Debug, Default)]
pub struct LargeBatchesRule;

impl PhysicalOptimizerRule for LargeBatchesRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let Some(rows) = rows_wanted(plan.as_ref())? else {
                return Ok(Transformed::no(plan));
            };
            let inputs: Vec<Arc<dyn ExecutionPlan>> = plan
                .children()
                .into_iter()
                .map(|input| LargeBatchesExec::new(Arc::clone(input), rows))
                .map(|input| Arc::new(input) as Arc<dyn ExecutionPlan>)
                .collect();
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(plan.replace_children(inputs, options)?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "large_batches"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The most rows that a function wants which `plan` calls with its input.
fn rows_wanted(plan: &dyn ExecutionPlan) -> Result<Option<usize>> {
    if !calls_once_a_batch(plan) {
        return Ok(None);
    }
    let mut wanted = None;
    plan.apply_expressions(&mut |expr| {
        expr.apply(|part| {
            if let Some(call) = part.downcast_ref::<ScalarFunctionExpr>() {
                wanted = wanted.max(user::rows_wanted(call.fun()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(wanted)
}

fn calls_once_a_batch(plan: &dyn ExecutionPlan) -> bool {
    // What comes to the others has been called with.
    let takes_rows = |aggregate: &AggregateExec| {
        matches!(
            aggregate.mode(),
            AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned
        )
    };
    plan.is::<ProjectionExec>()
        || plan.is::<AdaptiveFilterExec>()
        || plan.is::<PartitionedAggregateExec>()
        || plan.downcast_ref::<AggregateExec>().is_some_and(takes_rows)
}
