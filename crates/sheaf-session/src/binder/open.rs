//! What the names and calls of a statement stand for is opened: files, arrays, views, tables.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::TableSource;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_files::{FileTable, ReadRequest};
use sheaf_operators::is_positional_marker;

use super::arrays::{Arrays, is_array_function};
use super::references::{Reference, references};
use super::virtual_columns::Wanted;
use super::{Binder, Bound, VIEW_DEPTH_MAX, arguments, is_path, table_reference};
use crate::catalog::{PUBLIC_SCHEMA, Relation, View};

/// A table that was opened.
pub(super) struct Opened {
    pub(super) source: Arc<dyn TableSource>,
    /// Its columns that `*` does not show.
    pub(super) hidden: Vec<&'static str>,
}

impl Opened {
    pub(super) fn files(table: Arc<FileTable>) -> Self {
        let hidden = table.virtual_columns();
        let source = provider_as_source(table);
        Self { source, hidden }
    }

    pub(super) fn other(source: Arc<dyn TableSource>) -> Self {
        let hidden = vec![];
        Self { source, hidden }
    }
}

impl Binder<'_> {
    /// Opens the files behind a relation, if it is a path, a `read_*` call or an external table.
    pub(crate) async fn open_files(
        self,
        relation: &ast::TableFactor,
    ) -> Result<Option<Arc<FileTable>>> {
        match self.file_request(relation)? {
            Some(request) => self.open(&request).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn open_all(
        self,
        statement: &ast::Statement,
        wanted: Wanted,
    ) -> Result<Bound> {
        let mut bound = Bound::default();
        let mut calls = HashMap::new();
        let mut arrays = Arrays::default();
        for reference in references(statement) {
            match reference {
                Reference::Name(name) if is_positional_marker(&name) => {
                    bound.keeps_order = true;
                }
                Reference::Name(name) => {
                    let key = self.key_of(&name)?;
                    if bound.tables.contains_key(&key) {
                        continue;
                    }
                    if let Some(opened) = self.open_name(&name, wanted, &mut arrays).await? {
                        bound.hidden.insert(key.clone(), opened.hidden);
                        bound.tables.insert(key, opened.source);
                    }
                }
                Reference::Call {
                    key,
                    name,
                    position,
                    arguments,
                } => {
                    if calls.contains_key(&key) {
                        continue;
                    }
                    if is_array_function(&name) {
                        let made = self.array_call(&name, &arguments, &mut arrays).await;
                        let made = made.map_err(|error| error.with_position_if_none(position))?;
                        calls.insert(key, provider_as_source(made));
                    } else if let Some(mut request) = self.read_request(&name, &arguments)? {
                        wanted.ask(&mut request);
                        let opened = Opened::files(self.open(&request).await?);
                        bound.hidden.insert(key.clone(), opened.hidden);
                        calls.insert(key, opened.source);
                    }
                }
            }
        }
        bound.calls = Arc::new(calls);
        Ok(bound)
    }

    /// Opens files with the session's partition size and credentials.
    pub(crate) async fn open(self, request: &ReadRequest) -> Result<Arc<FileTable>> {
        let mut request = request.clone();
        request.partition_size = request.partition_size.or(self.partition_size);
        request.environment = self.environment.to_vec();
        request.io = Some(self.io.clone());
        request.rejects = crate::quarantine::rejects(&request, self.state)?;
        sheaf_files::open(&request, self.state).await
    }

    async fn open_name(
        self,
        name: &ast::ObjectName,
        wanted: Wanted,
        arrays: &mut Arrays,
    ) -> Result<Option<Opened>> {
        if let Some(path) = is_path(name) {
            self.access.check_path(path)?;
            if let Some(made) = self.array_path(path, arrays).await? {
                return Ok(Some(Opened::other(provider_as_source(made))));
            }
            let mut request = self.path_request(path);
            wanted.ask(&mut request);
            return Ok(Some(Opened::files(self.open(&request).await?)));
        }
        let reference = table_reference(name)?;
        if reference
            .schema()
            .is_some_and(|schema| schema != PUBLIC_SCHEMA)
        {
            return Ok(self.open_system(reference).await?.map(Opened::other));
        }
        let provider: Arc<dyn TableProvider> = match self.catalog.get(reference.table()) {
            None => return self.open_postgres(&reference),
            Some(Relation::Table(table)) => table,
            Some(Relation::Files(files)) => {
                let mut request = files.request;
                request.shown_as = self.access.shown_as(reference.table());
                wanted.ask(&mut request);
                return Ok(Some(Opened::files(self.open(&request).await?)));
            }
            Some(Relation::View(View {
                rows: Some(rows), ..
            })) => rows,
            Some(Relation::View(view)) => self.open_view(reference.table(), view).await?,
        };
        Ok(Some(Opened::other(provider_as_source(provider))))
    }

    async fn open_view(self, name: &str, view: View) -> Result<Arc<dyn TableProvider>> {
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(SheafError::user(format!(
                "view \"{name}\" reads itself, or views are nested over {VIEW_DEPTH_MAX} deep"
            ))
            .with_state(SqlState::STATEMENT_TOO_COMPLEX));
        }
        let deeper = Binder {
            view_depth: self.view_depth + 1,
            ..self
        };
        let plan = deeper.plan_existing_view(name, &view).await?;
        Ok(Arc::new(ViewTable::new(plan, Some(view.text))))
    }

    fn file_request(self, relation: &ast::TableFactor) -> Result<Option<ReadRequest>> {
        let ast::TableFactor::Table { name, args, .. } = relation else {
            return Ok(None);
        };
        if let Some(args) = args {
            return self.read_request(&name.to_string(), &args.args);
        }
        if let Some(path) = is_path(name) {
            self.access.check_path(path)?;
            return Ok(Some(self.path_request(path)));
        }
        let table = table_reference(name)?;
        Ok(match self.catalog.named(&table) {
            Some(Relation::Files(files)) => Some(ReadRequest {
                shown_as: self.access.shown_as(table.table()),
                ..files.request
            }),
            _ => None,
        })
    }

    /// The request of a `read_…` call, if it is one and the session may make it.
    fn read_request(
        self,
        name: &str,
        arguments: &[ast::FunctionArg],
    ) -> Result<Option<ReadRequest>> {
        let mut request = arguments::read_request(name, arguments)?;
        if let Some(request) = &mut request {
            for path in &request.paths {
                self.access.check_path(path)?;
            }
            request.roots = self.access.roots();
        }
        Ok(request)
    }

    /// A request to read a path that the session may name.
    fn path_request(self, path: &str) -> ReadRequest {
        ReadRequest {
            roots: self.access.roots(),
            ..ReadRequest::path(path)
        }
    }
}
