//! CREATE FUNCTION, DROP FUNCTION and SHOW CREATE FUNCTION.
//!
//! A function, whatever its language, is kept with its session, as views are. What uses it finds it by its name whenever it
//! is read, and so DROP looks at the views and functions that name it.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::SessionState;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use sheaf_sql::{FunctionDefinition, FunctionOverload, FunctionSignature, FunctionSource};

use super::create::new_name;
use super::settings::rows;
use super::{Running, code};
use crate::binder::{WrittenCode, recursion, used, used_by};
use crate::catalog::{Catalog, FunctionMap, RUST, Relation, SqlFunction, kind_identity};
use crate::result::QueryResult;

/// Dependents that the error of DROP names at most.
const SHOWN_MAX: usize = 10;

/// Names that the grammar reads by rules of their own.
const RESERVED: &[&str] = &[
    "any", "array", "cast", "columns", "exists", "extract", "grouping", "in", "not", "position",
    "row", "some", "table", "try_cast", "unnest", "values",
];

pub(super) async fn create(
    running: &Running<'_>,
    definition: &FunctionDefinition,
) -> Result<QueryResult> {
    let tag = match definition {
        definition if definition.is_macro => "CREATE MACRO",
        definition if definition.is_aggregate => "CREATE AGGREGATE",
        _ => "CREATE FUNCTION",
    };
    let name = new_name(&definition.name)?;
    let place = |error: SheafError| match error.position() {
        None => error.with_position(definition.position),
        Some(_) => error,
    };
    let state = running.session.state_for(running.query);
    if let Some(kind) = other_kind(&name, &state) {
        return Err(place(
            SheafError::user(format!("\"{name}\" is {kind} already"))
                .with_state(SqlState::DUPLICATE_FUNCTION)
                .with_hint("give the function another name"),
        ));
    }
    let catalog = &running.session.inner.catalog;
    let mut new = Vec::with_capacity(definition.overloads.len());
    for overload in &definition.overloads {
        let function = define(running, &state, &name, definition, overload);
        let context = format!("function \"{name}\"");
        let function = function.await.map_err(|error| {
            place(match error.message().starts_with(&context) {
                true => error,
                false => error.with_context(context),
            })
        })?;
        new.push(Arc::new(function));
    }
    let mut functions = FunctionMap::clone(&catalog.functions.all());
    if !put(&mut functions, &name, &new, definition).map_err(place)? {
        return Ok(running.done(tag));
    }
    for function in &new {
        recursion(function, &functions).map_err(place)?;
    }
    let functions = Arc::new(functions);
    for function in new.iter().filter(|function| function.user.is_none()) {
        let binder = running.binder(&state).with_functions(&functions);
        binder
            .check_function(function)
            .await
            .map_err(|error| place(error.with_context(format!("function \"{name}\""))))?;
    }
    catalog
        .functions
        .change(|functions| put(functions, &name, &new, definition).map(|_| ()))
        .map_err(place)?;
    Ok(running.done(tag))
}

/// The function that `overload` of `definition` makes.
async fn define(
    running: &Running<'_>,
    state: &SessionState,
    name: &str,
    definition: &FunctionDefinition,
    overload: &FunctionOverload,
) -> Result<SqlFunction> {
    let (binder, create_text) = (running.binder(state), running.query.text());
    match &overload.source {
        FunctionSource::Sql(_) => binder.define_function(name, overload, create_text).await,
        FunctionSource::Code(written) => {
            let (language, code) = code::read(running, state, written).await?;
            let written = WrittenCode {
                name,
                overload,
                code: written,
                is_aggregate: definition.is_aggregate,
                create_text,
            };
            binder.define_code(&written, language.as_ref(), &code)
        }
    }
}

/// Puts `new` among `functions`; whether it did.
fn put(
    functions: &mut FunctionMap,
    name: &str,
    new: &[Arc<SqlFunction>],
    definition: &FunctionDefinition,
) -> Result<bool> {
    let old = functions.entry(name.to_owned()).or_default();
    let is_same = |old: &SqlFunction| {
        definition.is_macro || new.iter().any(|new| new.identity() == old.identity())
    };
    if old.iter().any(|old| is_same(old)) {
        if definition.if_not_exists && !definition.or_replace {
            return Ok(false);
        }
        if !definition.or_replace {
            let hint = "CREATE OR REPLACE replaces it, IF NOT EXISTS keeps it";
            return Err(
                SheafError::user(format!("function \"{name}\" already exists"))
                    .with_state(SqlState::DUPLICATE_FUNCTION)
                    .with_hint(hint),
            );
        }
    }
    old.retain(|old| !is_same(old));
    let is_aggregate = definition.is_aggregate;
    if old.iter().any(|old| old.is_aggregate() != is_aggregate) {
        let kind = if is_aggregate {
            "a function"
        } else {
            "an aggregate"
        };
        return Err(SheafError::user(format!("\"{name}\" is {kind} already"))
            .with_state(SqlState::DUPLICATE_FUNCTION)
            .with_hint("give it another name"));
    }
    for function in new {
        if old.iter().any(|old| old.identity() == function.identity()) {
            return Err(SheafError::user(format!(
                "function \"{name}\" is declared twice with the same parameters"
            ))
            .with_state(SqlState::DUPLICATE_FUNCTION));
        }
        old.push(Arc::clone(function));
    }
    Ok(true)
}

/// What a name stands for that is none of the functions of [`FunctionMap`], in words.
pub(crate) fn other_kind(name: &str, state: &SessionState) -> Option<&'static str> {
    let is_table = state.table_functions().contains_key(name)
        || sheaf_files::format_by_function(name).is_some();
    match () {
        () if state.aggregate_functions().contains_key(name) => Some("an aggregate function"),
        () if state.window_functions().contains_key(name) => Some("a window function"),
        () if state.scalar_functions().contains_key(name)
            || state.higher_order_functions().contains_key(name) =>
        {
            Some("a function")
        }
        () if is_table => Some("a table function"),
        () if RESERVED.contains(&name) => Some("a form of the language"),
        () => None,
    }
}

/// A view or function that uses what is dropped.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Dependent {
    View(String),
    Function(String),
}

pub(super) fn drop(
    running: &Running<'_>,
    signatures: &[FunctionSignature],
    if_exists: bool,
    cascade: bool,
    is_macro: bool,
) -> Result<QueryResult> {
    let catalog = &running.session.inner.catalog;
    let functions = catalog.functions.all();
    let mut dropped: Vec<Arc<SqlFunction>> = Vec::new();
    for signature in signatures {
        let found = find(signature, &functions)?;
        match found.as_slice() {
            [] if if_exists => {}
            [] => return Err(missing(signature, &functions)),
            [_, _, ..] if signature.types.is_none() && !is_macro => {
                let texts: Vec<String> = found.iter().map(|f| f.signature()).collect();
                return Err(SheafError::user(format!(
                    "several functions are called \"{}\": {}",
                    signature.name,
                    texts.join(", ")
                ))
                .with_state(SqlState::AMBIGUOUS_FUNCTION)
                .with_hint(
                    "DROP FUNCTION f(type, …) says which; ANY is a parameter without a type",
                ));
            }
            _ => dropped.extend(found),
        }
    }
    let views = dependents(catalog, &functions, &mut dropped, cascade)?;
    catalog.functions.change(|functions| {
        for kept in functions.values_mut() {
            kept.retain(|f| !dropped.iter().any(|other| Arc::ptr_eq(other, f)));
        }
        Ok(())
    })?;
    for view in views {
        catalog.remove(&view, true, true)?;
    }
    Ok(running.done(match is_macro {
        true => "DROP MACRO",
        false => "DROP FUNCTION",
    }))
}

/// Whether aggregates in other languages than SQL are called `name`.
pub(super) fn are_aggregates(running: &Running<'_>, name: &str) -> bool {
    let functions = running.session.inner.catalog.functions.all();
    let found = functions.get(name);
    found.is_some_and(|functions| functions.iter().any(|f| f.is_aggregate()))
}

fn find(signature: &FunctionSignature, functions: &FunctionMap) -> Result<Vec<Arc<SqlFunction>>> {
    let name = new_name(&signature.name)?;
    let found = functions.get(&name).into_iter().flatten();
    let types = signature.types.as_ref();
    let types = types.map(|types| types.iter().map(kind_identity).collect::<Vec<_>>());
    let found = found.filter(|f| types.as_ref().is_none_or(|types| *types == f.identity()));
    Ok(found.cloned().collect())
}

fn missing(signature: &FunctionSignature, functions: &FunctionMap) -> SheafError {
    let name = &signature.name;
    let own = crate::binder::function_name(name).unwrap_or_default();
    if let Some(others) = functions.get(&own) {
        let texts: Vec<String> = others.iter().map(|f| f.signature()).collect();
        return SheafError::user(format!("no function \"{name}\" has these parameters"))
            .with_state(SqlState::UNDEFINED_FUNCTION)
            .with_hint(format!("there is {}", texts.join(", ")));
    }
    let error = SheafError::user(format!("function \"{name}\" does not exist"))
        .with_state(SqlState::UNDEFINED_FUNCTION);
    match nearest(&own, functions.keys().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("\\df lists the functions; DROP AGGREGATE drops an aggregate"),
    }
}

/// The views that use what is dropped; of functions, they are added to it.
///
/// # Errors
/// `UserInput` (2BP01) if there are any and `cascade` is not said.
fn dependents(
    catalog: &Catalog,
    functions: &FunctionMap,
    dropped: &mut Vec<Arc<SqlFunction>>,
    cascade: bool,
) -> Result<BTreeSet<String>> {
    let views: Vec<_> = catalog
        .list()
        .into_iter()
        .filter_map(|(name, relation)| match relation {
            Relation::View(view) => Some((name, used(view.query.as_ref(), functions))),
            _ => None,
        })
        .collect();
    let others: Vec<_> = functions
        .values()
        .flatten()
        .map(|function| (function, used_by(function, functions)))
        .collect();
    let mut dropped_views = BTreeSet::new();
    let mut found = BTreeSet::new();
    loop {
        let is_used = |used: &crate::binder::Used| {
            let functions = used.functions.iter();
            functions
                .into_iter()
                .any(|f| dropped.iter().any(|other| Arc::ptr_eq(other, f)))
                || used.relations.iter().any(|r| dropped_views.contains(r))
        };
        let views = views.iter().filter(|(_, used)| is_used(used));
        let new_views: Vec<String> = views
            .map(|(name, _)| name.clone())
            .filter(|name| !dropped_views.contains(name))
            .collect();
        let others = others.iter().filter(|(_, used)| is_used(used));
        let new_functions: Vec<Arc<SqlFunction>> = others
            .map(|(function, _)| Arc::clone(function))
            .filter(|f| !dropped.iter().any(|other| Arc::ptr_eq(other, f)))
            .collect();
        if new_views.is_empty() && new_functions.is_empty() {
            break;
        }
        found.extend(new_views.iter().cloned().map(Dependent::View));
        let signatures = new_functions.iter().map(|f| f.signature());
        found.extend(signatures.map(Dependent::Function));
        dropped_views.extend(new_views);
        dropped.extend(new_functions);
    }
    if found.is_empty() || cascade {
        return Ok(dropped_views);
    }
    let names: Vec<String> = found
        .iter()
        .take(SHOWN_MAX)
        .map(|dependent| match dependent {
            Dependent::View(name) => format!("view \"{name}\""),
            Dependent::Function(name) => format!("function {name}"),
        })
        .collect();
    let more = if found.len() > SHOWN_MAX { ", …" } else { "" };
    let first = dropped.first().map_or("", |f| f.name.as_str());
    Err(SheafError::user(format!(
        "function \"{first}\" cannot be dropped, since others use it"
    ))
    .with_state(SqlState::DEPENDENT_OBJECTS)
    .with_detail(format!("{}{more}", names.join(", ")))
    .with_hint("DROP FUNCTION … CASCADE drops them, too"))
}

/// `SHOW CREATE FUNCTION`: a row for each function of the name.
pub(super) fn show_create(
    running: &Running<'_>,
    signature: &FunctionSignature,
) -> Result<QueryResult> {
    let functions = running.session.inner.catalog.functions.all();
    let found = find(signature, &functions)?;
    if found.is_empty() {
        return Err(missing(signature, &functions));
    }
    if let Some(function) = found.iter().find(|function| function.language == RUST) {
        return Err(SheafError::unsupported(format!(
            "function \"{}\" was made by no statement: the program that runs here has it",
            function.name
        )));
    }
    let found = found.iter();
    let found = found.map(|function| vec![function.signature(), function.create_text.clone()]);
    rows(running, &["function", "create_statement"], found.collect())
}
