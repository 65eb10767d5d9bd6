//! The reserved relation behind queries of WITH that are read more than once. Its other argument
//! says whether MATERIALIZED was written.

use datafusion::common::Result;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{self, TableFactor, Value};

use super::planned;
use crate::rewrite::reserved::{CTE, take_call};
use crate::shared::{SharedNode, has_one_run};

/// Plans queries of WITH so that those whose rows could differ run once.
#[derive(Debug)]
pub(super) struct CtePlanner;

impl RelationPlanner for CtePlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let call = match take_call(relation, CTE) {
            Ok(call) => call,
            Err(other) => return Ok(RelationPlanning::Original(other)),
        };
        let is_wanted = match call.arguments.first() {
            Some(ast::Expr::Value(value)) => matches!(value.value, Value::Boolean(true)),
            _ => false,
        };
        let plan = context.plan(TableFactor::Derived {
            lateral: false,
            subquery: call.query,
            alias: None,
            sample: None,
        })?;
        let plan = if is_wanted || has_one_run(&plan)? {
            SharedNode::plan(plan)
        } else {
            plan
        };
        Ok(planned(plan, call.alias))
    }
}
