//! Lets operators that multiply rows yield, so that a cancelled query leaves the threads at once.
//!
//! The engine's `EnsureCooperative` makes leaves and exchanges count what they hand out and yield
//! after a while. A join or UNNEST between them can make millions of batches of one input batch:
//! an aggregate above would poll it without ever coming back to the scheduler. Here such operators
//! are wrapped in the engine's `CooperativeExec`, which takes part in the same budget.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// See the module's text. Runs right after `EnsureCooperative`.
#[derive(Debug, Default)]
pub struct CooperativeJoinRule;

impl PhysicalOptimizerRule for CooperativeJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(if multiplies_rows(plan.as_ref()) {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as _)
            } else {
                Transformed::no(plan)
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "cooperative_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether one batch of input can become any number of batches of output.
fn multiplies_rows(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<SortMergeJoinExec>() || plan.is::<UnnestExec>()
}
