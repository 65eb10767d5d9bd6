//! The physical operator. What it asks of its input and promises is what the engine's filter does,
//! which it keeps to ask.

use std::fmt;
use std::sync::Arc;

use arrow::compute::BatchCoalescer;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::stream;

use super::conjunction::Conjunction;
use super::run::FilterRun;

/// Keeps the rows of which a predicate is true: see the [module](super).
#[derive(Debug)]
pub struct AdaptiveFilterExec {
    /// The engine's operator in whose place this one is.
    engine: FilterExec,
    metrics: ExecutionPlanMetricsSet,
}

impl AdaptiveFilterExec {
    /// An operator in the place of `engine`.
    #[must_use]
    pub fn in_place_of(engine: &FilterExec) -> Self {
        Self {
            engine: engine.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for AdaptiveFilterExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "Adaptive")?;
                self.engine.fmt_as(format, f)
            }
            DisplayFormatType::TreeRender => self.engine.fmt_as(format, f),
        }
    }
}

impl ExecutionPlan for AdaptiveFilterExec {
    fn name(&self) -> &'static str {
        "AdaptiveFilterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.engine.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.engine.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.engine.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let engine = Arc::new(self.engine.clone()).replace_children(children, options)?;
        match engine.downcast_ref::<FilterExec>() {
            Some(engine) => Ok(Arc::new(Self::in_place_of(engine))),
            None => internal_err!("a filter became another node"),
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
        let input = self.engine.input();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = self.engine.batch_size();
        let run = Box::new(FilterRun {
            conjunction: Conjunction::new(self.engine.predicate(), &input.schema())?,
            input: Some(input.execute(partition, context)?),
            projection: self.engine.projection().as_ref().map(|p| p.to_vec()),
            coalescer: BatchCoalescer::new(self.schema(), rows)
                .with_biggest_coalesce_batch_size(Some(rows / 2)),
            rows_left: self.engine.fetch().unwrap_or(usize::MAX),
            selectivity: MetricBuilder::new(&self.metrics).ratio_metrics("selectivity", partition),
            elapsed: metrics.elapsed_compute().clone(),
        });
        let batches = stream::try_unfold(run, |mut run| async move {
            Ok(run.next().await?.map(|batch| (batch, run)))
        });
        let batches = RecordBatchStreamAdapter::new(self.schema(), batches);
        Ok(crate::counted(Box::pin(batches), metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.engine.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.engine.statistics_from_inputs(input_stats, args)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::LowerEqual
    }

    fn fetch(&self) -> Option<usize> {
        self.engine.fetch()
    }

    /// Filters from above, those of joins among them, go on to the input.
    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        self.engine
            .gather_filters_for_pushdown(phase, parent_filters, config)
    }
}
