//! Casts from texts to lists, which read what the texts write (`'{1,2}'::int[]`): the engine has none, it
//! makes a list of one element of each text.
//!
//! Lists whose type says a length (`int[2]`) are not read. It runs beside [`Uuids`](super::Uuids), before the
//! engine's `TypeCoercion`. Applying it twice changes nothing more.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use sheaf_functions::list_casts::{reads, to_list};

use super::rewrite::{columns_of, rewrite_expressions};

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct Lists;

impl AnalyzerRule for Lists {
    fn name(&self) -> &'static str {
        "lists"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(analyze_node)?.data)
    }
}

/// An expression that belongs to no plan and names no column, with its casts to lists as the rule [`Lists`] has
/// them.
///
/// # Errors
/// None of its own.
pub fn with_lists_read(expr: Expr) -> Result<Expr> {
    let schema = DFSchema::empty();
    Ok(expr.rewrite(&mut ListRewriter { schema: &schema })?.data)
}

fn analyze_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = columns_of(&plan)?;
    let plan = rewrite_expressions(plan, &mut ListRewriter { schema: &schema })?;
    match plan.transformed {
        true => plan.map_data(LogicalPlan::recompute_schema),
        false => Ok(plan),
    }
}

/// Rewrites expressions bottom-up; `schema` is that of the plan's inputs.
struct ListRewriter<'a> {
    schema: &'a DFSchema,
}

impl TreeNodeRewriter for ListRewriter<'_> {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::Cast(Cast { expr, field }) if self.is_read(&expr, field.data_type()) => {
                Transformed::yes(to_list(*expr, field.data_type().clone(), false))
            }
            Expr::TryCast(TryCast { expr, field }) if self.is_read(&expr, field.data_type()) => {
                Transformed::yes(to_list(*expr, field.data_type().clone(), true))
            }
            other => Transformed::no(other),
        })
    }
}

impl ListRewriter<'_> {
    fn is_read(&self, expr: &Expr, target: &DataType) -> bool {
        let is_text = || expr.get_type(self.schema).is_ok_and(|own| own.is_string());
        reads(target) && is_text()
    }
}
