//! What of a sub-query matters when only the existence of rows is asked for.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Distinct, Expr, FetchType, GroupingSet, LogicalPlan, SkipType};

use super::outer::{has_subquery, substitute};
use super::plans::{conjuncts, filtered};

/// A plan and the conditions its rows are asked for.
pub(super) struct Peeled {
    pub(super) core: LogicalPlan,
    pub(super) conditions: Vec<Expr>,
}

/// Takes off what does not decide whether there is a row that fulfils `conditions`: columns, order,
/// repetition, limits; filters become conditions.
pub(super) fn peel(mut core: LogicalPlan, mut conditions: Vec<Expr>) -> Result<Peeled> {
    loop {
        core = match core {
            LogicalPlan::Subquery(subquery) => Arc::unwrap_or_clone(subquery.subquery),
            LogicalPlan::Filter(filter) => {
                // Sub-queries that the engine takes refer to the columns right here.
                let (kept, moved): (Vec<_>, Vec<_>) = conjuncts(&filter.predicate)
                    .into_iter()
                    .partition(has_subquery);
                conditions.extend(moved);
                let input = Arc::unwrap_or_clone(filter.input);
                if !kept.is_empty() {
                    let core = filtered(input, kept)?;
                    return Ok(Peeled { core, conditions });
                }
                input
            }
            LogicalPlan::Projection(projection)
                if may_move(&projection.expr, &projection.schema, &conditions) =>
            {
                conditions = rewritten(conditions, &projection.schema, &projection.expr)?;
                Arc::unwrap_or_clone(projection.input)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let inner = alias.input.schema().columns();
                let inner: Vec<Expr> = inner.into_iter().map(Expr::Column).collect();
                conditions = rewritten(conditions, &alias.schema, &inner)?;
                Arc::unwrap_or_clone(alias.input)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => Arc::unwrap_or_clone(input),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => Arc::unwrap_or_clone(sort.input),
            LogicalPlan::Limit(limit)
                if conditions.is_empty()
                    && matches!(limit.get_skip_type()?, SkipType::Literal(0))
                    && !matches!(
                        limit.get_fetch_type()?,
                        FetchType::Literal(Some(0)) | FetchType::UnsupportedExpr
                    ) =>
            {
                Arc::unwrap_or_clone(limit.input)
            }
            LogicalPlan::Window(window) if conditions.is_empty() => {
                Arc::unwrap_or_clone(window.input)
            }
            LogicalPlan::Aggregate(aggregate)
                if conditions.is_empty()
                    && !aggregate.group_expr.is_empty()
                    && !matches!(
                        aggregate.group_expr.as_slice(),
                        [Expr::GroupingSet(
                            GroupingSet::GroupingSets(_)
                                | GroupingSet::Rollup(_)
                                | GroupingSet::Cube(_)
                        )]
                    ) =>
            {
                Arc::unwrap_or_clone(aggregate.input)
            }
            core => return Ok(Peeled { core, conditions }),
        };
    }
}

/// Whether conditions may be asked of the input of a projection instead.
fn may_move(exprs: &[Expr], schema: &DFSchema, conditions: &[Expr]) -> bool {
    conditions.iter().all(|condition| {
        condition.column_refs().into_iter().all(|column| {
            let index = schema.maybe_index_of_column(column);
            let expr = index.and_then(|index| exprs.get(index));
            expr.is_some_and(|expr| !expr.is_volatile() && !has_subquery(expr))
        })
    })
}

fn rewritten(conditions: Vec<Expr>, schema: &DFSchema, row: &[Expr]) -> Result<Vec<Expr>> {
    let place = |column: &datafusion::common::Column| {
        let index = schema.maybe_index_of_column(column)?;
        row.get(index).map(|expr| expr.clone().unalias())
    };
    conditions
        .into_iter()
        .map(|condition| substitute(condition, &place))
        .collect()
}
