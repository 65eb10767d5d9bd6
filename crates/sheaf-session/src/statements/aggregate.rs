//! CREATE AGGREGATE and DROP AGGREGATE of folds; those in other languages than SQL are functions
//! ([`super::function`]).
//!
//! An aggregate is among the functions of its session, where every statement that starts later finds
//! it. Views find it by its name whenever they are read.

use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use sheaf_functions::fold::Fold;
use sheaf_sql::{AggregateDefinition, FunctionSignature};

use super::create::new_name;
use super::{Running, function};
use crate::result::QueryResult;

/// Aggregates that one session may hold.
const AGGREGATES_MAX: usize = 10_000;

pub(super) fn create(
    running: &Running<'_>,
    definition: &AggregateDefinition,
) -> Result<QueryResult> {
    let name = new_name(&definition.name)?;
    let state = running.session.state_for(running.query);
    let fold = running.binder(&state).plan_fold(&name, definition)?;
    let place = |error: SheafError| error.with_position(definition.position);
    let functions = running.session.inner.catalog.functions.all();
    if functions.contains_key(&name) {
        return Err(place(
            SheafError::user(format!("\"{name}\" is a function already"))
                .with_state(SqlState::DUPLICATE_FUNCTION)
                .with_hint("give the aggregate another name"),
        ));
    }
    let mut state = running.session.inner.state.write();
    let state = state.functions_mut();
    match what_is(&name, state) {
        Some(Named::Other(kind)) => {
            return Err(place(
                SheafError::user(format!("\"{name}\" is {kind} already"))
                    .with_state(SqlState::DUPLICATE_FUNCTION)
                    .with_hint("give the aggregate another name"),
            ));
        }
        Some(Named::Fold) if definition.or_replace => {}
        Some(Named::Fold) if definition.if_not_exists => {
            return Ok(running.done("CREATE AGGREGATE"));
        }
        Some(Named::Fold) => {
            return Err(place(
                SheafError::user(format!("aggregate \"{name}\" already exists"))
                    .with_state(SqlState::DUPLICATE_FUNCTION)
                    .with_hint("CREATE OR REPLACE replaces it, IF NOT EXISTS keeps it"),
            ));
        }
        None if folds(state).count() >= AGGREGATES_MAX => {
            return Err(SheafError::resource(format!(
                "a session holds at most {AGGREGATES_MAX} aggregates"
            )));
        }
        None => {}
    }
    state.register_udaf(Arc::new(fold.into_function()))?;
    Ok(running.done("CREATE AGGREGATE"))
}

pub(super) fn drop(
    running: &Running<'_>,
    names: &[ast::ObjectName],
    if_exists: bool,
) -> Result<QueryResult> {
    let all = names.iter().map(|name| Ok((new_name(name)?, name)));
    let all = all.collect::<Result<Vec<_>>>()?;
    // Those in other languages are functions.
    let (called, folds): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(name, _)| function::are_aggregates(running, name));
    let names: Vec<String> = folds.into_iter().map(|(name, _)| name).collect();
    drop_folds(running, &names, if_exists)?;
    let signatures = called.into_iter().map(|(_, name)| FunctionSignature {
        name: name.clone(),
        types: None,
    });
    let signatures: Vec<FunctionSignature> = signatures.collect();
    function::drop(running, &signatures, if_exists, false, false)?;
    Ok(running.done("DROP AGGREGATE"))
}

fn drop_folds(running: &Running<'_>, names: &[String], if_exists: bool) -> Result<()> {
    let mut state = running.session.inner.state.write();
    let state = state.functions_mut();
    for name in names {
        match what_is(name, state) {
            Some(Named::Fold) => {}
            Some(Named::Other(kind)) => {
                return Err(SheafError::user(format!(
                    "\"{name}\" is {kind}, and not from CREATE AGGREGATE"
                ))
                .with_state(SqlState::WRONG_OBJECT_TYPE));
            }
            None if if_exists => {}
            None => {
                let error = SheafError::user(format!("aggregate \"{name}\" does not exist"))
                    .with_state(SqlState::UNDEFINED_FUNCTION);
                return Err(match nearest(name, folds(state)) {
                    Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
                    None => error.with_hint("\\df lists the functions"),
                });
            }
        }
    }
    for name in names {
        state.deregister_udaf(name)?;
    }
    Ok(())
}

/// What a function's name stands for.
enum Named {
    /// A fold of the user's own.
    Fold,
    /// Something else, in words.
    Other(&'static str),
}

fn what_is(name: &str, state: &SessionState) -> Option<Named> {
    if let Some(function) = state.aggregate_functions().get(name) {
        return Some(match Fold::of(function) {
            Some(_) => Named::Fold,
            None => Named::Other("an aggregate function"),
        });
    }
    if state.scalar_functions().contains_key(name)
        || state.higher_order_functions().contains_key(name)
    {
        return Some(Named::Other("a function"));
    }
    let is_window = state.window_functions().contains_key(name);
    is_window.then_some(Named::Other("a window function"))
}

/// The names of the folds of a session.
fn folds(state: &SessionState) -> impl Iterator<Item = &str> {
    let functions = state.aggregate_functions().iter();
    let folds = functions.filter(|(_, function)| Fold::of(function).is_some());
    folds.map(|(name, _)| name.as_str())
}
