//! Parameters of a plan that is run again and again: sub-queries of one row, which is read when the plan
//! runs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, Result, Spans, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::physical_planning_context::{
    PhysicalPlanningContext, ScalarSubqueryResults, SubqueryIndex,
};
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, Subquery, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use datafusion::scalar::ScalarValue;
use parking_lot::RwLock;

/// The values with which a plan runs.
#[derive(Debug, Default)]
pub(super) struct Values(RwLock<Vec<ScalarValue>>);

impl Values {
    fn get(&self, index: usize) -> Option<ScalarValue> {
        self.0.read().get(index).cloned()
    }
}

/// The values of a plan that was made, and how it gets them.
#[derive(Debug)]
pub(super) struct Parameters {
    values: Arc<Values>,
    /// Where its expressions read them, if no operator has to bring them there: each place and the
    /// number of its value.
    places: Option<(ScalarSubqueryResults, Vec<(SubqueryIndex, usize)>)>,
}

impl Parameters {
    /// Takes the operator out of `plan` that would bring it its parameters, where it brings nothing else.
    ///
    /// # Errors
    /// Those of putting the plan together again.
    pub(super) fn of(
        plan: Arc<dyn ExecutionPlan>,
        values: Arc<Values>,
    ) -> Result<(Arc<dyn ExecutionPlan>, Self)> {
        let mut places = None;
        let plan = plan.transform_down(|node| {
            let Some(bringer) = node.downcast_ref::<ScalarSubqueryExec>() else {
                return Ok(Transformed::no(node));
            };
            let links = bringer.subqueries().iter().map(|link| {
                let parameter = link.plan.downcast_ref::<ParameterExec>()?;
                Some((link.index, parameter.index))
            });
            let links: Option<Vec<_>> = links.collect();
            places = links.map(|links| (bringer.results().clone(), links));
            // Those of sub-queries below are brought as they are.
            let node = match places {
                Some(_) => Arc::clone(bringer.input()),
                None => node,
            };
            Ok(Transformed::new(node, true, TreeNodeRecursion::Stop))
        })?;
        Ok((plan.data, Self { values, places }))
    }

    /// The plan is about `values` from now on.
    ///
    /// # Errors
    /// `Internal` if there are too few.
    pub(super) fn set(&self, values: Vec<ScalarValue>) -> Result<()> {
        if let Some((results, places)) = &self.places {
            results.clear();
            for (place, index) in places {
                let Some(value) = values.get(*index) else {
                    return internal_err!("parameter ${} has no value", index + 1);
                };
                results.set(*place, value.clone())?;
            }
        }
        *self.values.0.write() = values;
        Ok(())
    }
}

/// `plan`, whose parameters have these types.
pub(super) fn with_types(plan: LogicalPlan, types: &[DataType]) -> Result<LogicalPlan> {
    let fields: Vec<FieldRef> = types
        .iter()
        .map(|data_type| Arc::new(Field::new("", data_type.clone(), true)))
        .collect();
    let typed = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            each_placeholder(expr, |Placeholder { id, .. }| {
                let field = index_of(&id).and_then(|index| fields.get(index)).cloned();
                Ok(Expr::Placeholder(Placeholder::new_with_field(id, field)))
            })
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(typed.data)
}

/// `plan`, whose parameters are read from `values` when it runs.
pub(super) fn with_values(plan: LogicalPlan, values: &Arc<Values>) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            each_placeholder(expr, |placeholder| {
                let Placeholder {
                    id,
                    field: Some(field),
                } = placeholder
                else {
                    return internal_err!("a parameter has no type");
                };
                let Some(index) = index_of(&id) else {
                    return internal_err!("there is no parameter {id}");
                };
                let node = ParameterNode::try_new(index, field.data_type(), values)?;
                let node = LogicalPlan::Extension(Extension {
                    node: Arc::new(node),
                });
                Ok(Expr::ScalarSubquery(Subquery {
                    subquery: Arc::new(node),
                    outer_ref_columns: vec![],
                    spans: Spans::new(),
                }))
            })
        })
    })?;
    Ok(bound.data)
}

fn each_placeholder(
    expr: Expr,
    mut change: impl FnMut(Placeholder) -> Result<Expr>,
) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::Placeholder(placeholder) => change(placeholder).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })
}

/// The place of `$n` among the parameters.
fn index_of(id: &str) -> Option<usize> {
    id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// One row with the value of a parameter.
#[derive(Debug, Clone)]
struct ParameterNode {
    index: usize,
    values: Arc<Values>,
    schema: DFSchemaRef,
}

impl ParameterNode {
    fn try_new(index: usize, data_type: &DataType, values: &Arc<Values>) -> Result<Self> {
        let name = format!("${}", index + 1);
        let schema = Schema::new(vec![Field::new(name, data_type.clone(), true)]);
        Ok(Self {
            index,
            values: Arc::clone(values),
            schema: Arc::new(DFSchema::try_from(schema)?),
        })
    }
}

impl PartialEq for ParameterNode {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
            && Arc::ptr_eq(&self.values, &other.values)
            && self.schema == other.schema
    }
}

impl Eq for ParameterNode {}

impl Hash for ParameterNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl PartialOrd for ParameterNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for ParameterNode {
    fn name(&self) -> &'static str {
        "Parameter"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameter: ${}", self.index + 1)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}

/// Plans the parameters of templates.
#[derive(Debug)]
pub(crate) struct ParameterPlanner;

#[async_trait]
impl ExtensionPlanner for ParameterPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _planning: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let node = node.as_any().downcast_ref::<ParameterNode>();
        Ok(node.map(|node| Arc::new(ParameterExec::new(node)) as _))
    }
}

/// Gives one row, the value that its parameter has now.
#[derive(Debug)]
pub(super) struct ParameterExec {
    index: usize,
    values: Arc<Values>,
    properties: Arc<PlanProperties>,
}

impl ParameterExec {
    fn new(node: &ParameterNode) -> Self {
        let schema = Arc::clone(node.schema.inner());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            index: node.index,
            values: Arc::clone(&node.values),
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for ParameterExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParameterExec: ${}", self.index + 1)
    }
}

impl ExecutionPlan for ParameterExec {
    fn name(&self) -> &'static str {
        "ParameterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(value) = self.values.get(self.index) else {
            return internal_err!("parameter ${} has no value", self.index + 1);
        };
        let schema = self.schema();
        let column = value.to_array_of_size(1)?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column])?;
        let rows = futures::stream::iter([Ok(batch)]);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
