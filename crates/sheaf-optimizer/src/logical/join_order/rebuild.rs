//! From relations and an order back to a plan.

use std::sync::Arc;

use datafusion::common::{DFSchema, JoinConstraint, JoinType, NullEquality, Result, plan_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection};

use super::group::{Condition, Group, RelationSet, Role, is_of_group};
use super::search::Search;

/// The plan in the order that `search` has found, with the columns of `schema`.
pub(super) fn plan(group: &Group, search: &Search, schema: &DFSchema) -> Result<LogicalPlan> {
    let all = RelationSet::all(group.relations.len());
    let joined = join(group, search, all)?;
    with_columns_of(joined, schema)
}

/// `plan` with the relations of `group`, which was made of it, in the places where they were.
pub(super) fn as_before(plan: &LogicalPlan, group: &Group) -> Result<LogicalPlan> {
    let mut relations = group.relations.iter().map(|relation| &relation.plan);
    replaced(plan, &mut relations)
}

fn replaced(
    plan: &LogicalPlan,
    relations: &mut dyn Iterator<Item = &LogicalPlan>,
) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) if is_of_group(join) => {
            let mut join = join.clone();
            let mut next = |of: &LogicalPlan| replaced(of, relations).map(Arc::new);
            // In the order in which they were taken.
            if matches!(join.join_type, JoinType::RightSemi | JoinType::RightAnti) {
                join.right = next(&join.right)?;
                join.left = next(&join.left)?;
            } else {
                join.left = next(&join.left)?;
                join.right = next(&join.right)?;
            }
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Projection(projection) if super::group::is_choice_of_columns(plan) => {
            let input = replaced(&projection.input, relations)?;
            let exprs = projection.expr.clone();
            Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
        }
        _ => match relations.next() {
            Some(relation) => Ok(relation.clone()),
            None => plan_err!("a group of joins lost a relation"),
        },
    }
}

/// `plan`, with the columns of `schema` in their order.
pub(super) fn with_columns_of(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let columns = schema.columns();
    if plan.schema().columns() == columns {
        return Ok(plan);
    }
    let exprs = columns.into_iter().map(Expr::Column).collect();
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

fn join(group: &Group, search: &Search, relations: RelationSet) -> Result<LogicalPlan> {
    if let Some(one) = relations.single() {
        return relation(group, search, one);
    }
    let Some(step) = search.step(relations) else {
        return plan_err!("a group of joins has no order");
    };
    let left = join(group, search, step.build)?;
    let right = join(group, search, step.probe)?;
    let reducer = |side: RelationSet| {
        let one = side.single()?;
        let role = group.relations[one].role;
        (role != Role::Inner).then_some((one, role))
    };
    let (join_type, conditions) = match (reducer(step.build), reducer(step.probe)) {
        (Some((one, Role::Anti)), _) => (JoinType::RightAnti, group.reducing.get(&one)),
        (Some((one, _)), _) => (JoinType::RightSemi, group.reducing.get(&one)),
        (None, Some((one, Role::Anti))) => (JoinType::LeftAnti, group.reducing.get(&one)),
        (None, Some((one, _))) => (JoinType::LeftSemi, group.reducing.get(&one)),
        (None, None) => (JoinType::Inner, None),
    };
    let conditions = match conditions {
        Some(conditions) => conditions.clone(),
        None => between(search, step.build, step.probe),
    };
    let (on, filter) = keys(conditions, step.build, step.probe);
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        filter,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?;
    Ok(LogicalPlan::Join(join))
}

/// A relation, with the conditions that are over it alone.
fn relation(group: &Group, search: &Search, one: usize) -> Result<LogicalPlan> {
    let plan = group.relations[one].plan.clone();
    let own = search.cardinality().conditions.iter();
    let own = own.filter(|condition| condition.relations() == RelationSet::one(one));
    match conjunction(own.map(Condition::expr)) {
        Some(own) => Filter::try_new(own, Arc::new(plan)).map(LogicalPlan::Filter),
        None => Ok(plan),
    }
}

/// The conditions that can be checked once `a` and `b` are joined, and not before.
fn between(search: &Search, a: RelationSet, b: RelationSet) -> Vec<Condition> {
    let side = |relations, column: &datafusion::common::Column| super::group::Side {
        expr: Expr::Column(column.clone()),
        relations,
    };
    let cardinality = search.cardinality();
    let mut conditions: Vec<Condition> = cardinality
        .classes
        .iter()
        .filter_map(|class| {
            let (left, right) = (class.member_in(a)?, class.member_in(b)?);
            Some(Condition::Equal(side(a, left), side(b, right)))
        })
        .collect();
    let both = a.union(b);
    let others = cardinality.conditions.iter().filter(|condition| {
        let over = condition.relations();
        both.has_all_of(over) && !a.has_all_of(over) && !b.has_all_of(over)
    });
    conditions.extend(others.cloned());
    conditions
}

/// Pairs of keys, build side first, and the rest as a filter.
fn keys(
    conditions: Vec<Condition>,
    build: RelationSet,
    probe: RelationSet,
) -> (Vec<(Expr, Expr)>, Option<Expr>) {
    let mut on = Vec::new();
    let mut filter = Vec::new();
    for condition in conditions {
        match condition {
            Condition::Equal(a, b) if !a.relations.is_empty() && !b.relations.is_empty() => {
                if build.has_all_of(a.relations) && probe.has_all_of(b.relations) {
                    on.push((a.expr, b.expr));
                } else if build.has_all_of(b.relations) && probe.has_all_of(a.relations) {
                    on.push((b.expr, a.expr));
                } else {
                    filter.push(a.expr.eq(b.expr));
                }
            }
            other => filter.push(other.expr()),
        }
    }
    (on, conjunction(filter))
}
