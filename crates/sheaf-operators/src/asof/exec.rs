//! The physical operator of ASOF joins: what it asks of its inputs, and what it promises.

use std::fmt;
use std::sync::Arc;

use arrow::compute::{BatchCoalescer, SortOptions};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, SchedulingType, apply_expression_roots,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    SendableRecordBatchStream,
};
use futures::stream;

use super::merge::{AsofMerge, Matches};
use super::side::{Converters, Side};
use super::{AsofDirection, AsofKind};

/// A pair (left, right) of expressions of one type.
pub type PhysicalPair = (Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>);

/// Joins each row of the left input with the nearest row of the right one.
#[derive(Debug, Clone)]
pub struct AsofJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    keys: Vec<PhysicalPair>,
    at: PhysicalPair,
    direction: AsofDirection,
    kind: AsofKind,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AsofJoinExec {
    /// Joins `left` with `right`; `schema` has the columns of the one, then those of the other,
    /// which are nullable in a LEFT join.
    ///
    /// # Errors
    /// `Internal` if the schema does not fit.
    pub fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        keys: Vec<PhysicalPair>,
        at: PhysicalPair,
        direction: AsofDirection,
        kind: AsofKind,
        schema: SchemaRef,
    ) -> Result<Self> {
        let width = left.schema().fields().len() + right.schema().fields().len();
        if schema.fields().len() != width {
            return internal_err!("an ASOF join of {width} columns got another schema");
        }
        let boundedness = match left.boundedness() {
            Boundedness::Bounded => right.boundedness(),
            unbounded => unbounded,
        };
        // Left rows come out in their order, at their old positions.
        let orderings = left.equivalence_properties().oeq_class().iter().cloned();
        let equivalences =
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), orderings);
        let properties = PlanProperties::new(
            equivalences,
            left.output_partitioning().clone(),
            EmissionType::Incremental,
            boundedness,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            left,
            right,
            keys,
            at,
            direction,
            kind,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The pairs of equal expressions.
    #[must_use]
    pub fn keys(&self) -> &[PhysicalPair] {
        &self.keys
    }

    /// The left and the right time.
    #[must_use]
    pub fn at(&self) -> &PhysicalPair {
        &self.at
    }

    /// The inequality between the times.
    #[must_use]
    pub fn direction(&self) -> AsofDirection {
        self.direction
    }

    /// What becomes of left rows without a match.
    #[must_use]
    pub fn kind(&self) -> AsofKind {
        self.kind
    }

    /// How times are sorted; the defaults of ORDER BY … ASC and DESC, which files often have.
    fn at_options(&self) -> SortOptions {
        let descending = self.direction.is_descending();
        SortOptions {
            descending,
            nulls_first: descending,
        }
    }

    fn side_ordering(
        &self,
        side: fn(&PhysicalPair) -> &Arc<dyn PhysicalExpr>,
    ) -> Option<LexOrdering> {
        let key_options = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let keys = self
            .keys
            .iter()
            .map(|pair| PhysicalSortExpr::new(Arc::clone(side(pair)), key_options));
        let at = PhysicalSortExpr::new(Arc::clone(side(&self.at)), self.at_options());
        LexOrdering::new(keys.chain([at]))
    }

    fn converters(&self) -> Result<Converters> {
        let left = self.left.schema();
        let mut fields = Vec::with_capacity(self.keys.len());
        for (key, _) in &self.keys {
            let options = SortOptions {
                descending: false,
                nulls_first: false,
            };
            fields.push(SortField::new_with_options(key.data_type(&left)?, options));
        }
        let at = self.at.0.data_type(&left)?;
        Ok(Converters {
            keys: if fields.is_empty() {
                None
            } else {
                Some(RowConverter::new(fields)?)
            },
            at: RowConverter::new(vec![SortField::new_with_options(at, self.at_options())])?,
        })
    }
}

impl DisplayAs for AsofJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|(left, right)| format!("({left}, {right})"))
            .collect();
        let keys = keys.join(", ");
        let at = format!("{} {} {}", self.at.0, self.direction, self.at.1);
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(
                    f,
                    "AsofJoinExec: join_type={}, on=[{keys}], at={at}",
                    self.kind
                )
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "join_type={}", self.kind)?;
                if !keys.is_empty() {
                    writeln!(f, "on={keys}")?;
                }
                writeln!(f, "at={at}")
            }
        }
    }
}

impl ExecutionPlan for AsofJoinExec {
    fn name(&self) -> &'static str {
        "AsofJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        if self.keys.is_empty() {
            return InputDistributionRequirements::new(vec![
                Distribution::SinglePartition,
                Distribution::SinglePartition,
            ]);
        }
        let (left, right) = self.keys.iter().cloned().unzip();
        InputDistributionRequirements::co_partitioned(vec![
            Distribution::KeyPartitioned(left),
            Distribution::KeyPartitioned(right),
        ])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let left = self.side_ordering(|pair| &pair.0);
        let right = self.side_ordering(|pair| &pair.1);
        vec![
            left.map(OrderingRequirements::from),
            right.map(OrderingRequirements::from),
        ]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let pairs = self.keys.iter().chain([&self.at]);
        apply_expression_roots(pairs.flat_map(|(left, right)| [left, right]), f)
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
                self.keys.clone(),
                self.at.clone(),
                self.direction,
                self.kind,
                Arc::clone(&self.schema),
            )?)),
            _ => internal_err!("an ASOF join has two inputs"),
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
        let counts =
            [&self.left, &self.right].map(|side| side.output_partitioning().partition_count());
        if counts[0] != counts[1] {
            return internal_err!("the sides of an ASOF join have {counts:?} partitions");
        }
        let left = self.left.execute(partition, Arc::clone(&context))?;
        let right = self.right.execute(partition, Arc::clone(&context))?;
        let (left_keys, right_keys) = self.keys.iter().cloned().unzip();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let counted = metrics.clone();
        let batch_rows = context.session_config().batch_size();
        let merge = AsofMerge {
            left: Side::new(left, left_keys, Arc::clone(&self.at.0)),
            right: Side::new(right, right_keys, Arc::clone(&self.at.1)),
            converters: self.converters()?,
            direction: self.direction,
            kind: self.kind,
            schema: Arc::clone(&self.schema),
            candidate: None,
            matches: Matches::default(),
            output: BatchCoalescer::new(Arc::clone(&self.schema), batch_rows),
            reservation: MemoryConsumer::new(format!("AsofJoinExec[{partition}]"))
                .register(context.memory_pool()),
            metrics,
            is_done: false,
        };
        let batches = stream::try_unfold(Box::new(merge), |mut merge| async move {
            Ok(merge.next().await?.map(|batch| (batch, merge)))
        });
        let batches = RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches);
        Ok(crate::counted(Box::pin(batches), counted))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
