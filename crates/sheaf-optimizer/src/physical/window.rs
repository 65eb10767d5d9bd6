//! Puts Sheaf's window operator in the place of the engine's where that is better.
//!
//! The engine's `WindowAggExec` gathers its whole input and reserves nothing for it: it is always
//! replaced. Its `BoundedWindowAggExec` streams, and reserves nothing either; it is replaced unless
//! it has window functions that are not SQL's. Ours asks of its input and promises what they do.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use sheaf_operators::window::WindowExec;

/// See the module's text.
#[derive(Debug, Default)]
pub struct WindowRule;

impl PhysicalOptimizerRule for WindowRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match WindowExec::in_place_of(&plan) {
                Some(ours) => Transformed::yes(Arc::new(ours) as _),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "window"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
