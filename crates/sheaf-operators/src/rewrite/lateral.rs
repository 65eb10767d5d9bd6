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
//! | `FROM t, UNNEST(t.rec.xs)` | `FROM t, UNNEST((t.rec).xs)`: paths of columns of the left |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArg, FunctionArgExpr, Ident, JoinOperator, ObjectName, Subscript,
    TableFactor, TableFunctionArgs, TableWithJoins, Visitor,
};
use sheaf_base::Result;
use sheaf_sql::walk::{Walk, walk_expressions_mut};

use super::build::text;
use super::{calls, reserved, set_functions};

/// Calls with LATERAL before them become what they are without, functions of lists UNNEST.
pub(super) fn call_plainly(chain: &mut TableWithJoins) {
    let joined = chain.joins.iter_mut().map(|join| &mut join.relation);
    for relation in std::iter::once(&mut chain.relation).chain(joined) {
        as_written(relation);
        set_functions::unnest(relation);
    }
}

/// Marks what stands behind another relation of `from`; `around` are the names of relations of the
/// queries around it.
pub(super) fn mark(from: &mut [TableWithJoins], around: &[String]) -> Result<()> {
    let mut left = around.to_vec();
    for (position, chain) in from.iter_mut().enumerate() {
        if position > 0 {
            mark_relation(&mut chain.relation, &left)?;
        }
        mark_chain(chain, &mut left)?;
    }
    Ok(())
}

/// Marks what stands behind another relation of a chain of joins; `left` are the names before it.
pub(super) fn mark_chain(chain: &mut TableWithJoins, left: &mut Vec<String>) -> Result<()> {
    left.extend(name_of(&chain.relation));
    for join in &mut chain.joins {
        if looks_left(&join.join_operator) {
            mark_relation(&mut join.relation, left)?;
        }
        left.extend(name_of(&join.relation));
    }
    Ok(())
}

/// The names of the relations of `from`.
pub(super) fn names(from: &[TableWithJoins]) -> Vec<String> {
    let chain = |chain: &TableWithJoins| {
        let joined = chain.joins.iter().map(|join| name_of(&join.relation));
        let names: Vec<String> = std::iter::once(name_of(&chain.relation))
            .chain(joined)
            .flatten()
            .collect();
        names
    };
    from.iter().flat_map(chain).collect()
}

/// The name by which columns of a relation are called, in lower case.
fn name_of(relation: &TableFactor) -> Option<String> {
    let (name, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (name.0.last()?.as_ident(), alias),
        TableFactor::Derived { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (None, alias),
        _ => return None,
    };
    let name = alias.as_ref().map(|alias| &alias.name).or(name)?;
    Some(name.value.to_lowercase())
}

/// A name as columns and keys have it: in lower case, unless it is quoted.
fn key_of(name: Ident) -> String {
    match name.quote_style {
        Some(_) => name.value,
        None => name.value.to_lowercase(),
    }
}

/// Paths of columns to the left become accesses to fields of these: the planner takes names of several
/// parts for columns alone, where they are another relation's.
fn split_paths(expr: &mut Expr, left: &[String]) {
    let _: ControlFlow<()> = walk_expressions_mut(expr, |expr| {
        if let Expr::CompoundIdentifier(parts) = expr {
            let is_left = |at: usize| {
                let part = parts.get(at).map(|part| part.value.to_lowercase());
                part.is_some_and(|part| left.contains(&part))
            };
            // `table.column`, `schema.table.column` or `column`.
            let column_parts = match (is_left(0), is_left(1)) {
                (true, _) => 2,
                (false, true) => 3,
                (false, false) => 1,
            };
            if parts.len() > column_parts {
                let path = parts.split_off(column_parts);
                let root = match <[Ident; 1]>::try_from(std::mem::take(parts)) {
                    Ok([column]) => Expr::Identifier(column),
                    Err(column) => Expr::CompoundIdentifier(column),
                };
                let access_chain = path.into_iter().map(|key| {
                    AccessExpr::Subscript(Subscript::Index {
                        index: text(key_of(key)),
                    })
                });
                *expr = Expr::CompoundFieldAccess {
                    root: Box::new(root),
                    access_chain: access_chain.collect(),
                };
            }
        }
        ControlFlow::Continue(())
    });
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

fn mark_relation(relation: &mut TableFactor, left: &[String]) -> Result<()> {
    match relation {
        TableFactor::UNNEST { array_exprs, .. } => {
            array_exprs
                .iter_mut()
                .for_each(|list| split_paths(list, left));
        }
        TableFactor::Derived { lateral, .. } => *lateral = true,
        TableFactor::Table {
            args: Some(call),
            alias,
            sample: None,
            with_ordinality,
            ..
        } if call.args.iter().any(names_something) => {
            for argument in &mut call.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument {
                    split_paths(value, left);
                }
            }
            let mut outer = alias.clone();
            match (&mut outer, *with_ordinality) {
                // Whoever plans the call knows whether its numbers have a name already.
                (Some(outer), true) => outer.columns.clear(),
                _ => *alias = None,
            }
            let inner = std::mem::replace(relation, reserved::vacant_relation());
            *relation = TableFactor::Derived {
                lateral: true,
                subquery: Box::new(reserved::all_of(inner)?),
                alias: outer,
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
