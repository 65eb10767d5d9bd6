//! What can be named in a session: for completion, hints and `\d`. A snapshot, not a live view.

use std::sync::Arc;

use crate::session::SessionInner;
use crate::system::function_list;

/// Tables with their columns, functions and settings, each sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Views and tables of the catalogue.
    pub tables: Vec<TableName>,
    /// Functions of every kind.
    pub functions: Vec<FunctionName>,
    /// Short names of settings.
    pub settings: Vec<&'static str>,
}

/// A view or table.
#[derive(Debug, Clone)]
pub struct TableName {
    /// Its name.
    pub name: String,
    /// `view`, `table` or `external table`.
    pub kind: &'static str,
    /// Its columns: name and SQL type.
    pub columns: Vec<(String, String)>,
}

/// A function.
#[derive(Debug, Clone)]
pub struct FunctionName {
    /// Its name.
    pub name: String,
    /// `scalar`, `aggregate`, `window` or `table`.
    pub kind: &'static str,
    /// How it is called.
    pub syntax: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// A statement that uses it, with its result.
    pub example: Option<String>,
    /// The parameters of one of the user's own in SQL.
    pub parameters: Option<String>,
    /// The body of one of the user's own in SQL.
    pub body: Option<String>,
}

impl Names {
    pub(crate) fn collect(session: &SessionInner) -> Self {
        let tables = session
            .catalog
            .list()
            .into_iter()
            .map(|(name, relation)| TableName {
                name,
                kind: relation.kind(),
                columns: relation
                    .schema()
                    .fields()
                    .iter()
                    .map(|f| (f.name().clone(), sheaf_base::sql_field_type_name(f)))
                    .collect(),
            })
            .collect();
        let state = Arc::clone(session.state.read().functions());
        Self {
            tables,
            functions: function_list(&state, &session.catalog.functions.all(), &session.access),
            settings: sheaf_base::settings::SETTINGS
                .iter()
                .map(|s| s.name)
                .collect(),
        }
    }
}
