//! The list beside the engine's own.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::JoinType;
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::{WindowFrame, WindowFunctionDefinition};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::windows::{WindowAggExec, create_window_expr};

use super::{NestedLoopJoinRule, WindowRule, physical_rules};

/// Rules that are ours.
const OURS: &[&str] = &[
    "hash_join",
    "partitioned_aggregate",
    "nested_loop_join",
    "sort",
    "window",
    "source_order",
    "union_order",
    "filter",
    "large_batches",
    "cooperative_join",
];

#[test]
fn the_engines_rules_are_all_there_in_its_order() {
    let rules = physical_rules();
    let ours: Vec<&str> = rules
        .iter()
        .map(|r| r.name())
        .filter(|n| !OURS.contains(n))
        .collect();
    let engine = PhysicalOptimizer::new();
    let engine: Vec<&str> = engine.rules.iter().map(|r| r.name()).collect();
    assert_eq!(ours, engine);
    assert_eq!(rules.len(), engine.len() + OURS.len());
}

fn empty() -> Arc<dyn ExecutionPlan> {
    let fields = vec![Field::new("a", DataType::Int64, true)];
    Arc::new(EmptyExec::new(Arc::new(Schema::new(fields))))
}

fn optimize(
    rule: &dyn PhysicalOptimizerRule,
    plan: Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    rule.optimize(plan, &ConfigOptions::new()).unwrap()
}

#[test]
fn joins_without_keys_are_ours() {
    let cross = Arc::new(CrossJoinExec::new(empty(), empty()));
    let nested =
        NestedLoopJoinExec::try_new(empty(), empty(), None, &JoinType::Full, Some(vec![1]));
    let plans: [Arc<dyn ExecutionPlan>; 2] = [cross, Arc::new(nested.unwrap())];
    for plan in plans {
        let ours = optimize(&NestedLoopJoinRule, Arc::clone(&plan));
        assert_eq!(ours.name(), "BlockNestedLoopJoinExec");
        assert_eq!(ours.schema(), plan.schema());
    }
}

#[test]
fn windows_over_whole_partitions_are_ours() {
    let input = empty();
    let count = create_window_expr(
        &WindowFunctionDefinition::AggregateUDF(count_udaf()),
        "n".to_owned(),
        &[col("a", &input.schema()).unwrap()],
        &[],
        &[],
        Arc::new(WindowFrame::new(None)),
        input.schema(),
        false,
        false,
        None,
    );
    let plan: Arc<dyn ExecutionPlan> =
        Arc::new(WindowAggExec::try_new(vec![count.unwrap()], input, false).unwrap());
    let ours = optimize(&WindowRule, Arc::clone(&plan));
    assert_eq!(ours.name(), "WindowExec");
    assert_eq!(ours.schema(), plan.schema());
}
