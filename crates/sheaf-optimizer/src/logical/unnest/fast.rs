//! Which sub-queries the engine's own rules make joins of, and rightly.
//!
//! They know semi, anti and left joins on conditions that stand right below the sub-query's columns
//! or its aggregate. What they take is left to them; it is most of what people write.

use datafusion::common::Result;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Operator};

use super::outer::{free_columns, has_subquery, provides, subquery_of};
use super::plans::{as_exists, conjuncts};

/// Whether the engine's rules take every sub-query of `condition`, a part of a filter over `input`.
pub(super) fn engine_takes(condition: &Expr, input: &LogicalPlan) -> Result<bool> {
    if let Some((exists, _)) = as_exists(condition) {
        return is_filtered(&exists.subquery.subquery, input);
    }
    let (condition, negated) = match condition {
        Expr::Not(inner) => (inner.as_ref(), true),
        other => (other, false),
    };
    if let Expr::InSubquery(InSubquery {
        expr,
        subquery,
        negated: not_in,
    }) = condition
    {
        let is_plain = !has_subquery(expr) && !is_row_value(expr);
        let plan = &subquery.subquery;
        return Ok(is_plain
            && if negated == *not_in {
                is_filtered(plan, input)?
            } else {
                free_columns(plan)?.is_empty()
            });
    }
    if negated {
        return Ok(!needs_unnesting(condition)?);
    }
    takes_values(condition, input)
}

/// Whether `expr` has sub-queries other than scalar ones that stand alone, which the engine runs
/// before all else.
pub(super) fn needs_unnesting(expr: &Expr) -> Result<bool> {
    let mut needs = false;
    visit_subqueries(expr, &mut |expr, plan| {
        needs |= !matches!(expr, Expr::ScalarSubquery(_)) || !free_columns(plan)?.is_empty();
        Ok(())
    })?;
    Ok(needs)
}

/// Whether `expr` is `(a, b)`, which the binder writes as a struct.
pub(super) fn is_row_value(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(cast) => is_row_value(&cast.expr),
        Expr::Alias(alias) => is_row_value(&alias.expr),
        Expr::ScalarFunction(function) => matches!(function.name(), "struct" | "row"),
        _ => false,
    }
}

fn visit_subqueries(
    expr: &Expr,
    visit: &mut impl FnMut(&Expr, &LogicalPlan) -> Result<()>,
) -> Result<()> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    expr.apply(|expr| {
        if let Some(subquery) = subquery_of(expr) {
            visit(expr, &subquery.subquery)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Scalar aggregates that are NULL over no rows, compared with columns for equality.
fn takes_values(condition: &Expr, input: &LogicalPlan) -> Result<bool> {
    let mut takes = true;
    visit_subqueries(condition, &mut |expr, plan| {
        let is_scalar = matches!(expr, Expr::ScalarSubquery(_));
        takes &= is_scalar && (free_columns(plan)?.is_empty() || is_aggregated(plan, input)?);
        Ok(())
    })?;
    Ok(takes)
}

fn is_aggregated(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Projection(projection) => Ok(!plan.contains_outer_reference()
            && !projection.expr.iter().any(has_subquery)
            && projection.expr.iter().all(is_null_of_null)
            && is_aggregated(&projection.input, outer)?),
        LogicalPlan::SubqueryAlias(alias) => is_aggregated(&alias.input, outer),
        LogicalPlan::Aggregate(aggregate) => {
            let all_null = aggregate.aggr_expr.iter().all(|expr| match expr {
                Expr::AggregateFunction(function) => {
                    matches!(function.func.name(), "min" | "max" | "sum" | "avg")
                        && !has_subquery(expr)
                }
                _ => false,
            });
            let LogicalPlan::Filter(filter) = aggregate.input.as_ref() else {
                return Ok(false);
            };
            let are_equal = conjuncts(&filter.predicate)
                .iter()
                .all(|c| !c.contains_outer() || is_equality(c));
            Ok(all_null
                && aggregate.group_expr.is_empty()
                && !plan.contains_outer_reference()
                && are_equal
                && is_filtered(&aggregate.input, outer)?)
        }
        _ => Ok(false),
    }
}

/// Arithmetic on columns and literals.
fn is_null_of_null(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => is_null_of_null(&alias.expr),
        Expr::Cast(cast) => is_null_of_null(&cast.expr),
        Expr::BinaryExpr(binary) => {
            matches!(
                binary.op,
                Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide
            ) && [&binary.left, &binary.right]
                .into_iter()
                .all(|side| is_literal(side) || is_null_of_null(side))
                && ![&binary.left, &binary.right]
                    .into_iter()
                    .all(|side| is_literal(side))
        }
        _ => false,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_literal(&cast.expr),
        _ => false,
    }
}

fn is_equality(condition: &Expr) -> bool {
    let is_column = |expr: &Expr| match expr {
        Expr::Cast(cast) => matches!(
            cast.expr.as_ref(),
            Expr::Column(_) | Expr::OuterReferenceColumn(..)
        ),
        other => matches!(other, Expr::Column(_) | Expr::OuterReferenceColumn(..)),
    };
    match condition {
        Expr::BinaryExpr(binary) => {
            binary.op == Operator::Eq && is_column(&binary.left) && is_column(&binary.right)
        }
        _ => false,
    }
}

/// Whether nothing but one filter, right below the columns, refers to `outer`.
fn is_filtered(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<bool> {
    let free = free_columns(plan)?;
    if free.is_empty() {
        return Ok(true);
    }
    if !free.iter().all(|column| provides(outer.schema(), column)) {
        return Ok(false);
    }
    match plan {
        LogicalPlan::Projection(projection) => Ok(!plan.contains_outer_reference()
            && !projection.expr.iter().any(has_subquery)
            && is_filtered(&projection.input, outer)?),
        LogicalPlan::SubqueryAlias(alias) => is_filtered(&alias.input, outer),
        LogicalPlan::Distinct(Distinct::All(input)) => is_filtered(input, outer),
        LogicalPlan::Filter(filter) => {
            let are_plain = conjuncts(&filter.predicate).iter().all(|condition| {
                !condition.contains_outer()
                    || (!condition.column_refs().is_empty() && !has_subquery(condition))
            });
            Ok(are_plain && free_columns(&filter.input)?.is_empty())
        }
        _ => Ok(false),
    }
}
