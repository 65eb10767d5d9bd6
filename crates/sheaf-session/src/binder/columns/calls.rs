//! COLUMNS in syntax trees: where it stands, what it says, and putting a column in its place.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Value, Visitor,
    VisitorMut,
};
use sheaf_base::error::Position;
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::{Walk, WalkMut};

/// Whether COLUMNS stands anywhere in `node`.
pub(in crate::binder) fn is_in(node: &impl Walk) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match call(expr) {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        }
    }
    node.walk(&mut Finder).is_break()
}

/// The call, if `expr` is one of COLUMNS.
pub(super) fn call(expr: &Expr) -> Option<&Function> {
    match expr {
        Expr::Function(function) => match function.name.0.as_slice() {
            [part] => part.as_ident().filter(|ident| {
                ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("columns")
            }),
            _ => None,
        }
        .map(|_| function),
        _ => None,
    }
}

/// The one COLUMNS of a clause, which may stand there several times; its sub-queries do not count.
pub(super) fn only_call(node: &impl Walk) -> Result<Option<Function>> {
    #[derive(Default)]
    struct Finder {
        found: Option<Function>,
        query_depth: usize,
        is_within: bool,
    }
    impl Visitor for Finder {
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
            let Some(function) = call(expr).filter(|_| self.query_depth == 0) else {
                return ControlFlow::Continue(());
            };
            if self.is_within {
                let error = SheafError::user("COLUMNS(…) cannot stand within COLUMNS(…)");
                return ControlFlow::Break(placed(error, function));
            }
            self.is_within = true;
            match &self.found {
                Some(other) if other.to_string() != function.to_string() => {
                    let error = SheafError::user("an expression has two different COLUMNS(…)")
                        .with_detail("it stands for one expression for each of the columns")
                        .with_hint("write the same COLUMNS(…) in both places, or name the columns");
                    ControlFlow::Break(placed(error, function))
                }
                _ => {
                    self.found = Some(function.clone());
                    ControlFlow::Continue(())
                }
            }
        }

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SheafError> {
            if self.query_depth == 0 && call(expr).is_some() {
                self.is_within = false;
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder::default();
    match node.walk(&mut finder) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(finder.found),
    }
}

/// `expr` with `column` in the place of COLUMNS.
pub(super) fn with_column(expr: &Expr, column: &Expr) -> Expr {
    struct Replacer<'a> {
        column: &'a Expr,
        query_depth: usize,
    }
    impl VisitorMut for Replacer<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.query_depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.query_depth = self.query_depth.saturating_sub(1);
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if self.query_depth == 0 && call(expr).is_some() {
                *expr = self.column.clone();
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let mut replacer = Replacer {
        column,
        query_depth: 0,
    };
    let _ = expr.walk_mut(&mut replacer);
    expr
}

/// What stands between the parentheses.
pub(super) fn argument(call: &Function) -> Option<&FunctionArgExpr> {
    match &call.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(argument)] => Some(argument),
            _ => None,
        },
        _ => None,
    }
}

/// A text constant.
pub(super) fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                Some(text.clone())
            }
            _ => None,
        },
        _ => None,
    }
}

/// `error` at the place of `call`.
pub(super) fn placed(error: SheafError, call: &Function) -> SheafError {
    let ident = call.name.0.first().and_then(|part| part.as_ident());
    match ident.map(|ident| ident.span.start) {
        Some(start) if start.line > 0 => error.with_position(Position {
            line: start.line,
            column: start.column,
        }),
        _ => error,
    }
}
