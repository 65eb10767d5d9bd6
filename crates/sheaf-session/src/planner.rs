//! The last step of planning: a logical plan becomes operators, Sheaf's own among them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result as EngineResult;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

/// The engine's planner with the extension planners of `sheaf-operators`.
pub(crate) struct SheafQueryPlanner {
    planner: DefaultPhysicalPlanner,
}

impl SheafQueryPlanner {
    pub(crate) fn new() -> Self {
        let extensions = sheaf_operators::extension_planners();
        Self {
            planner: DefaultPhysicalPlanner::with_extension_planners(extensions),
        }
    }
}

impl std::fmt::Debug for SheafQueryPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SheafQueryPlanner")
    }
}

#[async_trait]
impl QueryPlanner for SheafQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.planner.create_physical_plan(plan, state).await
    }
}
