//! Puts Sheaf's nested-loop join in the place of the engine's, and of its cross join.
//!
//! The engine's do not yield while pairs do not match, hold (cross joins) or concatenate the whole
//! left side, and when they spill give left rows once for each partition. Ours have the same sides,
//! partitions and properties, so that nothing around them changes.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use sheaf_operators::nested_loop_join::BlockNestedLoopJoinExec;

/// See the module's text.
#[derive(Debug, Default)]
pub struct NestedLoopJoinRule;

impl PhysicalOptimizerRule for NestedLoopJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let ours = if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
                BlockNestedLoopJoinExec::from_nested_loop(join)?
            } else if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
                BlockNestedLoopJoinExec::from_cross(join)?
            } else {
                return Ok(Transformed::no(plan));
            };
            Ok(Transformed::yes(Arc::new(ours) as _))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "nested_loop_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
