//! The analyzer's rules, in the order in which they run: they settle what a plan means.
//!
//! The engine's list with ours in their places; a test compares it with the engine's own when that
//! is upgraded.

mod bounded_calls;
mod lists;
mod numbers;
mod rewrite;
mod uuids;
mod variants;

use std::sync::Arc;

use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use sheaf_operators::window::WindowCallsRule;

pub use bounded_calls::BoundedCalls;
pub use lists::{Lists, with_lists_read};
pub use numbers::{Numbers, any_numeric, converted_literal, is_comparison};
pub use uuids::Uuids;
pub use variants::Variants;

use crate::logical::unnest::UnnestSubqueriesRule;

/// The analyzer's rules, in the order in which they run.
#[must_use]
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(ResolveGroupingFunction::new()),
        // Ours. Before any rule that looks at types.
        Arc::new(Variants),
        // Ours. Before the engine's rule, which finds then that numbers are of one type already.
        Arc::new(Numbers),
        // Ours. Behind the one that casts literals, before the engine's, which would find no cast.
        Arc::new(Uuids),
        // Ours. Before the engine's, too, which would cast each text to an element.
        Arc::new(Lists),
        Arc::new(TypeCoercion::new()),
        // Ours. Once both sides of `||` have the same type, which it does not look at.
        Arc::new(BoundedCalls),
        // Ours. Once the types of arguments and frames are settled, which it hides.
        Arc::new(WindowCallsRule),
        // Ours. Correlated sub-queries the engine would refuse become joins.
        Arc::new(UnnestSubqueriesRule),
    ]
}

#[cfg(test)]
mod tests {
    use datafusion::optimizer::Analyzer;

    use super::analyzer_rules;

    #[test]
    fn the_engines_rules_are_all_there_in_its_order() {
        let mut ours = analyzer_rules().into_iter();
        for engine in Analyzer::new().rules {
            assert!(ours.any(|rule| rule.name() == engine.name()), "{engine:?}");
        }
    }
}
