//! Rewrites of the syntax tree, between parsing and planning.
//!
//! SQL forms which concern a SELECT as a whole cannot be caught by a relation planner, since the
//! planner only asks for relations. Each rewrite here moves such a form into a relation: a nested
//! join, or a call of a reserved relation (`reserved`) whose argument is a sub-query. No schema
//! is known yet; what needs one is decided by the planner of that relation.
//!
//! The order of rewrites within one query is visible in `Rewriter::post_visit_query`. Sub-queries
//! come before the query around them.

mod asof;
mod build;
mod calls;
mod cte;
mod frame_offsets;
mod lambdas;
mod lateral;
mod named_windows;
mod order_by_all;
mod positional;
mod rename;
pub(crate) mod reserved;
mod row_subqueries;
mod row_values;
mod set_functions;
mod set_operations;
mod small_forms;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Select, TableFactor, VisitorMut};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::WalkMut;

pub(crate) use asof::is_asof;
pub(crate) use lateral::is_called;
pub(crate) use positional::is_positional;
pub use positional::is_positional_marker;

/// Rewrites every query inside `node` (a statement, a query, an expression, a relation).
///
/// # Errors
/// `UserInput` if a form is used in a way that has no meaning.
pub fn rewrite<N: WalkMut>(node: &mut N) -> Result<()> {
    let mut rewriter = Rewriter {
        query_depth: 0,
        around: Vec::new(),
    };
    match node.walk_mut(&mut rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Walks the tree, children first.
struct Rewriter {
    /// Number of queries around the current one, itself included.
    query_depth: usize,
    /// The names of relations of the SELECTs around the place.
    around: Vec<Vec<String>>,
}

impl Rewriter {
    fn names_around(&self) -> Vec<String> {
        self.around.concat()
    }
}

impl VisitorMut for Rewriter {
    type Break = SheafError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Self::Break> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.query_depth = self.query_depth.saturating_sub(1);
        let is_outermost = self.query_depth == 0;
        control(small_forms::fetch_to_limit(query))?;
        control(named_windows::define(query))?;
        control(set_operations::count_rows(&mut query.body))?;
        control(rename::rewrite_query(query, is_outermost))?;
        control(order_by_all::rewrite_query(query))?;
        control(cte::rewrite_query(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        self.around.push(lateral::names(&select.from));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        self.around.pop();
        select.from.iter_mut().for_each(positional::nest);
        select.from.iter_mut().for_each(lateral::call_plainly);
        set_functions::name_columns(select);
        control(lateral::mark(&mut select.from, &self.names_around()))?;
        for relation in &mut select.from {
            small_forms::name_the_side(relation);
            asof::nest(relation);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        control(frame_offsets::settle(expr))?;
        small_forms::complete_access(expr);
        lambdas::complete(expr);
        calls::call_functions(expr);
        control(row_subqueries::rewrite_expr(expr))?;
        control(row_values::compare_parts(expr))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::UNNEST { array_exprs, .. } = factor {
            array_exprs.iter_mut().for_each(calls::unnest_elements);
        }
        if let TableFactor::NestedJoin {
            table_with_joins, ..
        } = factor
        {
            positional::nest(table_with_joins);
            lateral::call_plainly(table_with_joins);
            let mut left = self.names_around();
            control(lateral::mark_chain(table_with_joins, &mut left))?;
            small_forms::name_the_side(table_with_joins);
            asof::nest(table_with_joins);
        }
        ControlFlow::Continue(())
    }
}

fn control(result: Result<()>) -> ControlFlow<SheafError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
