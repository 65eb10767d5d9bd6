//! CREATE VIEW, CREATE EXTERNAL TABLE, CREATE TABLE AS, DROP.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use sheaf_base::{Result, SheafError};
use sheaf_files::ReadRequest;
use sheaf_operators::stored::{StoredRows, StoredRowsWriter};
use sheaf_sql::{DropKind, ExternalTable, StatementKind};

use super::{Running, plan_with_parameters};
use crate::binder::{
    normalize, refuse_unlisted_pivots, table_reference, without_partition_columns,
};
use crate::catalog::{ExternalFiles, IfExists, PUBLIC_SCHEMA, Relation, View};
use crate::held_table::{HeldTable, holder_name};
use crate::result::QueryResult;

pub(super) async fn view(running: Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let StatementKind::CreateView {
        name,
        columns,
        query,
        or_replace,
        if_not_exists,
        is_array,
        ..
    } = kind
    else {
        return Err(SheafError::internal("not a CREATE VIEW"));
    };
    let name = new_name(name)?;
    let catalog = &running.session.inner.catalog;
    // What stays is not looked at: it may be of files that are not there any more.
    if *if_not_exists && catalog.get(&name).is_some() {
        return Ok(running.done("CREATE VIEW"));
    }
    let columns: Vec<String> = columns.iter().map(normalize).collect();
    let (mut view, plan) = new_view(&running, query, columns).await?;
    if *is_array {
        let state = running.session.state_for(running.query);
        let binder = running.binder(&state);
        binder.check_array(query, &plan).await?;
        view.is_array = true;
    }
    running.query.check()?;
    let if_exists = if_exists(*or_replace, *if_not_exists);
    catalog.put(&name, Relation::View(view), if_exists)?;
    Ok(running.done("CREATE VIEW"))
}

/// A view of `query`, planned once to see that it can be, and its plan.
///
/// # Errors
/// Those of planning; `UserInput` if it has a parameter.
pub(super) async fn new_view(
    running: &Running<'_>,
    query: &ast::Query,
    columns: Vec<String>,
) -> Result<(View, LogicalPlan)> {
    refuse_unlisted_pivots(query)?;
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    let plan = binder.plan_view(query.clone(), &columns).await?;
    if let Some(parameter) = plan.get_parameter_names()?.into_iter().min() {
        return Err(SheafError::user(format!(
            "a view cannot have a parameter ({parameter})"
        )));
    }
    let view = View {
        text: running.query.text().to_owned(),
        query: Arc::new(query.clone()),
        columns,
        schema: Arc::new(plan.schema().as_arrow().clone()),
        is_array: false,
        rows: None,
    };
    Ok((view, plan))
}

pub(super) async fn external(running: Running<'_>, table: &ExternalTable) -> Result<QueryResult> {
    let name = new_name(&table.name)?;
    let mut request = ReadRequest::path("");
    request.paths.clone_from(&table.locations);
    let access = &running.session.inner.access;
    for path in &request.paths {
        access.check_path(path)?;
    }
    request.roots = access.roots();
    request.options = table
        .options
        .iter()
        .map(|(key, value)| (key.clone(), sheaf_files::OptionValue::Text(value.clone())))
        .collect();
    if let Some(format) = &table.format {
        let decl = sheaf_files::format_by_name(format).ok_or_else(|| unknown_format(format))?;
        request.format = Some(decl);
    }
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    let declared = binder.declared_columns(&table.columns)?;
    let partitions = binder.partition_columns(&table.partitioned_by, declared.as_deref())?;
    request.schema = declared
        .map(|schema| without_partition_columns(&schema, &partitions))
        .transpose()?;
    if !partitions.is_empty() {
        request.partition_columns = Some(partitions);
    }
    let files = binder.open(&request).await?;
    running.query.check()?;
    let external = ExternalFiles {
        request,
        schema: files.schema(),
    };
    let if_exists = if_exists(table.or_replace, table.if_not_exists);
    running
        .session
        .inner
        .catalog
        .put(&name, Relation::Files(external), if_exists)?;
    Ok(running.done("CREATE EXTERNAL TABLE"))
}

pub(super) async fn table_as(running: Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let StatementKind::CreateTableAs {
        name,
        query,
        or_replace,
        if_not_exists,
        ..
    } = kind
    else {
        return Err(SheafError::internal("not a CREATE TABLE AS"));
    };
    let name = new_name(name)?;
    let if_exists = if_exists(*or_replace, *if_not_exists);
    let catalog = &running.session.inner.catalog;
    if catalog.get(&name).is_some() && if_exists != IfExists::Replace {
        // Refused, or kept, before the query is run for nothing.
        let empty = Arc::new(MemTable::try_new(
            Arc::new(arrow::datatypes::Schema::empty()),
            vec![vec![]],
        )?);
        catalog.put(&name, Relation::Table(empty), if_exists)?;
        return Ok(running.done("CREATE TABLE AS"));
    }
    let state = running.session.state_for(running.query);
    let plan = running.binder(&state).plan_query((**query).clone()).await?;
    let plan = plan_with_parameters(plan, running.parameters.clone())?;
    let rows = hold(&running, plan, holder_name(&name)).await?;
    let table = HeldTable::new(&name, rows, running.session.engine());
    catalog.put(&name, Relation::Table(Arc::new(table)), if_exists)?;
    Ok(running.done("CREATE TABLE AS"))
}

/// Runs `plan` and keeps its rows as those of `holder`; on an error, or when the query is told to
/// stop, none stay.
pub(super) async fn hold(
    running: &Running<'_>,
    plan: LogicalPlan,
    holder: String,
) -> Result<StoredRows> {
    let state = running.session.state_for(running.query);
    let engine = running.session.engine();
    let mut result = running.session.execute(plan, &state, running.query).await?;
    let mut writer = StoredRowsWriter::new(holder, result.schema(), engine);
    while let Some(batch) = result.next().await {
        writer.append(&batch?).await?;
    }
    Ok(writer.finish().await?)
}

/// An empty table with declared columns, for INSERT.
pub(super) fn empty_table(running: &Running<'_>, table: &ast::CreateTable) -> Result<QueryResult> {
    let name = new_name(&table.name)?;
    let state = running.session.state_for(running.query);
    let schema = running
        .binder(&state)
        .declared_columns(&table.columns)?
        .ok_or_else(|| SheafError::user(format!("table \"{name}\" needs columns")))?;
    let engine = running.session.engine();
    let rows = StoredRows::new(holder_name(&name), schema, engine);
    let held = HeldTable::new(&name, rows, engine);
    let if_exists = if_exists(table.or_replace, table.if_not_exists);
    running
        .session
        .inner
        .catalog
        .put(&name, Relation::Table(Arc::new(held)), if_exists)?;
    Ok(running.done("CREATE TABLE"))
}

pub(super) fn drop(
    running: &Running<'_>,
    what: DropKind,
    names: &[ast::ObjectName],
    if_exists: bool,
) -> Result<QueryResult> {
    let is_view = matches!(what, DropKind::View);
    for name in names {
        let name = new_name(name)?;
        running
            .session
            .inner
            .catalog
            .remove(&name, is_view, if_exists)?;
    }
    Ok(running.done(if is_view { "DROP VIEW" } else { "DROP TABLE" }))
}

/// The name under which the catalogue keeps `name`.
pub(super) fn new_name(name: &ast::ObjectName) -> Result<String> {
    let reference = table_reference(name)?;
    match reference.schema() {
        None | Some(PUBLIC_SCHEMA) => Ok(reference.table().to_owned()),
        Some(schema) => Err(SheafError::user(format!(
            "nothing can be created in schema \"{schema}\""
        ))
        .with_hint("leave the schema out")),
    }
}

fn if_exists(or_replace: bool, if_not_exists: bool) -> IfExists {
    match (or_replace, if_not_exists) {
        (true, _) => IfExists::Replace,
        (false, true) => IfExists::Keep,
        (false, false) => IfExists::Fail,
    }
}

fn unknown_format(name: &str) -> SheafError {
    let names: Vec<&str> = sheaf_files::FORMATS
        .iter()
        .map(|format| format.name)
        .collect();
    SheafError::user(format!("there is no file format \"{name}\""))
        .with_hint(format!("the formats are {}", names.join(", ")))
}
