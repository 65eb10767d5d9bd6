//! Table functions of the user's own: rows of the domain flow into them.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::{Extension, LogicalPlan};
use sheaf_base::SheafError;
use sheaf_operators::table_function::{Shape, TableFunctionNode};

use super::super::domain::Pushed;
use super::Push;

impl Push<'_, '_> {
    pub(super) fn table_function(&self, node: &TableFunctionNode) -> Result<Pushed> {
        let Shape::Rows { .. } = node.shape() else {
            return Err(SheafError::unsupported(format!(
                "function \"{}\" reads a relation, so it cannot refer to columns around it",
                node.call().name
            ))
            .into());
        };
        let pushed = self.push(node.input().clone())?;
        let used = self.used(node.arguments())?;
        let pushed = self.domain.ensure(pushed, &used)?;
        let arguments = self.bind_all(node.arguments().to_vec(), &pushed)?;
        Ok(Pushed {
            plan: plan_of(node.over(pushed.plan, arguments)?),
            keys: pushed.keys,
        })
    }
}

/// The call that `plan` is, if it is one for rows.
pub(in super::super) fn row_call(plan: &LogicalPlan) -> Option<&TableFunctionNode> {
    let LogicalPlan::Extension(extension) = plan else {
        return None;
    };
    let node = extension
        .node
        .as_any()
        .downcast_ref::<TableFunctionNode>()?;
    matches!(node.shape(), Shape::Rows { .. }).then_some(node)
}

/// `node` as a plan.
pub(in super::super) fn plan_of(node: TableFunctionNode) -> LogicalPlan {
    let node = Arc::new(node);
    LogicalPlan::Extension(Extension { node })
}
