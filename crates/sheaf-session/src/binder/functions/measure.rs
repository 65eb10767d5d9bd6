//! What a call would make of a body: how often it would evaluate its arguments, and how large it
//! would get.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Query, TableFactor, Visitor,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::FunctionBody;
use sheaf_sql::limits::{
    EXPANDED_DEPTH_MAX, EXPANDED_EXPRESSIONS_MAX, EXPANDED_RELATIONS_MAX, QUERY_LEVELS,
};
use sheaf_sql::walk::Walk;

use super::calls;
use super::inline::parameter_of;
use crate::catalog::SqlFunction;

/// How a body uses a parameter.
#[derive(Clone, Copy, Default)]
pub(super) struct Uses {
    pub(super) count: usize,
    /// In a sub-query or a lambda, which evaluate it for each of their own rows or items.
    pub(super) is_within: bool,
}

/// How `body`, which is that of `function`, uses each of its parameters.
pub(super) fn uses(body: &FunctionBody, function: &SqlFunction) -> Vec<Uses> {
    struct Counter<'a> {
        function: &'a SqlFunction,
        uses: Vec<Uses>,
        depth: usize,
    }
    impl Counter<'_> {
        fn levels(&self, expr: &Expr) -> usize {
            usize::from(matches!(expr, Expr::Lambda(_)) || is_unit(expr, self.function))
        }
    }
    impl Visitor for Counter<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth = self.depth.saturating_sub(1);
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.depth += self.levels(expr);
            if let Some(uses) = parameter_of(expr).and_then(|at| self.uses.get_mut(at)) {
                uses.count += 1;
                uses.is_within |= self.depth > 0;
            }
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.depth = self.depth.saturating_sub(self.levels(expr));
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let at = relation_of(factor, self.function);
            if let Some(uses) = at.and_then(|at| self.uses.get_mut(at)) {
                uses.count += 1;
            }
            ControlFlow::Continue(())
        }
    }
    let mut counter = Counter {
        function,
        uses: vec![Uses::default(); function.parameters.len()],
        depth: 0,
    };
    let _ = match body {
        FunctionBody::Expr(expr) => expr.walk(&mut counter),
        FunctionBody::Table(query) => query.walk(&mut counter),
    };
    counter.uses
}

/// The number of the parameter whose relation `factor` is.
pub(super) fn relation_of(factor: &TableFactor, function: &SqlFunction) -> Option<usize> {
    let TableFactor::Table { name, .. } = factor else {
        return None;
    };
    let [part] = name.0.as_slice() else {
        return None;
    };
    let ident = part.as_ident()?;
    ident.quote_style?;
    let mut parameters = function.parameters.iter();
    parameters.position(|parameter| function.relation_name(&parameter.name) == ident.value)
}

/// Whether `expr` has a query of its own, beside which its arguments would have to stand: not only
/// a part of it has one, and what it compares with a query is left alone if that needs no argument.
pub(super) fn is_unit(expr: &Expr, function: &SqlFunction) -> bool {
    match expr {
        Expr::Subquery(_) | Expr::Exists { .. } => true,
        Expr::InSubquery { subquery, .. } => needs_arguments(subquery, function),
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => match right.as_ref() {
            Expr::Subquery(query) => needs_arguments(query, function),
            _ => false,
        },
        Expr::Function(Function { args, .. }) => matches!(args, FunctionArguments::Subquery(_)),
        _ => false,
    }
}

fn needs_arguments(query: &Query, function: &SqlFunction) -> bool {
    struct Finder(String);
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match parameter_of(expr) {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let name = match factor {
                TableFactor::Table { name, .. } => name.0.first().and_then(|part| part.as_ident()),
                _ => None,
            };
            match name.is_some_and(|name| name.value.starts_with(&self.0)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    let mut finder = Finder(function.relation_name(""));
    query.walk(&mut finder).is_break()
}

/// Whether `expr` has an aggregate or a window function outside of its sub-queries.
pub(super) fn has_aggregate(expr: &Expr, state: &SessionState) -> bool {
    struct Finder<'a> {
        state: &'a SessionState,
        depth: usize,
    }
    impl Visitor for Finder<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth = self.depth.saturating_sub(1);
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(call) = expr
                && self.depth == 0
                && let Some(name) = calls::function_name(&call.name)
                && (call.over.is_some() || self.state.aggregate_functions().contains_key(&name))
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    expr.walk(&mut Finder { state, depth: 0 }).is_break()
}

/// Whether `expr` names no column, table or sub-query.
pub(super) fn is_closed(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::Wildcard(_)
                | Expr::QualifiedWildcard(..) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.walk(&mut Names).is_continue()
}

/// Whether `expr` calls a function that gives another value each time.
pub(super) fn is_volatile(expr: &Expr, state: &SessionState) -> bool {
    struct Calls<'a>(&'a SessionState);
    impl Visitor for Calls<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(call) = expr
                && let Some(name) = calls::function_name(&call.name)
                && let Some(function) = self.0.scalar_functions().get(&name)
                && function.signature().volatility == Volatility::Volatile
            {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    expr.walk(&mut Calls(state)).is_break()
}

/// How large a tree is.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) expressions: usize,
    /// Tables and queries.
    pub(super) relations: usize,
    /// Expressions within one another, of which a query counts for [`QUERY_LEVELS`].
    pub(super) depth: usize,
}

impl Size {
    /// Adds a tree.
    pub(super) fn add(&mut self, other: Self) {
        self.expressions = self.expressions.saturating_add(other.expressions);
        self.relations = self.relations.saturating_add(other.relations);
    }

    /// Adds what `count` copies of an argument are more than the argument, which is counted already,
    /// and the parameters, each one expression, in whose place they stand.
    pub(super) fn add_argument(&mut self, argument: Self, count: usize) {
        let more = |each: usize, once: usize| each.saturating_mul(count).saturating_sub(once);
        self.add(Self {
            expressions: more(argument.expressions.saturating_sub(1), argument.expressions),
            relations: more(argument.relations, argument.relations),
            depth: 0,
        });
    }
}

/// Measures the body of a function.
pub(super) fn body_size(body: &FunctionBody) -> Size {
    match body {
        FunctionBody::Expr(expr) => size(expr),
        FunctionBody::Table(query) => size(query),
    }
}

/// Measures `tree`.
pub(super) fn size(tree: &impl Walk) -> Size {
    #[derive(Default)]
    struct Meter {
        size: Size,
        depth: usize,
    }
    impl Meter {
        fn enter(&mut self, levels: usize) -> ControlFlow<()> {
            self.size.expressions += 1;
            self.depth += levels;
            self.size.depth = self.size.depth.max(self.depth);
            ControlFlow::Continue(())
        }
        fn leave(&mut self, levels: usize) -> ControlFlow<()> {
            self.depth = self.depth.saturating_sub(levels);
            ControlFlow::Continue(())
        }
    }
    impl Visitor for Meter {
        type Break = ();
        fn pre_visit_table_factor(&mut self, _factor: &TableFactor) -> ControlFlow<()> {
            self.size.relations += 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.size.relations += 1;
            self.enter(QUERY_LEVELS)
        }
        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.leave(QUERY_LEVELS)
        }
        fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
            self.enter(1)
        }
        fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
            self.leave(1)
        }
    }
    let mut meter = Meter::default();
    let _ = tree.walk(&mut meter);
    meter.size
}

/// Refuses what is too large or too deep.
///
/// # Errors
/// `UserInput` (54000).
pub(super) fn within_limits(size: Size) -> Result<()> {
    let error = |message: String| {
        Err(SheafError::user(message)
            .with_state(SqlState::PROGRAM_LIMIT)
            .with_hint("CREATE TABLE name AS … keeps what a part of them gives"))
    };
    if size.expressions > EXPANDED_EXPRESSIONS_MAX {
        return error(format!(
            "with its functions the statement has over {EXPANDED_EXPRESSIONS_MAX} expressions"
        ));
    }
    if size.relations > EXPANDED_RELATIONS_MAX {
        return error(format!(
            "with its functions the statement has over {EXPANDED_RELATIONS_MAX} tables and queries"
        ));
    }
    if size.depth > EXPANDED_DEPTH_MAX {
        return error(format!(
            "with its functions the statement is nested over {EXPANDED_DEPTH_MAX} deep"
        ));
    }
    Ok(())
}

/// Whether `tree` has a query.
pub(super) fn has_query(tree: &impl Walk) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    tree.walk(&mut Finder).is_break()
}
