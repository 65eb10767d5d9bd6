//! Aggregates that stand in a sub-query and belong to the query around it.
//!
//! As the standard has it, an aggregate belongs to the innermost query of which its argument names
//! a column. The engine takes it for one of the query in which it stands, so
//! `SELECT k, (SELECT sum(t.x)) FROM t GROUP BY k` would add up single rows. A sub-query of nothing
//! but an expression becomes that expression; where there is more to it, the statement is refused.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, Visitor,
    VisitorMut,
};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::{Walk, WalkMut};

use super::normalize;
use super::virtual_columns::visible_name;

/// Moves such aggregates of `statement` where they belong.
///
/// # Errors
/// `Unsupported` if one cannot be moved.
pub(super) fn lift(statement: &mut ast::Statement, state: &SessionState) -> Result<()> {
    let _ = statement.walk_mut(&mut Lifter(state));
    let mut checker = Checker {
        state,
        names: Vec::new(),
    };
    match statement.walk(&mut checker) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Whether `function` is an aggregate.
pub(super) fn is_aggregate(function: &Function, state: &SessionState) -> bool {
    let name = function.name.to_string().to_lowercase();
    function.over.is_none()
        && state.aggregate_functions().contains_key(&name)
        && !state.scalar_functions().contains_key(&name)
}

struct Lifter<'a>(&'a SessionState);

impl VisitorMut for Lifter<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr
            && let Some(value) = only_expression(query)
            && has_aggregate_of_columns(value, self.0)
        {
            *expr = Expr::Nested(Box::new(value.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// `expression`, if the query is `SELECT expression` and nothing else.
fn only_expression(query: &Query) -> Option<&Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let is_plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] if is_plain => {
            Some(expr)
        }
        _ => None,
    }
}

/// Whether there is an aggregate whose argument names a column; sub-queries do not count.
fn has_aggregate_of_columns(expr: &Expr, state: &SessionState) -> bool {
    struct Finder<'a> {
        state: &'a SessionState,
        query_depth: usize,
    }
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.query_depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.query_depth = self.query_depth.saturating_sub(1);
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function)
                    if self.query_depth == 0
                        && is_aggregate(function, self.state)
                        && !columns(function).is_empty() =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let mut finder = Finder {
        state,
        query_depth: 0,
    };
    expr.walk(&mut finder).is_break()
}

/// The first part of each column's name in a call; empty for a name without a table.
fn columns(function: &Function) -> Vec<String> {
    struct Names(Vec<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) => self.0.push(String::new()),
                Expr::CompoundIdentifier(parts) => self.0.extend(parts.first().map(normalize)),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(Vec::new());
    let _ = function.args.walk(&mut names);
    names.0
}

/// Finds aggregates over the tables of outer queries alone.
struct Checker<'a> {
    state: &'a SessionState,
    /// The names that each query around brings, innermost last; `None` where one is not known.
    names: Vec<Option<Vec<String>>>,
}

impl Visitor for Checker<'_> {
    type Break = SheafError;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SheafError> {
        let relations = select.from.iter().flat_map(|item| {
            std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation))
        });
        self.names.push(relations.map(last_name).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &Select) -> ControlFlow<SheafError> {
        self.names.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SheafError> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let Some((Some(inner), outer)) = self.names.split_last() else {
            return ControlFlow::Continue(());
        };
        if outer.is_empty() || !is_aggregate(function, self.state) {
            return ControlFlow::Continue(());
        }
        let is_outer = |name: &String| {
            !inner.contains(name) && outer.iter().flatten().any(|names| names.contains(name))
        };
        let columns = columns(function);
        if columns.is_empty() || !columns.iter().all(is_outer) {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(
            SheafError::unsupported(format!(
                "{function} in a sub-query belongs to the query around it"
            ))
            .with_detail("all of its columns are that query's, which is not supported here")
            .with_hint("compute it there, in a sub-query of FROM"),
        )
    }
}

/// The name by which a relation's columns are called.
fn last_name(relation: &TableFactor) -> Option<String> {
    let name = visible_name(relation)?;
    name.0.last()?.as_ident().map(normalize)
}
