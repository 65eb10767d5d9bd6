//! Relations that may refer to what stands before them in FROM, where nobody wrote LATERAL.
//!
//! PostgreSQL lets table functions do so, DuckDB sub-queries also. The planner below looks to the
//! left for relations it knows to be LATERAL only, so such relations are marked:
//!
//! | written | passed on |
//! |---|---|
//! | `FROM t, generate_series(1, t.n) AS s(g)` | `FROM t, LATERAL (SELECT * FROM generate_series(1, t.n)) AS s(g)` |
//! | `JOIN LATERAL unnest(t.xs) AS u(e)` | `JOIN UNNEST(t.xs) AS u(e)`, which is LATERAL |
//! | `FROM t, (SELECT t.x + 1) AS s` | `FROM t, LATERAL (SELECT t.x + 1) AS s` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Join, JoinOperator, ObjectName, TableFactor,
    TableFunctionArgs, TableWithJoins, Visitor,
};
use sheaf_base::Result;
use sheaf_sql::walk::Walk;

use super::{calls, reserved};

/// Marks what stands behind another relation of `from`.
pub(super) fn mark(from: &mut [TableWithJoins]) -> Result<()> {
    for (position, chain) in from.iter_mut().enumerate() {
        as_written(&mut chain.relation);
        if position > 0 {
            mark_relation(&mut chain.relation)?;
        }
        mark_joins(&mut chain.joins)?;
    }
    Ok(())
}

/// Marks what stands behind another relation of a chain of joins.
pub(super) fn mark_joins(joins: &mut [Join]) -> Result<()> {
    for join in joins {
        as_written(&mut join.relation);
        if looks_left(&join.join_operator) {
            mark_relation(&mut join.relation)?;
        }
    }
    Ok(())
}

/// Whether the right side of a join exists row by row of the left.
fn looks_left(operator: &JoinOperator) -> bool {
    matches!(
        operator,
        JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
            | JoinOperator::CrossJoin(_)
    )
}

/// `LATERAL f(…)` becomes what `f(…)` alone is parsed as.
fn as_written(relation: &mut TableFactor) {
    let TableFactor::Function {
        name,
        args,
        alias,
        with_ordinality,
        ..
    } = relation
    else {
        return;
    };
    let exprs: Option<Vec<Expr>> = args.iter().map(unnamed).collect();
    if is_called(name, "unnest")
        && let Some(mut array_exprs) = exprs
    {
        array_exprs.iter_mut().for_each(calls::unnest_elements);
        *relation = TableFactor::UNNEST {
            alias: alias.take(),
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: *with_ordinality,
        };
        return;
    }
    *relation = TableFactor::Table {
        name: name.clone(),
        alias: alias.take(),
        args: Some(TableFunctionArgs {
            args: std::mem::take(args),
            settings: None,
        }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: *with_ordinality,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
}

fn mark_relation(relation: &mut TableFactor) -> Result<()> {
    match relation {
        TableFactor::Derived { lateral, .. } => *lateral = true,
        TableFactor::Table {
            args: Some(call),
            alias,
            sample: None,
            ..
        } if call.args.iter().any(names_something) => {
            let alias = alias.take();
            let inner = std::mem::replace(relation, reserved::vacant_relation());
            *relation = TableFactor::Derived {
                lateral: true,
                subquery: Box::new(reserved::all_of(inner)?),
                alias,
                sample: None,
            };
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn is_called(name: &ObjectName, wanted: &str) -> bool {
    match name.0.as_slice() {
        [part] => part
            .as_ident()
            .is_some_and(|ident| ident.value.eq_ignore_ascii_case(wanted)),
        _ => false,
    }
}

fn unnamed(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// Whether there is a name in an argument that could be a column's.
fn names_something(argument: &FunctionArg) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    unnamed(argument).is_some_and(|expr| expr.walk(&mut Names).is_break())
}
