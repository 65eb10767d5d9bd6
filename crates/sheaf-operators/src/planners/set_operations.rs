//! The reserved relations behind INTERSECT ALL and EXCEPT ALL.
//!
//! The rows of each side are numbered among their equals, 1, 2, 3, …; with that number as one more
//! column no row occurs twice, and a semi or anti join (NULLs equal) gives each row as often as it
//! shall occur. What is held is the join's build side and the sort for the numbering, which spills.

use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::ast::{self, Query, TableFactor};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use super::{columns, planned, wrong};
use crate::rewrite::reserved::{EXCEPT_ALL, INTERSECT_ALL, take_call};

/// The column of numbers; the names of the two sides tell them apart.
const NUMBER: &str = "sheaf.number";
const LEFT: &str = "sheaf.left";
const RIGHT: &str = "sheaf.right";

/// Plans INTERSECT ALL and EXCEPT ALL.
#[derive(Debug)]
pub(super) struct SetOperationPlanner;

impl RelationPlanner for SetOperationPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (call, join) = match take_call(relation, INTERSECT_ALL) {
            Ok(call) => (call, JoinType::LeftSemi),
            Err(other) => match take_call(*other, EXCEPT_ALL) {
                Ok(call) => (call, JoinType::LeftAnti),
                Err(other) => return Ok(RelationPlanning::Original(other)),
            },
        };
        let Some(ast::Expr::Subquery(right)) = call.arguments.into_iter().next() else {
            return Err(wrong("a set operation has two sides"));
        };
        let left = plan_side(call.query, context)?;
        let right = plan_side(right, context)?;
        Ok(planned(combine(left, right, join)?, call.alias))
    }
}

fn plan_side(query: Box<Query>, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    context.plan(TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: None,
        sample: None,
    })
}

fn combine(left: LogicalPlan, right: LogicalPlan, join: JoinType) -> Result<LogicalPlan> {
    let fields = left.schema().fields().iter();
    let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let types = common_types(&left, &right)?;
    let left = numbered(left, &types, LEFT)?;
    let right = numbered(right, &types, RIGHT)?;
    let keys = |plan: &LogicalPlan| plan.schema().columns();
    let keys: (Vec<Column>, Vec<Column>) = (keys(&left), keys(&right));
    let joined = LogicalPlanBuilder::from(left)
        .join_detailed(right, join, keys, None, NullEquality::NullEqualsNull)?
        .build()?;
    let shown: Vec<Expr> = columns(joined.schema())
        .into_iter()
        .zip(&names)
        .map(|(column, name)| column.alias(name))
        .collect();
    LogicalPlanBuilder::from(joined).project(shown)?.build()
}

fn common_types(
    left: &LogicalPlan,
    right: &LogicalPlan,
) -> Result<Vec<arrow::datatypes::DataType>> {
    let (left, right) = (left.schema().fields(), right.schema().fields());
    if left.len() != right.len() {
        return Err(SheafError::user(format!(
            "the sides of a set operation have {} and {} columns",
            left.len(),
            right.len()
        ))
        .with_state(SqlState::SYNTAX_ERROR)
        .into());
    }
    left.iter()
        .zip(right.iter())
        .map(|(left, right)| {
            let types = [left.data_type().clone(), right.data_type().clone()];
            type_union_resolution(&types).ok_or_else(|| {
                SheafError::user(format!(
                    "the sides of a set operation have types that do not go together: {} and {}",
                    sql_type_name(left.data_type()),
                    sql_type_name(right.data_type())
                ))
                .with_state(SqlState::DATATYPE_MISMATCH)
                .with_hint("cast one of them")
                .into()
            })
        })
        .collect()
}

/// `side` with columns `0`, `1`, … of the common types, and the number of each row among its
/// equals.
fn numbered(
    side: LogicalPlan,
    types: &[arrow::datatypes::DataType],
    name: &str,
) -> Result<LogicalPlan> {
    let cells: Vec<Expr> = columns(side.schema())
        .into_iter()
        .zip(side.schema().fields())
        .zip(types)
        .enumerate()
        .map(|(index, ((column, field), wanted))| {
            let cell = match field.data_type() == wanted {
                true => column,
                false => cast(column, wanted.clone()),
            };
            cell.alias(index.to_string())
        })
        .collect();
    let plan = LogicalPlanBuilder::from(side).project(cells)?.build()?;
    let cells = columns(plan.schema());
    let number = row_number().partition_by(cells.clone()).build()?;
    let plan = LogicalPlanBuilder::window_plan(plan, [number])?;
    let last = columns(plan.schema())
        .pop()
        .map(|number| number.alias(NUMBER));
    LogicalPlanBuilder::from(plan)
        .project(cells.into_iter().chain(last))?
        .alias(name)?
        .build()
}
