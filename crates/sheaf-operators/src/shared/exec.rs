//! The physical operator of shared sub-plans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{EmissionType, SchedulingType, execute_stream};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    Partitioning, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use crate::spill::{SpillWriter, SpilledRows, batch_bytes, compact};

const OPERATOR: &str = "the shared sub-plan";

/// Rows in memory have one in this many of the bytes there are, at most: they stay until the plan ends, and
/// its other operators need some.
const MEMORY_PART: usize = 4;

type Rows = Shared<BoxFuture<'static, Result<Arc<KeptRows>, Arc<DataFusionError>>>>;

/// The rows of a shared sub-plan, once somebody has asked for them.
///
/// By generation: each time a recursive query starts its next step, all copies go to the next one.
#[derive(Debug, Default)]
pub struct SharedRun {
    rows: Mutex<BTreeMap<u64, Rows>>,
}

/// Rows in memory, or all of them on disk.
#[derive(Debug)]
struct KeptRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    spilled: Option<Spilled>,
    /// For `batches`.
    reservation: MemoryReservation,
}

struct Spilled(SpilledRows);

impl fmt::Debug for Spilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.0.row_count())
    }
}

/// Reads the rows of a sub-plan that runs once. One partition.
#[derive(Debug)]
pub struct SharedExec {
    input: Arc<dyn ExecutionPlan>,
    run: Arc<SharedRun>,
    generation: u64,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SharedExec {
    /// One of the copies that share `run`.
    #[must_use]
    pub fn new(input: Arc<dyn ExecutionPlan>, run: Arc<SharedRun>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            input.boundedness(),
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            input,
            run,
            generation: 0,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn rows(&self, context: &Arc<TaskContext>) -> Rows {
        let mut generations = self.run.rows.lock();
        // Older steps have been read.
        *generations = generations.split_off(&self.generation);
        let start = || {
            let input = Arc::clone(&self.input);
            let context = Arc::clone(context);
            let metrics = SpillMetrics::new(&self.metrics, 0);
            // A task of its own: whoever asked first need not be polled until the others are done.
            async move { SpawnedTask::spawn(keep(input, context, metrics)).await }
                .map(|ended| match ended {
                    Ok(kept) => kept.map(Arc::new).map_err(Arc::new),
                    Err(error) => Err(Arc::new(DataFusionError::ExecutionJoin(Box::new(error)))),
                })
                .boxed()
                .shared()
        };
        generations
            .entry(self.generation)
            .or_insert_with(start)
            .clone()
    }
}

/// Runs a plan to its end and keeps its rows.
async fn keep(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    metrics: SpillMetrics,
) -> Result<KeptRows> {
    let schema = plan.schema();
    let reservation = MemoryConsumer::new("SharedExec")
        .with_can_spill(true)
        .register(context.memory_pool());
    let mut kept = KeptRows {
        schema: Arc::clone(&schema),
        batches: Vec::new(),
        spilled: None,
        reservation,
    };
    let bytes_max = match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => bytes / MEMORY_PART,
        _ => usize::MAX,
    };
    let mut writer: Option<SpillWriter> = None;
    let mut input = execute_stream(plan, Arc::clone(&context))?;
    while let Some(batch) = input.try_next().await? {
        if let Some(writer) = &mut writer {
            writer.append(&batch)?;
            continue;
        }
        let batch = compact(&batch)?;
        let bytes = batch_bytes(&batch)?;
        let is_little = kept.reservation.size() + bytes <= bytes_max;
        if is_little && kept.reservation.try_grow(bytes).is_ok() {
            kept.batches.push(batch);
            continue;
        }
        let env = context.runtime_env();
        let mut file = SpillWriter::create(&env, &metrics, &schema, OPERATOR)?;
        for batch in std::mem::take(&mut kept.batches) {
            file.append(&batch)?;
            kept.reservation.shrink(batch_bytes(&batch)?);
        }
        file.append(&batch)?;
        writer = Some(file);
    }
    kept.spilled = writer.map(SpillWriter::finish).transpose()?.map(Spilled);
    Ok(kept)
}

impl Drop for KeptRows {
    fn drop(&mut self) {
        // Each batch leaves the books as it goes: many take their time.
        for batch in self.batches.drain(..) {
            let bytes = batch_bytes(&batch).unwrap_or(0);
            drop(batch);
            self.reservation.shrink(bytes.min(self.reservation.size()));
        }
    }
}

impl KeptRows {
    fn read(self: Arc<Self>) -> Result<SendableRecordBatchStream> {
        if let Some(Spilled(rows)) = &self.spilled {
            return rows.read();
        }
        let schema = Arc::clone(&self.schema);
        let batches = stream::iter(0..self.batches.len())
            .map(move |index| Ok(self.batches.get(index).cloned()))
            .try_filter_map(|batch: Option<RecordBatch>| async move { Ok(batch) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

impl DisplayAs for SharedExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => f.write_str("SharedExec"),
            DisplayFormatType::TreeRender => Ok(()),
        }
    }
}

impl ExecutionPlan for SharedExec {
    fn name(&self) -> &'static str {
        "SharedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self {
                generation: self.generation,
                ..Self::new(input, Arc::clone(&self.run))
            })),
            _ => internal_err!("a shared sub-plan has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            generation: self.generation + 1,
            ..Self::new(Arc::clone(&self.input), Arc::clone(&self.run))
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("a shared sub-plan has one partition, not {partition}");
        }
        let rows = self.rows(&context).map(|kept| match kept {
            Ok(kept) => kept.read(),
            Err(error) => Err(DataFusionError::Shared(error)),
        });
        let batches = stream::once(rows).try_flatten();
        let schema = self.schema();
        let batches = Box::pin(RecordBatchStreamAdapter::new(schema, batches));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(crate::counted(batches, metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
