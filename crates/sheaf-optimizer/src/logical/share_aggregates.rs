//! Aggregates that a plan has several times run once.
//!
//! A query of WITH that is read twice is in the plan twice, as is a view, or a sub-query that was
//! written again. Once filters and columns have moved, two copies may still be alike. If what they do
//! is to aggregate, their rows are few beside those that they read, and keeping them costs less than
//! computing them again. TPC-H query 15 is the well-known example. (J. Zhou, P.-Å. Larson, J.-C. Freytag,
//! W. Lehner, "Efficient Exploitation of Similar Subexpressions for Query Processing", SIGMOD 2007, take in
//! sub-plans that differ; these must be equal.)

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use sheaf_operators::shared::{SharedNode, has_one_run};

/// Aggregates that are compared, each with all: a plan with more of them is left as it is.
const AGGREGATES_MAX: usize = 100;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct ShareAggregates;

/// An aggregate, and how often the plan has it.
struct Seen {
    plan: LogicalPlan,
    count: usize,
    shared: Option<LogicalPlan>,
}

impl OptimizerRule for ShareAggregates {
    fn name(&self) -> &'static str {
        "share_aggregates"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        // From the root on, by itself: what is within a copy is shared with it.
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
        let mut seen = aggregates_of(&plan)?;
        seen.retain(|seen| seen.count > 1);
        if seen.is_empty() {
            return Ok(Transformed::no(plan));
        }
        share(plan, &mut seen)
    }
}

/// The different aggregates of `plan`. What is in a second copy of one is not counted again.
fn aggregates_of(plan: &LogicalPlan) -> Result<Vec<Seen>> {
    let mut all: Vec<Seen> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if runs_by_itself(node) {
            return Ok(TreeNodeRecursion::Jump);
        }
        let LogicalPlan::Aggregate(_) = node else {
            return Ok(TreeNodeRecursion::Continue);
        };
        if let Some(known) = position(&all, node)? {
            all[known].count += 1;
            return Ok(TreeNodeRecursion::Jump);
        }
        if all.len() == AGGREGATES_MAX {
            all.clear();
            return Ok(TreeNodeRecursion::Stop);
        }
        all.push(Seen {
            plan: node.clone(),
            count: 1,
            shared: None,
        });
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut kept = Vec::with_capacity(all.len());
    for seen in all {
        // Rows that may differ from run to run, or from row to row of an outer query, are not the same
        // because the plans are.
        if !has_one_run(&seen.plan)? && seen.plan.all_out_ref_exprs().is_empty() {
            kept.push(seen);
        }
    }
    Ok(kept)
}

/// Puts one shared plan in the place of the copies of each of `seen`.
fn share(plan: LogicalPlan, seen: &mut Vec<Seen>) -> Result<Transformed<LogicalPlan>> {
    if runs_by_itself(&plan) {
        return Ok(Transformed::no(plan));
    }
    let is_aggregate = matches!(plan, LogicalPlan::Aggregate(_));
    let known = match is_aggregate {
        true => position(seen, &plan)?,
        false => None,
    };
    let Some(known) = known else {
        return share_within(plan, seen);
    };
    if let Some(shared) = &seen[known].shared {
        return Ok(Transformed::yes(shared.clone()));
    }
    let shared = SharedNode::plan(share_within(plan, seen)?.data);
    seen[known].shared = Some(shared.clone());
    Ok(Transformed::yes(shared))
}

/// The same for what `plan` reads, and the sub-queries of its expressions.
fn share_within(plan: LogicalPlan, seen: &mut Vec<Seen>) -> Result<Transformed<LogicalPlan>> {
    let plan = plan.map_subqueries(|subquery| share(subquery, seen))?;
    plan.transform_sibling(|plan| plan.map_children(|child| share(child, seen)))
}

/// Whether `plan` is run once as it is, or a step of a recursive query at a time.
fn runs_by_itself(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::RecursiveQuery(_) => true,
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<SharedNode>(),
        _ => false,
    }
}

fn position(seen: &[Seen], plan: &LogicalPlan) -> Result<Option<usize>> {
    for (index, seen) in seen.iter().enumerate() {
        if seen.plan == *plan && tables(&seen.plan)? == tables(plan)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// The tables that `plan` reads, by their places in memory: scans are equal if names are.
fn tables(plan: &LogicalPlan) -> Result<Vec<*const ()>> {
    let mut tables = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.push(match source_as_provider(&scan.source) {
                Ok(table) => Arc::as_ptr(&table).cast(),
                Err(_) => Arc::as_ptr(&scan.source).cast(),
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::logical::logical_rules;

    /// How many places of the plan of `sql` read something shared.
    async fn readers(sql: &str) -> usize {
        let state = SessionStateBuilder::new().with_default_features();
        let state = state.with_optimizer_rules(logical_rules()).build();
        let context = SessionContext::new_with_state(state);
        for table in ["t", "u"] {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
            let columns = [("k", Arc::clone(&column)), ("v", column)];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            context.register_batch(table, batch).unwrap();
        }
        let state = context.state();
        let plan = state.create_logical_plan(sql).await.unwrap();
        let mut readers = 0;
        let plan = state.optimize(&plan).unwrap();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Extension(extension) = node
                && extension.node.as_any().is::<SharedNode>()
            {
                readers += 1;
                return Ok(TreeNodeRecursion::Jump);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        readers
    }

    #[tokio::test]
    async fn what_is_alike_runs_once() {
        let g = "WITH g AS (SELECT k, sum(v) AS total FROM t GROUP BY k)";
        for (rest, expected) in [
            ("SELECT * FROM g", 0),
            ("SELECT * FROM g AS a JOIN g AS b ON a.total = b.k", 2),
            (
                "SELECT * FROM g WHERE total = (SELECT max(total) FROM g)",
                2,
            ),
            (
                "SELECT * FROM g, g AS h, (SELECT max(total) FROM g) AS m",
                3,
            ),
            ("SELECT * FROM g AS a, g AS b WHERE a.k = 1 AND b.k = 2", 0),
            ("SELECT * FROM g AS a, g AS b WHERE a.k = 1 AND b.k = 1", 2),
        ] {
            assert_eq!(readers(&format!("{g} {rest}")).await, expected, "{rest}");
        }
    }

    #[tokio::test]
    async fn what_only_looks_alike_does_not() {
        for sql in [
            "SELECT * FROM (SELECT DISTINCT k FROM t), (SELECT DISTINCT k FROM u)",
            "SELECT * FROM (SELECT max(random()) FROM t) AS a, (SELECT max(random()) FROM t) AS b",
            "SELECT * FROM (SELECT DISTINCT k FROM (SELECT * FROM t LIMIT 2)) AS a, \
             (SELECT DISTINCT k FROM (SELECT * FROM t LIMIT 2)) AS b",
        ] {
            assert_eq!(readers(sql).await, 0, "{sql}");
        }
    }
}
