//! The physical operator of samples.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};
use futures::stream;

use super::SampleSize;
use super::reservoir::Reservoir;
use super::share::ShareSample;

/// Takes a sample of its input: a share in each partition, or rows of a single one.
#[derive(Debug, Clone)]
pub struct SampleExec {
    size: SampleSize,
    seed: Option<u64>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SampleExec {
    /// A sample of `input`.
    #[must_use]
    pub fn new(size: SampleSize, seed: Option<u64>, input: Arc<dyn ExecutionPlan>) -> Self {
        let equivalences = match size {
            SampleSize::Share(_) | SampleSize::Rows(_) => input.equivalence_properties().clone(),
            // Draws come in an order of their own.
            SampleSize::Draws(_) => EquivalenceProperties::new(input.schema()),
        };
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            match size {
                SampleSize::Share(_) => input.pipeline_behavior(),
                SampleSize::Rows(_) | SampleSize::Draws(_) => {
                    datafusion::physical_plan::execution_plan::EmissionType::Final
                }
            },
            input.boundedness(),
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            size,
            seed,
            input,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// How much is taken.
    #[must_use]
    pub fn size(&self) -> SampleSize {
        self.size
    }

    /// `REPEATABLE (seed)`.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }
}

impl DisplayAs for SampleExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "SampleExec: {}", self.size)?;
                seed.map_or(Ok(()), |seed| write!(f, ", {seed}"))
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "{}", self.size)?;
                seed.map_or(Ok(()), |seed| writeln!(f, "{seed}"))
            }
        }
    }
}

impl ExecutionPlan for SampleExec {
    fn name(&self) -> &'static str {
        "SampleExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.size {
            SampleSize::Share(_) => Distribution::UnspecifiedDistribution,
            SampleSize::Rows(_) | SampleSize::Draws(_) => Distribution::SinglePartition,
        }])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![!matches!(self.size, SampleSize::Draws(_))]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // A comparison a row is not worth moving batches between threads.
        vec![false]
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
            (Some(input), None) => Ok(Arc::new(Self::new(self.size, self.seed, input))),
            _ => internal_err!("a sample has one input"),
        }
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
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let schema = input.schema();
        let batch_rows = context.session_config().batch_size();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let counted = metrics.clone();
        let batches: SendableRecordBatchStream = match self.size {
            SampleSize::Share(share) => {
                let sample = ShareSample::new(input, share, self.seed, batch_rows, metrics);
                Box::pin(RecordBatchStreamAdapter::new(
                    schema,
                    stream::try_unfold(sample, |mut sample| async move {
                        Ok(sample.next().await?.map(|batch| (batch, sample)))
                    }),
                ))
            }
            SampleSize::Rows(rows) | SampleSize::Draws(rows) => {
                let reservation = MemoryConsumer::new(format!("SampleExec[{partition}]"))
                    .register(context.memory_pool());
                let sample =
                    Reservoir::new(input, rows, self.seed, batch_rows, reservation, metrics);
                let sample = match self.size {
                    SampleSize::Draws(draws) => sample.with_replacement(draws, self.seed),
                    _ => sample,
                };
                Box::pin(RecordBatchStreamAdapter::new(
                    schema,
                    stream::try_unfold(sample, |mut sample| async move {
                        Ok(sample.next().await?.map(|batch| (batch, sample)))
                    }),
                ))
            }
        };
        Ok(crate::counted(batches, counted))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        match self.size {
            SampleSize::Share(_) | SampleSize::Rows(_) => CardinalityEffect::LowerEqual,
            SampleSize::Draws(_) => CardinalityEffect::Unknown,
        }
    }
}
