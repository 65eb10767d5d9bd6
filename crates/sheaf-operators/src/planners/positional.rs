//! `a POSITIONAL JOIN b`: plans nested joins whose last is a positional join.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::TableFactor;

use super::{pass, planned};
use crate::positional::PositionalJoinNode;
use crate::rewrite::is_positional;

/// Plans positional joins.
#[derive(Debug)]
pub(super) struct PositionalPlanner;

impl RelationPlanner for PositionalPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (mut chain, alias) = match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } if matches!(table_with_joins.joins.as_slice(), [.., marker, _] if is_positional(marker)) => {
                (table_with_joins, alias)
            }
            other => return Ok(pass(other)),
        };
        let right = chain.joins.pop();
        chain.joins.pop();
        let left = match chain.joins.is_empty() {
            true => context.plan(chain.relation)?,
            false => context.plan(TableFactor::NestedJoin {
                table_with_joins: chain,
                alias: None,
            })?,
        };
        let Some(right) = right else {
            return Ok(planned(left, alias));
        };
        let right = context.plan(right.relation)?;
        let node = Arc::new(PositionalJoinNode::try_new(left, right)?);
        Ok(planned(LogicalPlan::Extension(Extension { node }), alias))
    }
}
