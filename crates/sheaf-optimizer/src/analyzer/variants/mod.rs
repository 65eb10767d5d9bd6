//! What VARIANTs are where they meet other types.
//!
//! - A cast of a VARIANT reads its value; a cast to VARIANT makes one.
//! - Beside values of another type (IN, BETWEEN, LIKE, CASE) it is cast to that type; `=` and the
//!   like are the planner's (`sheaf_bags::planner`).
//! - Functions that do not know VARIANTs take them as texts.
//! - Sorts go by the order of VARIANTs.
//!
//! It runs before any rule that looks at types, which see the JSON text beneath. Applying it twice
//! changes nothing more.

mod expressions;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{LogicalPlan, Sort};
use datafusion::optimizer::AnalyzerRule;

use self::expressions::{VariantRewriter, sorted};
use super::rewrite::{columns_of, rewrite_expressions};

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct Variants;

impl AnalyzerRule for Variants {
    fn name(&self) -> &'static str {
        "variants"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(analyze_node)?.data)
    }
}

/// Analyzes one node whose inputs have been analyzed.
fn analyze_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = columns_of(&plan)?;
    let mut rewriter = VariantRewriter::new(&schema);
    let plan = rewrite_expressions(plan, &mut rewriter)?;
    let plan = plan.transform_data(|plan| {
        Ok(match plan {
            LogicalPlan::Sort(sort) => Transformed::yes(LogicalPlan::Sort(Sort {
                expr: sorted(sort.expr, &schema),
                ..sort
            })),
            other => Transformed::no(other),
        })
    })?;
    match plan.transformed {
        true => plan.map_data(LogicalPlan::recompute_schema),
        false => Ok(plan),
    }
}
