//! From a syntax tree to a plan: names are resolved, overloads chosen, every expression gets a type.
//!
//! [`query`] binds queries and WITH, [`select`] SELECT, [`from`] its relations, [`scope`] resolves
//! names of columns, [`expr`] binds expressions, [`calls`] calls, [`operators`] and [`parts`] what they say, [`coerce`] makes types agree. What
//! the evaluator has no form of is an error of kind `Unsupported`, upon which the session lets the
//! engine try.

mod calls;
mod coerce;
mod conditions;
mod expr;
mod forms;
mod from;
mod operators;
mod parts;
mod query;
mod scope;
mod select;
mod subqueries;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use sheaf_base::error::{Position, SqlState};
use sheaf_base::{Result, SheafError};

pub(crate) use self::calls::function_for;
use self::query::NamedCte;
use self::scope::Scope;
use crate::external::EngineFunctions;
use crate::plan::Query;
use crate::types::{Oid, TEXT};

/// Queries within queries: deeper ones are refused.
const DEPTH_MAX: usize = 64;

/// A query that can be run.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) query: Arc<Query>,
    /// The types of `$1`, `$2`, ….
    pub(crate) parameters: Vec<Oid>,
}

/// Binds `query`.
///
/// # Errors
/// `UserInput` if a name stands for nothing or types do not agree; `Unsupported` for forms that the
/// evaluator lacks.
pub(crate) fn bind(query: &ast::Query, engine: &EngineFunctions) -> Result<Bound> {
    let mut binder = Binder {
        engine,
        scopes: vec![],
        ctes: vec![],
        parameters: vec![],
        uses: vec![],
        next_id: 0,
    };
    let query = binder.query(query)?;
    let parameters = binder.parameters.into_iter();
    Ok(Bound {
        query: Arc::new(query),
        parameters: parameters.map(|oid| oid.unwrap_or(TEXT)).collect(),
    })
}

/// The state of binding.
struct Binder<'a> {
    engine: &'a EngineFunctions,
    /// The relations of each SELECT around, outermost first.
    scopes: Vec<Scope>,
    /// The queries of WITH that can be named, innermost last.
    ctes: Vec<NamedCte>,
    /// The types of parameters, as far as they are known.
    parameters: Vec<Option<Oid>>,
    /// For each query around, its depth and the depths of the scopes around it that it uses.
    uses: Vec<(usize, BTreeSet<usize>)>,
    next_id: usize,
}

impl Binder<'_> {
    fn new_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    fn scope_mut(&mut self) -> Result<&mut Scope> {
        self.scopes.last_mut().ok_or_else(|| {
            SheafError::user("aggregates, windows and sets are for the list and order of SELECT")
                .with_state(SqlState::GROUPING_ERROR)
        })
    }
}

/// The name that an identifier means: in lower case unless it is quoted.
fn name_of(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The parts of a name.
fn parts_of(name: &ast::ObjectName) -> Vec<String> {
    let parts = name.0.iter().map(|part| match part.as_ident() {
        Some(ident) => name_of(ident),
        None => part.to_string(),
    });
    parts.collect()
}

fn position(ident: &ast::Ident) -> Option<Position> {
    let start = ident.span.start;
    (start.line > 0).then_some(Position {
        line: start.line,
        column: start.column,
    })
}

/// Places an error at an identifier.
fn at(error: SheafError, ident: &ast::Ident) -> SheafError {
    match position(ident) {
        Some(position) => error.with_position(position),
        None => error,
    }
}

fn unsupported(what: &str) -> SheafError {
    SheafError::unsupported(format!("{what} in a statement about the catalogue"))
}
