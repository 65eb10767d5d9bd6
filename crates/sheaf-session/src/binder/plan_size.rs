//! How large a plan may be. A statement's own text is bounded (`sheaf_sql::limits`); views multiply it,
//! since a view of views stands for all of them each time that it is named.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// The most nodes that a plan may have, those of a view counted as often as it is read.
const PLAN_NODES_MAX: usize = 20_000;

/// The most nodes that may stand on one another: plans are walked, run and dropped by recursion.
const PLAN_DEPTH_MAX: usize = 1_500;

/// Checks that `plan` is not too large to be worked on; takes no longer for one that is.
///
/// # Errors
/// `UserInput` (54001) if it is.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut nodes = 0;
    match within_bounds(plan, 1, &mut nodes)? {
        true => Ok(()),
        false => Err(SheafError::user(format!(
            "with the views that it reads, the statement has a plan of more than {PLAN_NODES_MAX} nodes, \
             or more than {PLAN_DEPTH_MAX} on one another"
        ))
        .with_state(SqlState::STATEMENT_TOO_COMPLEX)
        .with_hint("PERSIST view keeps the rows of a view, which is not planned again then")),
    }
}

fn within_bounds(plan: &LogicalPlan, depth: usize, nodes: &mut usize) -> Result<bool> {
    let mut waiting = vec![(plan, depth)];
    let mut is_within = true;
    while let Some((node, depth)) = waiting.pop() {
        *nodes += 1;
        if *nodes > PLAN_NODES_MAX || depth > PLAN_DEPTH_MAX {
            return Ok(false);
        }
        // There are few queries within queries, so these may be walked by recursion.
        node.apply_subqueries(|query| {
            is_within &= within_bounds(query, depth + 1, nodes)?;
            Ok(match is_within {
                true => TreeNodeRecursion::Continue,
                false => TreeNodeRecursion::Stop,
            })
        })?;
        if !is_within {
            return Ok(false);
        }
        waiting.extend(node.inputs().into_iter().map(|input| (input, depth + 1)));
    }
    Ok(true)
}
