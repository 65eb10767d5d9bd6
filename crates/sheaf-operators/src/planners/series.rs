//! `generate_series` and `range` over columns of other relations.
//!
//! The table functions want literals. Where an argument refers to a relation further left or
//! further out, the function of the same name that gives a list takes over, and the list is
//! unnested. A list holds the whole series of one outer row in memory.

use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, TableFactor,
};

use super::{pass, planned};
use crate::rewrite::is_called;

/// The name of the column, as that of the table functions.
const COLUMN: &str = "value";

/// Plans series whose bounds are columns.
#[derive(Debug)]
pub(super) struct SeriesPlanner;

impl RelationPlanner for SeriesPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table {
            name,
            args: Some(call),
            alias,
            sample: None,
            with_ordinality,
            ..
        } = &relation
        else {
            return Ok(pass(relation));
        };
        if !is_called(name, "generate_series") && !is_called(name, "range") {
            return Ok(pass(relation));
        }
        let mut is_correlated = false;
        for argument in &call.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                let planned = context.sql_to_expr(expr.clone(), &DFSchema::empty());
                is_correlated |= planned.is_ok_and(|expr| expr.contains_outer());
            }
        }
        if !is_correlated {
            return Ok(pass(relation));
        }
        let list = ast::Expr::Function(ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: call.args.clone(),
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        });
        let unnested = context.plan(TableFactor::UNNEST {
            alias: None,
            array_exprs: vec![list],
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: *with_ordinality,
        })?;
        let columns = unnested.schema().columns().into_iter().enumerate();
        let columns = columns.map(|(position, column): (usize, Column)| match position {
            0 => Expr::Column(column).alias(COLUMN),
            _ => Expr::Column(column),
        });
        let columns: Vec<Expr> = columns.collect();
        let plan = LogicalPlanBuilder::from(unnested)
            .project(columns)?
            .build()?;
        Ok(planned(plan, alias.clone()))
    }
}
