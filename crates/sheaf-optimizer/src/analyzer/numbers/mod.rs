//! What numbers do where they meet, as PostgreSQL has it.
//!
//! - Whole numbers that do not fit are an error, in place of wrapping around.
//! - Where a decimal meets a whole number both are decimals, wide enough for either; where one
//!   meets a double both are doubles. Literals with a point are decimals, so a literal beside a
//!   double is one, too.
//! - A difference of dates is an INTEGER.
//! - A quotient of decimals has at least 16 digits after the point.
//! - A cast to a whole number rounds; one to NUMERIC keeps the digits that there are.
//! - Branches of CASE, rows of VALUES and arms of UNION have one kind of type; only an untyped
//!   literal in quotes takes the type of the others.
//!
//! The engine's `TypeCoercion`, which runs next, would make decimals of doubles, text of anything,
//! and calendar dates of numbers. [`types`] says which type two types have in common, [`literals`]
//! converts literals without loss, [`expressions`] and [`plans`] apply that to one expression and
//! to what plans combine. Applying the rule twice changes nothing more.

mod any_numeric;
mod expressions;
mod literals;
mod plans;
#[cfg(test)]
mod tests;
mod types;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;

pub use self::any_numeric::any_numeric;
use self::expressions::NumberRewriter;
pub use self::expressions::is_comparison;
pub use self::literals::converted_literal;
use super::rewrite::{columns_of, rewrite_expressions};

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct Numbers;

impl AnalyzerRule for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(analyze_node)?.data)
    }
}

/// Analyzes one node whose inputs have been analyzed.
fn analyze_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = columns_of(&plan)?;
    let mut rewriter = NumberRewriter::new(&schema);
    rewrite_expressions(plan, &mut rewriter)?
        .transform_data(plans::unify)?
        .map_data(LogicalPlan::recompute_schema)
}
