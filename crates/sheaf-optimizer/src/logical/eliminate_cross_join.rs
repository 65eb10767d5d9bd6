//! Orders inner joins by their keys, but for joins whose keys compare NULLs as equal.
//!
//! The engine's rule takes a chain of inner joins apart and puts it together again with one way to
//! compare NULLs for all of its keys. Joins on IS NOT DISTINCT FROM are hidden from it here.

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{JoinConstraint, JoinType, NullEquality, Result};
use datafusion::logical_expr::{Join, LogicalPlan};
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The engine's rule where it is right.
#[derive(Debug, Default)]
pub(super) struct EliminateCrossJoinRule {
    engine: EliminateCrossJoin,
}

impl OptimizerRule for EliminateCrossJoinRule {
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
        let mut has_any = false;
        plan.apply_with_subqueries(|node| {
            has_any |= matches!(node, LogicalPlan::Join(join) if equates_nulls(join));
            Ok(if has_any {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })?;
        if !has_any {
            return self.engine.rewrite(plan, config);
        }
        let hidden = plan.transform_down_with_subqueries(|plan| Ok(hide(plan)))?;
        let rewritten = self.engine.rewrite(hidden.data, config)?;
        rewritten.transform_data(|plan| plan.transform_down_with_subqueries(reveal))
    }
}

fn equates_nulls(join: &Join) -> bool {
    join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNull
}

/// Makes a left join with USING of it, which no statement makes of keys that compare NULLs as equal.
fn hide(plan: LogicalPlan) -> Transformed<LogicalPlan> {
    match plan {
        LogicalPlan::Join(mut join) if equates_nulls(&join) => {
            join.join_type = JoinType::Left;
            join.join_constraint = JoinConstraint::Using;
            Transformed::yes(LogicalPlan::Join(join))
        }
        other => Transformed::no(other),
    }
}

fn reveal(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join)
            if join.join_type == JoinType::Left
                && join.null_equality == NullEquality::NullEqualsNull
                && join.join_constraint == JoinConstraint::Using =>
        {
            let join = Join::try_new(
                join.left,
                join.right,
                join.on,
                join.filter,
                JoinType::Inner,
                JoinConstraint::On,
                join.null_equality,
                join.null_aware,
            )?;
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    }
}
