//! Plans that are made once and run with other values of their parameters.
//!
//! A query has a template if
//!
//! - all that it reads is small local files, each of which is named by itself: their rows are kept in
//!   memory, and before each run the files are looked at;
//! - it calls nothing whose result is another in each statement (`now()`): that would be the first one's;
//!   and no functions of the user's own, which take their memory from their statement;
//! - its parameters have types in which values of one type do not differ ([`is_plain`]), and are not needed
//!   to plan it (`LIMIT $1`);
//! - its operators may run again ([`OPERATORS`]);
//! - its columns are those that it has when it is planned with values.
//!
//! Settings, names and functions of the session are those with which it was made: a change of any ends it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, provider_as_source, source_as_provider};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{
    Expr, LogicalPlan, TableSource, Volatility, WindowFunctionDefinition,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::prelude::SessionConfig;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use futures::{FutureExt, TryStreamExt};
use sheaf_base::Result;
use sheaf_files::FileTable;
use sheaf_functions::bounded::CallMemory;
use sheaf_functions::user;
use sheaf_runtime::{Outcome, Query};
use sheaf_sql::{Statement, StatementKind};

use super::parameters::{Parameters, Values, with_types, with_values};
use super::resident::{FILES_BYTES_MAX, FILES_MAX, Held, Stamp};
use crate::planner::optimize;
use crate::session::{Session, Version};

/// Operators that may run again once they were reset, and whether one is done at once, row by row.
const OPERATORS: [(&str, bool); 21] = [
    ("AdaptiveFilterExec", true),
    ("AggregateExec", false),
    ("CoalesceBatchesExec", true),
    ("CoalescePartitionsExec", false),
    ("CooperativeExec", true),
    ("DataSourceExec", true),
    ("EmptyExec", true),
    ("ExternalSortExec", false),
    ("FilterExec", true),
    ("GlobalLimitExec", true),
    ("HashJoinExec", false),
    ("LocalLimitExec", true),
    ("ParameterExec", true),
    ("PartitionedAggregateExec", false),
    ("PlaceholderRowExec", true),
    ("ProjectionExec", true),
    ("ScalarSubqueryExec", true),
    ("SortExec", false),
    ("SortExec(TopK)", false),
    ("SortPreservingMergeExec", false),
    ("UnionExec", false),
];

/// Bytes of rows that are read where they are asked for; more, and all else, is the business of the threads
/// that compute.
const READ_HERE_BYTES_MAX: usize = 1024 * 1024;

/// A plan that runs again and again.
#[derive(Debug)]
pub(super) struct Template {
    plan: Arc<dyn ExecutionPlan>,
    parameters: Parameters,
    types: Vec<DataType>,
    /// Of the session, when it was made.
    version: Version,
    files: Vec<Stamp>,
    /// What its operators are told of the session.
    config: SessionConfig,
    session_id: String,
    /// Whether it is done at once, so that nobody is kept waiting where it is asked for.
    is_quick: bool,
    _rows: Held,
}

impl Template {
    /// Whether it is a plan for values of these types.
    pub(super) fn takes(&self, values: &[ScalarValue]) -> bool {
        let types = values.iter().map(ScalarValue::data_type);
        types.eq(self.types.iter().cloned())
    }

    /// Whether a statement that begins now would be planned the same.
    pub(super) fn is_current(&self, session: &Session) -> bool {
        self.version == session.version() && self.files.iter().all(Stamp::is_current)
    }

    pub(super) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// What a run is told of the session: its functions are in the plan by now.
    pub(super) fn task(&self, env: Arc<RuntimeEnv>) -> Arc<TaskContext> {
        let (scalar, higher, aggregate, window) = Default::default();
        let (id, config) = (self.session_id.clone(), self.config.clone());
        let task = TaskContext::new(None, id, config, scalar, higher, aggregate, window, env);
        Arc::new(task)
    }

    /// The plan, which is now about `values`.
    ///
    /// # Errors
    /// `Internal` if there are fewer than it has parameters.
    pub(super) fn plan(&self, values: Vec<ScalarValue>) -> Result<Arc<dyn ExecutionPlan>> {
        self.parameters.set(values)?;
        Ok(Arc::clone(&self.plan))
    }

    /// As before its first run; `None` if it cannot be.
    pub(super) fn reset(mut self: Box<Self>) -> Option<Box<Self>> {
        self.plan = reset_plan_states(self.plan).ok()?;
        Some(self)
    }
}

impl Session {
    /// A template for `statement`, whose columns are `schema` when it is planned with `values`; none if
    /// it may have none, or anything fails, which the next run then tells.
    pub(super) async fn template(
        &self,
        statement: &Statement,
        values: &[ScalarValue],
        schema: &SchemaRef,
    ) -> Option<Template> {
        let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
        if !types.iter().all(is_plain) {
            return None;
        }
        let StatementKind::Query(ast) = &statement.kind else {
            return None;
        };
        let query = self.begin(&statement.text);
        let (session, ast, planned) = (self.clone(), (**ast).clone(), Arc::clone(&query));
        let schema = Arc::clone(schema);
        let work = async move {
            let making = Making {
                session: &session,
                state: session.state_for_templates(&planned),
                query: &planned,
            };
            making.template(ast, types, &schema).await
        };
        let template = self.inner.engine.plan(&query, work.boxed()).await;
        query.finish(Outcome::Done);
        template.ok().flatten()
    }

    fn state_for_templates(&self, query: &Arc<Query>) -> SessionState {
        let mut state = self.state_for(query);
        // Calls take memory of their own from the process: this query is over when they run.
        let calls = CallMemory::new(Arc::clone(self.inner.engine.memory()) as _);
        let options = state.config_mut().options_mut();
        options.extensions.insert(calls);
        // Little is done sooner by one thread.
        options.execution.target_partitions = 1;
        options
            .optimizer
            .enable_physical_uncorrelated_scalar_subquery = true;
        let options = Arc::clone(state.config_options());
        state.execution_props_mut().config_options = Some(options);
        state
    }
}

/// Whether all values of a type are planned the same: numbers, times and texts, but not decimals, whose
/// types say how many digits the value has.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || data_type.is_string()
        || data_type.is_temporal()
        || matches!(data_type, DataType::Boolean)
}

/// A template while it is made.
struct Making<'a> {
    session: &'a Session,
    state: SessionState,
    query: &'a Arc<Query>,
}

impl Making<'_> {
    async fn template(
        &self,
        ast: ast::Query,
        types: Vec<DataType>,
        schema: &SchemaRef,
    ) -> Result<Option<Template>> {
        let version = self.session.version();
        let plan = self.session.binder(&self.state).plan_query(ast).await?;
        let Some(tables) = tables_of(&plan)? else {
            return Ok(None);
        };
        let Some(files) = stamps(&tables) else {
            return Ok(None);
        };
        let plan = with_types(plan, &types)?;
        let (plan, rows_bytes) = self.with_rows(plan, &tables).await?;
        let memory = &self.session.inner.templates;
        let Some(rows) = memory.hold(rows_bytes, self.session.engine()) else {
            return Ok(None);
        };
        let values = Arc::new(Values::default());
        let plan = optimize(plan, &self.state, self.query)?;
        let plan = with_values(plan, &values)?;
        let planner = self.state.query_planner();
        let plan = planner.create_physical_plan(&plan, &self.state).await?;
        let (plan, parameters) = Parameters::of(plan, values)?;
        let is_same = version == self.session.version()
            && files.iter().all(Stamp::is_current)
            && plan
                .schema()
                .fields()
                .iter()
                .map(column)
                .eq(schema.fields().iter().map(column));
        let operators = operators(&plan)?.filter(|_| is_same);
        Ok(operators.map(|is_quick| Template {
            is_quick: is_quick && rows_bytes <= READ_HERE_BYTES_MAX,
            plan,
            parameters,
            types,
            version,
            files,
            config: self.state.config().clone(),
            session_id: self.state.session_id().to_owned(),
            _rows: rows,
        }))
    }

    /// `plan` with the rows of its tables in their places, and their bytes.
    async fn with_rows(
        &self,
        plan: LogicalPlan,
        tables: &[Arc<dyn TableProvider>],
    ) -> Result<(LogicalPlan, usize)> {
        let mut bytes = 0;
        let mut read: Vec<Arc<dyn TableSource>> = vec![];
        for table in tables {
            let scan = table.scan(&self.state, None, &[], None).await?;
            let (task, query) = (self.state.task_ctx(), Arc::clone(self.query));
            let rows = self.session.engine().execute_part(scan, task, query)?;
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            let batch = concat_batches(&table.schema(), &batches)?;
            bytes += batch.get_array_memory_size();
            let held = MemTable::try_new(table.schema(), vec![vec![batch]])?;
            read.push(provider_as_source(Arc::new(held)));
        }
        let plan = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(mut scan) = node else {
                return Ok(Transformed::no(node));
            };
            let table = source_as_provider(&scan.source)?;
            let mut places = tables.iter().zip(&read);
            if let Some((_, rows)) = places.find(|(known, _)| Arc::ptr_eq(known, &table)) {
                scan.source = Arc::clone(rows);
            }
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })?;
        Ok((plan.data, bytes))
    }
}

/// What a column is to whoever reads it.
fn column(field: &FieldRef) -> (&String, &DataType) {
    (field.name(), field.data_type())
}

/// The tables that `plan` reads; `None` if it reads, calls or does what no template may.
fn tables_of(plan: &LogicalPlan) -> Result<Option<Vec<Arc<dyn TableProvider>>>> {
    let mut tables: Vec<Arc<dyn TableProvider>> = vec![];
    let mut may = true;
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                let table = source_as_provider(&scan.source)?;
                may &= table.downcast_ref::<FileTable>().is_some();
                if !tables.iter().any(|known| Arc::ptr_eq(known, &table)) {
                    tables.push(table);
                }
            }
            // The types of their columns are those of values, which are not there.
            LogicalPlan::Values(_) => may = false,
            LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_) => may = false,
            _ => {}
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                may &= !is_of_statement(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(may.then_some(tables))
}

/// Whether an expression's value is one and the same throughout a statement, and another in the next, or
/// it calls functions that are bound to the statement.
fn is_of_statement(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            call.func.signature().volatility == Volatility::Stable || user::is_scalar(&call.func)
        }
        Expr::AggregateFunction(call) => user::is_aggregate(&call.func),
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => user::is_aggregate(function),
            WindowFunctionDefinition::WindowUDF(_) => false,
        },
        Expr::ScalarVariable(..) => true,
        _ => false,
    }
}

/// The files of `tables` as they are now, if they are few, small and named one by one.
fn stamps(tables: &[Arc<dyn TableProvider>]) -> Option<Vec<Stamp>> {
    let mut stamps = vec![];
    for table in tables {
        let files = table.downcast_ref::<FileTable>()?.named_files()?;
        if stamps.len() + files.len() > FILES_MAX {
            return None;
        }
        for (path, bytes) in files {
            stamps.push(Stamp::of(&path).filter(|stamp| stamp.bytes() == bytes)?);
        }
    }
    let bytes: u64 = stamps.iter().map(Stamp::bytes).sum();
    (bytes <= FILES_BYTES_MAX).then_some(stamps)
}

/// Whether all operators of `plan` may run again, and if so, whether all are done at once.
fn operators(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<bool>> {
    let mut may = true;
    let mut is_quick = plan.properties().output_partitioning().partition_count() == 1;
    plan.apply(|node| {
        match OPERATORS.iter().find(|(name, _)| *name == node.name()) {
            Some((_, quick)) => is_quick &= quick,
            None => may = false,
        }
        node.apply_expressions(&mut |expr| {
            expr.apply(|expr| {
                is_quick &= is_cheap(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(may.then_some(is_quick))
}

/// Whether an expression takes a few steps a row, whatever the values are.
fn is_cheap(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return binary.op().is_logic_operator()
            || binary.op().supports_propagation()
            || binary.op().is_numerical_operators();
    }
    expr.is::<Column>()
        || expr.is::<Literal>()
        || expr.is::<ScalarSubqueryExpr>()
        || expr.is::<CastExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<NotExpr>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
}
