//! The physical operator.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase,
    FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};
use futures::stream;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;

use super::output::Output;
use super::parts::{Cut, PartStore, Spill};
use super::shape::Shape;
use super::sink::Sink;
use super::stage::Stage;
use crate::filter::{filtered_at_run_time, is_filled_at_run_time};

/// The part of the memory (one in this many) that the tables of all inputs may take.
const TABLES_PART: usize = 16;

/// A table is never emptied below this many bytes: its groups would hardly be reduced.
const TABLE_BYTES_MIN: usize = 256 * 1024;

/// A table is always emptied at this many bytes.
const TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The part of the memory (one in this many) that the states of all inputs may take where there are
/// no keys.
const STATES_PART: usize = 4;

/// States without keys are always put aside at this many bytes: a list has a 32-bit length.
const STATE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Groups its input by keys: see the [module](super).
#[derive(Debug)]
pub struct PartitionedAggregateExec {
    input: Arc<dyn ExecutionPlan>,
    /// Filters over rows of the input that operators above fill in at run time.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    shape: Arc<Shape>,
    scope: Scope,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The stages that outputs have been made of, for the outputs that are still to be made.
    stages: Mutex<Vec<Option<Arc<Stage>>>>,
}

/// Which rows can have equal keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Those of all inputs.
    AllInputs,
    /// Those of one input: its rows have been partitioned by the keys.
    OneInput,
}

impl PartitionedAggregateExec {
    /// In place of `first`, which takes in the rows of `input`, and `last`, which merges the states
    /// of all its partitions.
    ///
    /// # Errors
    /// `Internal` if the engine cannot tell the layout of a state.
    pub fn of_pair(first: &AggregateExec, last: &AggregateExec) -> Result<Self> {
        Self::new(first, first.input(), last, Scope::AllInputs)
    }

    /// In place of `aggregate`, which takes in rows and gives results in one partition, over all
    /// partitions of `input`: what is below an exchange or a sort that it can do without.
    ///
    /// # Errors
    /// `Internal` if the engine cannot tell the layout of a state.
    pub fn of_single_over(
        aggregate: &AggregateExec,
        input: &Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        Self::new(aggregate, input, aggregate, Scope::AllInputs)
    }

    /// In place of `aggregate`, which takes in rows and gives results, each partition by itself.
    ///
    /// # Errors
    /// `Internal` if the engine cannot tell the layout of a state.
    pub fn of_single(aggregate: &AggregateExec) -> Result<Self> {
        Self::new(aggregate, aggregate.input(), aggregate, Scope::OneInput)
    }

    /// Whether the state of an aggregate may grow with the rows of a group.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.shape.grows()
    }

    fn new(
        first: &AggregateExec,
        input: &Arc<dyn ExecutionPlan>,
        last: &AggregateExec,
        scope: Scope,
    ) -> Result<Self> {
        let mut equivalences = last.properties().equivalence_properties().clone();
        equivalences.clear_orderings();
        let properties = PlanProperties::new(
            equivalences,
            last.properties().output_partitioning().clone(),
            EmissionType::Final,
            first.input().boundedness(),
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            input: Arc::clone(input),
            filters: Vec::new(),
            shape: Arc::new(Shape::new(first, last)?),
            scope,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            stages: Mutex::default(),
        })
    }

    /// This operator over another input, with other filters.
    fn over(&self, input: Arc<dyn ExecutionPlan>, filters: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        Self {
            input,
            filters,
            shape: Arc::clone(&self.shape),
            scope: self.scope,
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
            stages: Mutex::default(),
        }
    }

    /// A filter over groups as one over rows of the input; `None` if it looks at more than keys.
    fn over_rows(&self, filter: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let keys = self.shape.group_by.expr();
        let mut is_of_keys = true;
        let over_rows = Arc::clone(filter).transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            Ok(match keys.get(column.index()) {
                Some((key, _)) => Transformed::yes(Arc::clone(key)),
                None => {
                    is_of_keys = false;
                    Transformed::no(expr)
                }
            })
        })?;
        Ok(is_of_keys.then_some(over_rows.data))
    }

    /// The stage of `inputs`, giving `outputs` partitions.
    fn stage(
        &self,
        inputs: std::ops::Range<usize>,
        outputs: usize,
        context: &Arc<TaskContext>,
    ) -> Result<Stage> {
        let holding = Arc::new(Holding::new(
            format!("Aggregate[{}]", inputs.start),
            context.memory_pool(),
        ));
        let cut = Cut::first(outputs);
        let store = Arc::new(PartStore::new(
            cut.count(),
            Spill {
                env: context.runtime_env(),
                metrics: SpillMetrics::new(&self.metrics, inputs.start),
                shape: Arc::clone(&self.shape),
            },
        ));
        let input_count = self.input.output_partitioning().partition_count();
        let batch_rows = context.session_config().batch_size();
        let sinks = inputs.map(|input| {
            let selectivity = MetricBuilder::new(&self.metrics).ratio_metrics("selectivity", input);
            let sink = Sink {
                shape: Arc::clone(&self.shape),
                store: Arc::clone(&store),
                holding: Arc::clone(&holding),
                cut,
                table_bytes_max: match self.shape.has_no_keys() {
                    true => state_bytes_max(context, input_count),
                    false => table_bytes_max(context, input_count),
                },
                skipped_rows: MetricBuilder::new(&self.metrics)
                    .counter("skipped_aggregation_rows", input),
            };
            let rows = self.input.execute(input, Arc::clone(context))?;
            let rows = filtered_at_run_time(rows, &self.filters, batch_rows, selectivity);
            Ok((sink, rows))
        });
        let sinks = sinks.collect::<Result<Vec<_>>>()?;
        let shape = Arc::clone(&self.shape);
        Ok(Stage::new(shape, store, holding, context, sinks))
    }

    /// The stage that gives output `partition`, made by whoever comes first.
    fn stage_of(&self, partition: usize, context: &Arc<TaskContext>) -> Result<Arc<Stage>> {
        let outputs = self.properties.output_partitioning().partition_count();
        if self.scope == Scope::OneInput {
            return Ok(Arc::new(self.stage(
                partition..partition + 1,
                1,
                context,
            )?));
        }
        let mut stages = self.stages.lock();
        if stages.iter().all(Option::is_none) {
            let inputs = self.input.output_partitioning().partition_count();
            let stage = Arc::new(self.stage(0..inputs, outputs, context)?);
            *stages = vec![Some(stage); outputs];
        }
        // Each output takes its reference out, so that the plan does not keep the rows.
        match stages.get_mut(partition).and_then(Option::take) {
            Some(stage) => Ok(stage),
            None => internal_err!("partition {partition} of an aggregate was asked for twice"),
        }
    }

    fn describe(&self) -> (String, String) {
        let keys = self.shape.group_by.expr().iter();
        let keys: Vec<String> = keys.map(|(_, name)| name.clone()).collect();
        let aggregates = self.shape.update.iter();
        let aggregates: Vec<&str> = aggregates.map(|aggregate| aggregate.name()).collect();
        (keys.join(", "), aggregates.join(", "))
    }
}

/// Bytes at which the table of an input is emptied.
fn table_bytes_max(context: &TaskContext, input_count: usize) -> usize {
    match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => {
            (bytes / TABLES_PART / input_count.max(1)).clamp(TABLE_BYTES_MIN, TABLE_BYTES_MAX)
        }
        _ => TABLE_BYTES_MAX,
    }
}

/// Bytes at which the states of an input are put aside where all its rows are one group: emptying
/// them early would only leave more to merge.
fn state_bytes_max(context: &TaskContext, input_count: usize) -> usize {
    match context.memory_pool().memory_limit() {
        MemoryLimit::Finite(bytes) => {
            (bytes / STATES_PART / input_count.max(1)).clamp(TABLE_BYTES_MIN, STATE_BYTES_MAX)
        }
        _ => STATE_BYTES_MAX,
    }
}

impl DisplayAs for PartitionedAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, aggregates) = self.describe();
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(
                    f,
                    "PartitionedAggregateExec: gby=[{keys}], aggr=[{aggregates}]"
                )
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "group_by={keys}")?;
                writeln!(f, "aggr={aggregates}")
            }
        }
    }
}

impl ExecutionPlan for PartitionedAggregateExec {
    fn name(&self) -> &'static str {
        "PartitionedAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.scope {
            Scope::AllInputs => Distribution::UnspecifiedDistribution,
            Scope::OneInput if self.properties.output_partitioning().partition_count() == 1 => {
                Distribution::SinglePartition
            }
            Scope::OneInput => Distribution::KeyPartitioned(self.shape.group_by.input_exprs()),
        }])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let keys = self.shape.group_by.input_exprs();
        let arguments = self.shape.arguments.iter().flatten();
        let filters = self.shape.filters.iter().flatten();
        for expr in keys
            .iter()
            .chain(arguments)
            .chain(filters)
            .chain(&self.filters)
        {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(self.over(input, self.filters.clone()))),
            _ => internal_err!("an aggregate has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    /// Filters over keys may run before the grouping: they take out whole groups. Not where a key
    /// is left out of some grouping set, whose NULLs are not the input's. They find their columns by
    /// name; where the input has several of one, who pushes filters down does not ask.
    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let child = if self.shape.group_by.is_single() {
            let keys = self.shape.group_by.expr().iter().enumerate();
            let keys = keys.filter(|(_, (expr, name))| {
                let column = expr.downcast_ref::<Column>();
                column.is_some_and(|column| column.name() == name)
            });
            let keys = keys.map(|(index, _)| index).collect();
            ChildFilterDescription::from_child_with_allowed_indices(
                &parent_filters,
                keys,
                &self.input,
            )?
        } else {
            ChildFilterDescription::all_unsupported(&parent_filters)
        };
        Ok(FilterDescription::new().with_child(child))
    }

    /// Filters that joins above fill in at run time are evaluated here, where they pay most: what is
    /// dropped need not be grouped. Scans only leave out files and row groups for them.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut filters = self.filters.clone();
        if phase == FilterPushdownPhase::Post && self.shape.group_by.is_single() {
            for parent in &child_pushdown_result.parent_filters {
                if is_filled_at_run_time(&parent.filter) {
                    filters.extend(self.over_rows(&parent.filter)?);
                }
            }
        }
        let result = FilterPushdownPropagation::if_all(child_pushdown_result);
        if filters.len() == self.filters.len() {
            return Ok(result);
        }
        let updated = self.over(Arc::clone(&self.input), filters);
        Ok(result.with_updated_node(Arc::new(updated)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stage = self.stage_of(partition, &context)?;
        let (outputs, number) = match self.scope {
            Scope::AllInputs => (
                self.properties.output_partitioning().partition_count(),
                partition,
            ),
            Scope::OneInput => (1, 0),
        };
        let parts = Cut::first(outputs).parts_of(number);
        let output = Output::new(stage, parts, context.session_config().batch_size());
        let batches = stream::try_unfold(output, |mut output| async move {
            Ok(output.next().await?.map(|batch| (batch, output)))
        });
        let batches = RecordBatchStreamAdapter::new(self.schema(), batches);
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(crate::counted(Box::pin(batches), metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::LowerEqual
    }
}
