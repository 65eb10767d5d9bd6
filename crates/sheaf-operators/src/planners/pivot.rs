//! `PIVOT (aggregate [AS a], … FOR column IN (value [AS name], …))`: rows become columns.
//!
//! Each aggregate is computed once for each value, with `FILTER (WHERE column = value)`, grouped by
//! the columns of GROUP BY, or else by all which neither the aggregates nor FOR mention: one pass
//! over the input, and memory for the groups only. Names follow DuckDB: `value`, or `value_a` if
//! there are several aggregates or the one has an alias. Values must be listed by now: a plan's
//! columns are known before it runs.

use std::collections::HashSet;

use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, ExprWithAlias, FunctionArg, FunctionArgExpr, PivotValueSource, TableFactor, Value,
};
use sheaf_base::SheafError;
use sheaf_sql::PIVOT_KEYS;

use super::{pass, planned, wrong, wrong_with_hint};
use crate::rewrite::is_called;

/// More pivoted columns than anybody reads; a bound for the size of plans.
pub const PIVOT_COLUMNS_MAX: usize = 10_000;

/// Plans PIVOT.
#[derive(Debug)]
pub(super) struct PivotPlanner;

impl RelationPlanner for PivotPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Pivot {
            table,
            mut aggregate_functions,
            value_column,
            value_source,
            default_on_null,
            alias,
        } = relation
        else {
            return Ok(pass(relation));
        };
        let values = listed(value_source)?;
        let input = context.plan(*table)?;
        let keys = value_column
            .into_iter()
            .map(|column| context.sql_to_expr(column, input.schema()))
            .collect::<Result<Vec<_>>>()?;
        let groups = take_groups(&mut aggregate_functions)
            .map(|groups| {
                let plan = |group| context.sql_to_expr(group, input.schema());
                groups.into_iter().map(plan).collect::<Result<Vec<_>>>()
            })
            .transpose()?;
        let aggregates = plan_aggregates(aggregate_functions, input.schema(), context)?;
        let values = values
            .into_iter()
            .map(|value| plan_value(value, &keys, context))
            .collect::<Result<Vec<_>>>()?;
        let default = default_on_null
            .map(|default| context.sql_to_expr(default, &DFSchema::empty()))
            .transpose()?;
        let groups = groups.unwrap_or_else(|| other_columns(&input, &keys, &aggregates));
        let plan = pivot(input, groups, &aggregates, &values, default.as_ref())?;
        Ok(planned(plan, alias))
    }
}

struct Aggregate {
    expr: Expr,
    /// What follows the value in the name of the column.
    suffix: Option<String>,
}

struct PivotValue {
    /// True for the rows whose FOR columns have this value.
    condition: Expr,
    name: String,
}

fn listed(source: PivotValueSource) -> Result<Vec<ExprWithAlias>> {
    match source {
        PivotValueSource::List(values) => Ok(values),
        PivotValueSource::Any(_) | PivotValueSource::Subquery(_) => {
            Err(SheafError::unsupported("PIVOT needs its values listed")
                .with_detail("the columns of a result must be known before the query runs")
                .with_hint("list the values: FOR column IN ('a', 'b')")
                .into())
        }
    }
}

/// The columns of GROUP BY, which stand among the aggregates.
fn take_groups(aggregates: &mut Vec<ExprWithAlias>) -> Option<Vec<ast::Expr>> {
    let position = aggregates
        .iter()
        .position(|aggregate| match &aggregate.expr {
            ast::Expr::Function(function) => is_called(&function.name, PIVOT_KEYS),
            _ => false,
        })?;
    let ast::Expr::Function(function) = aggregates.remove(position).expr else {
        return None;
    };
    let ast::FunctionArguments::List(list) = function.args else {
        return None;
    };
    let keys = list.args.into_iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let keys: Vec<ast::Expr> = keys.collect();
    // GROUP BY ALL is what is done without it.
    (!keys.is_empty()).then_some(keys)
}

/// The columns which neither the aggregates nor FOR mention.
fn other_columns(input: &LogicalPlan, keys: &[Expr], aggregates: &[Aggregate]) -> Vec<Expr> {
    let used: HashSet<Column> = keys
        .iter()
        .chain(aggregates.iter().map(|aggregate| &aggregate.expr))
        .flat_map(|expr| expr.column_refs().into_iter().cloned())
        .collect();
    let columns = input.schema().columns().into_iter();
    let others = columns.filter(|column| !used.contains(column));
    others.map(Expr::Column).collect()
}

fn plan_aggregates(
    aggregates: Vec<ExprWithAlias>,
    schema: &DFSchema,
    context: &mut dyn RelationPlannerContext,
) -> Result<Vec<Aggregate>> {
    let count = aggregates.len();
    let plan_one = |ExprWithAlias { expr, alias }: ExprWithAlias| {
        let text = expr.to_string();
        // `count(*)` comes as `count(1) AS "count(*)"`.
        let expr = context.sql_to_expr(expr, schema)?.unalias_nested().data;
        if !matches!(expr, Expr::AggregateFunction(_)) {
            return Err(wrong_with_hint(
                format!("PIVOT needs an aggregate function, and {text} is none"),
                "for example PIVOT (sum(amount) FOR month IN (1, 2, 3))",
            ));
        }
        let suffix = match alias {
            Some(alias) => Some(context.normalize_ident(alias)),
            None => (count > 1).then_some(text),
        };
        Ok(Aggregate { expr, suffix })
    };
    aggregates.into_iter().map(plan_one).collect()
}

fn plan_value(
    ExprWithAlias { expr, alias }: ExprWithAlias,
    keys: &[Expr],
    context: &mut dyn RelationPlannerContext,
) -> Result<PivotValue> {
    let name = match alias {
        Some(alias) => context.normalize_ident(alias),
        None => value_name(&expr),
    };
    let parts = match expr {
        ast::Expr::Tuple(parts) => parts,
        single => vec![single],
    };
    if parts.len() != keys.len() {
        return Err(wrong(format!(
            "PIVOT value {name} has {} parts, but FOR names {} columns",
            parts.len(),
            keys.len()
        )));
    }
    let mut condition: Option<Expr> = None;
    for (part, key) in parts.into_iter().zip(keys) {
        if let ast::Expr::Identifier(ident) = &part {
            return Err(wrong_with_hint(
                format!("PIVOT value {ident} is a name, not a constant"),
                format!("put text in single quotes: '{}'", ident.value),
            ));
        }
        let is_null = matches!(&part, ast::Expr::Value(value) if value.value == Value::Null);
        let equal = if is_null {
            key.clone().is_null()
        } else {
            key.clone()
                .eq(context.sql_to_expr(part, &DFSchema::empty())?)
        };
        condition = Some(match condition {
            Some(condition) => condition.and(equal),
            None => equal,
        });
    }
    let condition = condition.ok_or_else(|| wrong("PIVOT needs a column after FOR"))?;
    Ok(PivotValue { condition, name })
}

/// Text without its quotes, other constants as written; parts of a tuple joined by `_`.
fn value_name(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Value(value) => match value.value.clone().into_string() {
            Some(text) => text,
            None => value.to_string(),
        },
        ast::Expr::TypedString(typed) => typed
            .value
            .value
            .clone()
            .into_string()
            .unwrap_or_else(|| expr.to_string()),
        ast::Expr::Tuple(parts) => parts.iter().map(value_name).collect::<Vec<_>>().join("_"),
        other => other.to_string(),
    }
}

fn pivot(
    input: LogicalPlan,
    groups: Vec<Expr>,
    aggregates: &[Aggregate],
    values: &[PivotValue],
    default: Option<&Expr>,
) -> Result<LogicalPlan> {
    if aggregates.len() * values.len() > PIVOT_COLUMNS_MAX {
        return Err(wrong(format!(
            "PIVOT makes more than {PIVOT_COLUMNS_MAX} columns"
        )));
    }
    if groups.is_empty() && (aggregates.is_empty() || values.is_empty()) {
        return Err(wrong("PIVOT finds no values and no columns to group by"));
    }
    let mut names = HashSet::new();
    let mut pivoted = Vec::new();
    let mut pivoted_names = Vec::new();
    for value in values {
        for aggregate in aggregates {
            let name = match &aggregate.suffix {
                Some(suffix) => format!("{}_{suffix}", value.name),
                None => value.name.clone(),
            };
            if !names.insert(name.clone()) {
                return Err(wrong_with_hint(
                    format!("PIVOT makes two columns called \"{name}\""),
                    "give one of the values another name with AS",
                ));
            }
            pivoted.push(filtered(&aggregate.expr, &value.condition));
            pivoted_names.push(name);
        }
    }
    let group_count = groups.len();
    let plan = LogicalPlanBuilder::from(input)
        .aggregate(groups, pivoted)?
        .build()?;
    let projection: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .enumerate()
        .map(|(position, column)| {
            let column = Expr::Column(column);
            match position
                .checked_sub(group_count)
                .and_then(|p| pivoted_names.get(p))
            {
                None => column,
                Some(name) => match default {
                    Some(default) => coalesce(vec![column, default.clone()]).alias(name),
                    None => column.alias(name),
                },
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(projection)?.build()
}

/// `aggregate FILTER (WHERE condition)`, beside a filter it may have already.
fn filtered(aggregate: &Expr, condition: &Expr) -> Expr {
    let mut aggregate = aggregate.clone();
    if let Expr::AggregateFunction(function) = &mut aggregate {
        let filter = match function.params.filter.take() {
            Some(filter) => filter.and(condition.clone()),
            None => condition.clone(),
        };
        function.params.filter = Some(Box::new(filter));
    }
    aggregate
}
