//! Planners of relations: what may stand in a FROM clause beyond tables, joins and sub-queries.
//!
//! The planner below asks each of them, in the order of [`relation_planners`], before it plans a
//! relation itself. One gets a syntax tree and gives a logical plan, or hands the tree on. They see
//! schemas, but no catalogue of ours, and must not depend on each other.

mod asof;
mod cte;
mod order_by_all;
mod ordinality;
mod pivot;
mod positional;
mod rename;
mod sample;
mod series;
mod set_operations;
#[cfg(test)]
mod tests;
mod unpivot;

use std::sync::Arc;

use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{TableAlias, TableFactor};
use sheaf_base::SheafError;

pub use pivot::PIVOT_COLUMNS_MAX;

/// The relation planners, in the order in which they are asked.
#[must_use]
pub fn relation_planners() -> Vec<Arc<dyn RelationPlanner>> {
    vec![
        Arc::new(sample::SamplePlanner),
        Arc::new(asof::AsofPlanner),
        Arc::new(positional::PositionalPlanner),
        Arc::new(pivot::PivotPlanner),
        Arc::new(unpivot::UnpivotPlanner),
        Arc::new(series::SeriesPlanner),
        Arc::new(ordinality::OrdinalityPlanner),
        Arc::new(cte::CtePlanner),
        Arc::new(rename::RenamePlanner),
        Arc::new(order_by_all::OrderByAllPlanner),
        Arc::new(set_operations::SetOperationPlanner),
    ]
}

/// The relation is for another planner.
fn pass(relation: TableFactor) -> RelationPlanning {
    RelationPlanning::Original(Box::new(relation))
}

/// The relation is planned.
fn planned(plan: LogicalPlan, alias: Option<TableAlias>) -> RelationPlanning {
    RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias)))
}

/// An error in what the user typed.
fn wrong(message: impl Into<String>) -> DataFusionError {
    SheafError::user(message).into()
}

/// An error in what the user typed, with advice.
fn wrong_with_hint(message: impl Into<String>, hint: impl Into<String>) -> DataFusionError {
    SheafError::user(message).with_hint(hint).into()
}

/// The columns of `schema`, as expressions, in order.
fn columns(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}
