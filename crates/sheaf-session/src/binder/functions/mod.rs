//! Functions whose bodies are SQL: a call becomes what its function stands for, before anything is
//! planned, so that predicates, projections and constants pass through it.
//!
//! CREATE FUNCTION settles what each name of a body means ([`define`]); a call is matched with one of
//! the functions of its name ([`calls`]), the calls within its body are expanded, and the arguments
//! put in ([`expander`], [`inline`]). Limits on depth and size are those of `sheaf_sql::limits`.
//!
//! Calls of functions in other languages stay calls, of a name that only the engine knows, with all of
//! their arguments in their places ([`user`]).
//!
//! Names are hygienic: what a body names is its own, what an argument names is the caller's. A
//! column of a table in the body that is gone by now could be taken for one of the caller; so a body
//! with sub-queries whose call stands beside columns is planned by itself, too: once after each change of
//! the catalogue, and for each statement if it reads files, whose columns change by themselves.

mod blame;
mod calls;
mod code;
mod define;
mod expander;
mod fit;
mod inline;
mod measure;
mod names;
mod ordinals;
mod resolve;
mod usage;
mod user;

use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::logical_expr::{ExprSchemable, LogicalPlan};
use datafusion::sql::sqlparser::ast::{self, Expr, TableFactor, Visitor};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::limits::FUNCTION_DEPTH_MAX;
use sheaf_sql::walk::{Walk, WalkMut};

use self::blame::{Called, Expansion, of_function};
use self::expander::{Expander, Types};
use self::fit::{Needed, type_of};
use self::measure::{size, within_limits};
use self::usage::reads_files;
use super::{Binder, column_names};
use crate::catalog::FunctionMap;

pub(crate) use self::calls::function_name;
pub(super) use self::calls::position;
pub(crate) use self::code::WrittenCode;
pub(crate) use self::define::body_names_files;
pub(crate) use self::usage::{Used, recursion, used, used_by};

/// Plans `statement` with its calls expanded.
///
/// # Errors
/// Those of [`expand`] and of planning; of an error within a body the function is told.
pub(super) async fn plan(mut statement: ast::Statement, binder: Binder<'_>) -> Result<LogicalPlan> {
    let expansion = expand(&mut statement, binder).await?;
    match (binder.plan_expanded(statement).await, expansion) {
        (Err(error), Some(expansion)) if binder.looks_into_functions => {
            Err(expansion.blame(error, binder).await)
        }
        (result, _) => result,
    }
}

/// Expands the calls in `statement`; `None` if there are none.
///
/// # Errors
/// `UserInput` if a function does not take its arguments, or a limit is reached, with the place of
/// the call; those of the body of a function.
async fn expand(statement: &mut ast::Statement, binder: Binder<'_>) -> Result<Option<Expansion>> {
    let functions = binder.functions();
    if functions.is_empty() || !has_calls(statement, &functions) {
        return Ok(None);
    }
    column_names::name_computed(statement);
    let original = statement.clone();
    let mut types = Types::new();
    let mut asks_all = false;
    // A round for each level of calls within arguments that tell functions apart.
    loop {
        let mut expander = Expander::new(binder, &functions, &types, asks_all);
        if let ControlFlow::Break(error) = statement.walk_mut(&mut expander) {
            return Err(error);
        }
        let Expander {
            needed,
            waits,
            calls,
            checked,
            ..
        } = expander;
        asks_all = waits && needed.is_empty();
        if needed.is_empty() && !waits {
            within_limits(size(statement))?;
            check(checked, binder).await?;
            return Ok(Some(Expansion::new(original, calls)));
        }
        for Needed { key, queries, .. } in needed {
            if let Entry::Vacant(entry) = types.entry(key) {
                entry.insert(type_of(queries, binder).await?);
            }
        }
        *statement = original.clone();
    }
}

/// Expands the calls in an expression that stands alone.
///
/// # Errors
/// As [`expand`].
pub(super) fn expand_expression(expr: &mut Expr, binder: Binder<'_>) -> Result<()> {
    let functions = binder.functions();
    if functions.is_empty() {
        return Ok(());
    }
    let original = expr.clone();
    let mut types = Types::new();
    let mut asks_all = false;
    loop {
        let mut expander = Expander::new(binder, &functions, &types, asks_all);
        if let ControlFlow::Break(error) = expr.walk_mut(&mut expander) {
            return Err(error);
        }
        let Expander { needed, waits, .. } = expander;
        asks_all = waits && needed.is_empty();
        if needed.is_empty() && !waits {
            return within_limits(size(expr));
        }
        for Needed { key, value, .. } in needed {
            let planned = binder.plan_expression(value)?;
            types.insert(key, Some(planned.get_type(&DFSchema::empty())?));
        }
        *expr = original.clone();
    }
}

/// Plans the bodies of `functions` by themselves, unless that has been done since the catalogue changed.
async fn check(functions: Vec<Called>, binder: Binder<'_>) -> Result<()> {
    if !binder.looks_into_functions {
        return Ok(());
    }
    let version = binder.catalog.version();
    for Called { function, span } in functions {
        if function.checked.is_at(version) {
            continue;
        }
        let result = binder.check_function(&function).await;
        result.map_err(|error| of_function(error, &function, span))?;
        if binder.new_functions.is_none() && !reads_files(&function, binder.catalog) {
            function.checked.set(version);
        }
    }
    Ok(())
}

/// Whether `statement` calls functions of the session.
pub(super) fn are_called(statement: &ast::Statement, binder: Binder<'_>) -> bool {
    let functions = binder.functions();
    !functions.is_empty() && has_calls(statement, &functions)
}

/// Whether `tree` calls any of `functions`.
fn has_calls(tree: &impl Walk, functions: &FunctionMap) -> bool {
    struct Finder<'a>(&'a FunctionMap);
    impl Visitor for Finder<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) if calls::called(call, self.0).is_some() => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let name = calls::called_relation(factor).and_then(|(name, _)| function_name(name));
            match name.is_some_and(|name| self.0.contains_key(&name)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    tree.walk(&mut Finder(functions)).is_break()
}

/// The error about functions that lead back to themselves: `names` in the order of their calls.
pub(super) fn recursive(names: &[&str]) -> SheafError {
    SheafError::user(format!(
        "functions cannot call themselves: {}",
        names.join(" → ")
    ))
    .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
    .with_hint("WITH RECURSIVE repeats a query")
}

fn too_deep() -> SheafError {
    SheafError::user(format!(
        "functions call one another more than {FUNCTION_DEPTH_MAX} deep"
    ))
    .with_state(SqlState::PROGRAM_LIMIT)
}
