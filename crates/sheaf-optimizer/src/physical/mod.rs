//! The physical rules, in the order in which they run.
//!
//! The engine's list, written out, with ours in their places; a test compares it with the
//! engine's own when that is upgraded.

pub mod cooperative_join;
pub mod filter;
pub mod filter_pushdown;
pub mod hash_join;
pub mod large_batches;
pub mod nested_loop_join;
pub mod partitioned_aggregate;
pub mod sort;
pub mod source_order;
#[cfg(test)]
mod tests;
pub mod union_order;
pub mod window;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::aggregate_statistics::AggregateStatistics;
use datafusion::physical_optimizer::combine_partial_final_agg::CombinePartialFinalAggregate;
use datafusion::physical_optimizer::ensure_coop::EnsureCooperative;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::hash_join_buffering::HashJoinBuffering;
use datafusion::physical_optimizer::join_selection::JoinSelection;
use datafusion::physical_optimizer::limit_pushdown::LimitPushdown;
use datafusion::physical_optimizer::limit_pushdown_past_window::LimitPushPastWindows;
use datafusion::physical_optimizer::limited_distinct_aggregation::LimitedDistinctAggregation;
use datafusion::physical_optimizer::output_requirements::OutputRequirements;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_optimizer::pushdown_sort::PushdownSort;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_optimizer::topk_aggregation::TopKAggregation;
use datafusion::physical_optimizer::topk_repartition::TopKRepartition;
use datafusion::physical_optimizer::update_aggr_exprs::OptimizeAggregateOrder;
use datafusion::physical_optimizer::window_topn::WindowTopN;

pub use cooperative_join::CooperativeJoinRule;
pub use filter::FilterRule;
pub use filter_pushdown::FilterPushdownRule;
pub use hash_join::HashJoinRule;
pub use large_batches::LargeBatchesRule;
pub use nested_loop_join::NestedLoopJoinRule;
pub use partitioned_aggregate::PartitionedAggregateRule;
pub use sort::SortRule;
pub use source_order::SourceOrderRule;
pub use union_order::UnionOrderRule;
pub use window::WindowRule;

/// The physical rules, in the order in which they run.
#[must_use]
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    vec![
        // Remembers what the query's output must be while plans change below.
        Arc::new(OutputRequirements::new_add_mode()),
        Arc::new(AggregateStatistics::new()),
        // Ours. Before the engine chooses build sides, which the order of joins has settled; before
        // repartitions are added, of which it needs none.
        Arc::new(HashJoinRule),
        // Chooses sides of joins without keys.
        Arc::new(JoinSelection::new()),
        // Before repartitions come between the aggregates that it looks at.
        Arc::new(LimitedDistinctAggregation::new()),
        // Ours, in the place of the engine's, like the one at the end.
        Arc::new(FilterPushdownRule::new()),
        // Before sorts are added for the windows that it replaces.
        Arc::new(WindowTopN::new()),
        // Ours. Before sorts and merges are added for what is above it.
        Arc::new(UnionOrderRule),
        // Adds the sorts and repartitions that operators require.
        Arc::new(EnsureRequirements::new()),
        // Ours. Takes repartitions away below positional joins, once they are all there.
        Arc::new(SourceOrderRule),
        Arc::new(CombinePartialFinalAggregate::new()),
        Arc::new(OptimizeAggregateOrder::new()),
        Arc::new(ProjectionPushdown::new()),
        Arc::new(OutputRequirements::new_remove_mode()),
        Arc::new(TopKAggregation::new()),
        Arc::new(LimitPushPastWindows::new()),
        Arc::new(HashJoinBuffering::new()),
        Arc::new(LimitPushdown::new()),
        // After limits have made top-k sorts.
        Arc::new(TopKRepartition::new()),
        Arc::new(ProjectionPushdown::new()),
        Arc::new(PushdownSort::new()),
        // Ours. Once projections have been pushed into the joins that it replaces.
        Arc::new(NestedLoopJoinRule),
        // Ours. After limits and orders have found their aggregates.
        Arc::new(PartitionedAggregateRule),
        // Ours. Once sorts and limits around windows are settled.
        Arc::new(WindowRule),
        // Ours. After those that look for the engine's, and before top-k sorts get dynamic filters.
        Arc::new(SortRule),
        // Ours. When projections and limits have been pushed into the filters that it replaces.
        Arc::new(FilterRule),
        // Ours. Around operators as they stay.
        Arc::new(LargeBatchesRule),
        // Operators yield, so that Ctrl-C works.
        Arc::new(EnsureCooperative::new()),
        // Ours. Joins yield, too.
        Arc::new(CooperativeJoinRule),
        // Dynamic filters refer to operators, so nothing may be rebuilt after this.
        Arc::new(FilterPushdownRule::at_run_time()),
        // Changes nothing; refuses plans that cannot run.
        Arc::new(SanityCheckPlan::new()),
    ]
}
