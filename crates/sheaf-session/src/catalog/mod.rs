//! The catalogue of a session: what the user has named.
//!
//! Paths need no catalogue; it holds functions, and views, external tables and registered tables, each
//! under one name in the schema `public`, and shows them to the engine's `information_schema`. System tables
//! live in the schema `sheaf` ([`crate::system`]). Knows nothing of statements or planning: a view
//! is kept as a syntax tree and planned by the binder whenever it is read, so it sees new files,
//! unless it is persisted.

mod functions;
mod provider;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use sheaf_files::ReadRequest;

use crate::persisted::PersistedRows;
use crate::versioned::Versioned;

pub(crate) use functions::{
    Checked, FunctionMap, Functions, Parameter, RUST, SqlFunction, TableDefinition, UserFunction,
    bind_user_functions, kind_identity, scope_name,
};
pub(crate) use provider::{CATALOG_NAME, PUBLIC_SCHEMA, catalog_list};

/// Names one session may hold; beyond it `CREATE` is refused.
const RELATIONS_MAX: usize = 100_000;

/// Something the user has named.
#[derive(Clone)]
pub(crate) enum Relation {
    /// A named query.
    View(View),
    /// A named set of files.
    Files(ExternalFiles),
    /// A table that holds its own data (registered from Rust, or `CREATE TABLE … AS`).
    Table(Arc<dyn TableProvider>),
}

/// A named query.
#[derive(Clone)]
pub(crate) struct View {
    /// The statement that created it, for people.
    pub(crate) text: String,
    /// The query itself.
    pub(crate) query: Arc<ast::Query>,
    /// New names of its columns; empty means the query's own.
    pub(crate) columns: Vec<String>,
    /// Its columns when it was created, for `information_schema` and completion.
    pub(crate) schema: SchemaRef,
    /// Whether it was created as an array.
    pub(crate) is_array: bool,
    /// Its rows, if it is persisted; what reads it reads them then.
    pub(crate) rows: Option<Arc<PersistedRows>>,
}

/// A named set of files.
#[derive(Clone)]
pub(crate) struct ExternalFiles {
    /// What to read; opened anew by every statement, so it sees new files.
    pub(crate) request: ReadRequest,
    /// Its columns when it was created.
    pub(crate) schema: SchemaRef,
}

impl Relation {
    /// What kind of relation it is, in `SHOW TABLES`'s words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::View(View { rows: Some(_), .. }) => "persisted view",
            Self::View(View { is_array: true, .. }) => "array",
            Self::View(_) => "view",
            Self::Files(_) => "external table",
            Self::Table(_) => "table",
        }
    }

    /// Its columns, without reading anything.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Self::View(View {
                rows: Some(rows), ..
            }) => rows.schema(),
            Self::View(view) => Arc::clone(&view.schema),
            Self::Files(files) => Arc::clone(&files.schema),
            Self::Table(table) => table.schema(),
        }
    }
}

/// What to do when a name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfExists {
    /// Refuse.
    Fail,
    /// Keep the old one and say nothing.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// A state of a catalogue: the versions of its relations and of its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    relations: u64,
    functions: u64,
}

/// Names and what they stand for.
#[derive(Default)]
pub(crate) struct Catalog {
    relations: Versioned<BTreeMap<String, Relation>>,
    /// Functions of the user's own, but for folds.
    pub(crate) functions: Functions,
}

impl Catalog {
    /// The same names, apart from now on.
    pub(crate) fn snapshot(&self) -> Self {
        Self {
            relations: self.relations.snapshot(),
            functions: self.functions.snapshot(),
        }
    }

    /// Which state of it this is. Asked for before its contents, it is not newer than them.
    pub(crate) fn version(&self) -> Version {
        Version {
            relations: self.relations.version(),
            functions: self.functions.version(),
        }
    }

    /// The relation called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Relation> {
        self.relations.read().get(name).cloned()
    }

    /// What `reference` stands for; names of other schemas than `public` are not of the catalogue.
    pub(crate) fn named(&self, reference: &TableReference) -> Option<Relation> {
        match reference.schema() {
            None | Some(PUBLIC_SCHEMA) => self.get(reference.table()),
            Some(_) => None,
        }
    }

    /// Gives `name` to `relation`; says whether it did (it does not where the old one is kept).
    ///
    /// # Errors
    /// `UserInput` if the name is taken and `if_exists` refuses; `Resource` if there are too many.
    pub(crate) fn put(&self, name: &str, relation: Relation, if_exists: IfExists) -> Result<bool> {
        let mut relations = self.relations.write();
        match (relations.get(name), if_exists) {
            (Some(old), IfExists::Fail) => {
                return Err(
                    SheafError::user(format!("{} \"{name}\" already exists", old.kind()))
                        .with_state(SqlState::DUPLICATE_TABLE)
                        .with_hint("CREATE OR REPLACE replaces it, IF NOT EXISTS keeps it"),
                );
            }
            (Some(_), IfExists::Keep) => return Ok(false),
            (None, _) if relations.len() >= RELATIONS_MAX => {
                return Err(SheafError::resource(format!(
                    "a session holds at most {RELATIONS_MAX} names"
                )));
            }
            _ => {}
        }
        relations.insert(name.to_owned(), relation);
        Ok(true)
    }

    /// Gives rows to `view`, which is called `name`, or takes them away.
    ///
    /// # Errors
    /// `UserInput` if the name stands for something else by now.
    pub(crate) fn persist(
        &self,
        name: &str,
        view: &View,
        rows: Option<Arc<PersistedRows>>,
    ) -> Result<()> {
        match self.relations.write().get_mut(name) {
            Some(Relation::View(current)) if Arc::ptr_eq(&current.query, &view.query) => {
                current.rows = rows;
                Ok(())
            }
            _ => Err(SheafError::user(format!(
                "view \"{name}\" was dropped or replaced meanwhile"
            ))),
        }
    }

    /// Takes `name` away, if it is of the wanted kind.
    ///
    /// # Errors
    /// `UserInput` if there is no such relation, or it is of another kind.
    pub(crate) fn remove(&self, name: &str, is_view: bool, if_exists: bool) -> Result<()> {
        let mut relations = self.relations.write();
        match relations.get(name) {
            Some(relation) if matches!(relation, Relation::View(_)) == is_view => {
                relations.remove(name);
                Ok(())
            }
            Some(relation) => {
                let kind = relation.kind();
                let wanted = if is_view { "view" } else { "table" };
                let statement = if is_view { "DROP TABLE" } else { "DROP VIEW" };
                Err(
                    SheafError::user(format!("\"{name}\" is not a {wanted} but a {kind}"))
                        .with_hint(format!("use {statement}")),
                )
            }
            None if if_exists => Ok(()),
            None => Err(self.missing(name, &relations.keys().cloned().collect::<Vec<_>>())),
        }
    }

    /// Every name with its relation, sorted.
    pub(crate) fn list(&self) -> Vec<(String, Relation)> {
        let relations = self.relations.read();
        relations
            .iter()
            .map(|(name, r)| (name.clone(), r.clone()))
            .collect()
    }

    /// The error for a name that stands for nothing.
    pub(crate) fn not_found(&self, name: &str) -> SheafError {
        let names: Vec<String> = self.relations.read().keys().cloned().collect();
        self.missing(name, &names)
    }

    fn missing(&self, name: &str, names: &[String]) -> SheafError {
        let error = SheafError::user(format!("table \"{name}\" does not exist"))
            .with_state(SqlState::UNDEFINED_TABLE);
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            return error.with_hint(format!("did you mean \"{near}\"?"));
        }
        if name.contains(['/', '*', '.']) {
            return error.with_hint(format!("if it is a file, write it in quotes: '{name}'"));
        }
        error.with_hint("SHOW TABLES lists what has a name; a file is read by its path in quotes")
    }
}
