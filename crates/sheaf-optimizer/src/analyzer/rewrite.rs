//! What rules that rewrite expressions by their types do with each node of a plan.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The columns that expressions of `plan` refer to.
///
/// # Errors
/// If a scanned table has two columns of one name.
pub(super) fn columns_of(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut columns = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        let source =
            DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        columns.merge(&source);
    }
    Ok(columns)
}

/// `plan` with its own expressions rewritten; they are called what they were.
///
/// # Errors
/// Those of `rewriter`.
pub(super) fn rewrite_expressions(
    plan: LogicalPlan,
    rewriter: &mut impl TreeNodeRewriter<Node = Expr>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr
            .rewrite(rewriter)?
            .update_data(|expr| name.restore(expr)))
    })
}
