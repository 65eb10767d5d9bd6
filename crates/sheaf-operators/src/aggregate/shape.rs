//! What is computed: the keys, the aggregates, and the layouts of rows on their way.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{
    AggregateExec, AggregateMode, PhysicalGroupBy, aggregate_expressions,
};

/// The aggregates of one operator, from input rows to results.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) input_schema: SchemaRef,
    pub(super) group_by: PhysicalGroupBy,
    /// For each aggregate: its arguments over input rows, then the keys of its own ORDER BY.
    pub(super) arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    /// For each aggregate: its FILTER (WHERE …).
    pub(super) filters: Vec<Option<Arc<dyn PhysicalExpr>>>,
    /// The aggregates as they take in rows.
    pub(super) update: Vec<Arc<AggregateFunctionExpr>>,
    /// The aggregates as they merge states and give results.
    pub(super) merge: Vec<Arc<AggregateFunctionExpr>>,
    pub(super) key_schema: SchemaRef,
    /// Keys, then the columns of each aggregate's state.
    pub(super) state_schema: SchemaRef,
    /// How many columns the state of each aggregate has.
    pub(super) state_widths: Vec<usize>,
    /// Keys, then one column an aggregate.
    pub(super) schema: SchemaRef,
}

impl Shape {
    /// `first` takes in rows; `last` gives results. They are the same where one operator does both.
    pub(super) fn new(first: &AggregateExec, last: &AggregateExec) -> Result<Self> {
        let group_by = first.group_expr().clone();
        let key_schema = group_by.group_schema(&first.input_schema())?;
        let states = first
            .aggr_expr()
            .iter()
            .map(|aggregate| aggregate.state_fields())
            .collect::<Result<Vec<Vec<FieldRef>>>>()?;
        let state_widths = states.iter().map(Vec::len).collect();
        let state_fields = key_schema.fields().iter().cloned();
        let state_fields: Vec<FieldRef> =
            state_fields.chain(states.into_iter().flatten()).collect();
        Ok(Self {
            input_schema: first.input_schema(),
            arguments: aggregate_expressions(first.aggr_expr(), &AggregateMode::Partial, 0)?,
            filters: first.filter_expr().to_vec(),
            update: first.aggr_expr().to_vec(),
            merge: last.aggr_expr().to_vec(),
            key_schema,
            state_schema: Arc::new(Schema::new(state_fields)),
            state_widths,
            schema: last.schema(),
            group_by,
        })
    }

    /// How many columns the keys have.
    pub(super) fn key_width(&self) -> usize {
        self.key_schema.fields().len()
    }
}
