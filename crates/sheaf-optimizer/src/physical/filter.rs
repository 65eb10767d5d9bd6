//! Puts Sheaf's filter in the place of the engine's.
//!
//! The engine's evaluates AND from left to right over all rows, or over copies of those that are
//! left, whose results it scatters; and it fails where a row that an earlier conjunct drops would
//! make a later one fail. Ours has the same properties, so that nothing around it changes.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use sheaf_operators::filter::AdaptiveFilterExec;

/// See the module's text. Runs when no rule is left that looks for the engine's filters.
#[derive(Debug, Default)]
pub struct FilterRule;

impl PhysicalOptimizerRule for FilterRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match plan.downcast_ref::<FilterExec>() {
                Some(engine) => {
                    Transformed::yes(Arc::new(AdaptiveFilterExec::in_place_of(engine)) as _)
                }
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "filter"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
