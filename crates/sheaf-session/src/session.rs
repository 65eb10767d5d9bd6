//! The session: the only assembler. It holds the settings, the catalogue and the prepared
//! statements of one user, and takes a statement from text to a running stream.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, LogicalPlan, ScalarUDF};
use datafusion::scalar::ScalarValue;
use futures::future::{BoxFuture, FutureExt};
use parking_lot::{Mutex, RwLock};
use sheaf_arrays::{StoreObjects, Target};
use sheaf_base::settings::Settings;
use sheaf_base::{Result, SheafError};
use sheaf_files::stores::{Location, ensure_store, locate};
use sheaf_functions::bounded::CallMemory;
use sheaf_pgcatalog::{Identity, Stop};
use sheaf_runtime::{EngineRuntime, Outcome, Query, QueryLimits};
use sheaf_sql::{Statement, placed_at_literal};
use sheaf_udf::CallContext;

use crate::access::Access;
use crate::binder::Binder;
use crate::builder::SessionBuilder;
use crate::catalog::{self, Catalog, IfExists, Relation, bind_user_functions, catalog_list};
use crate::engine_state::EngineState;
use crate::kept::{KeptPlace, KeptStatements};
use crate::languages::Languages;
use crate::names::Names;
use crate::planner::physical_plan;
use crate::postgres::facts_source;
use crate::prepared::TemplateMemory;
use crate::quarantine::{Quarantines, committing};
use crate::result::QueryResult;
use crate::statements::{self, Description};
use crate::system;
use crate::versioned::Versioned;

/// Scripts up to this length are parsed on the thread of whoever asks, within a millisecond or two.
const PARSED_HERE_BYTES_MAX: usize = 16 * 1024;

/// One user's dealings with the engine. Cheap to clone; clones share everything.
///
/// ```
/// # async fn example() -> sheaf_base::Result<()> {
/// use sheaf_session::Session;
///
/// let session = Session::builder().setting("memory_limit", "1GB")?.build()?;
/// let batches = session.sql("SELECT 6 * 7 AS answer").await?.collect().await?;
/// assert_eq!(batches[0].num_rows(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<SessionInner>,
}

pub(crate) struct SessionInner {
    pub(crate) access: Access,
    pub(crate) engine: Arc<EngineRuntime>,
    /// Itself, for what is found out later.
    pub(crate) this: Weak<SessionInner>,
    pub(crate) settings: Versioned<Arc<Settings>>,
    pub(crate) catalog: Arc<Catalog>,
    /// The engine's view of the catalogue.
    pub(crate) catalogs: Arc<dyn CatalogProviderList>,
    /// Functions, rules and options; copied by each statement, so that it sees one state.
    pub(crate) state: Versioned<EngineState>,
    pub(crate) prepared: Mutex<HashMap<String, Prepared>>,
    /// The places of those, and of what a front door keeps.
    pub(crate) kept: Arc<KeptStatements>,
    /// Whose session it is, for PostgreSQL's catalogue.
    pub(crate) identity: RwLock<Identity>,
    /// Variables with which object stores find their credentials.
    pub(crate) environment: Arc<[(String, String)]>,
    /// In which functions can be written.
    pub(crate) languages: Languages,
    /// What templates of prepared statements hold, in all sessions of the process.
    pub(crate) templates: Arc<TemplateMemory>,
}

/// A state of a session: the versions of its settings, of its functions in Rust, and of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    settings: u64,
    state: u64,
    catalog: catalog::Version,
}

/// A statement kept by PREPARE, or by a front door under a name.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) statement: Arc<Statement>,
    /// What counts is how long it is held.
    pub(crate) place: KeptPlace,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Starts a session with settings of its own.
    #[must_use]
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// Another session of the same process, for another user: it shares the engine, and begins with
    /// the names, functions and settings that this one has now. What either of them sets, prepares
    /// or creates later, the other does not see.
    #[must_use]
    pub fn sibling(&self, access: Access) -> Session {
        let inner = &self.inner;
        let catalog = Arc::new(inner.catalog.snapshot());
        let sibling = Arc::new_cyclic(|session| SessionInner {
            this: Weak::clone(session),
            access,
            engine: Arc::clone(&inner.engine),
            settings: inner.settings.snapshot(),
            catalogs: catalog_list(&catalog, system::tables(session)),
            catalog,
            state: inner.state.snapshot(),
            prepared: Mutex::default(),
            kept: Arc::default(),
            identity: RwLock::default(),
            environment: Arc::clone(&inner.environment),
            languages: inner.languages.clone(),
            templates: Arc::clone(&inner.templates),
        });
        Session { inner: sibling }
    }

    /// Says whose session it is: what `current_user`, `pg_stat_activity` and the functions of
    /// privileges tell. What the session may do is none of this.
    pub fn identify(&self, identity: Identity) {
        *self.inner.identity.write() = identity;
    }

    /// Splits a script into statements.
    ///
    /// # Errors
    /// `UserInput` with the position in `script` if it is not SQL.
    pub fn parse(&self, script: &str) -> Result<Vec<Statement>> {
        sheaf_sql::parse(script)
    }

    /// Like [`Session::parse`], but a long script is parsed on the engine's planning threads.
    ///
    /// # Errors
    /// As [`Session::parse`].
    pub async fn parse_apart(&self, script: &str) -> Result<Vec<Statement>> {
        if script.len() <= PARSED_HERE_BYTES_MAX {
            return self.parse(script);
        }
        let script = script.to_owned();
        let work = move || sheaf_sql::parse(&script);
        self.inner.engine.compute(work).await
    }

    /// Runs every statement of `script`, each to its end, and gives the result of the last one.
    ///
    /// # Errors
    /// The first statement that fails ends the script.
    pub async fn sql(&self, script: &str) -> Result<QueryResult> {
        self.sql_with(script, vec![]).await
    }

    /// Like [`Session::sql`], with values for `$1`, `$2`, ….
    ///
    /// # Errors
    /// As [`Session::sql`]; `UserInput` if a parameter has no value.
    pub async fn sql_with(
        &self,
        script: &str,
        parameters: Vec<ScalarValue>,
    ) -> Result<QueryResult> {
        let mut statements = self.parse_apart(script).await?;
        let last = statements
            .pop()
            .ok_or_else(|| SheafError::user("there is no statement to run"))?;
        for statement in statements {
            self.run_shared(Arc::new(statement), parameters.clone())
                .await?
                .drain()
                .await?;
        }
        self.run_shared(Arc::new(last), parameters).await
    }

    /// Starts one statement.
    ///
    /// Queries run while the result is read; everything else has happened when this returns.
    ///
    /// # Errors
    /// Whatever the statement's kind may raise before its first row; later errors come out of the
    /// result.
    pub async fn run(&self, statement: &Statement) -> Result<QueryResult> {
        self.run_with(statement, vec![]).await
    }

    /// Like [`Session::run`], with values for `$1`, `$2`, ….
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_with<'a>(
        &'a self,
        statement: &'a Statement,
        parameters: Vec<ScalarValue>,
    ) -> BoxFuture<'a, Result<QueryResult>> {
        async move {
            let statement = Arc::new(statement.clone());
            self.run_shared(statement, parameters).await
        }
        .boxed()
    }

    /// Like [`Session::run_with`] for a statement that need not be copied.
    ///
    /// What is computed before the first row is computed on the engine's planning threads: whoever
    /// polls this only waits, and may stop to.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_shared(
        &self,
        statement: Arc<Statement>,
        parameters: Vec<ScalarValue>,
    ) -> BoxFuture<'_, Result<QueryResult>> {
        async move {
            let query = self.begin(&statement.text);
            let (session, planned) = (self.clone(), Arc::clone(&query));
            let asked = Arc::clone(&statement);
            let work = async move { statements::run(&session, &asked, parameters, &planned).await };
            let outcome = self.inner.engine.plan(&query, work).await;
            let concealed = outcome.map_err(|error| self.concealer().error(error));
            match concealed {
                Ok(result) => Ok(result.of(statement)),
                Err(error) => {
                    let error = placed_at_literal(error, &statement);
                    query.fail(&error);
                    Err(error)
                }
            }
        }
        .boxed()
    }

    /// What `statement` takes and gives, without running it. `types[i]` is the type that somebody
    /// has declared for `$i+1`; of the others it says what their use asks for, or text.
    ///
    /// # Errors
    /// Those of planning the statement.
    pub fn describe<'a>(
        &'a self,
        statement: &'a Arc<Statement>,
        types: &'a [Option<DataType>],
    ) -> BoxFuture<'a, Result<Description>> {
        async move {
            let query = self.begin(&statement.text);
            let (session, planned) = (self.clone(), Arc::clone(&query));
            let (statement, types) = (Arc::clone(statement), types.to_vec());
            let work =
                async move { statements::describe(&session, &statement, &types, &planned).await };
            let described = self.inner.engine.plan(&query, work).await;
            let described = described.map_err(|error| self.concealer().error(error));
            match &described {
                Ok(_) => query.finish(Outcome::Done),
                Err(error) => query.fail(error),
            }
            described
        }
        .boxed()
    }

    pub(crate) fn begin(&self, text: &str) -> Arc<Query> {
        let settings = self.inner.settings.read();
        let limits = QueryLimits {
            time: settings.duration("statement_timeout"),
            memory: settings.bytes("query_memory_limit"),
        };
        self.inner.engine.registry().begin(text, limits)
    }

    /// Which state of what statements are planned with this is.
    pub(crate) fn version(&self) -> Version {
        let inner = &self.inner;
        Version {
            settings: inner.settings.version(),
            state: inner.state.version(),
            catalog: inner.catalog.version(),
        }
    }

    /// The settings as they stand.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.inner.settings.read())
    }

    /// The engine that this session shares with others of its process.
    #[must_use]
    pub fn engine(&self) -> &Arc<EngineRuntime> {
        &self.inner.engine
    }

    /// Tables, columns, functions and settings, for completion and `\d`.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::collect(&self.inner)
    }

    /// Gives record batches a table name; they stay in memory.
    ///
    /// # Errors
    /// `UserInput` if there are no batches, their schemas differ, or the name is taken.
    pub fn register_batches(&self, name: &str, batches: Vec<RecordBatch>) -> Result<()> {
        let schema = batches
            .first()
            .map(RecordBatch::schema)
            .ok_or_else(|| SheafError::user(format!("table \"{name}\" needs a record batch")))?;
        let table = MemTable::try_new(schema, vec![batches])?;
        self.register_table(name, Arc::new(table))
    }

    /// Gives any table provider a name.
    ///
    /// # Errors
    /// `UserInput` if the name is taken.
    pub fn register_table(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.inner
            .catalog
            .put(name, Relation::Table(table), IfExists::Fail)?;
        Ok(())
    }

    /// Takes away the name of a table, if there is such a table.
    pub fn forget_table(&self, name: &str) {
        // Anything else of that name stays.
        let _ = self.inner.catalog.remove(name, false, true);
    }

    /// Adds a scalar function of the engine's; one of the same name is replaced.
    /// [`Session::add_scalar_function`] adds one that knows nothing of the engine.
    ///
    /// # Errors
    /// `Internal` if the engine refuses it.
    pub fn register_function(&self, function: ScalarUDF) -> Result<()> {
        self.inner
            .state
            .write()
            .functions_mut()
            .register_udf(Arc::new(function))?;
        Ok(())
    }

    /// Adds an aggregate function of the engine's; one of the same name is replaced.
    /// [`Session::add_aggregate_function`] adds one that knows nothing of the engine.
    ///
    /// # Errors
    /// `Internal` if the engine refuses it.
    pub fn register_aggregate(&self, function: AggregateUDF) -> Result<()> {
        self.inner
            .state
            .write()
            .functions_mut()
            .register_udaf(Arc::new(function))?;
        Ok(())
    }

    /// The state one statement runs in: functions, rules and options as they are now, with the
    /// memory pool that counts for `query`.
    pub(crate) fn state_for(&self, query: &Query) -> SessionState {
        let mut state = self.inner.state.read().for_statement();
        state.register_catalog_list(Arc::clone(&self.inner.catalogs));
        state.execution_props_mut().query_execution_start_time = Some(query.started_at().into());
        let quarantines = Quarantines::new(&self.inner.catalog, &self.inner.engine);
        state.config_mut().set_extension(Arc::new(quarantines));
        let calls = CallMemory::new(Arc::clone(query.pool()) as _);
        let facts = facts_source(&self.inner.this);
        let extensions = &mut state.config_mut().options_mut().extensions;
        extensions.insert(calls);
        extensions.insert(facts);
        let options = Arc::clone(state.config_options());
        state.execution_props_mut().config_options = Some(options);
        let stop = Stop(query.stop_token().clone());
        state.config_mut().set_extension(Arc::new(stop));
        let calls = CallContext::new(Arc::clone(query.pool()) as _, query.stop_token().clone());
        // Whoever plans a call of a function that is missing says so.
        let functions = self.inner.catalog.functions.all();
        let _ = bind_user_functions(&functions, &calls, &mut state);
        state.config_mut().set_extension(Arc::new(calls));
        state
    }

    /// The place that a path or URL means which the session may write, its store at hand.
    pub(crate) fn locate_target(&self, text: &str) -> Result<Location> {
        let Some(roots) = self.inner.access.roots() else {
            return self.locate(text);
        };
        let location = roots.locate_for_writing(text)?;
        let runtime = Arc::clone(self.inner.state.read().functions().runtime_env());
        ensure_store(&location, &runtime, &|_| None, None)?;
        Ok(location)
    }

    /// Where an array is written that a statement names `text`.
    pub(crate) fn array_target(&self, text: &str) -> Result<Target> {
        let location = self.locate_target(text)?;
        if let (Some(path), None) = (location.local_path(), self.inner.access.roots()) {
            return Ok(Target::local(&path));
        }
        let runtime = Arc::clone(self.inner.state.read().functions().runtime_env());
        let store = runtime.object_store(&location.store_url)?;
        let io = self.inner.engine.io().clone();
        let objects = StoreObjects::new(store, location.object_path()?, text, io);
        Ok(Target::store(objects))
    }

    /// The place that a path or URL in a statement means, its store at hand.
    pub(crate) fn locate(&self, text: &str) -> Result<Location> {
        let environment = |name: &str| {
            let variables = &self.inner.environment;
            variables
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let location = locate(text, &std::env::current_dir()?, &environment)?;
        let runtime = Arc::clone(self.inner.state.read().functions().runtime_env());
        let io = self.inner.engine.io();
        ensure_store(&location, &runtime, &environment, Some(io))?;
        Ok(location)
    }

    pub(crate) fn binder<'a>(&'a self, state: &'a SessionState) -> Binder<'a> {
        let partition_size = self.inner.settings.read().bytes("partition_size");
        Binder::new(
            &self.inner,
            state,
            partition_size,
            &self.inner.environment,
            self.inner.engine.io(),
        )
    }

    /// Optimizes `plan`, makes it physical and starts it.
    pub(crate) async fn execute(
        &self,
        plan: LogicalPlan,
        state: &SessionState,
        query: &Arc<Query>,
    ) -> Result<QueryResult> {
        let physical = physical_plan(plan, state, query).await?;
        self.execute_physical(physical, state, query)
    }

    pub(crate) fn execute_physical(
        &self,
        plan: Arc<dyn datafusion::physical_plan::ExecutionPlan>,
        state: &SessionState,
        query: &Arc<Query>,
    ) -> Result<QueryResult> {
        let task = crate::wide_rows::task(&plan, state);
        let stream = self.inner.engine.execute(plan, task, Arc::clone(query))?;
        let stream = committing(stream, state);
        let stream = self.concealer().stream(stream);
        Ok(QueryResult::stream(stream, Arc::clone(query)))
    }
}
