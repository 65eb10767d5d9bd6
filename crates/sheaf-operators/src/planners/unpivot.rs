//! `UNPIVOT [INCLUDE NULLS] (value FOR name IN (a, b AS 'x'))`: columns become rows.
//!
//! The columns go into one list, their names into another, and both are unnested side by side: one
//! pass over the input, and the rows of an input row stay together, in the order of the list.
//! Several value columns, `((v, w) FOR name IN ((a, b), (c, d) AS 'x'))`, are several such lists.
//! Rows whose values are all NULL are dropped unless INCLUDE NULLS is said.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, NullHandling, Result, ScalarValue, UnnestOptions};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::binary::type_union_resolution;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias, NullInclusion, TableFactor};
use sheaf_base::sql_type_name;

use super::{pass, planned, wrong, wrong_with_hint};

/// Plans UNPIVOT.
#[derive(Debug)]
pub(super) struct UnpivotPlanner;

impl RelationPlanner for UnpivotPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Unpivot {
            table,
            value,
            name,
            columns,
            null_inclusion,
            alias,
        } = relation
        else {
            return Ok(pass(relation));
        };
        let input = context.plan(*table)?;
        let values = value_names(value, context)?;
        let rows = columns
            .into_iter()
            .map(|column| plan_row(column, values.len(), input.schema(), context))
            .collect::<Result<Vec<_>>>()?;
        let name = context.normalize_ident(name);
        let keeps_nulls = matches!(null_inclusion, Some(NullInclusion::IncludeNulls));
        Ok(planned(
            unpivot(input, &name, &values, &rows, keeps_nulls)?,
            alias,
        ))
    }
}

/// What one input row becomes for one entry of the IN list.
struct UnpivotRow {
    name: String,
    /// One for each value column.
    values: Vec<Expr>,
}

fn value_names(value: ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<Vec<String>> {
    elements(value)
        .into_iter()
        .map(|element| match element {
            ast::Expr::Identifier(ident) => Ok(context.normalize_ident(ident)),
            other => Err(wrong_with_hint(
                format!("UNPIVOT needs a name for its values, and {other} is none"),
                "for example UNPIVOT (amount FOR month IN (jan, feb))",
            )),
        })
        .collect()
}

fn elements(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Tuple(parts) => parts,
        ast::Expr::Nested(inner) => vec![*inner],
        single => vec![single],
    }
}

fn plan_row(
    ExprWithAlias { expr, alias }: ExprWithAlias,
    value_count: usize,
    schema: &DFSchema,
    context: &mut dyn RelationPlannerContext,
) -> Result<UnpivotRow> {
    let text = expr.to_string();
    let values = elements(expr)
        .into_iter()
        .map(|element| context.sql_to_expr(element, schema))
        .collect::<Result<Vec<_>>>()?;
    if values.len() != value_count {
        return Err(wrong(format!(
            "UNPIVOT has {value_count} value columns, but {text} names {} columns",
            values.len()
        )));
    }
    let mut names = Vec::with_capacity(values.len());
    for value in &values {
        match value {
            Expr::Column(column) => names.push(column.name.as_str()),
            _ => return Err(wrong(format!("UNPIVOT takes columns, and {text} is none"))),
        }
    }
    let name = match alias {
        Some(alias) => alias.value,
        None => names.join("_"),
    };
    Ok(UnpivotRow { name, values })
}

fn unpivot(
    input: LogicalPlan,
    name: &str,
    values: &[String],
    rows: &[UnpivotRow],
    keeps_nulls: bool,
) -> Result<LogicalPlan> {
    let used: HashSet<&Column> = rows
        .iter()
        .flat_map(|row| &row.values)
        .flat_map(Expr::column_refs)
        .collect();
    let kept: Vec<Column> = input
        .schema()
        .columns()
        .into_iter()
        .filter(|column| !used.contains(column))
        .collect();
    let mut projection: Vec<Expr> = kept.iter().cloned().map(Expr::Column).collect();

    let names: Vec<ScalarValue> = rows
        .iter()
        .map(|row| ScalarValue::from(row.name.as_str()))
        .collect();
    let names = ScalarValue::new_list_nullable(&names, &DataType::Utf8);
    projection.push(lit(ScalarValue::List(names)).alias(name));
    for (position, value) in values.iter().enumerate() {
        let column: Vec<&Expr> = rows.iter().map(|row| &row.values[position]).collect();
        projection.push(one_list(&column, value, input.schema())?.alias(value));
    }
    let mut lists = vec![Column::new_unqualified(name)];
    lists.extend(values.iter().map(Column::new_unqualified));
    if let Some(taken) = lists
        .iter()
        .enumerate()
        .find(|(i, c)| lists[..*i].contains(c) || kept.iter().any(|k| k.name == c.name))
    {
        return Err(wrong_with_hint(
            format!("UNPIVOT makes a second column called \"{}\"", taken.1.name),
            "choose another name for it",
        ));
    }

    let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
    let plan = LogicalPlanBuilder::from(input)
        .project(projection)?
        .unnest_columns_with_options(lists, options)?;
    let any_value = values
        .iter()
        .map(|value| Expr::Column(Column::new_unqualified(value)).is_not_null())
        .reduce(Expr::or);
    match any_value {
        Some(any_value) if !keeps_nulls => plan.filter(any_value)?.build(),
        _ => plan.build(),
    }
}

/// A list of `columns`, cast to the type that holds them all.
fn one_list(columns: &[&Expr], value: &str, schema: &DFSchema) -> Result<Expr> {
    let types = columns
        .iter()
        .map(|column| column.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let Some(common) = common_type(&types) else {
        let mut names: Vec<String> = types.iter().map(sql_type_name).collect();
        names.dedup();
        return Err(wrong_with_hint(
            format!(
                "the columns of \"{value}\" in UNPIVOT have no common type: {}",
                names.join(", ")
            ),
            "cast them in a sub-query first",
        ));
    };
    let elements = columns
        .iter()
        .zip(&types)
        .map(|(column, own)| {
            let column = (*column).clone();
            if *own == common {
                column
            } else {
                cast(column, common.clone())
            }
        })
        .collect();
    Ok(make_array(elements))
}

fn common_type(types: &[DataType]) -> Option<DataType> {
    match types.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other == first) => Some(first.clone()),
        _ => type_union_resolution(types),
    }
}
