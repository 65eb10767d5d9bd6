//! From the logical nodes of this crate to its physical operators.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use crate::asof::{AsofJoinExec, AsofJoinNode};
use crate::positional::{PositionalJoinExec, PositionalJoinNode};
use crate::sample::{SampleExec, SampleNode};
use crate::shared::{SharedExec, SharedNode};
use crate::table_function::{self, TableFunctionNode};

/// The extension planners, in the order in which they are asked.
#[must_use]
pub fn extension_planners() -> Vec<Arc<dyn ExtensionPlanner + Send + Sync>> {
    vec![Arc::new(SheafExtensionPlanner)]
}

/// Plans the nodes of this crate; leaves others to the next planner.
#[derive(Debug)]
pub struct SheafExtensionPlanner;

#[async_trait]
impl ExtensionPlanner for SheafExtensionPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        planning: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(sample) = node.as_any().downcast_ref::<SampleNode>() {
            let [input] = physical_inputs else {
                return internal_err!("a sample has one input");
            };
            let exec = SampleExec::new(sample.size, sample.seed, Arc::clone(input));
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(shared) = node.as_any().downcast_ref::<SharedNode>() {
            let [input] = physical_inputs else {
                return internal_err!("a shared sub-plan has one input");
            };
            let exec = SharedExec::new(Arc::clone(input), shared.run());
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(call) = node.as_any().downcast_ref::<TableFunctionNode>() {
            let ([input], [plan]) = (physical_inputs, logical_inputs) else {
                return internal_err!("a table function has one input");
            };
            let exec = table_function::exec(call, (plan, input), planner, session, planning)?;
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(join) = node.as_any().downcast_ref::<PositionalJoinNode>() {
            let [left, right] = physical_inputs else {
                return internal_err!("a positional join has two inputs");
            };
            let schema = UserDefinedLogicalNodeCore::schema(join).inner();
            let exec = PositionalJoinExec::try_new(
                Arc::clone(left),
                Arc::clone(right),
                Arc::clone(schema),
            )?;
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(join) = node.as_any().downcast_ref::<AsofJoinNode>() {
            let ([left, right], [left_plan, right_plan]) = (physical_inputs, logical_inputs) else {
                return internal_err!("an ASOF join has two inputs");
            };
            let pair = |(on_left, on_right): &(_, _)| -> Result<_> {
                Ok((
                    planner.create_physical_expr(on_left, left_plan.schema(), session, planning)?,
                    planner.create_physical_expr(
                        on_right,
                        right_plan.schema(),
                        session,
                        planning,
                    )?,
                ))
            };
            let keys = join.keys().iter().map(pair).collect::<Result<Vec<_>>>()?;
            let exec = AsofJoinExec::try_new(
                Arc::clone(left),
                Arc::clone(right),
                keys,
                pair(join.at())?,
                join.direction(),
                join.kind(),
                Arc::clone(UserDefinedLogicalNodeCore::schema(join).inner()),
            )?;
            return Ok(Some(Arc::new(exec)));
        }
        Ok(None)
    }
}
