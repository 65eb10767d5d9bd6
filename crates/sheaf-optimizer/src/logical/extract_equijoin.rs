//! Equalities of a join's filter become its keys, unless its keys compare NULLs as equal.
//!
//! The engine's rule adds them whatever the keys are; in a join on IS NOT DISTINCT FROM, a filter
//! `a = b` would then hold for two NULLs. There such equalities stay a filter.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The engine's rule where it is right.
#[derive(Debug, Default)]
pub(super) struct ExtractEquijoinRule {
    engine: ExtractEquijoinPredicate,
}

impl OptimizerRule for ExtractEquijoinRule {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.engine.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Join(join) = &plan
            && join.null_equality == NullEquality::NullEqualsNull
            && !join.on.is_empty()
        {
            return Ok(Transformed::no(plan));
        }
        self.engine.rewrite(plan, config)
    }
}
