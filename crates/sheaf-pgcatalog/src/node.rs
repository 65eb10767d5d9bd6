//! A statement about the catalogue as one node of a plan, whose expressions are its parameters.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{
    DFSchema, DFSchemaRef, DataFusionError, Result as EngineResult, TableReference, internal_err,
};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;
use sheaf_base::{Result, SheafError};
use tokio_util::sync::CancellationToken;

use crate::arrow::{batch, batch_span, schema_of};
use crate::bind::{Bound, bind};
use crate::cast::cast;
use crate::database::Database;
use crate::external::{EngineFunctions, value_of};
use crate::facts::Facts;
use crate::run::{Run, Watch, bytes_of};
use crate::types::{Oid, TEXT, UNKNOWN, arrow_field, column_type};
use crate::value::{Row, Value};

/// What ends a run: the query's token, under this type among a state's extensions.
#[derive(Debug)]
pub struct Stop(pub CancellationToken);

/// Plans a query about the catalogue.
///
/// # Errors
/// `UserInput` if a name stands for nothing or types do not agree; `Unsupported` for forms that only
/// the engine has.
pub fn plan(
    query: &ast::Query,
    facts: Arc<Facts>,
    engine: &EngineFunctions,
) -> Result<LogicalPlan> {
    let bound = bind(query, engine)?;
    let parameters = bound.parameters.iter().enumerate().map(|(index, oid)| {
        Expr::Placeholder(Placeholder {
            id: format!("${}", index + 1),
            field: Some(Arc::new(arrow_field("", *oid))),
        })
    });
    let parameters = parameters.collect();
    let rows = schema_of(&bound.query.columns);
    // Columns of a result may have one name; of a plan they may not, unless their tables differ.
    let mut names: HashMap<&str, usize> = HashMap::new();
    for field in rows.fields() {
        *names.entry(field.name()).or_default() += 1;
    }
    let fields = rows.fields().iter().enumerate().map(|(index, field)| {
        let is_shared = names
            .get(field.name().as_str())
            .is_some_and(|count| *count > 1);
        let table = is_shared.then(|| TableReference::bare(format!("column {}", index + 1)));
        (table, Arc::clone(field))
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
    let node = CatalogNode {
        statement: Arc::new(CatalogStatement { bound, facts, rows }),
        parameters,
        schema: Arc::new(schema),
    };
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(node),
    }))
}

#[derive(Debug)]
struct CatalogStatement {
    bound: Bound,
    facts: Arc<Facts>,
    rows: SchemaRef,
}

/// A statement about the catalogue.
#[derive(Debug, Clone)]
pub struct CatalogNode {
    statement: Arc<CatalogStatement>,
    /// The values of `$1`, `$2`, …, or places for them.
    parameters: Vec<Expr>,
    schema: DFSchemaRef,
}

impl PartialEq for CatalogNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.statement, &other.statement) && self.parameters == other.parameters
    }
}

impl Eq for CatalogNode {}

impl Hash for CatalogNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.statement).hash(state);
        self.parameters.hash(state);
    }
}

impl PartialOrd for CatalogNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for CatalogNode {
    fn name(&self) -> &'static str {
        "Catalog"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.parameters.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catalog: evaluated row by row")
    }

    fn with_exprs_and_inputs(
        &self,
        parameters: Vec<Expr>,
        inputs: Vec<LogicalPlan>,
    ) -> EngineResult<Self> {
        match inputs.is_empty() && parameters.len() == self.parameters.len() {
            true => Ok(Self {
                parameters,
                ..self.clone()
            }),
            false => internal_err!("a statement about the catalogue has no inputs"),
        }
    }
}

/// Plans [`CatalogNode`]s; leaves others to the next planner.
#[derive(Debug)]
pub struct CatalogPlanner;

#[async_trait]
impl ExtensionPlanner for CatalogPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _planning: &PhysicalPlanningContext,
    ) -> EngineResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<CatalogNode>() else {
            return Ok(None);
        };
        let parameters = node.parameters.iter().map(parameter);
        let partition = CatalogPartition {
            parameters: parameters.collect::<Result<_>>()?,
            statement: Arc::clone(&node.statement),
        };
        let schema = Arc::clone(&node.statement.rows);
        let exec =
            StreamingTableExec::try_new(schema, vec![Arc::new(partition)], None, [], false, None)?;
        Ok(Some(Arc::new(exec)))
    }
}

/// A value with its type.
fn parameter(expr: &Expr) -> Result<(Value, Oid)> {
    match expr {
        Expr::Literal(scalar, _) => {
            let (oid, _) = column_type(&Field::new("", scalar.data_type(), true));
            // A text is whatever it is compared with.
            let oid = if oid == TEXT { UNKNOWN } else { oid };
            Ok((value_of(scalar)?, oid))
        }
        Expr::Alias(alias) => parameter(&alias.expr),
        other => Err(SheafError::user(format!("parameter {other} has no value"))
            .with_state(sheaf_base::error::SqlState::UNDEFINED_PARAMETER)),
    }
}

/// The rows of a statement, made when they are asked for.
#[derive(Debug)]
struct CatalogPartition {
    statement: Arc<CatalogStatement>,
    parameters: Vec<(Value, Oid)>,
}

impl PartitionStream for CatalogPartition {
    fn schema(&self) -> &SchemaRef {
        &self.statement.rows
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.statement.rows);
        let statement = Arc::clone(&self.statement);
        let parameters = self.parameters.clone();
        let rows = futures::stream::once(async move {
            let watch = Watcher::new(&context);
            let rows = statement
                .rows(&parameters, &watch)
                .map_err(DataFusionError::from)?;
            Ok::<_, DataFusionError>(RowsLeft {
                rows,
                statement,
                watch,
            })
        });
        let batches = rows.map_ok(|left| futures::stream::try_unfold(left, RowsLeft::next));
        Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten()))
    }
}

/// The rows that are not yet sent.
struct RowsLeft {
    rows: VecDeque<Row>,
    statement: Arc<CatalogStatement>,
    watch: Watcher,
}

impl RowsLeft {
    /// The next batch. Its rows are given up for it, which is about as large.
    async fn next(mut self) -> EngineResult<Option<(RecordBatch, Self)>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        self.watch.check()?;
        let (count, bytes) = batch_span(self.rows.make_contiguous());
        self.watch.grow(bytes)?;
        let rows: Vec<Row> = self.rows.drain(..count).collect();
        let statement = &self.statement;
        let database = Database::new(Arc::clone(&statement.facts));
        let columns = &statement.bound.query.columns;
        let batch = batch(&rows, columns, &statement.rows, &database)?;
        drop((rows, database));
        self.watch.shrink(bytes.saturating_mul(2));
        Ok(Some((batch, self)))
    }
}

impl CatalogStatement {
    fn rows(&self, parameters: &[(Value, Oid)], watch: &Watcher) -> Result<VecDeque<Row>> {
        let database = Database::new(Arc::clone(&self.facts));
        let parameters = parameters.iter().zip(&self.bound.parameters);
        let parameters =
            parameters.map(|((value, from), to)| cast(value.clone(), *from, *to, &database));
        let parameters = parameters.collect::<Result<Vec<_>>>()?;
        let run = Run::new(&database, &parameters).watched(Some(watch));
        let rows = run.query(&self.bound.query)?;
        // Nothing of the run is left but its rows.
        drop(run);
        let rows = Rc::try_unwrap(rows).unwrap_or_else(|rows| rows.as_ref().clone());
        watch.hold_alone(rows.iter().map(|row| bytes_of(row)).sum())?;
        Ok(rows.into())
    }
}

/// Bytes that are asked for at a time.
const RESERVED_BYTES: usize = 64 * 1024;

/// The memory and the end of a run.
struct Watcher {
    reservation: MemoryReservation,
    /// Bytes that are held; the reservation is in larger steps.
    held_bytes: Cell<usize>,
    stop: Option<Arc<Stop>>,
}

impl Watcher {
    fn new(context: &TaskContext) -> Self {
        let consumer = MemoryConsumer::new("catalogue");
        Self {
            reservation: consumer.register(context.memory_pool()),
            held_bytes: Cell::new(0),
            stop: context.session_config().get_extension::<Stop>(),
        }
    }

    /// Holds so many bytes and no others.
    fn hold_alone(&self, bytes: usize) -> Result<()> {
        self.shrink(self.held_bytes.get());
        self.grow(bytes)
    }
}

impl Watch for Watcher {
    fn check(&self) -> Result<()> {
        match &self.stop {
            Some(stop) if stop.0.is_cancelled() => {
                Err(SheafError::cancelled("the query was cancelled"))
            }
            _ => Ok(()),
        }
    }

    fn grow(&self, bytes: usize) -> Result<()> {
        let held = self.held_bytes.get().saturating_add(bytes);
        if held > self.reservation.size() {
            let missing = held - self.reservation.size();
            self.reservation.try_grow(missing.max(RESERVED_BYTES))?;
        }
        self.held_bytes.set(held);
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        let held = self.held_bytes.get().saturating_sub(bytes);
        self.held_bytes.set(held);
        let spare = self.reservation.size().saturating_sub(held);
        if spare > 2 * RESERVED_BYTES {
            self.reservation.shrink(spare - RESERVED_BYTES);
        }
    }
}
