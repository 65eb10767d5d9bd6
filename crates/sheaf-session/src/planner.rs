//! The last steps of planning: a logical plan is optimized, and becomes operators, Sheaf's own among
//! them. Whether the query was told to stop is looked at before each rule.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result as EngineResult;
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use sheaf_base::Result;
use sheaf_pgcatalog::CatalogPlanner;
use sheaf_runtime::Query;

use crate::prepared::ParameterPlanner;

/// Applies the analyzer's and the logical rules of `state` to `plan`.
///
/// # Errors
/// Those of the rules; `Cancelled` if `query` was told to stop.
pub(crate) fn optimize(
    plan: LogicalPlan,
    state: &SessionState,
    query: &Arc<Query>,
) -> Result<LogicalPlan> {
    let analyzer = state.analyzer();
    let analyzed = analyzer.execute_and_check(plan, state.config_options(), |_, _| {})?;
    let rules = state.optimizers().iter().map(|rule| {
        let (rule, query) = (Arc::clone(rule), Arc::clone(query));
        Arc::new(Stoppable { rule, query }) as Arc<dyn OptimizerRule + Send + Sync>
    });
    let optimizer = Optimizer::with_rules(rules.collect());
    Ok(optimizer.optimize(analyzed, state, |_, _| {})?)
}

/// Optimizes `plan` and makes it physical.
///
/// # Errors
/// As [`optimize`], and those of the physical rules.
pub(crate) async fn physical_plan(
    plan: LogicalPlan,
    state: &SessionState,
    query: &Arc<Query>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = optimize(plan, state, query)?;
    query.check()?;
    let planner = state.query_planner();
    Ok(planner.create_physical_plan(&plan, state).await?)
}

/// A rule that is not begun when its query was told to stop.
#[derive(Debug)]
struct Stoppable {
    rule: Arc<dyn OptimizerRule + Send + Sync>,
    query: Arc<Query>,
}

impl OptimizerRule for Stoppable {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> EngineResult<Transformed<LogicalPlan>> {
        self.query.check()?;
        self.rule.rewrite(plan, config)
    }
}

/// The engine's planner with the extension planners of `sheaf-operators` and the catalogue's.
pub(crate) struct SheafQueryPlanner {
    planner: DefaultPhysicalPlanner,
}

impl SheafQueryPlanner {
    pub(crate) fn new() -> Self {
        let mut extensions = sheaf_operators::extension_planners();
        extensions.push(Arc::new(CatalogPlanner));
        extensions.push(Arc::new(ParameterPlanner));
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
