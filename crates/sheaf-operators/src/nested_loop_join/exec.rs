//! The physical operator: what it asks of its inputs, and what it promises.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{SchedulingType, apply_expression_roots};
use datafusion::physical_plan::joins::utils::{JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};
use futures::{FutureExt, stream};

use super::Needs;
use super::build::{Build, BuildFuture, BuildSlot, Gathering};
use super::output::OutputColumns;
use super::probe::{Probe, ProbeParts};

/// Joins each pair of rows that a condition accepts, or every pair.
#[derive(Debug)]
pub struct BlockNestedLoopJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    filter: Option<JoinFilter>,
    join_type: JoinType,
    projection: Option<Vec<usize>>,
    columns: OutputColumns,
    properties: Arc<PlanProperties>,
    build: BuildSlot,
    metrics: ExecutionPlanMetricsSet,
}

impl BlockNestedLoopJoinExec {
    /// Joins `left`, which must have one partition and should be the smaller one, with `right`.
    /// `projection` picks columns of the join's schema, as in the engine's operator, whose
    /// partitions and properties it has.
    ///
    /// # Errors
    /// `Internal` if the projection does not fit.
    pub fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        filter: Option<JoinFilter>,
        join_type: JoinType,
        projection: Option<Vec<usize>>,
    ) -> Result<Self> {
        let engine = NestedLoopJoinExec::try_new(
            Arc::clone(&left),
            Arc::clone(&right),
            None,
            &join_type,
            projection.clone(),
        )?;
        let properties = PlanProperties::clone(engine.properties())
            .with_scheduling_type(SchedulingType::Cooperative);
        let (_, places) = build_join_schema(&left.schema(), &right.schema(), &join_type);
        let places = match &projection {
            Some(columns) => columns
                .iter()
                .map(|column| places[*column].clone())
                .collect(),
            None => places,
        };
        let columns = OutputColumns {
            schema: engine.schema(),
            places,
        };
        Ok(Self {
            left,
            right,
            filter,
            join_type,
            projection,
            columns,
            properties: Arc::new(properties),
            build: BuildSlot::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same join as the engine's.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub fn from_nested_loop(join: &NestedLoopJoinExec) -> Result<Self> {
        Self::try_new(
            Arc::clone(join.left()),
            Arc::clone(join.right()),
            join.filter().cloned(),
            *join.join_type(),
            join.projection().as_deref().map(<[usize]>::to_vec),
        )
    }

    /// The same cross join as the engine's.
    ///
    /// # Errors
    /// As [`Self::try_new`].
    pub fn from_cross(join: &CrossJoinExec) -> Result<Self> {
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        Self::try_new(left, right, None, JoinType::Inner, None)
    }

    /// The side that is gathered.
    #[must_use]
    pub fn left(&self) -> &Arc<dyn ExecutionPlan> {
        &self.left
    }

    /// The side that is streamed.
    #[must_use]
    pub fn right(&self) -> &Arc<dyn ExecutionPlan> {
        &self.right
    }

    /// The condition; none in a cross join.
    #[must_use]
    pub fn filter(&self) -> Option<&JoinFilter> {
        self.filter.as_ref()
    }

    /// What becomes of rows with and without matches.
    #[must_use]
    pub fn join_type(&self) -> JoinType {
        self.join_type
    }

    fn partition_count(&self) -> usize {
        self.right.output_partitioning().partition_count()
    }

    fn build(&self, partition: usize, context: &Arc<TaskContext>) -> Result<BuildFuture> {
        self.build.take(self.partition_count(), || {
            let left = self.left.execute(0, Arc::clone(context))?;
            let gathering = Gathering {
                context: Arc::clone(context),
                metrics: SpillMetrics::new(&self.metrics, partition),
                notes_visited: Needs::of(self.join_type).left_matches,
                partition_count: self.partition_count(),
            };
            Ok(Build::gather(left, gathering).boxed())
        })
    }
}

impl DisplayAs for BlockNestedLoopJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "BlockNestedLoopJoinExec: join_type={}", self.join_type)?;
                if let Some(filter) = &self.filter {
                    write!(f, ", filter={}", filter.expression())?;
                }
                if self.projection.is_some() {
                    let schema: &SchemaRef = &self.columns.schema;
                    let names: Vec<&str> = schema
                        .fields()
                        .iter()
                        .map(|field| field.name().as_str())
                        .collect();
                    write!(f, ", projection=[{}]", names.join(", "))?;
                }
                Ok(())
            }
            DisplayFormatType::TreeRender => {
                if self.join_type != JoinType::Inner {
                    writeln!(f, "join_type={}", self.join_type)?;
                }
                match &self.filter {
                    Some(filter) => writeln!(f, "filter={filter}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl ExecutionPlan for BlockNestedLoopJoinExec {
    fn name(&self) -> &'static str {
        "BlockNestedLoopJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![
            Distribution::SinglePartition,
            Distribution::UnspecifiedDistribution,
        ])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.filter.iter().map(JoinFilter::expression), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut children = children.into_iter();
        match (children.next(), children.next(), children.next()) {
            (Some(left), Some(right), None) => Ok(Arc::new(Self::try_new(
                left,
                right,
                self.filter.clone(),
                self.join_type,
                self.projection.clone(),
            )?)),
            _ => internal_err!("a nested-loop join has two inputs"),
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
        let left_count = self.left.output_partitioning().partition_count();
        if left_count != 1 {
            return internal_err!(
                "the left side of a nested-loop join has {left_count} partitions"
            );
        }
        let build = self.build(partition, &context)?;
        let right = self.right.execute(partition, Arc::clone(&context))?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let parts = ProbeParts {
            join_type: self.join_type,
            filter: self.filter.clone(),
            columns: self.columns.clone(),
            partition,
            partition_count: self.partition_count(),
            context,
            spill_metrics: SpillMetrics::new(&self.metrics, partition),
            elapsed: metrics.elapsed_compute().clone(),
        };
        let probe = Box::new(Probe::new(right, build, parts)?);
        let batches = stream::try_unfold(probe, |mut probe| async move {
            Ok(probe.next().await?.map(|batch| (batch, probe)))
        });
        let schema = Arc::clone(&self.columns.schema);
        let batches = RecordBatchStreamAdapter::new(schema, batches);
        Ok(crate::counted(Box::pin(batches), metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
