//! Lets the parts of UNION ALL follow each other where a session wants one thing after another
//! (`SET scheduler = 'synchronous'`).
//!
//! There is one partition of everything else then; of a union there is one a part, which the engine runs
//! side by side. Runs before the engine adds what operators require, so that what is above sees one
//! partition, in no order, and is sorted if it has to be.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use sheaf_operators::positional::InOrderExec;

use crate::options::is_in_order;

/// See the module's text.
#[derive(Debug, Default)]
pub struct UnionOrderRule;

impl PhysicalOptimizerRule for UnionOrderRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !is_in_order(config) {
            return Ok(plan);
        }
        plan.transform_up(|plan| {
            let is_wide = plan.output_partitioning().partition_count() > 1;
            if !plan.is::<UnionExec>() || !is_wide {
                return Ok(Transformed::no(plan));
            }
            let in_order: Arc<dyn ExecutionPlan> = Arc::new(InOrderExec::new(plan));
            Ok(Transformed::yes(in_order))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "union_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
