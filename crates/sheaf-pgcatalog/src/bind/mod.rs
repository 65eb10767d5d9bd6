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
mod scales;
mod scope;
mod select;
mod subqueries;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use sheaf_base::error::{ErrorKind, Position, SqlState};
use sheaf_base::{Result, SheafError};

pub(crate) use self::calls::function_for;
use self::query::NamedCte;
use self::scope::Scope;
use crate::external::EngineFunctions;
use crate::plan::{Outer, Query};
use crate::types::{Oid, TEXT};

/// Queries within queries: deeper ones are refused.
const DEPTH_MAX: usize = 64;
/// Expressions that a statement may have.
const EXPRESSIONS_MAX: usize = 250_000;

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
        expression_count: 0,
    };
    let query = binder.query(query)?;
    let parameters = binder.parameters.into_iter();
    Ok(Bound {
        query: Arc::new(query),
        parameters: parameters.map(|oid| oid.unwrap_or(TEXT)).collect(),
    })
}

/// Whether the engine may have what an error says is not here: a form, a function, a table or a type.
/// Operators between types are PostgreSQL's.
#[must_use]
pub fn may_be_engines(error: &SheafError) -> bool {
    const MISSING: &[SqlState] = &[
        SqlState::UNDEFINED_FUNCTION,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
    ];
    let is_missing = MISSING.contains(&error.state());
    error.kind() == ErrorKind::Unsupported
        || (is_missing && !error.message().starts_with(coerce::NO_OPERATOR))
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
    /// What each query around names of what is around it, innermost last.
    uses: Vec<Uses>,
    next_id: usize,
    expression_count: usize,
}

/// What a query names of what is around it.
#[derive(Debug, Default)]
struct Uses {
    /// The number of scopes around it.
    depth: usize,
    /// Scopes, counted from the outermost one, and places in their rows.
    columns: BTreeSet<(usize, usize)>,
    /// Queries of WITH.
    ctes: BTreeSet<usize>,
    is_volatile: bool,
}

impl Uses {
    /// The columns, seen from where the query stands.
    fn outer(&self) -> Vec<Outer> {
        let columns = self.columns.iter().filter_map(|(scope, index)| {
            let up = self.depth.checked_sub(scope + 1)?;
            Some(Outer { up, index: *index })
        });
        columns.collect()
    }
}

impl Binder<'_> {
    fn new_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    /// Counts an expression.
    fn count_expression(&mut self) -> Result<()> {
        self.expression_count += 1;
        match self.expression_count > EXPRESSIONS_MAX {
            true => Err(SheafError::resource(format!(
                "a statement about the catalogue has more than {EXPRESSIONS_MAX} expressions"
            ))
            .with_state(SqlState::PROGRAM_LIMIT)),
            false => Ok(()),
        }
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
