//! Sub-queries in the ON of a join.
//!
//! An inner join's conditions are a filter above it. An outer join's must stay; a sub-query which
//! refers to one side only is a column of that side, and one that refers to both is a column of the
//! side whose rows are not kept, beside copies of the values of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Subquery};
use sheaf_base::SheafError;

use super::attach::Attached;
use super::domain::{Domain, Names};
use super::fast::needs_unnesting;
use super::outer::{free_columns, provides, subquery_of};
use super::plans::{add_columns, conjuncts, join_on, only, rebuilt_join};
use super::with_subquery;

/// Takes sub-queries out of the conditions of `join`; `None` if it has none to take out.
pub(super) fn taken_out(join: &Join, names: &Names) -> Result<Option<LogicalPlan>> {
    let mut plain = Vec::new();
    let mut ours = Vec::new();
    let on = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
    for condition in join.filter.iter().flat_map(conjuncts).chain(on) {
        if needs_unnesting(&condition)? {
            ours.push(condition);
        } else {
            plain.push(condition);
        }
    }
    if ours.is_empty() {
        return Ok(None);
    }
    let (left, right) = (join.left.as_ref().clone(), join.right.as_ref().clone());
    if join.join_type == JoinType::Inner {
        let plan = rebuilt_join(join, left, right, Vec::new(), plain)?;
        let predicate = ours.into_iter().reduce(Expr::and).unwrap_or_default();
        let filter = Filter::try_new(predicate, Arc::new(plan))?;
        return Ok(Some(LogicalPlan::Filter(filter)));
    }
    let mut sides = Sides {
        left: Attached::new(left, names),
        right: Attached::new(right, names),
    };
    sides.spread(join.join_type, &mut ours, &mut plain, names)?;
    for condition in ours {
        plain.push(sides.replace(condition)?);
    }
    let plan = rebuilt_join(join, sides.left.input, sides.right.input, Vec::new(), plain)?;
    Ok(Some(only(plan, &join.schema)?))
}

struct Sides<'n> {
    left: Attached<'n>,
    right: Attached<'n>,
}

impl<'n> Sides<'n> {
    /// For sub-queries that refer to both sides: gives each row of the side that is not kept whole
    /// one copy for each value of the kept side, and makes the sub-queries refer to the copies. Pairs
    /// meet once all the same, since the values must be equal.
    fn spread(
        &mut self,
        join_type: JoinType,
        ours: &mut [Expr],
        on: &mut Vec<Expr>,
        names: &'n Names,
    ) -> Result<()> {
        let mut wanted = BTreeSet::new();
        let (kept, other) = match join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                (&mut self.right, &mut self.left)
            }
            _ => (&mut self.left, &mut self.right),
        };
        for condition in ours.iter() {
            condition.apply(|expr| {
                if subquery_of(expr).is_some() {
                    let references = references(expr)?;
                    if !all(&references, kept.base.schema())
                        && !all(&references, other.base.schema())
                    {
                        wanted.extend(references);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        wanted.retain(|column| provides(kept.base.schema(), column));
        if wanted.is_empty() {
            return Ok(());
        }
        if join_type == JoinType::Full {
            return Err(SheafError::unsupported(
                "a sub-query in the ON of a FULL JOIN cannot refer to both of its sides",
            )
            .into());
        }
        let domain = Domain::of(kept.base.clone(), wanted.clone(), names);
        let instance = domain.instance(&domain.all())?;
        on.extend(domain.join_back(&instance)?);
        let copies: BTreeMap<Column, Column> = wanted
            .into_iter()
            .zip(instance.keys.values().map(|key| key.column.clone()))
            .collect();
        let spread = join_on(
            other.base.clone(),
            instance.plan,
            JoinType::Inner,
            Vec::new(),
        )?;
        *other = Attached::new(spread, names);
        for condition in ours.iter_mut() {
            let (kept, other) = (kept.base.schema(), other.base.schema());
            *condition = copied(condition.clone(), &copies, kept, other)?;
        }
        Ok(())
    }

    fn replace(&mut self, condition: Expr) -> Result<Expr> {
        condition
            .transform_down(|expr| {
                if subquery_of(&expr).is_none() || !needs_unnesting(&expr)? {
                    return Ok(Transformed::no(expr));
                }
                let references = references(&expr)?;
                let side = if all(&references, self.left.base.schema()) {
                    &mut self.left
                } else {
                    &mut self.right
                };
                let value = side.replace(expr)?;
                let name = side.names.fresh("value");
                side.input = add_columns(side.input.clone(), vec![value.alias(name.clone())])?;
                let column = Expr::Column(Column::new_unqualified(name));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })
            .data()
    }
}

/// Makes sub-queries that refer to both sides refer to copies of the kept side's columns.
fn copied(
    condition: Expr,
    copies: &BTreeMap<Column, Column>,
    kept: &DFSchema,
    other: &DFSchema,
) -> Result<Expr> {
    let renamed = |expr: Expr| {
        expr.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => match copies.get(&column) {
                    Some(copy) => Transformed::yes(Expr::Column(copy.clone())),
                    None => Transformed::no(Expr::Column(column)),
                },
                Expr::OuterReferenceColumn(field, column) => {
                    let copy = copies.get(&column).cloned();
                    let column = copy.unwrap_or(column);
                    Transformed::yes(Expr::OuterReferenceColumn(field, column))
                }
                expr => Transformed::no(expr),
            })
        })
        .data()
    };
    condition
        .transform_down(|expr| {
            let Some(subquery) = subquery_of(&expr) else {
                return Ok(Transformed::no(expr));
            };
            let references = references(&expr)?;
            if all(&references, kept) || all(&references, other) {
                return Ok(Transformed::no(expr));
            }
            let inner = subquery.subquery.as_ref().clone();
            let inner = inner.transform_down(|node| {
                node.map_expressions(|expr| {
                    expr.transform(|expr| match &expr {
                        Expr::OuterReferenceColumn(..) => Ok(Transformed::yes(renamed(expr)?)),
                        _ => Ok(Transformed::no(expr)),
                    })
                })
            })?;
            let subquery = Subquery {
                outer_ref_columns: inner.data.all_out_ref_exprs(),
                subquery: Arc::new(inner.data),
                spans: subquery.spans.clone(),
            };
            let expr = with_subquery(renamed(expr)?, subquery);
            Ok(Transformed::new(expr, true, TreeNodeRecursion::Jump))
        })
        .data()
}

/// The columns around a sub-query that it, or what it is compared with, refers to.
fn references(expr: &Expr) -> Result<BTreeSet<Column>> {
    let mut references: BTreeSet<Column> = expr.column_refs().into_iter().cloned().collect();
    if let Some(subquery) = subquery_of(expr) {
        references.extend(free_columns(&subquery.subquery)?);
    }
    Ok(references)
}

fn all(references: &BTreeSet<Column>, schema: &DFSchema) -> bool {
    references.iter().all(|column| provides(schema, column))
}
