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
//! engine's stay where they are better or ours has no way: aggregates without keys, those whose
//! input comes in the order of the keys (they stream), those that stop at a limit, and those that
//! depend on the order of their input.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode};
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
    match last.mode() {
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let first = exchanged(last.input()).downcast_ref::<AggregateExec>();
            first
                .filter(|first| *first.mode() == AggregateMode::Partial)
                .filter(|first| can_be_ours(first) && can_be_ours(last))
                .map(|first| PartitionedAggregateExec::of_pair(first, last))
                .transpose()
        }
        AggregateMode::Single | AggregateMode::SinglePartitioned if can_be_ours(last) => {
            PartitionedAggregateExec::of_single(last).map(Some)
        }
        _ => Ok(None),
    }
}

/// What is below the exchange between the two halves of an aggregate.
fn exchanged(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
        exchange.input()
    } else if let Some(exchange) = plan.downcast_ref::<CoalescePartitionsExec>() {
        exchange.input()
    } else {
        plan
    }
}

fn can_be_ours(aggregate: &AggregateExec) -> bool {
    !aggregate.group_expr().is_true_no_grouping()
        && aggregate.group_expr().num_group_exprs() > 0
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.input().boundedness() == Boundedness::Bounded
        && aggregate
            .required_input_ordering()
            .iter()
            .all(Option::is_none)
}
