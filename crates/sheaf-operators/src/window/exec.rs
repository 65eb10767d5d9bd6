//! The physical operator. What it asks of its input and promises is what the engine's operator
//! does, which it keeps to ask.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, SchedulingType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    InputDistributionRequirements, InputOrderMode, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};
use futures::{StreamExt, stream};

use super::frames::FramesRun;
use super::function::{Function, Sorting};
use super::run::{RunParts, WindowRun};

/// Adds the columns of window functions to rows sorted by their PARTITION BY and ORDER BY.
#[derive(Debug)]
pub struct WindowExec {
    /// The engine's operator in whose place this one is.
    engine: Arc<dyn ExecutionPlan>,
    functions: Arc<[Function]>,
    sorting: Sorting,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl WindowExec {
    /// An operator in the place of `engine`; `None` if that is no window operator, or one that
    /// streams functions this one does not know.
    #[must_use]
    pub fn in_place_of(engine: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(window) = engine.downcast_ref::<WindowAggExec>() {
            return Self::new(engine, window.window_expr());
        }
        let window = engine.downcast_ref::<BoundedWindowAggExec>()?;
        let is_sorted = matches!(window.input_order_mode, InputOrderMode::Sorted);
        let ours = Self::new(engine, window.window_expr())?;
        let is_ours = ours.functions.iter().all(|f| !f.is_the_engines());
        (is_sorted && window.state_observer().is_none() && is_ours).then_some(ours)
    }

    fn new(engine: &Arc<dyn ExecutionPlan>, exprs: &[Arc<dyn WindowExpr>]) -> Option<Self> {
        let properties = PlanProperties::clone(engine.properties())
            .with_scheduling_type(SchedulingType::Cooperative);
        let input = engine.children().first()?.schema();
        let function = |expr| Function::new(expr, &input);
        Some(Self {
            engine: Arc::clone(engine),
            functions: exprs.iter().map(function).collect(),
            sorting: Sorting::of(exprs.first()?.as_ref()),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn mode(&self) -> Mode {
        let all = |is_so: fn(&Function) -> bool| self.functions.iter().all(is_so);
        if all(Function::looks_back) {
            Mode::Streaming
        } else if all(|f| !f.needs_rows()) || !all(|f| !f.is_the_engines()) {
            Mode::ByPartition
        } else {
            Mode::Frames
        }
    }
}

/// The ways of a node: see the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Streaming,
    ByPartition,
    Frames,
}

impl DisplayAs for WindowExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.functions.iter().map(|f| f.expr.name()).collect();
        let mode = match self.mode() {
            Mode::Streaming => "streaming",
            Mode::ByPartition => "by partition",
            Mode::Frames => "by frames",
        };
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "WindowExec: [{}], mode={mode}", names.join(", "))
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "mode={mode}")?;
                names.iter().try_for_each(|name| writeln!(f, "{name}"))
            }
        }
    }
}

impl ExecutionPlan for WindowExec {
    fn name(&self) -> &'static str {
        "WindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.engine.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.engine.required_input_ordering()
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
        let engine = Arc::clone(&self.engine).replace_children(children, options)?;
        match Self::in_place_of(&engine) {
            Some(ours) => Ok(Arc::new(ours)),
            None => internal_err!("a window node became another one"),
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
        let Some(input) = self
            .engine
            .children()
            .first()
            .map(|input| Arc::clone(input))
        else {
            return internal_err!("a window node has an input");
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let parts = RunParts {
            input: input.execute(partition, Arc::clone(&context))?,
            functions: Arc::clone(&self.functions),
            sorting: self.sorting.clone(),
            schema: self.schema(),
            partition,
            context,
            spill_metrics: SpillMetrics::new(&self.metrics, partition),
            elapsed: metrics.elapsed_compute().clone(),
        };
        let batches = if self.mode() == Mode::Frames {
            let run = Box::new(FramesRun::new(parts));
            let batches = stream::try_unfold(run, |mut run| async move {
                Ok(run.next().await?.map(|batch| (batch, run)))
            });
            batches.boxed()
        } else {
            let run = Box::new(WindowRun::new(parts));
            let batches = stream::try_unfold(run, |mut run| async move {
                Ok(run.next().await?.map(|batch| (batch, run)))
            });
            batches.boxed()
        };
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
        CardinalityEffect::Equal
    }
}
