//! Joins in the order, and with the build sides, that cost least by what is known of the tables.
//!
//! ```text
//! joins of a plan ──> Group ──> Cardinality ──> Search ──> plan
//!                    group.rs   cardinality.rs  search.rs  rebuild.rs
//! leaves ──> Estimate ─┘ (estimate.rs, selectivity.rs)
//! ```
//!
//! Inner, semi and anti joins that follow each other are a group, whose order is chosen; of other
//! joins only the sides are. The left side of every join in what comes out is the one to build a
//! table of. A plan that is nearly as good as the best stays as it is, so that the rule comes to
//! rest when it is run again. Knows only logical plans and statistics of tables.

mod cardinality;
mod estimate;
mod group;
mod rebuild;
mod search;
mod selectivity;
#[cfg(test)]
mod tests;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Join, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use self::estimate::estimate;
use self::group::{Group, is_of_group};
use self::search::Search;

/// Another order must cost less than this share of what the order of the plan does.
const GAIN_MIN: f64 = 0.95;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct JoinOrder;

impl OptimizerRule for JoinOrder {
    fn name(&self) -> &'static str {
        "join_order"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        // From the root on, by itself: a group is seen as a whole, never from within.
        None
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut changed = false;
        let plan = reorder(plan, &mut changed)?;
        Ok(Transformed::new_transformed(plan, changed))
    }
}

/// Orders all joins of `plan`; says if something has changed.
fn reorder(plan: LogicalPlan, changed: &mut bool) -> Result<LogicalPlan> {
    match &plan {
        LogicalPlan::Join(join) if is_of_group(join) => {
            if let Some(ordered) = reorder_group(&plan, changed)? {
                return Ok(ordered);
            }
        }
        LogicalPlan::Join(_) => {
            let plan = within(plan, changed)?;
            let LogicalPlan::Join(join) = plan else {
                return Ok(plan);
            };
            return choose_sides(join, changed);
        }
        _ => {}
    }
    within(plan, changed)
}

fn within(plan: LogicalPlan, changed: &mut bool) -> Result<LogicalPlan> {
    let plan = plan.map_children(|child| Ok(Transformed::no(reorder(child, changed)?)))?;
    let plan = plan
        .data
        .map_subqueries(|child| Ok(Transformed::no(reorder(child, changed)?)))?;
    Ok(plan.data)
}

/// `None` if the group must stay as it is, its leaves as well.
fn reorder_group(plan: &LogicalPlan, changed: &mut bool) -> Result<Option<LogicalPlan>> {
    let mut below = false;
    let apart = Group::take_apart(plan, &mut |leaf| reorder(leaf, &mut below))?;
    let Some((group, tree)) = apart else {
        return Ok(None);
    };
    let mut search = Search::new(&group);
    let now = search.cost_of(&tree);
    let best = search.run();
    if best.is_some_and(|best| best < now * GAIN_MIN) {
        *changed = true;
        return rebuild::plan(&group, &search, plan.schema()).map(Some);
    }
    if !below {
        return Ok(Some(plan.clone()));
    }
    *changed = true;
    rebuild::as_before(plan, &group).map(Some)
}

/// Builds on the smaller side of an outer join or a mark join.
fn choose_sides(join: Join, changed: &mut bool) -> Result<LogicalPlan> {
    let weight = |plan: &LogicalPlan| {
        let columns = plan.schema().fields().len();
        estimate(plan).rows * (1.0 + columns as f64)
    };
    let is_better = join.join_type.supports_swap()
        && !join.null_aware
        && weight(&join.right) < weight(&join.left) * GAIN_MIN;
    if !is_better {
        return Ok(LogicalPlan::Join(join));
    }
    *changed = true;
    let on = join.on.into_iter().map(|(left, right)| (right, left));
    let swapped = Join::try_new(
        join.right,
        join.left,
        on.collect(),
        join.filter,
        join.join_type.swap(),
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    rebuild::with_columns_of(LogicalPlan::Join(swapped), &join.schema)
}
