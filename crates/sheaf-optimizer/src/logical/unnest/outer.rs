//! References to columns of queries further out: which a plan has, and putting others in their place.
//!
//! Scopes are told apart by name, as the SQL planner does: a reference belongs to the nearest query
//! around whose input has a column of exactly that qualifier and name.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

/// Whether `schema` has exactly this column.
pub(super) fn provides(schema: &DFSchema, column: &Column) -> bool {
    schema.iter().any(|(qualifier, field)| {
        qualifier == column.relation.as_ref() && *field.name() == column.name
    })
}

/// The sub-query that `expr` itself is, if it is one.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// Whether there is a sub-query anywhere in `expr`.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(subquery_of(expr).is_some()))
        .unwrap_or(false)
}

/// The columns of queries further out that `plan` refers to, its sub-queries included.
pub(super) fn free_columns(plan: &LogicalPlan) -> Result<BTreeSet<Column>> {
    let mut found = BTreeSet::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            found.extend(free_in(expr, &node.inputs())?);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The columns of queries further out that `expr`, over `inputs`, refers to.
pub(super) fn free_in(expr: &Expr, inputs: &[&LogicalPlan]) -> Result<BTreeSet<Column>> {
    let mut found = BTreeSet::new();
    expr.apply(|expr| {
        if let Expr::OuterReferenceColumn(_, column) = expr {
            found.insert(column.clone());
        } else if let Some(subquery) = subquery_of(expr) {
            let inner = free_columns(&subquery.subquery)?;
            found.extend(
                inner
                    .into_iter()
                    .filter(|c| !inputs.iter().any(|input| provides(input.schema(), c))),
            );
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Puts what `place` gives in the place of outer references of `expr`; sub-queries stay as they are.
pub(super) fn bind(expr: Expr, place: &impl Fn(&Column) -> Option<Expr>) -> Result<Expr> {
    expr.transform(|expr| {
        let other = match &expr {
            Expr::OuterReferenceColumn(_, column) => place(column),
            _ => None,
        };
        Ok(match other {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(expr),
        })
    })
    .data()
}

/// Turns the columns of `expr` that `schema` has into outer references.
pub(super) fn to_outer(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform(|expr| match expr {
        Expr::Column(column) if provides(schema, &column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            let field = std::sync::Arc::clone(field);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

/// Puts what `place` gives in the place of columns of `expr`.
pub(super) fn substitute(expr: Expr, place: &impl Fn(&Column) -> Option<Expr>) -> Result<Expr> {
    expr.transform(|expr| {
        let other = match &expr {
            Expr::Column(column) => place(column),
            _ => None,
        };
        Ok(match other {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(expr),
        })
    })
    .data()
}
