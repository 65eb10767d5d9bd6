//! The operator that reads arrays: it gives rows as they are made, on one partition, in order. The work
//! is done on threads beside the engine's, at most as many as the engine has.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    InputDistributionRequirements, Partitioning, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream, StatisticsArgs,
};
use futures::{StreamExt, stream};
use sheaf_arrays::{Context, Hold, SharedContext, Turn};
use sheaf_base::SheafError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cells::Cells;
use crate::rows::{RowSource, Wanted};

/// Batches that wait for whoever reads them: each may be a chunk.
const WAITING_MAX: usize = 1;

/// Reads what is made of arrays, after the rows that they are made of have been put down.
///
/// # Memory
/// What reading the arrays takes, which their context reserves; of what has been given, the batch that was
/// taken last and those that wait.
#[derive(Debug, Clone)]
pub struct ArrayExec {
    source: Arc<dyn RowSource>,
    wanted: Wanted,
    /// Rows that become elements, and their plans.
    inputs: Vec<(Arc<Cells>, Arc<dyn ExecutionPlan>)>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ArrayExec {
    /// Reads the wanted rows of `source`, at most `limit`.
    ///
    /// # Errors
    /// `Internal` if there are no such columns.
    pub fn try_new(
        source: Arc<dyn RowSource>,
        wanted: Wanted,
        inputs: Vec<(Arc<Cells>, Arc<dyn ExecutionPlan>)>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let schema = Arc::new(source.schema().project(&wanted.columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            source,
            wanted,
            inputs,
            limit,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Whether it reads in the [`SharedContext`] of its task, if that has one. One that rows are put down for
    /// has a context of its own: whenever it runs, they may be others.
    #[must_use]
    pub fn shares_context(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Bytes of the largest value in a row, if that is much: so that few rows make a batch.
    #[must_use]
    pub fn row_bytes_max(&self) -> Option<u64> {
        let is_wide = |column: &usize| self.source.schema().field(*column).data_type().is_nested();
        self.wanted
            .columns
            .iter()
            .any(is_wide)
            .then(|| self.source.row_bytes_max())?
    }
}

/// A batch, and what is held for it.
type Item = Result<(RecordBatch, Option<Arc<Hold>>), SheafError>;

/// Reads on a thread that may wait.
struct Driver {
    source: Arc<dyn RowSource>,
    wanted: Wanted,
    inputs: Vec<(Arc<Cells>, SendableRecordBatchStream)>,
    limit: Option<usize>,
    /// As [`ArrayExec::shares_context`] says.
    shares_context: bool,
    task: Arc<TaskContext>,
    runtime: Handle,
    out: mpsc::Sender<Item>,
}

/// What ends a driver whose reader has gone, or has enough.
fn over() -> SheafError {
    SheafError::cancelled("nobody reads the array any more")
}

impl Driver {
    fn run(mut self) {
        let out = self.out.clone();
        let mut is_over = false;
        if let Err(error) = self.read(&mut is_over)
            && !is_over
        {
            // Whoever is not there any more needs no error.
            let _ = out.blocking_send(Err(error));
        }
    }

    /// The context in which it reads, and its turn in that if others have it, too.
    fn context(&self) -> (Context, Option<Turn>) {
        let config = self.task.session_config();
        let environment = self.task.runtime_env();
        let make = || {
            Context::of_engine(
                "array",
                &environment.memory_pool,
                &environment.disk_manager,
                config.target_partitions(),
            )
        };
        let shared = config.get_extension::<SharedContext>();
        let (context, turn) = match shared.filter(|_| self.shares_context) {
            Some(shared) => {
                let (context, turn) = shared.begin(make);
                (context, Some(turn))
            }
            None => (make(), None),
        };
        let probe = self.out.clone();
        (context.stopped_by(move || probe.is_closed()), turn)
    }

    fn read(&mut self, is_over: &mut bool) -> sheaf_base::Result<()> {
        let (context, _turn) = self.context();
        for (cells, mut rows) in self.inputs.drain(..) {
            let (runtime, out) = (&self.runtime, &self.out);
            let batches = std::iter::from_fn(|| {
                runtime.block_on(async {
                    tokio::select! {
                        batch = rows.next() => batch.map(|batch| batch.map_err(SheafError::from)),
                        () = out.closed() => Some(Err(over())),
                    }
                })
            });
            cells.fill(batches, &context)?;
        }
        let mut left = self.limit;
        let (source, wanted, out) = (&self.source, &self.wanted, &self.out);
        if left == Some(0) {
            return Ok(());
        }
        source.produce(wanted, &context, &mut |batch, hold| {
            let batch = match left {
                Some(left) if left < batch.num_rows() => batch.slice(0, left),
                _ => batch,
            };
            let rows = batch.num_rows();
            if out.blocking_send(Ok((batch, hold))).is_err() {
                *is_over = true;
                return Err(over());
            }
            if let Some(left) = &mut left {
                *left -= rows;
                if *left == 0 {
                    *is_over = true;
                    return Err(over());
                }
            }
            Ok(())
        })
    }
}

/// What takes the rows.
struct Reader {
    items: mpsc::Receiver<Item>,
    driver: Option<JoinHandle<()>>,
    /// Of the batch that was taken last.
    hold: Option<Arc<Hold>>,
    metrics: BaselineMetrics,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.hold = None;
        match self.items.recv().await {
            Some(Ok((batch, hold))) => {
                self.hold = hold;
                self.metrics.output_rows().add(batch.num_rows());
                Ok(Some(batch))
            }
            Some(Err(error)) => Err(error.into()),
            None => {
                self.metrics.done();
                match self.driver.take() {
                    Some(driver) => driver.await.map(|()| None).map_err(|error| {
                        DataFusionError::from(SheafError::internal(format!(
                            "reading an array has broken down: {error}"
                        )))
                    }),
                    None => Ok(None),
                }
            }
        }
    }
}

impl DisplayAs for ArrayExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source.name();
        match format {
            DisplayFormatType::TreeRender => f.write_str(&name),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "ArrayExec: {name}")?;
                if let Some(array) = self.source.array() {
                    let (shape, dtype) = (array.shape(), array.dtype());
                    write!(
                        f,
                        ", {dtype} {}, {} chunks",
                        sheaf_arrays::tuple(&shape),
                        array.grid().chunks()
                    )?;
                }
                if let Some(condition) = &self.wanted.condition {
                    write!(f, ", where {condition}")?;
                }
                match self.limit {
                    Some(limit) => write!(f, ", limit={limit}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl ExecutionPlan for ArrayExec {
    fn name(&self) -> &'static str {
        "ArrayExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; self.inputs.len()])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let orders = self.inputs.iter().map(|(cells, plan)| {
            let schema = plan.schema();
            let keys = (0..cells.keys()).map(|key| {
                let column = Column::new(schema.field(key).name(), key);
                PhysicalSortExpr::new_default(Arc::new(column))
            });
            LexOrdering::new(keys).map(OrderingRequirements::from)
        });
        orders.collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().map(|(_, plan)| plan).collect()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.inputs.len() {
            return internal_err!("an array has as many inputs as before");
        }
        let cells = self.inputs.iter().map(|(cells, _)| Arc::clone(cells));
        let inputs = cells.zip(children).collect();
        Ok(Arc::new(Self::try_new(
            Arc::clone(&self.source),
            self.wanted.clone(),
            inputs,
            self.limit,
        )?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("an array is read in one partition, not {partition}");
        }
        let inputs = self
            .inputs
            .iter()
            .map(|(cells, plan)| Ok((Arc::clone(cells), plan.execute(0, Arc::clone(&context))?)));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let (out, items) = mpsc::channel(WAITING_MAX);
        let runtime = Handle::current();
        let driver = Driver {
            source: Arc::clone(&self.source),
            wanted: Wanted {
                batch_rows: context.session_config().batch_size(),
                ..self.wanted.clone()
            },
            inputs,
            limit: self.limit,
            shares_context: self.shares_context(),
            task: context,
            runtime: runtime.clone(),
            out,
        };
        let reader = Reader {
            items,
            driver: Some(runtime.spawn_blocking(move || driver.run())),
            hold: None,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|batch| (batch, reader)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let rows = self
            .source
            .row_count()
            .and_then(|rows| usize::try_from(rows).ok());
        if let (Some(rows), None) = (rows, &self.wanted.condition) {
            let rows = self.limit.map_or(rows, |limit| limit.min(rows));
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }
}
