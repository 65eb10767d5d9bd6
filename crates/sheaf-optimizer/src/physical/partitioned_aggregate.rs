//! Puts Sheaf's grouped aggregation in place of the engine's.
//!
//! ```text
//! Aggregate (final)                          PartitionedAggregate
//!   Repartition (hash of the keys)    ──>      input
//!     Aggregate (partial)
//!       input
//! ```
//!
//! A single aggregate, over input that is partitioned by the keys already, becomes ours, too. The
//! engine's stay where they are better or ours has no way: those whose input comes in the order of
//! the keys (they stream), those that stop at a limit, those that cannot do without an order of
//! their input, and those without keys whose states stay small.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, InputOrderMode, Partitioning,
};
use sheaf_operators::aggregate::PartitionedAggregateExec;

/// See the module's text. Runs when limits and orders have found their aggregates, and before
/// operators are made to yield.
#[derive(Debug, Default)]
pub struct PartitionedAggregateRule;

impl PhysicalOptimizerRule for PartitionedAggregateRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            Ok(match replacement(&plan)? {
                Some(ours) => Transformed::yes(Arc::new(ours) as _),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "partitioned_aggregate"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replacement(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<PartitionedAggregateExec>> {
    let Some(last) = plan.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    let ours = match last.mode() {
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let first = exchanged(last.input()).downcast_ref::<AggregateExec>();
            first
                .filter(|first| *first.mode() == AggregateMode::Partial)
                .filter(|first| can_be_ours(first) && can_be_ours(last))
                .map(|first| PartitionedAggregateExec::of_pair(first, last))
                .transpose()?
        }
        AggregateMode::Single | AggregateMode::SinglePartitioned if can_be_ours(last) => {
            single(last)?
        }
        _ => None,
    };
    let has_keys = !last.group_expr().is_true_no_grouping();
    Ok(ours.filter(|ours| has_keys || ours.grows()))
}

fn single(aggregate: &AggregateExec) -> Result<Option<PartitionedAggregateExec>> {
    // A sort that a function asked for, not one of a sub-query that a list may show.
    let input = unsorted(aggregate.input());
    if asks(aggregate, true) && !Arc::ptr_eq(input, aggregate.input()) && is_one(aggregate.input())
    {
        return PartitionedAggregateExec::of_single_over(aggregate, input).map(Some);
    }
    match is_partitioned(aggregate) {
        true => PartitionedAggregateExec::of_single(aggregate).map(Some),
        false => Ok(None),
    }
}

/// What is below sorts for functions that sort their values themselves.
fn unsorted(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>()
        && merge.fetch().is_none()
    {
        unsorted(merge.input())
    } else if let Some(sort) = plan.downcast_ref::<SortExec>()
        && sort.fetch().is_none()
    {
        unsorted(sort.input())
    } else {
        plan
    }
}

fn is_one(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.output_partitioning().partition_count() == 1
}

/// What is below the exchange between the two halves of an aggregate.
fn exchanged(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
        exchange.input()
    } else if let Some(exchange) = plan.downcast_ref::<CoalescePartitionsExec>() {
        exchange.input()
    } else if let Some(exchange) = plan.downcast_ref::<SortPreservingMergeExec>() {
        exchange.input()
    } else {
        plan
    }
}

/// Whether rows with equal keys are in one partition: not what any other partitioning claims.
fn is_partitioned(aggregate: &AggregateExec) -> bool {
    let input = aggregate.input();
    match input.output_partitioning() {
        _ if is_one(input) => true,
        Partitioning::Hash(by, _) => {
            let keys = aggregate.group_expr().input_exprs();
            by.len() == keys.len() && keys.iter().all(|key| by.contains(key))
        }
        _ => false,
    }
}

fn can_be_ours(aggregate: &AggregateExec) -> bool {
    let group_by = aggregate.group_expr();
    (group_by.is_true_no_grouping() || group_by.num_group_exprs() > 0)
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.input().boundedness() == Boundedness::Bounded
        && !asks(aggregate, false)
}

/// Whether a function asks for an order of its input: one of those with WITHIN GROUP, which put
/// their values in order themselves, or one of those that cannot do without. Most that have an
/// ORDER BY only take advantage of one.
fn asks(aggregate: &AggregateExec, within_group: bool) -> bool {
    let mut functions = aggregate.aggr_expr().iter();
    functions.any(|function| {
        !function.order_bys().is_empty()
            && function.order_sensitivity().hard_requires()
            && function.fun().supports_within_group_clause() == within_group
    })
}
