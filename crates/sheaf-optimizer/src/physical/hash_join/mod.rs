//! Puts Sheaf's hash join in the place of the engine's.
//!
//! The left side of a join is the one to build a table of: the order of joins has seen to that when
//! the plan was logical. Runs before repartitions are added: ours asks for none, so none are added
//! for it, while operators above get what they ask for.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use sheaf_operators::hash_join::HybridHashJoinExec;

/// See the module's text.
#[derive(Debug, Default)]
pub struct HashJoinRule;

impl PhysicalOptimizerRule for HashJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
            Some(join) => Ok(Transformed::yes(
                Arc::new(HybridHashJoinExec::try_new(join)?) as _,
            )),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "hash_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
