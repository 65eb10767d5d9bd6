//! The physical operator. What it asks of its input and promises is what the engine's operator
//! does, which it keeps to ask.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, SpillMetrics, Time,
};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};

use super::{SortMeans, can_sort, sorted, sorted_together};

/// Sorts each partition of its input, or all of them into one; see the [module](super).
#[derive(Debug)]
pub struct ExternalSortExec {
    /// The engine's operator in whose place this one is.
    engine: SortExec,
    metrics: ExecutionPlanMetricsSet,
}

impl ExternalSortExec {
    /// An operator in the place of `engine`; `None` if that has nothing to sort, or has keys of a type
    /// that has no order as bytes.
    ///
    /// # Errors
    /// `Internal` if the order of the input cannot be told.
    pub fn in_place_of(engine: &SortExec) -> Result<Option<Self>> {
        let input = engine.input();
        let is_sorted = input
            .equivalence_properties()
            .ordering_satisfy(engine.expr().clone())?;
        if is_sorted || !can_sort(engine.expr(), &input.schema()) {
            return Ok(None);
        }
        Ok(Some(Self {
            engine: engine.clone(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl ExternalSortExec {
    /// One operator in the place of this one and of `merge` above it, if that merges what this one sorts.
    ///
    /// # Errors
    /// `Internal` if the order of the input cannot be told.
    pub fn merged(&self, merge: &SortPreservingMergeExec) -> Result<Option<Self>> {
        if merge.expr() != self.engine.expr() {
            return Ok(None);
        }
        let fetch = match (merge.fetch(), self.engine.fetch()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let engine = SortExec::new(merge.expr().clone(), Arc::clone(self.engine.input()));
        Self::in_place_of(&engine.with_preserve_partitioning(false).with_fetch(fetch))
    }

    fn means(&self, partition: usize, context: &Arc<TaskContext>, elapsed: &Time) -> SortMeans {
        SortMeans {
            context: Arc::clone(context),
            partition,
            spill_metrics: SpillMetrics::new(&self.metrics, partition),
            elapsed: elapsed.clone(),
            peak: MetricBuilder::new(&self.metrics).peak_memory_usage("mem_used", partition),
        }
    }
}

impl DisplayAs for ExternalSortExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordering = self.engine.expr();
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "ExternalSortExec: expr=[{ordering}]")?;
                write!(
                    f,
                    ", preserve_partitioning=[{}]",
                    self.engine.preserve_partitioning()
                )?;
                match self.engine.fetch() {
                    Some(limit) => write!(f, ", fetch={limit}"),
                    None => Ok(()),
                }
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "{ordering}")?;
                match self.engine.fetch() {
                    Some(limit) => writeln!(f, "limit={limit}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl ExecutionPlan for ExternalSortExec {
    fn name(&self) -> &'static str {
        "ExternalSortExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.engine.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        // Partitions that are to become one are merged here.
        InputDistributionRequirements::new(vec![Distribution::UnspecifiedDistribution])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.engine.benefits_from_input_partitioning()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.engine.input()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in self.engine.expr() {
            match f(&key.expr)? {
                TreeNodeRecursion::Stop => return Ok(TreeNodeRecursion::Stop),
                TreeNodeRecursion::Jump | TreeNodeRecursion::Continue => {}
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let engine = Arc::new(self.engine.clone()).replace_children(children, options)?;
        let Some(engine) = engine.downcast_ref::<SortExec>() else {
            return internal_err!("a sort became another node");
        };
        Ok(match Self::in_place_of(engine)? {
            Some(ours) => Arc::new(ours),
            None => Arc::new(engine.clone()),
        })
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
        let (ordering, limit) = (self.engine.expr(), self.engine.fetch());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let elapsed = metrics.elapsed_compute();
        let means = |partition| self.means(partition, &context, elapsed);
        let input = self.engine.input();
        let execute = |partition| input.execute(partition, Arc::clone(&context));
        let count = input.output_partitioning().partition_count();
        let rows = if self.engine.preserve_partitioning() || count == 1 {
            sorted(execute(partition)?, ordering, limit, means(partition))?
        } else {
            let inputs = (0..count).map(|partition| Ok((execute(partition)?, means(partition))));
            sorted_together(inputs.collect::<Result<_>>()?, ordering, limit)?
        };
        Ok(crate::counted(rows, metrics))
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

    fn fetch(&self) -> Option<usize> {
        self.engine.fetch()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.engine.cardinality_effect()
    }
}
