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
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{LogicalPlan, Sort};
use datafusion::optimizer::AnalyzerRule;

use self::expressions::{VariantRewriter, sorted};

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
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let source = datafusion::common::DFSchema::try_from_qualified_schema(
            scan.table_name.clone(),
            &scan.source.schema(),
        )?;
        schema.merge(&source);
    }
    let names = NamePreserver::new(&plan);
    let mut rewriter = VariantRewriter::new(&schema);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr
            .rewrite(&mut rewriter)?
            .update_data(|expr| name.restore(expr)))
    })?;
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
