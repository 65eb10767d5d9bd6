//! Small pieces of plans that several parts of unnesting build.

use datafusion::common::{Column, DFSchema, JoinConstraint, NullEquality, Result};
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::utils::{
    conjunction, enumerate_grouping_sets, split_conjunction_owned,
};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, Projection, lit,
};
use std::sync::Arc;

/// The parts of a predicate that must all hold.
pub(super) fn conjuncts(predicate: &Expr) -> Vec<Expr> {
    split_conjunction_owned(predicate.clone())
}

/// The predicate of a node through which only rows come that fulfil it.
pub(super) fn inner_filters(node: &LogicalPlan) -> Option<Expr> {
    match node {
        LogicalPlan::Filter(filter) => Some(filter.predicate.clone()),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => join.filter.clone(),
        _ => None,
    }
}

/// `plan` under a filter, if there is a condition.
pub(super) fn filtered(plan: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    match conjunction(conditions) {
        Some(predicate) => Ok(LogicalPlan::Filter(Filter::try_new(
            predicate,
            Arc::new(plan),
        )?)),
        None => Ok(plan),
    }
}

/// `plan` with computed columns behind its own.
pub(super) fn add_columns(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    if exprs.is_empty() {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    project(plan.clone(), columns.chain(exprs).collect())
}

/// A projection exactly as written: names are not looked up again.
pub(super) fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(plan),
    )?))
}

/// The columns `wanted` of `plan` alone, if it has others.
pub(super) fn only(plan: LogicalPlan, wanted: &DFSchema) -> Result<LogicalPlan> {
    if plan.schema().columns() == wanted.columns() {
        return Ok(plan);
    }
    project(
        plan,
        wanted.columns().into_iter().map(Expr::Column).collect(),
    )
}

/// Makes `expr` a column of the name that field `index` of `schema` has.
pub(super) fn named(expr: Expr, schema: &DFSchema, index: usize) -> Expr {
    let (qualifier, field) = schema.qualified_field(index);
    let (relation, name) = expr.qualified_name();
    if relation.as_ref() == qualifier && name == *field.name() {
        return expr;
    }
    expr.unalias()
        .alias_qualified(qualifier.cloned(), field.name())
}

/// The fields of `plan` from `offset` on, named and typed as the fields of `schema` are.
pub(super) fn renamed(plan: &LogicalPlan, offset: usize, schema: &DFSchema) -> Result<Vec<Expr>> {
    let mut exprs = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let column = Column::from(plan.schema().qualified_field(offset + index));
        let mut expr = Expr::Column(column);
        if !expr
            .get_type(plan.schema())?
            .equals_datatype(field.data_type())
        {
            expr = expr.cast_to(field.data_type(), plan.schema())?;
        }
        exprs.push(named(expr, schema, index));
    }
    Ok(exprs)
}

/// A join exactly as given.
pub(super) fn rebuilt_join(
    join: &Join,
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    filter: Vec<Expr>,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        conjunction(filter),
        join.join_type,
        JoinConstraint::On,
        join.null_equality,
        join.null_aware,
    )?))
}

/// A join on any conditions. Names are not looked up again.
pub(super) fn join_on(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    conditions: Vec<Expr>,
) -> Result<LogicalPlan> {
    let condition = match conjunction(conditions) {
        None if join_type != JoinType::Inner => Some(lit(true)),
        condition => condition,
    };
    Ok(LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        Vec::new(),
        condition,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?))
}

/// An aggregate exactly as given.
pub(super) fn aggregated(
    input: LogicalPlan,
    groups: Vec<Expr>,
    aggregates: Vec<Expr>,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(
        Arc::new(input),
        enumerate_grouping_sets(groups)?,
        aggregates,
    )?))
}

/// `EXISTS` and `NOT EXISTS` of a predicate, however it is written.
pub(super) fn as_exists(predicate: &Expr) -> Option<(&Exists, bool)> {
    match predicate {
        Expr::Exists(exists) => Some((exists, exists.negated)),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Exists(exists) => Some((exists, !exists.negated)),
            _ => None,
        },
        _ => None,
    }
}
