//! Aggregates and window functions where SQL does not allow them: told before planning, in words.
//!
//! A sub-query is a place of its own. Which names are aggregates, the session knows.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, GroupByExpr, Join, JoinConstraint, JoinOperator, Query, Select, Visitor,
};
use sheaf_base::error::{Position, SqlState};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::Walk;

/// Checks every SELECT of `statement`.
///
/// # Errors
/// `UserInput` (42803, 42P20) if an aggregate or a window function stands where none may.
pub(super) fn check(statement: &ast::Statement, state: &SessionState) -> Result<()> {
    struct Checker<'a>(&'a SessionState);
    impl Visitor for Checker<'_> {
        type Break = SheafError;

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SheafError> {
            match check_select(select, self.0) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match statement.walk(&mut Checker(state)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check_select(select: &Select, state: &SessionState) -> Result<()> {
    let neither = |place: &'static str,
                   node: &dyn Fn(&mut Calls<'_>) -> ControlFlow<SheafError>| {
        let mut calls = Calls {
            state,
            aggregates: Some(place),
            windows: Some(place),
            query_depth: 0,
            within: Vec::new(),
        };
        result(node(&mut calls))
    };
    neither("WHERE", &|calls| select.selection.walk(calls))?;
    for item in &select.from {
        for join in &item.joins {
            if let Some(condition) = condition(join) {
                neither("JOIN conditions", &|calls| condition.walk(calls))?;
            }
        }
    }
    if let GroupByExpr::Expressions(keys, _) = &select.group_by {
        neither("GROUP BY", &|calls| keys.walk(calls))?;
    }
    let mut having = Calls {
        state,
        aggregates: None,
        windows: Some("HAVING"),
        query_depth: 0,
        within: Vec::new(),
    };
    result(select.having.walk(&mut having))?;
    let mut anywhere = Calls {
        state,
        aggregates: None,
        windows: None,
        query_depth: 0,
        within: Vec::new(),
    };
    result(select.projection.walk(&mut anywhere))
}

fn result(found: ControlFlow<SheafError>) -> Result<()> {
    match found {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn condition(join: &Join) -> Option<&Expr> {
    match &join.join_operator {
        JoinOperator::Join(JoinConstraint::On(on))
        | JoinOperator::Inner(JoinConstraint::On(on))
        | JoinOperator::Left(JoinConstraint::On(on))
        | JoinOperator::LeftOuter(JoinConstraint::On(on))
        | JoinOperator::Right(JoinConstraint::On(on))
        | JoinOperator::RightOuter(JoinConstraint::On(on))
        | JoinOperator::FullOuter(JoinConstraint::On(on)) => Some(on),
        _ => None,
    }
}

/// What a call around the current place is.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Aggregate,
    Window,
    Other,
}

/// Looks at the calls of one clause.
struct Calls<'a> {
    state: &'a SessionState,
    /// The clause, if it must not hold aggregates.
    aggregates: Option<&'static str>,
    /// The clause, if it must not hold window functions.
    windows: Option<&'static str>,
    query_depth: usize,
    /// The calls around.
    within: Vec<Within>,
}

impl Calls<'_> {
    fn kind(&self, function: &Function) -> Within {
        let name = function.name.to_string().to_lowercase();
        match &function.over {
            Some(_) => Within::Window,
            None if self.state.aggregate_functions().contains_key(&name)
                && !self.state.scalar_functions().contains_key(&name) =>
            {
                Within::Aggregate
            }
            None => Within::Other,
        }
    }

    fn check(&self, kind: Within, function: &Function) -> Result<()> {
        let error = |message: String, state| {
            let error = SheafError::user(message).with_state(state);
            Err(match position(function) {
                Some(position) => error.with_position(position),
                None => error,
            })
        };
        match (kind, self.aggregates, self.windows) {
            (Within::Aggregate, Some(place), _) => {
                let hint = match place {
                    "WHERE" => "HAVING filters groups",
                    _ => "compute it in a sub-query",
                };
                error(
                    format!("aggregate functions are not allowed in {place}"),
                    SqlState::GROUPING_ERROR,
                )
                .map_err(|error: SheafError| error.with_hint(hint))
            }
            (Within::Window, _, Some(place)) => error(
                format!("window functions are not allowed in {place}"),
                SqlState::WINDOWING_ERROR,
            )
            .map_err(|error: SheafError| {
                error.with_hint("QUALIFY filters by them, or a sub-query computes them first")
            }),
            (Within::Aggregate, ..) if self.within.contains(&Within::Aggregate) => error(
                "aggregate function calls cannot be nested".to_owned(),
                SqlState::GROUPING_ERROR,
            ),
            (Within::Window, ..) if self.within.contains(&Within::Aggregate) => error(
                "aggregate function calls cannot contain window function calls".to_owned(),
                SqlState::GROUPING_ERROR,
            ),
            (Within::Window, ..) if self.within.contains(&Within::Window) => error(
                "window function calls cannot be nested".to_owned(),
                SqlState::WINDOWING_ERROR,
            ),
            _ => Ok(()),
        }
    }
}

fn position(function: &Function) -> Option<Position> {
    let span = function.name.0.first()?.as_ident()?.span;
    (span.start.line > 0).then_some(Position {
        line: span.start.line,
        column: span.start.column,
    })
}

impl Visitor for Calls<'_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<SheafError> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<SheafError> {
        self.query_depth = self.query_depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SheafError> {
        if self.query_depth == 0
            && let Expr::Function(function) = expr
        {
            let kind = self.kind(function);
            if let Err(error) = self.check(kind, function) {
                return ControlFlow::Break(error);
            }
            self.within.push(kind);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SheafError> {
        if self.query_depth == 0 && matches!(expr, Expr::Function(_)) {
            self.within.pop();
        }
        ControlFlow::Continue(())
    }
}
