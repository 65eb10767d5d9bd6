//! `a ASOF JOIN b ON a.key = b.key AND a.at >= b.at`: plans nested joins whose last is an ASOF join.
//!
//! Spellings: `ON` with one inequality and any number of equalities; `USING (keys…, at)`, where the
//! last column is compared with `>=`; and `MATCH_CONDITION (a.at >= b.at) [ON … | USING (keys…)]`.
//! `ASOF JOIN` drops left rows without a match, `ASOF LEFT JOIN` keeps them. The syntax tree has
//! only MATCH_CONDITION; how Sheaf's parser puts the others into it, [`read_marker`] says.
//! Conditions on the right side alone filter it before the join. Others may say how far the nearest may be
//! (`a.at - b.at <= INTERVAL '1 hour'`): of what the inequality compares, and nothing else, so that the
//! nearest meets them if any row does. A nearest row that does not meet them is no match.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::logical_expr::binary::comparison_coercion;
use datafusion::logical_expr::expr_rewriter::normalize_col_with_schemas_and_ambiguity_check;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, Operator, cast,
    when,
};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Join, JoinConstraint, JoinOperator,
    ObjectName, ObjectNamePart, TableFactor,
};
use sheaf_base::sql_type_name;
use sheaf_sql::{ASOF_INNER, ASOF_LEFT};

use super::{pass, planned, wrong, wrong_with_hint};
use crate::asof::{AsofDirection, AsofJoinNode, AsofKind};
use crate::rewrite::is_asof;

/// Plans ASOF joins.
#[derive(Debug)]
pub(super) struct AsofPlanner;

impl RelationPlanner for AsofPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (mut chain, alias) = match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } if table_with_joins.joins.last().is_some_and(is_asof) => (table_with_joins, alias),
            other => return Ok(pass(other)),
        };
        let Some(join) = chain.joins.pop() else {
            return Ok(pass(TableFactor::NestedJoin {
                table_with_joins: chain,
                alias,
            }));
        };
        let left = if chain.joins.is_empty() {
            context.plan(chain.relation)?
        } else {
            context.plan(TableFactor::NestedJoin {
                table_with_joins: chain,
                alias: None,
            })?
        };
        let Join {
            relation,
            join_operator,
            ..
        } = join;
        let right = context.plan(relation)?;
        Ok(planned(
            plan_join(left, right, join_operator, context)?,
            alias,
        ))
    }
}

fn plan_join(
    left: LogicalPlan,
    right: LogicalPlan,
    operator: JoinOperator,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let JoinOperator::AsOf {
        match_condition,
        constraint,
    } = operator
    else {
        return internal_err!("a join that is no ASOF join");
    };
    let (kind, match_condition) = read_marker(match_condition);
    let mut conditions = Conditions::default();
    if let Some(condition) = match_condition {
        conditions.add_sql(condition, &left, &right, context)?;
    }
    let mut merged = Vec::new();
    match constraint {
        JoinConstraint::On(condition) => conditions.add_sql(condition, &left, &right, context)?,
        JoinConstraint::Using(names) => {
            merged = using_columns(names, context)?;
            conditions.add_using(&merged, &left, &right)?;
        }
        JoinConstraint::None if conditions.at.is_some() => {}
        JoinConstraint::None | JoinConstraint::Natural => return Err(no_inequality()),
    }
    let Conditions {
        keys,
        at,
        right_filters,
        tolerances,
    } = conditions;
    let (at, direction) = at.ok_or_else(no_inequality)?;
    let tolerance = tolerance(tolerances, &at)?;
    let right = match conjunction(right_filters) {
        Some(filter) => LogicalPlanBuilder::from(right).filter(filter)?.build()?,
        None => right,
    };
    let hidden: Vec<Column> = merged
        .iter()
        .map(|name| right_column(&right, name))
        .collect::<Result<_>>()?;
    let right_columns = right.schema().columns();
    let node = AsofJoinNode::try_new(left, right, keys, at, direction, kind)?;
    let mut plan = LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    });
    if let Some(tolerance) = tolerance {
        plan = within(plan, kind, tolerance, &right_columns)?;
    }
    if hidden.is_empty() {
        return Ok(plan);
    }
    let shown: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .filter(|column| !hidden.contains(column))
        .map(Expr::Column)
        .collect();
    LogicalPlanBuilder::from(plan).project(shown)?.build()
}

/// What the nearest row must meet to be a match; `None` if nothing.
///
/// # Errors
/// `UserInput` for a condition of other columns than those that `at` compares.
fn tolerance(tolerances: Vec<Expr>, at: &(Expr, Expr)) -> Result<Option<Expr>> {
    let compared: HashSet<&Column> = [&at.0, &at.1]
        .into_iter()
        .flat_map(Expr::column_refs)
        .collect();
    let is_of_others = |condition: &&Expr| !condition.column_refs().is_subset(&compared);
    match tolerances.iter().find(is_of_others) {
        Some(condition) => Err(not_a_condition(condition)),
        None => Ok(conjunction(tolerances)),
    }
}

/// Joined rows of which the right side meets `tolerance`; with `kind` left also the others, without their
/// right side.
fn within(
    joined: LogicalPlan,
    kind: AsofKind,
    tolerance: Expr,
    right: &[Column],
) -> Result<LogicalPlan> {
    let builder = LogicalPlanBuilder::from(joined);
    if kind == AsofKind::Inner {
        return builder.filter(tolerance)?.build();
    }
    let columns = builder.schema().columns().into_iter();
    let columns = columns.map(|column| {
        if !right.contains(&column) {
            return Ok(Expr::Column(column));
        }
        let (relation, name) = (column.relation.clone(), column.name.clone());
        let kept = when(tolerance.clone(), Expr::Column(column)).end()?;
        Ok(kept.alias_qualified(relation, name))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    builder.project(columns)?.build()
}

/// Reads `marker(condition)`, or `marker()` if all conditions are in ON or USING.
fn read_marker(condition: ast::Expr) -> (AsofKind, Option<ast::Expr>) {
    let ast::Expr::Function(call) = &condition else {
        return (AsofKind::Inner, Some(condition));
    };
    let kind = match call.name.to_string().as_str() {
        ASOF_INNER => AsofKind::Inner,
        ASOF_LEFT => AsofKind::Left,
        _ => return (AsofKind::Inner, Some(condition)),
    };
    let argument = match &call.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => Some(argument.clone()),
            _ => None,
        },
        _ => None,
    };
    (kind, argument)
}

/// The parts of a join condition.
#[derive(Default)]
struct Conditions {
    keys: Vec<(Expr, Expr)>,
    at: Option<((Expr, Expr), AsofDirection)>,
    right_filters: Vec<Expr>,
    /// Of both sides, and neither an equality nor what says what is nearest.
    tolerances: Vec<Expr>,
}

impl Conditions {
    fn add_sql(
        &mut self,
        condition: ast::Expr,
        left: &LogicalPlan,
        right: &LogicalPlan,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<()> {
        let both = left.schema().join(right.schema())?;
        let condition = context.sql_to_expr(condition, &both)?;
        let schemas: &[&[&DFSchema]] = &[&[left.schema(), right.schema()]];
        let condition = normalize_col_with_schemas_and_ambiguity_check(condition, schemas, &[])?;
        for part in split_conjunction_owned(condition) {
            self.add(part, left, right)?;
        }
        Ok(())
    }

    fn add(&mut self, part: Expr, left: &LogicalPlan, right: &LogicalPlan) -> Result<()> {
        if is_of(&part, right) && !part.column_refs().is_empty() {
            self.right_filters.push(part);
            return Ok(());
        }
        let (mut on_left, mut operator, mut on_right) = match part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => (*left, op, *right),
            other => {
                self.tolerances.push(other);
                return Ok(());
            }
        };
        if is_of(&on_left, right) && is_of(&on_right, left) {
            std::mem::swap(&mut on_left, &mut on_right);
            operator = operator.swap().unwrap_or(operator);
        }
        let is_pair = is_of(&on_left, left)
            && is_of(&on_right, right)
            && !on_left.column_refs().is_empty()
            && !on_right.column_refs().is_empty();
        let is_second = operator != Operator::Eq && self.at.is_some();
        if !is_pair || is_second {
            self.tolerances.push(Expr::BinaryExpr(BinaryExpr::new(
                Box::new(on_left),
                operator,
                Box::new(on_right),
            )));
            return Ok(());
        }
        let pair = same_type(on_left, on_right, left, right)?;
        self.add_pair(pair, operator)
    }

    fn add_pair(&mut self, pair: (Expr, Expr), operator: Operator) -> Result<()> {
        if operator == Operator::Eq {
            self.keys.push(pair);
            return Ok(());
        }
        let Some(direction) = AsofDirection::of(operator) else {
            return Err(not_a_condition(&Expr::BinaryExpr(BinaryExpr::new(
                Box::new(pair.0),
                operator,
                Box::new(pair.1),
            ))));
        };
        self.at = Some((pair, direction));
        Ok(())
    }

    /// Equalities of the columns, but the last one is `>=` if there is no inequality yet.
    fn add_using(
        &mut self,
        names: &[String],
        left: &LogicalPlan,
        right: &LogicalPlan,
    ) -> Result<()> {
        let last = names.len().saturating_sub(1);
        let has_inequality = self.at.is_some();
        for (position, name) in names.iter().enumerate() {
            let column = |plan: &LogicalPlan| right_column(plan, name).map(Expr::Column);
            let pair = same_type(column(left)?, column(right)?, left, right)?;
            let is_time = position == last && !has_inequality;
            self.add_pair(
                pair,
                if is_time {
                    Operator::GtEq
                } else {
                    Operator::Eq
                },
            )?;
        }
        Ok(())
    }
}

fn using_columns(
    names: Vec<ObjectName>,
    context: &mut dyn RelationPlannerContext,
) -> Result<Vec<String>> {
    names
        .into_iter()
        .map(|name| match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => Ok(context.normalize_ident(ident.clone())),
            _ => Err(wrong(format!(
                "USING takes names of columns, and {name} is none"
            ))),
        })
        .collect()
}

/// The column of `plan` with this name, whatever its table.
fn right_column(plan: &LogicalPlan, name: &str) -> Result<Column> {
    let (relation, field) = plan.schema().qualified_field_with_unqualified_name(name)?;
    Ok(Column::new(relation.cloned(), field.name()))
}

fn is_of(expr: &Expr, plan: &LogicalPlan) -> bool {
    expr.column_refs()
        .iter()
        .all(|column| plan.schema().has_column(column))
}

/// Casts both to the type in which they are compared.
fn same_type(
    on_left: Expr,
    on_right: Expr,
    left: &LogicalPlan,
    right: &LogicalPlan,
) -> Result<(Expr, Expr)> {
    let left_type = on_left.get_type(left.schema())?;
    let right_type = on_right.get_type(right.schema())?;
    if left_type == right_type {
        return Ok((on_left, on_right));
    }
    let Some(common) = comparison_coercion(&left_type, &right_type) else {
        return Err(wrong_with_hint(
            format!(
                "cannot compare {on_left} ({}) with {on_right} ({}) in ASOF JOIN",
                sql_type_name(&left_type),
                sql_type_name(&right_type)
            ),
            "cast one of them",
        ));
    };
    let to_common = |expr: Expr, own| {
        if own == common {
            expr
        } else {
            cast(expr, common.clone())
        }
    };
    Ok((
        to_common(on_left, left_type),
        to_common(on_right, right_type),
    ))
}

fn no_inequality() -> datafusion::common::DataFusionError {
    wrong_with_hint(
        "ASOF JOIN needs an inequality that says what is nearest",
        "for example ON a.key = b.key AND a.time >= b.time",
    )
}

fn not_a_condition(expr: &Expr) -> datafusion::common::DataFusionError {
    wrong_with_hint(
        format!("ASOF JOIN cannot use the condition {expr}"),
        "it takes equalities and one inequality (>=, >, <=, <) of the left with the right side, \
         joined by AND, and how far the two may be apart; put others into WHERE",
    )
}
