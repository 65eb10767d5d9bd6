//! Dependent joins: the right side of a join refers to its left side, as LATERAL allows.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, NullHandling, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    EmptyRelation, Expr, Join, LogicalPlan, Projection, SubqueryAlias, Unnest, lit, when,
};
use sheaf_base::SheafError;

use super::domain::{Domain, Names, Pushed};
use super::outer::{free_columns, provides};
use super::plans::{add_columns, filtered, join_on, named, project};
use super::push::{Answer, Push, flows, plan_of, row_call};

/// Whether the right side of `join` refers to its left side.
pub(super) fn is_dependent(join: &Join) -> Result<bool> {
    let free = free_columns(&join.right)?;
    Ok(free.iter().any(|c| provides(join.left.schema(), c)))
}

/// Makes a join of two independent sides of a dependent join.
///
/// # Errors
/// `Unsupported` for kinds of join that SQL does not allow LATERAL in.
pub(super) fn independent(join: &Join, names: &Names) -> Result<LogicalPlan> {
    let left = join.left.as_ref().clone();
    let mut right = join.right.as_ref().clone();
    let mut condition: Vec<Expr> = join.filter.iter().cloned().collect();
    condition.extend(join.on.iter().map(|(l, r)| l.clone().eq(r.clone())));
    condition.retain(|c| *c != lit(true));
    let is_left = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        other => {
            return Err(SheafError::unsupported(format!(
                "LATERAL is not allowed in a {other} join"
            ))
            .into());
        }
    };
    let depends = |plan: &LogicalPlan| {
        let free = free_columns(plan)?;
        Ok(free.iter().any(|c| provides(left.schema(), c)))
    };
    let keeps_all = is_left && condition.is_empty() && keep_empty(&mut right);
    if (!is_left || keeps_all) && flows(&right, &depends)? {
        return flowing(left, right, condition, join, names);
    }
    asked(left, right, condition, join, names)
}

/// Each left row flows through the right side.
fn flowing(
    left: LogicalPlan,
    right: LogicalPlan,
    condition: Vec<Expr>,
    join: &Join,
    names: &Names,
) -> Result<LogicalPlan> {
    let domain = Domain::whole(left, names);
    let pushed = Push::new(&domain).push(right)?;
    let mut exprs = Vec::with_capacity(join.schema.fields().len());
    let mut keys = pushed.keys.values();
    for (index, column) in join.schema.columns().into_iter().enumerate() {
        let expr = match keys.next() {
            Some(key) => Expr::Column(key.column.clone()),
            None => Expr::Column(column),
        };
        exprs.push(named(expr, &join.schema, index));
    }
    filtered(project(pushed.plan, exprs)?, condition)
}

/// The right side answers for the values that occur on the left.
fn asked(
    left: LogicalPlan,
    right: LogicalPlan,
    condition: Vec<Expr>,
    join: &Join,
    names: &Names,
) -> Result<LogicalPlan> {
    let is_left = join.join_type == JoinType::Left;
    let width = left.schema().fields().len();
    let (domain, right) = Domain::distinct(left.clone(), right, names)?;
    let Answer { pushed, if_missing } = Push::new(&domain).answer(right)?;
    let Some(if_missing) = if_missing else {
        let mut on = domain.join_back(&pushed)?;
        on.extend(condition);
        let plan = join_on(left, pushed.plan, join.join_type, on)?;
        return super::plans::only(plan, &join.schema);
    };
    // There is a right row for each left row.
    let found = names.fresh("found");
    let on = domain.join_back(&pushed)?;
    let keys = pushed.keys;
    let right = Pushed {
        plan: add_columns(pushed.plan, vec![lit(true).alias(found.clone())])?,
        keys,
    };
    let plan = join_on(left, right.plan, JoinType::Left, on)?;
    let is_missing = Expr::Column(Column::new_unqualified(found)).is_null();
    let mut exprs = Vec::new();
    for (index, column) in join.schema.columns().into_iter().enumerate() {
        let column = Expr::Column(column);
        let missing = index.checked_sub(width).and_then(|i| if_missing.get(i));
        let value = match missing {
            None => column,
            Some(Expr::Literal(value, _)) if value.is_null() => column,
            Some(missing) => {
                let missing = domain.bind_to_base(missing.clone())?;
                when(is_missing.clone(), missing).otherwise(column)?
            }
        };
        exprs.push(named(value, &join.schema, index));
    }
    let plan = project(plan, exprs)?;
    if !is_left {
        return filtered(plan, condition);
    }
    let Some(condition) = conjunction(condition) else {
        return Ok(plan);
    };
    // Where the condition does not hold, the left row stays alone.
    let mut exprs = Vec::new();
    for (index, column) in join.schema.columns().into_iter().enumerate() {
        let column = Expr::Column(column);
        let value = if index < width {
            column
        } else {
            when(condition.clone(), column).end()?
        };
        exprs.push(named(value, &join.schema, index));
    }
    project(plan, exprs)
}

/// Makes a chain of projections and UNNEST over no table give a row for every outer row; says
/// whether it does.
fn keep_empty(plan: &mut LogicalPlan) -> bool {
    let mut changed = plan.clone();
    let keeps = kept(&mut changed, true);
    if keeps {
        *plan = changed;
    }
    keeps
}

fn kept(plan: &mut LogicalPlan, is_top: bool) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row, ..
        }) => *produce_one_row,
        LogicalPlan::Subquery(subquery) => kept(Arc::make_mut(&mut subquery.subquery), is_top),
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => {
            kept(Arc::make_mut(input), is_top)
        }
        // Above UNNEST only columns: what else is computed of NULLs need not be NULL.
        LogicalPlan::Projection(Projection { input, expr, .. }) => {
            let are_columns = expr
                .iter()
                .all(|e| matches!(e.clone().unalias(), Expr::Column(_)));
            (are_columns || !has_unnest(input)) && kept(Arc::make_mut(input), is_top)
        }
        LogicalPlan::Unnest(Unnest { input, options, .. }) if is_top => {
            options.null_handling = NullHandling::PreserveAndExpandEmpty;
            !has_unnest(input) && kept(Arc::make_mut(input), false)
        }
        other => match kept_call(other).filter(|_| is_top) {
            Some(call) => {
                *other = call;
                true
            }
            None => false,
        },
    }
}

/// A call of a table function of the user's own that gives a row for every outer row; `None` if
/// `plan` is none, or cannot.
fn kept_call(plan: &LogicalPlan) -> Option<LogicalPlan> {
    let call = row_call(plan)?;
    let mut input = call.input().clone();
    if has_unnest(&input) || !kept(&mut input, false) {
        return None;
    }
    let call = call.over(input, call.arguments().to_vec()).ok()?;
    call.keeping_all().map(plan_of)
}

/// Whether some of `plan` gives other rows than it gets.
fn has_unnest(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Unnest(_))
        || row_call(plan).is_some()
        || plan.inputs().into_iter().any(has_unnest)
}
