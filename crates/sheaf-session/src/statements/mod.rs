//! From a statement's kind to the code that runs it.

mod aggregate;
mod code;
mod copy;
mod copy_array;
mod create;
mod describe;
mod description;
mod explain;
mod function;
mod native;
mod persist;
mod prepare;
mod query;
mod settings;
mod show;
mod summarize;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use futures::future::{BoxFuture, FutureExt};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_runtime::Query;
use sheaf_sql::{DropKind, Statement, StatementKind};

use crate::binder::{Binder, ReadRows};
use crate::planner::physical_plan;
use crate::result::QueryResult;
use crate::session::Session;

pub use description::Description;
pub(crate) use description::describe;
pub(crate) use function::other_kind;
pub(crate) use query::plan_with_parameters;

/// One statement on its way: what every kind of statement needs.
pub(crate) struct Running<'a> {
    pub(crate) session: &'a Session,
    pub(crate) parameters: Vec<ScalarValue>,
    pub(crate) query: &'a Arc<Query>,
}

impl Running<'_> {
    /// The binder of this statement.
    fn binder<'a>(&'a self, state: &'a SessionState) -> Binder<'a> {
        self.session.binder(state).with_reader(self)
    }

    fn done(&self, tag: impl Into<String>) -> QueryResult {
        QueryResult::done(tag, Arc::clone(self.query))
    }
}

impl ReadRows for Running<'_> {
    fn read(&self, plan: LogicalPlan) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        async move {
            let plan = plan_with_parameters(plan, self.parameters.clone())?;
            let state = self.session.state_for(self.query);
            let plan = physical_plan(plan, &state, self.query).await?;
            let query = Arc::clone(self.query);
            let engine = self.session.engine();
            let rows = engine.execute_part(plan, state.task_ctx(), query)?;
            Ok(rows.try_collect().await?)
        }
        .boxed()
    }
}

/// Runs `statement` up to its first row, or to its end if it gives none.
pub(crate) fn run<'a>(
    session: &'a Session,
    statement: &'a Statement,
    parameters: Vec<ScalarValue>,
    query: &'a Arc<Query>,
) -> BoxFuture<'a, Result<QueryResult>> {
    dispatch(
        Running {
            session,
            parameters,
            query,
        },
        statement,
    )
    .boxed()
}

async fn dispatch(running: Running<'_>, statement: &Statement) -> Result<QueryResult> {
    running.session.inner.access.check_statement(statement)?;
    match &statement.kind {
        StatementKind::Query(ast) => query::run(running, (**ast).clone()).await,
        StatementKind::Explain { .. } => explain::run(running, &statement.kind).await,
        StatementKind::Copy { .. } => copy::run(running, &statement.kind).await,
        StatementKind::CopyOut { .. } => Err(of_clients(statement).with_hint(
            "COPY … TO 'file' writes a file; sheaf -c 'SELECT …' --format csv writes to standard output",
        )),
        StatementKind::CopyIn { .. } => Err(of_clients(statement)
            .with_hint("CREATE TABLE t AS FROM 'file', or INSERT INTO t SELECT * FROM 'file'")),
        StatementKind::DeclareCursor { .. }
        | StatementKind::FetchCursor { .. }
        | StatementKind::CloseCursor { .. } => Err(of_clients(statement)),
        StatementKind::CreateView { .. } => create::view(running, &statement.kind).await,
        StatementKind::CreateExternalTable(table) => create::external(running, table).await,
        StatementKind::CreateTableAs { .. } => create::table_as(running, &statement.kind).await,
        StatementKind::Persist { name, query } => {
            persist::persist(running, name, query.as_deref()).await
        }
        StatementKind::Unpersist { name } => persist::unpersist(&running, name),
        StatementKind::CreateAggregate(definition) => aggregate::create(&running, definition),
        StatementKind::CreateFunction(definition) => function::create(&running, definition).await,
        StatementKind::DropFunction {
            functions,
            if_exists,
            cascade,
            is_macro,
        } => function::drop(&running, functions, *if_exists, *cascade, *is_macro),
        StatementKind::ShowCreateFunction { function } => function::show_create(&running, function),
        StatementKind::Drop {
            what: DropKind::Aggregate,
            names,
            if_exists,
        } => aggregate::drop(&running, names, *if_exists),
        StatementKind::Drop {
            what,
            names,
            if_exists,
        } => create::drop(&running, *what, names, *if_exists),
        StatementKind::Set { name, value, .. } => settings::set(&running, name, value),
        StatementKind::Reset { name } => settings::reset(&running, name.as_deref()),
        StatementKind::Show { name } => settings::show(&running, name),
        StatementKind::ShowAll => settings::show_all(&running),
        StatementKind::ShowTables { pattern } => show::tables(&running, pattern.as_deref()),
        StatementKind::ShowFunctions { pattern } => show::functions(&running, pattern.as_deref()),
        StatementKind::ShowColumns { relation } => describe::relation(running, relation).await,
        StatementKind::ShowPartitions { relation } => show::partitions(running, relation).await,
        StatementKind::Describe(described) => describe::run(running, described).await,
        StatementKind::Summarize(described) => summarize::run(running, described).await,
        StatementKind::CancelQuery { id } => cancel(&running, *id),
        StatementKind::Prepare { .. } => prepare::prepare(&running, &statement.kind),
        StatementKind::Execute { .. } => prepare::execute(running, &statement.kind).await,
        StatementKind::Deallocate { name } => prepare::deallocate(&running, name.as_ref()),
        StatementKind::Native(ast) => native::run(running, (**ast).clone()).await,
    }
}

/// The error of a statement that moves rows between a client and its server, where there are none.
fn of_clients(statement: &Statement) -> SheafError {
    let words: Vec<&str> = statement.text.split_whitespace().take(4).collect();
    SheafError::unsupported(format!("not supported here: {}", words.join(" ")))
        .with_detail("clients of sheaf serve can run it")
}

fn cancel(running: &Running<'_>, id: u64) -> Result<QueryResult> {
    if running.session.engine().registry().cancel(id) {
        return Ok(running.done("CANCEL QUERY"));
    }
    Err(SheafError::user(format!("no query {id} is running"))
        .with_state(SqlState::UNDEFINED_OBJECT)
        .with_hint("SELECT id, text FROM sheaf.queries WHERE state = 'running'"))
}
