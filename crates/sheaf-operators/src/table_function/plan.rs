//! From the logical node to the operator.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::PhysicalPlanner;
use sheaf_base::SheafError;
use sheaf_udf::named;

use super::exec::{Calls, constant};
use super::{Shape, TableFunctionExec, TableFunctionNode};

/// Makes expressions physical.
struct Exprs<'a> {
    planner: &'a dyn PhysicalPlanner,
    schema: &'a DFSchema,
    session: &'a dyn Session,
    planning: &'a PhysicalPlanningContext,
}

impl Exprs<'_> {
    fn one(&self, expr: &Expr) -> Result<Arc<dyn PhysicalExpr>> {
        let Self {
            planner,
            schema,
            session,
            planning,
        } = self;
        planner.create_physical_expr(expr, schema, *session, planning)
    }

    fn all(&self, exprs: &[Expr]) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        exprs.iter().map(|expr| self.one(expr)).collect()
    }
}

/// The operator of `node` over `input`.
///
/// # Errors
/// Those of making its expressions physical; `UserInput` if the arguments of a function over a relation
/// are no constants.
pub(crate) fn exec(
    node: &TableFunctionNode,
    input: (&LogicalPlan, &Arc<dyn ExecutionPlan>),
    planner: &dyn PhysicalPlanner,
    session: &dyn Session,
    planning: &PhysicalPlanningContext,
) -> Result<TableFunctionExec> {
    let (logical, physical) = input;
    let exprs = Exprs {
        planner,
        schema: logical.schema(),
        session,
        planning,
    };
    let mut arguments = exprs.all(node.arguments())?;
    let calls = match node.shape() {
        Shape::Rows { keeps_all } => Calls::Rows {
            keeps_all: *keeps_all,
            passed: (0..physical.schema().fields().len()).collect(),
        },
        Shape::Relation {
            values,
            partition_by,
            order_by,
        } => {
            let values = arguments.split_off(arguments.len() - values);
            let mut with_values = node.call().call.clone();
            with_values.values = values
                .iter()
                .map(|value| constant(value).map(Some))
                .collect::<Result<_>>()
                .map_err(|error| named(&node.call().name, SheafError::from(error)))?;
            let order_by = order_by.iter().map(|key| {
                let options = SortOptions {
                    descending: !key.asc,
                    nulls_first: key.nulls_first,
                };
                Ok(PhysicalSortExpr::new(exprs.one(&key.expr)?, options))
            });
            Calls::Relation {
                with_values,
                partition_by: exprs.all(partition_by)?,
                order_by: order_by.collect::<Result<_>>()?,
            }
        }
    };
    Ok(TableFunctionExec::new(
        Arc::clone(node.call()),
        Arc::clone(physical),
        arguments,
        calls,
        node.is_numbered(),
        node.output(),
    ))
}
