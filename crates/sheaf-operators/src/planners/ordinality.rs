//! `UNNEST(list, …) WITH ORDINALITY`, also written `WITH OFFSET`: numbers the elements; and table
//! functions `WITH ORDINALITY`, whose rows are numbered.
//!
//! The numbers of elements are one list more, `range(1, longest + 1)`, unnested beside the others, so
//! that they do not depend on the order in which rows pass. WITH OFFSET counts from 0, as BigQuery does.
//! Rows of a table function are counted as they come; it has one partition.

use arrow::datatypes::DataType;
use datafusion::common::{Column, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, col};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::{columns, pass, planned};

/// The name of the numbers.
const ORDINALITY: &str = "ordinality";

/// Plans UNNEST with numbered elements, and table functions with numbered rows.
#[derive(Debug)]
pub(super) struct OrdinalityPlanner;

impl RelationPlanner for OrdinalityPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (mut alias, mut lists, offset_alias, first) = match relation {
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_ordinality: true,
                ..
            } => (alias, array_exprs, None, 1),
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: true,
                with_offset_alias,
                ..
            } => {
                let name = with_offset_alias.unwrap_or_else(|| Ident::new("offset"));
                (alias, array_exprs, Some(name), 0)
            }
            TableFactor::Table {
                args: Some(_),
                with_ordinality: true,
                sample: None,
                ..
            } => return numbered(relation, context),
            TableFactor::UNNEST {
                alias: Some(alias),
                array_exprs,
                ..
            } if alias.columns.is_empty() && array_exprs.len() == 1 => {
                return named(alias, array_exprs, context);
            }
            other => return Ok(pass(other)),
        };
        let is_one = lists.len() == 1;
        let number_name =
            offset_alias.map_or(ORDINALITY.to_owned(), |name| context.normalize_ident(name));
        lists.push(numbers(&lists, first));
        let input = context.plan(TableFactor::UNNEST {
            alias: None,
            array_exprs: lists,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        })?;
        let width = input.schema().fields().len();
        if is_one && width == 2 {
            name_elements(&mut alias);
        }
        name_numbers(&mut alias, width, &number_name);
        let projection: Vec<Expr> = input
            .schema()
            .iter()
            .enumerate()
            .map(|(position, (relation, field))| {
                let column = Expr::Column(Column::new(relation.cloned(), field.name()));
                if position + 1 == width {
                    column.alias(&number_name)
                } else {
                    column
                }
            })
            .collect();
        let plan = LogicalPlanBuilder::from(input)
            .project(projection)?
            .build()?;
        Ok(planned(plan, alias))
    }
}

/// UNNEST of one list, whose elements are called as it is, unless they are several columns.
fn named(
    alias: TableAlias,
    array_exprs: Vec<ast::Expr>,
    context: &mut dyn RelationPlannerContext,
) -> Result<RelationPlanning> {
    let input = context.plan(TableFactor::UNNEST {
        alias: None,
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    })?;
    let mut alias = Some(alias);
    if input.schema().fields().len() == 1 {
        name_elements(&mut alias);
    }
    Ok(planned(input, alias))
}

/// `AS u` becomes `AS u(u)`.
fn name_elements(alias: &mut Option<TableAlias>) {
    if let Some(alias) = alias
        && alias.columns.is_empty()
    {
        alias.columns = vec![TableAliasColumnDef {
            name: alias.name.clone(),
            data_type: None,
        }];
    }
}

/// A call with its rows numbered.
fn numbered(
    mut relation: TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<RelationPlanning> {
    let mut named = None;
    if let TableFactor::Table {
        alias,
        with_ordinality,
        ..
    } = &mut relation
    {
        *with_ordinality = false;
        named = alias.take();
    }
    let input = context.plan(relation)?;
    let width = input.schema().fields().len() + 1;
    name_numbers(&mut named, width, ORDINALITY);
    let mut projection = columns(input.schema());
    let number = row_number();
    let name = number.schema_name().to_string();
    projection.push(cast(col(Column::new_unqualified(name)), DataType::Int64).alias(ORDINALITY));
    let plan = LogicalPlanBuilder::from(input)
        .window([number])?
        .project(projection)?
        .build()?;
    Ok(planned(plan, named))
}

/// `AS t(x)` names all columns but the numbers; then they keep their own name.
fn name_numbers(alias: &mut Option<TableAlias>, width: usize, number_name: &str) {
    if let Some(alias) = alias
        && alias.columns.len() + 1 == width
        && !alias.columns.is_empty()
    {
        let name = Ident::with_quote('"', number_name);
        alias
            .columns
            .push(TableAliasColumnDef::from_name(name.value));
    }
}

/// `range(first, greatest(coalesce(array_length(list), 0), …) + first)`.
fn numbers(lists: &[ast::Expr], first: u8) -> ast::Expr {
    let lengths: Vec<ast::Expr> = lists
        .iter()
        .map(|list| {
            call(
                "coalesce",
                vec![call("array_length", vec![list.clone()]), number(0)],
            )
        })
        .collect();
    let text = |text: &str| ast::Expr::Value(Value::SingleQuotedString(text.to_owned()).into());
    let longest = call("arrow_cast", vec![call("greatest", lengths), text("Int64")]);
    let end = ast::Expr::BinaryOp {
        left: Box::new(longest),
        op: ast::BinaryOperator::Plus,
        right: Box::new(number(first)),
    };
    call("range", vec![number(first), end])
}

fn number(value: u8) -> ast::Expr {
    ast::Expr::Value(Value::Number(value.to_string(), false).into())
}

fn call(name: &str, arguments: Vec<ast::Expr>) -> ast::Expr {
    let args = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    ast::Expr::Function(ast::Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
