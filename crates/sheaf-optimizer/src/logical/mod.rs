//! The logical rules, in the order in which they run.
//!
//! The list is the engine's, written out with ours in their places; a test compares it with the
//! engine's own when that is upgraded. Rules that make a plan what the engine's own can
//! work with run before, when the plan is analysed.

mod averages;
mod constant_columns;
mod eliminate_cross_join;
mod extract_equijoin;
mod join_order;
mod share_aggregates;
pub(crate) mod unnest;

use std::sync::Arc;

use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_group_by_constant::EliminateGroupByConstant;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::eliminate_limit::EliminateLimit;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_leaf_expressions::{
    ExtractLeafExpressions, PushDownLeafProjections,
};
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::unions_to_filter::UnionsToFilter;

/// The logical rules, in the order in which they run.
#[must_use]
pub fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(UnionsToFilter::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(EliminateJoin::new()),
        // Sub-queries become joins before filters move.
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(extract_equijoin::ExtractEquijoinRule::default()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(eliminate_cross_join::EliminateCrossJoinRule::default()),
        Arc::new(EliminateLimit::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(EliminateOuterJoin::new()),
        // Filters do not move past limits, so limits move first.
        Arc::new(PushDownLimit::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(SingleDistinctToGroupBy::new()),
        // Ours. Before columns are told which of them are read.
        Arc::new(averages::AveragesOfDecimals),
        // Ours. Once filters are where they can tell how many rows there will be.
        Arc::new(join_order::JoinOrder),
        // What the rules above added is simplified again.
        Arc::new(EliminateGroupByConstant::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(ExtractLeafExpressions::new()),
        Arc::new(PushDownLeafProjections::new()),
        Arc::new(OptimizeProjections::new()),
        // Ours. Once filters and columns have moved as far as they can: nothing moves into what is shared.
        Arc::new(share_aggregates::ShareAggregates),
        // Ours. Once nothing is simplified any more.
        Arc::new(constant_columns::ConstantColumns),
    ]
}

#[cfg(test)]
mod tests {
    use datafusion::optimizer::Optimizer;

    use super::logical_rules;

    /// Rules that are ours.
    const OURS: &[&str] = &[
        "averages_of_decimals",
        "constant_columns",
        "join_order",
        "share_aggregates",
    ];

    #[test]
    fn the_engines_rules_are_all_there_in_its_order() {
        let ours: Vec<String> = logical_rules()
            .iter()
            .map(|r| r.name().to_owned())
            .filter(|name| !OURS.contains(&name.as_str()))
            .collect();
        let engine: Vec<String> = Optimizer::new()
            .rules
            .iter()
            .map(|r| r.name().to_owned())
            .collect();
        assert_eq!(ours, engine);
    }
}
