//! The physical operator of table functions: what it asks of its input, and what it promises.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, Partitioning, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::stream;
use sheaf_udf::TableCall;

use super::TableFunctionCall;
use super::relation::{Keys, RelationCalls, Run};
use super::rows::{RowCalls, State};

/// What a call is for, as the operator needs it.
#[derive(Debug, Clone)]
pub(crate) enum Calls {
    /// The rows of the input, of which the columns `passed` stand beside what comes of them.
    Rows { keeps_all: bool, passed: Vec<usize> },
    /// The input, or its partitions.
    Relation {
        with_values: TableCall,
        partition_by: Vec<Arc<dyn PhysicalExpr>>,
        order_by: Vec<PhysicalSortExpr>,
    },
}

/// Calls a table function: see the module's text.
#[derive(Debug, Clone)]
pub struct TableFunctionExec {
    call: Arc<TableFunctionCall>,
    input: Arc<dyn ExecutionPlan>,
    /// What is pushed, over the input.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    calls: Calls,
    is_numbered: bool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TableFunctionExec {
    /// Calls the function over `input`; `schema` is what the logical node has.
    pub(crate) fn new(
        call: Arc<TableFunctionCall>,
        input: Arc<dyn ExecutionPlan>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
        calls: Calls,
        is_numbered: bool,
        schema: SchemaRef,
    ) -> Self {
        let partitioning = match &calls {
            // The input's columns stay where they are.
            Calls::Rows { passed, .. } if passed.len() == input.schema().fields().len() => {
                input.output_partitioning().clone()
            }
            Calls::Rows { .. } | Calls::Relation { .. } => {
                Partitioning::UnknownPartitioning(input.output_partitioning().partition_count())
            }
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            partitioning,
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self {
            call,
            input,
            arguments,
            calls,
            is_numbered,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn rows(
        &self,
        keeps_all: bool,
        passed: &[usize],
        input: SendableRecordBatchStream,
        rows_max: usize,
    ) -> SendableRecordBatchStream {
        let calls = RowCalls {
            call: Arc::clone(&self.call),
            instance: None,
            arguments: self.arguments.clone(),
            keeps_all,
            passed: passed.to_vec(),
            is_numbered: self.is_numbered,
            rows_max,
            schema: Arc::clone(&self.schema),
            input,
            state: State::Asking,
            pushed: 0,
        };
        let batches = stream::try_unfold(calls, |mut calls| async move {
            Ok(calls.next().await?.map(|batch| (batch, calls)))
        });
        let schema = Arc::clone(&self.schema);
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    fn relation(
        &self,
        with_values: &TableCall,
        partition_by: &[Arc<dyn PhysicalExpr>],
        input: SendableRecordBatchStream,
        rows_max: usize,
    ) -> Result<SendableRecordBatchStream> {
        let calls = RelationCalls {
            call: Arc::clone(&self.call),
            with_values: with_values.clone(),
            arguments: self.arguments.clone(),
            keys: Keys::new(partition_by.to_vec(), &self.input.schema())?,
            is_numbered: self.is_numbered,
            rows_max,
            schema: Arc::clone(&self.schema),
            input,
            run: Run::default(),
        };
        let batches = stream::try_unfold(calls, |mut calls| async move {
            Ok(calls.next().await?.map(|batch| (batch, calls)))
        });
        let schema = Arc::clone(&self.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The value of an expression over nothing.
///
/// # Errors
/// Those of evaluating it.
pub(crate) fn constant(expr: &Arc<dyn PhysicalExpr>) -> Result<ScalarValue> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let value = expr.evaluate(&row)?.into_array(1)?;
    ScalarValue::try_from_array(&value, 0)
}

impl DisplayAs for TableFunctionExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "TableFunctionExec: {}", self.call.name)
            }
            DisplayFormatType::TreeRender => write!(f, "{}", self.call.name),
        }
    }
}

impl ExecutionPlan for TableFunctionExec {
    fn name(&self) -> &'static str {
        "TableFunctionExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match &self.calls {
            Calls::Rows { .. } => Distribution::UnspecifiedDistribution,
            Calls::Relation { partition_by, .. } if partition_by.is_empty() => {
                Distribution::SinglePartition
            }
            Calls::Relation { partition_by, .. } => {
                Distribution::KeyPartitioned(partition_by.clone())
            }
        }])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let Calls::Relation {
            partition_by,
            order_by,
            ..
        } = &self.calls
        else {
            return vec![None];
        };
        let keys = partition_by.iter();
        let keys = keys.map(|key| PhysicalSortExpr::new_default(Arc::clone(key)));
        let order = LexOrdering::new(keys.chain(order_by.iter().cloned()));
        vec![order.map(OrderingRequirements::from)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![matches!(self.calls, Calls::Rows { .. })]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for argument in &self.arguments {
            if f(argument)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self::new(
                Arc::clone(&self.call),
                input,
                self.arguments.clone(),
                self.calls.clone(),
                self.is_numbered,
                Arc::clone(&self.schema),
            ))),
            Err(_) => internal_err!("a table function has one input"),
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
        let rows_max = context.session_config().batch_size();
        let input = self.input.execute(partition, context)?;
        let batches = match &self.calls {
            Calls::Rows { keeps_all, passed } => self.rows(*keeps_all, passed, input, rows_max),
            Calls::Relation {
                with_values,
                partition_by,
                ..
            } => self.relation(with_values, partition_by, input, rows_max)?,
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(crate::counted(batches, metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    /// Lets columns of the input go that nobody wants beside the function's: most often its arguments, of
    /// which each row would get a copy.
    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Calls::Rows { keeps_all, passed } = &self.calls else {
            return Ok(None);
        };
        let columns = self.schema.fields().len();
        let wanted = projection.expr().iter();
        let wanted = wanted.flat_map(|wanted| collect_columns(&wanted.expr));
        let wanted: BTreeSet<usize> = wanted.map(|column| column.index()).collect();
        let kept = (0..columns).filter(|at| *at >= passed.len() || wanted.contains(at));
        let kept: Vec<usize> = kept.collect();
        // Others name columns.
        let is_partitioned_by_none = matches!(
            self.input.output_partitioning(),
            Partitioning::UnknownPartitioning(_) | Partitioning::RoundRobinBatch(_)
        );
        if kept.len() == columns || !is_partitioned_by_none {
            return Ok(None);
        }
        let passed = kept.iter().filter_map(|at| passed.get(*at).copied());
        let narrow = Self::new(
            Arc::clone(&self.call),
            Arc::clone(&self.input),
            self.arguments.clone(),
            Calls::Rows {
                keeps_all: *keeps_all,
                passed: passed.collect(),
            },
            self.is_numbered,
            Arc::new(self.schema.project(&kept)?),
        );
        let exprs = projection.expr().iter().map(|each| {
            Ok(ProjectionExpr {
                expr: moved(&each.expr, &kept)?,
                alias: each.alias.clone(),
            })
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let projection = ProjectionExec::try_new(exprs, Arc::new(narrow))?;
        Ok(Some(Arc::new(projection)))
    }
}

/// `expr` where of all columns those at `kept` are left, in order.
fn moved(expr: &Arc<dyn PhysicalExpr>, kept: &[usize]) -> Result<Arc<dyn PhysicalExpr>> {
    let moved = Arc::clone(expr).transform_up(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else {
            return Ok(Transformed::no(expr));
        };
        match kept.binary_search(&column.index()) {
            Ok(at) => {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), at));
                Ok(Transformed::yes(column))
            }
            Err(_) => internal_err!("a column that is wanted does not pass"),
        }
    });
    moved.data()
}
