//! The list beside the engine's own.

use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use super::physical_rules;

/// Rules that are ours.
const OURS: &[&str] = &[
    "hash_join",
    "partitioned_aggregate",
    "nested_loop_join",
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
