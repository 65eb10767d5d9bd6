//! `POSITIONAL JOIN`: the first row of one side beside the first of the other, the second beside
//! the second, and so on; the shorter side is filled up with NULLs.
//!
//! [`PositionalJoinNode`] is the logical node, [`PositionalJoinExec`] the operator. The rows of a
//! side come in the order of its ORDER BY, which the operator requires, or else of its source: a
//! rule of the optimizer (`SourceOrderRule`) sees to it that threads do not shuffle them. So the
//! same statement gives the same rows whatever the threads.

mod exec;
mod in_order;
#[cfg(test)]
mod tests;
mod zip;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};

pub use exec::PositionalJoinExec;
pub use in_order::InOrderExec;

/// The logical node: the columns of the left input, then those of the right one, all nullable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PositionalJoinNode {
    left: LogicalPlan,
    right: LogicalPlan,
    schema: DFSchemaRef,
}

impl PositionalJoinNode {
    /// Puts the rows of `right` beside those of `left`.
    ///
    /// # Errors
    /// If the columns of the two have clashing names.
    pub fn try_new(left: LogicalPlan, right: LogicalPlan) -> Result<Self> {
        let schema = build_join_schema(left.schema(), right.schema(), &JoinType::Full)?;
        let schema = Arc::new(schema);
        Ok(Self {
            left,
            right,
            schema,
        })
    }
}

impl PartialOrd for PositionalJoinNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.left, &self.right).partial_cmp(&(&other.left, &other.right))
    }
}

impl UserDefinedLogicalNodeCore for PositionalJoinNode {
    fn name(&self) -> &'static str {
        "PositionalJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PositionalJoin")
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[LogicalPlan; 2]>::try_from(inputs) {
            Ok([left, right]) => Self::try_new(left, right),
            Err(_) => plan_err!("a positional join has two inputs"),
        }
    }

    // A filter on an input would move its rows up: none may pass, which is the default.

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_count = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) = output_columns
            .iter()
            .partition(|column| **column < left_count);
        let right = right.into_iter().map(|column| column - left_count);
        Some(vec![left, right.collect()])
    }
}
