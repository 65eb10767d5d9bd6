//! The physical operator: what it asks of its inputs, what it promises, and how it is started.
//!
//! What a join *is* (sides, keys, filter, projection, estimates, which filters pass through it) is
//! left to the engine's `HashJoinExec`, which this node wraps as its description; how it *runs* is
//! ours.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildStats, ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan,
    ExecutionPlanProperties, Partitioning, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use futures::FutureExt;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;

use super::buckets::Buckets;
use super::build::{BuildFuture, BuildMemory, ProbeFacts, Running, build};
use super::dynamic::{Bounds, is_used};
use super::emit::EmitterStream;
use super::metrics::JoinMetrics;
use super::portion::Portion;
use super::probes::Probes;
use super::run::run_partition;
use super::spec::JoinSpec;

/// Joins its inputs by equal keys; spills when memory is refused. See the module's text.
#[derive(Debug)]
pub struct HybridHashJoinExec {
    description: HashJoinExec,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    start: Arc<Mutex<Start>>,
}

/// The build side, from the first partition that is executed until all have been.
#[derive(Default)]
struct Start {
    shared: Option<Shared>,
    partitions: usize,
}

/// What all partitions share.
#[derive(Clone)]
struct Shared {
    build: BuildFuture,
    facts: Arc<ProbeFacts>,
    buckets: Arc<Buckets>,
    probes: Arc<Probes>,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Start({} partitions)", self.partitions)
    }
}

impl HybridHashJoinExec {
    /// The join that `join` describes, whatever its partition mode.
    ///
    /// # Errors
    /// `Internal` if the description is none of a join that can be run.
    pub fn try_new(join: &HashJoinExec) -> Result<Self> {
        // The mode that says: one table for all probe partitions.
        let description = join
            .builder()
            .with_partition_mode(PartitionMode::CollectLeft)
            .recompute_properties()
            .build()?;
        let described = description.properties();
        let mut equivalences = described.equivalence_properties().clone();
        equivalences.clear_orderings();
        let probes = description.right().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(probes),
            described.emission_type,
            described.boundedness,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            description,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            start: Arc::default(),
        })
    }

    /// The join that this one runs.
    #[must_use]
    pub fn description(&self) -> &HashJoinExec {
        &self.description
    }

    /// A plan that the description gave of itself, with this operator in its place.
    fn adopt(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            return Ok(Arc::new(Self::try_new(join)?));
        }
        let children = plan.children();
        if let [child] = children.as_slice()
            && let Some(join) = child.downcast_ref::<HashJoinExec>()
        {
            let join = Arc::new(Self::try_new(join)?);
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            return Arc::clone(&plan).replace_children(vec![join], options);
        }
        Ok(plan)
    }

    fn spec(&self, batch_rows: usize) -> JoinSpec {
        let join = &self.description;
        let (left, right) = (join.left().schema(), join.right().schema());
        let (_, columns) = build_join_schema(&left, &right, join.join_type());
        let columns = match join.projection.as_deref() {
            Some(shown) => shown.iter().map(|at| columns[*at].clone()).collect(),
            None => columns,
        };
        let (build_keys, probe_keys) = join.on().iter().cloned().unzip();
        JoinSpec {
            join_type: *join.join_type(),
            null_equality: join.null_equality(),
            null_aware: join.null_aware,
            build_keys,
            probe_keys,
            filter: join.filter().cloned(),
            columns,
            schema: self.schema(),
            stored_schema: JoinSpec::stored_schema(*join.join_type(), &left),
            build_schema: left,
            probe_schema: right,
            batch_rows: batch_rows.max(1),
        }
    }

    /// The filter that was pushed into the probe side, if anybody there looks at it.
    fn dynamic_filter(&self) -> Result<Option<Arc<DynamicFilterPhysicalExpr>>> {
        for expr in self.description.dynamic_expressions_produced() {
            let expr: Arc<dyn std::any::Any + Send + Sync> = expr;
            if let Ok(filter) = expr.downcast::<DynamicFilterPhysicalExpr>()
                && is_used(&filter, self.description.right())?
            {
                return Ok(Some(filter));
            }
        }
        Ok(None)
    }

    fn start_build(
        &self,
        spec: &Arc<JoinSpec>,
        metrics: JoinMetrics,
        context: &Arc<TaskContext>,
    ) -> Result<Shared> {
        let left = self.description.left();
        let streams = (0..left.output_partitioning().partition_count())
            .map(|partition| left.execute(partition, Arc::clone(context)))
            .collect::<Result<Vec<_>>>()?;
        let options = context.session_config().options();
        let bounds = match self.dynamic_filter()? {
            Some(filter) => Some(Arc::new(Bounds::try_new(
                Arc::clone(spec),
                filter,
                options
                    .optimizer
                    .hash_join_inlist_pushdown_max_distinct_values,
            )?)),
            None => None,
        };
        let facts = Arc::<ProbeFacts>::default();
        let buckets = Arc::<Buckets>::default();
        let running = Running {
            spec: Arc::clone(spec),
            context: Arc::clone(context),
            metrics,
            threads: options.execution.target_partitions.max(1),
            facts: Arc::clone(&facts),
            buckets: Arc::clone(&buckets),
        };
        let holding = Arc::new(Holding::answered_by_task("HashJoin", context.memory_pool()));
        let memory = BuildMemory {
            prepaid: Portion::empty(&holding),
            holding,
        };
        let build = async move {
            let built = build(running, streams, 0, memory, bounds.clone()).await;
            let built = built.map_err(Arc::new)?;
            if let Some(bounds) = bounds {
                bounds.publish(&built).await.map_err(Arc::new)?;
            }
            Ok(built)
        };
        let partitions = self.properties.partitioning.partition_count();
        Ok(Shared {
            build: build.boxed().shared(),
            probes: Arc::new(Probes::new(partitions, Arc::clone(&facts))),
            facts,
            buckets,
        })
    }
}

struct Described<'a>(&'a HashJoinExec, DisplayFormatType);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(self.1, f)
    }
}

impl DisplayAs for HybridHashJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There is one way to run it, so no mode.
        let text = Described(&self.description, format).to_string();
        f.write_str(&text.replace("mode=CollectLeft, ", ""))
    }
}

impl ExecutionPlan for HybridHashJoinExec {
    /// The field's name for it, which users see in EXPLAIN.
    fn name(&self) -> &'static str {
        "HashJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Spilled rows come last.
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.description.left(), self.description.right()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.description.apply_expressions(f)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.description.dynamic_expressions_produced()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != 2 {
            return internal_err!("a join has two inputs");
        }
        let description = self.description.builder().with_new_children(children)?;
        Ok(Arc::new(Self::try_new(&description.build()?)?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let description = self.description.builder().reset_state().build()?;
        Ok(Arc::new(Self::try_new(&description)?))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let options = context.session_config();
        let spec = Arc::new(self.spec(options.batch_size()));
        let metrics = JoinMetrics::new(partition, &self.metrics);
        let shared = {
            let mut start = self.start.lock();
            let shared = match start.shared.clone() {
                Some(shared) => shared,
                None => self.start_build(&spec, metrics.clone(), &context)?,
            };
            start.partitions += 1;
            if start.partitions == self.properties.partitioning.partition_count() {
                // The plan outlives the query's memory otherwise; and may be executed again.
                *start = Start::default();
            } else {
                start.shared = Some(shared.clone());
            }
            shared
        };
        let probe = self
            .description
            .right()
            .execute(partition, Arc::clone(&context))?;
        let running = Running {
            spec: Arc::clone(&spec),
            threads: options.target_partitions().max(1),
            metrics: metrics.clone(),
            context,
            facts: shared.facts,
            buckets: shared.buckets,
        };
        let (own, build) = (shared.probes.partition(), shared.build);
        let stream = EmitterStream::new(
            self.schema(),
            spec.batch_rows,
            self.description.fetch(),
            metrics.baseline,
            |out| run_partition(own, running, build, probe, out),
        );
        Ok(Box::pin(cooperative(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.description.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.description.statistics_from_inputs(input_stats, args)
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        self.description
            .try_swapping_with_projection(projection)?
            .map(Self::adopt)
            .transpose()
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        self.description
            .gather_filters_for_pushdown(phase, parent_filters, config)
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut result =
            self.description
                .handle_child_pushdown_result(phase, child_pushdown_result, config)?;
        result.updated_node = result.updated_node.map(Self::adopt).transpose()?;
        Ok(result)
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn fetch(&self) -> Option<usize> {
        self.description.fetch()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let description = self.description.with_fetch(limit)?;
        Self::adopt(description).ok()
    }
}
