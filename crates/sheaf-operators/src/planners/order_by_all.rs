//! The reserved relation behind `ORDER BY ALL`: a sub-query ordered by each of its columns.
//! Its other two arguments are ASC and NULLS FIRST: true, false, or NULL if not said.

use datafusion::common::Result;
use datafusion::common::config::SqlParserOptions;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{LogicalPlanBuilder, SortExpr};
use datafusion::sql::sqlparser::ast::{self, TableFactor, Value};

use super::{columns, planned};
use crate::rewrite::reserved::{ORDER_BY_ALL, take_call};

/// Plans the relation that the rewrite of ORDER BY ALL makes.
#[derive(Debug)]
pub(super) struct OrderByAllPlanner;

impl RelationPlanner for OrderByAllPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let call = match take_call(relation, ORDER_BY_ALL) {
            Ok(call) => call,
            Err(other) => return Ok(RelationPlanning::Original(other)),
        };
        let is_ascending = read_boolean(call.arguments.first()).unwrap_or(true);
        let options = &context.context_provider().options().sql_parser;
        let is_nulls_first = read_boolean(call.arguments.get(1))
            .unwrap_or_else(|| nulls_first_by_default(options, is_ascending));
        let input = context.plan(TableFactor::Derived {
            lateral: false,
            subquery: call.query,
            alias: None,
            sample: None,
        })?;
        let sorts: Vec<SortExpr> = columns(input.schema())
            .into_iter()
            .map(|column| column.sort(is_ascending, is_nulls_first))
            .collect();
        // Sorts of relations are dropped unless a LIMIT stands over them; this one limits nothing.
        let plan = LogicalPlanBuilder::from(input)
            .sort(sorts)?
            .limit(0, None)?
            .build()?;
        Ok(planned(plan, call.alias))
    }
}

fn read_boolean(argument: Option<&ast::Expr>) -> Option<bool> {
    match argument {
        Some(ast::Expr::Value(value)) => match value.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => None,
        },
        _ => None,
    }
}

/// As the planner below reads `datafusion.sql_parser.default_null_ordering`.
fn nulls_first_by_default(options: &SqlParserOptions, is_ascending: bool) -> bool {
    match options.default_null_ordering.to_lowercase().as_str() {
        "nulls_first" => true,
        "nulls_last" => false,
        "nulls_min" => is_ascending,
        _ => !is_ascending,
    }
}
