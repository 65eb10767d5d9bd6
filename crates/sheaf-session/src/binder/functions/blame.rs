//! From which function an error comes: bodies stand at the places of their calls, and an error without
//! a place is looked for by planning without one call after another.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, Expr, ObjectName, TableFactor, Value, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::Span;
use sheaf_base::SheafError;
use sheaf_base::error::{ErrorKind, Position};
use sheaf_sql::FunctionBody;
use sheaf_sql::walk::WalkMut;

use super::super::Binder;
use super::super::build::select_all;
use super::calls;
use crate::catalog::SqlFunction;

/// Calls that an error without a place is looked for in.
const BLAMED_MAX: usize = 8;

/// A statement whose calls have been expanded.
pub(super) struct Expansion {
    /// As it was before.
    original: ast::Statement,
    calls: Vec<Called>,
}

/// A call that a statement itself makes.
pub(super) struct Called {
    pub(super) function: Arc<SqlFunction>,
    pub(super) span: Span,
}

impl Expansion {
    pub(super) fn new(original: ast::Statement, calls: Vec<Called>) -> Self {
        Self { original, calls }
    }

    /// `error` with the function that it comes from, if that can be told: by its place, which is
    /// that of a call, else by planning without one call after another.
    pub(super) async fn blame(self, error: SheafError, binder: Binder<'_>) -> SheafError {
        if error.kind() != ErrorKind::UserInput {
            return error;
        }
        if let Some(position) = error.position() {
            let at = |called: &&Called| {
                let start = called.span.start;
                (start.line, start.column) == (position.line, position.column)
            };
            return match self.calls.iter().find(at) {
                Some(called) => of_function(error, &called.function, called.span),
                None => error,
            };
        }
        for called in self.calls.iter().take(BLAMED_MAX) {
            if self.fails_by(called, binder).await {
                return of_function(error, &called.function, called.span);
            }
        }
        error
    }

    /// Whether the statement can be planned without `called`, or a call in FROM cannot be alone.
    async fn fails_by(&self, called: &Called, binder: Binder<'_>) -> bool {
        struct Replacer {
            span: Span,
            relation: Option<TableFactor>,
        }
        impl VisitorMut for Replacer {
            type Break = ();
            fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
                if let Expr::Function(call) = expr
                    && is_at(&call.name, self.span)
                {
                    *expr = Expr::Value(Value::Null.with_empty_span());
                }
                ControlFlow::Continue(())
            }
            fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
                if let Some((name, _)) = calls::called_relation(factor)
                    && is_at(name, self.span)
                {
                    self.relation = Some(factor.clone());
                }
                ControlFlow::Continue(())
            }
        }
        let mut replacer = Replacer {
            span: called.span,
            relation: None,
        };
        let mut statement = self.original.clone();
        let _ = statement.walk_mut(&mut replacer);
        let binder = Binder {
            looks_into_functions: false,
            ..binder
        };
        match replacer.relation {
            None => binder.plan(statement).await.is_ok(),
            Some(relation) => binder.plan_query(select_all(relation)).await.is_err(),
        }
    }
}

fn is_at(name: &ObjectName, span: Span) -> bool {
    let ident = name.0.first().and_then(|part| part.as_ident());
    span.start.line > 0 && ident.is_some_and(|ident| ident.span.start == span.start)
}

/// An error within a function that is called at `span`.
pub(super) fn of_function(error: SheafError, function: &SqlFunction, span: Span) -> SheafError {
    let error = sheaf_udf::named(&function.name, error);
    match span.start.line {
        0 => error,
        line => error.with_position(Position {
            line,
            column: span.start.column,
        }),
    }
}

/// Gives all of `body` the place of a call, at which errors are shown.
pub(super) fn place_at(body: &mut FunctionBody, span: Span) {
    struct Placer(Span);
    impl Placer {
        fn name(&self, name: &mut ObjectName) {
            for part in &mut name.0 {
                if let ast::ObjectNamePart::Identifier(ident) = part {
                    ident.span = self.0;
                }
            }
        }
    }
    impl VisitorMut for Placer {
        type Break = ();
        fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
            self.name(name);
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => ident.span = self.0,
                Expr::CompoundIdentifier(parts) => {
                    parts.iter_mut().for_each(|part| part.span = self.0);
                }
                Expr::Function(call) => self.name(&mut call.name),
                Expr::Value(value) => value.span = self.0,
                _ => {}
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, .. } | TableFactor::Function { name, .. } = factor {
                self.name(name);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = match body {
        FunctionBody::Expr(expr) => expr.walk_mut(&mut Placer(span)),
        FunctionBody::Table(query) => query.walk_mut(&mut Placer(span)),
    };
}
