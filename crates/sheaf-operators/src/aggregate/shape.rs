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

use super::growing::Growing;

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
    /// For each aggregate: how it is computed where its state, which grows with the rows, does not
    /// fit; `None` if its state is small.
    pub(super) growing: Vec<Option<Arc<Growing>>>,
    /// Keys, then one column an aggregate.
    pub(super) schema: SchemaRef,
}

impl Shape {
    /// `first` takes in rows; `last` gives results. They are the same where one operator does both.
    pub(super) fn new(first: &AggregateExec, last: &AggregateExec) -> Result<Self> {
        let (update, merge) = (without_order(first)?, without_order(last)?);
        let group_by = first.group_expr().clone();
        let key_schema = group_by.group_schema(&first.input_schema())?;
        let states = update
            .iter()
            .map(|aggregate| aggregate.state_fields())
            .collect::<Result<Vec<Vec<FieldRef>>>>()?;
        let state_widths = states.iter().map(Vec::len).collect();
        // Arguments of `last` may be of an input that was there before.
        let growing = update.iter().zip(&states).map(|(aggregate, state)| {
            let growing = Growing::of(aggregate, state, &first.input_schema())?;
            Ok(growing.map(Arc::new))
        });
        let growing = growing.collect::<Result<Vec<_>>>()?;
        let state_fields = key_schema.fields().iter().cloned();
        let state_fields: Vec<FieldRef> =
            state_fields.chain(states.into_iter().flatten()).collect();
        Ok(Self {
            input_schema: first.input_schema(),
            arguments: aggregate_expressions(&update, &AggregateMode::Partial, 0)?,
            filters: first.filter_expr().to_vec(),
            update,
            merge,
            key_schema,
            state_schema: Arc::new(Schema::new(state_fields)),
            state_widths,
            growing,
            schema: last.schema(),
            group_by,
        })
    }

    /// Whether all rows are one group.
    pub(super) fn has_no_keys(&self) -> bool {
        self.key_width() == 0
    }

    /// Whether a state may grow with the rows of its group.
    pub(super) fn grows(&self) -> bool {
        self.growing.iter().any(Option::is_some)
    }

    /// How many columns the keys have.
    pub(super) fn key_width(&self) -> usize {
        self.key_schema.fields().len()
    }
}

/// The aggregates without what the engine has done to suit an order of the input: turned round a
/// function and its ORDER BY, or made it trust that rows come in order.
fn without_order(node: &AggregateExec) -> Result<Vec<Arc<AggregateFunctionExpr>>> {
    let without = |aggregate: &Arc<AggregateFunctionExpr>| {
        let mut aggregate = Arc::clone(aggregate);
        if aggregate.is_reversed()
            && let Some(original) = aggregate.reverse_expr()
        {
            aggregate = Arc::new(original);
        }
        if aggregate.order_sensitivity().is_beneficial()
            && let Some(patient) = Arc::clone(&aggregate).with_beneficial_ordering(false)?
        {
            aggregate = Arc::new(patient);
        }
        Ok(aggregate)
    };
    node.aggr_expr().iter().map(without).collect()
}
