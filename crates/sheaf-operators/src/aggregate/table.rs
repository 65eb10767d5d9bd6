//! One table of groups: keys to group numbers, group numbers to accumulators.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, Fields, Schema};
use datafusion::common::Result;
use datafusion::common::cast::as_boolean_array;

use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{evaluate_group_by, evaluate_many};

use super::one_group::OneGroup;
use super::ordered_lists::OrderedLists;
use super::shape::Shape;

/// A table of groups. Takes in rows or states, gives states or results.
pub(super) struct GroupTable {
    shape: Arc<Shape>,
    /// None where all rows are one group.
    keys: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The group of each row of the batch at hand.
    groups: Vec<usize>,
}

impl GroupTable {
    /// An empty table that takes in input rows.
    pub(super) fn of_rows(shape: &Arc<Shape>) -> Result<Self> {
        Self::new(shape, &shape.update)
    }

    /// An empty table that merges states.
    pub(super) fn of_states(shape: &Arc<Shape>) -> Result<Self> {
        Self::new(shape, &shape.merge)
    }

    fn new(shape: &Arc<Shape>, aggregates: &[Arc<AggregateFunctionExpr>]) -> Result<Self> {
        Ok(Self {
            shape: Arc::clone(shape),
            keys: match shape.has_no_keys() {
                true => None,
                false => {
                    let schema = Arc::clone(&shape.key_schema);
                    Some(new_group_values(schema, &GroupOrdering::None)?)
                }
            },
            accumulators: accumulators(shape, aggregates)?,
            groups: Vec::new(),
        })
    }

    /// The states of those groups that are there without any rows: of grouping sets without keys
    /// (`ROLLUP (k)` has one). Merged with others they change nothing.
    pub(super) fn states_of_no_rows(shape: &Arc<Shape>) -> Result<Option<RecordBatch>> {
        let sets = shape.group_by.groups();
        let without_keys = |set: &Vec<bool>| set.iter().all(|is_left_out| *is_left_out);
        if shape.group_by.is_single() || !sets.iter().any(without_keys) {
            return Ok(None);
        }
        let mut table = Self::of_rows(shape)?;
        let nulls = one_row_of_nulls(&shape.input_schema)?;
        let none = nulls.slice(0, 0);
        let arguments = evaluate_many(&shape.arguments, &none)?;
        for (set, keys) in sets.iter().zip(evaluate_group_by(&shape.group_by, &nulls)?) {
            if without_keys(set) {
                table.intern(&keys, 1)?;
            }
        }
        let group_count = table.len();
        // Without a filter, accumulators take it that each group has seen a value.
        let no_rows = BooleanArray::from(Vec::<bool>::new());
        for (accumulator, arguments) in table.accumulators.iter_mut().zip(&arguments) {
            accumulator.update_batch(arguments, &[], Some(&no_rows), group_count)?;
        }
        table.into_states().map(Some)
    }

    /// How many groups there are; one, even of no rows, where there are no keys.
    pub(super) fn len(&self) -> usize {
        self.keys.as_ref().map_or(1, |keys| keys.len())
    }

    /// Finds the groups of `row_count` rows.
    fn intern(&mut self, keys: &[ArrayRef], row_count: usize) -> Result<()> {
        match &mut self.keys {
            Some(known) => known.intern(keys, &mut self.groups),
            None => {
                self.groups.resize(row_count, 0);
                Ok(())
            }
        }
    }

    /// Bytes that the table takes.
    pub(super) fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.size()).sum();
        let keys = self.keys.as_ref().map_or(0, |keys| keys.size());
        keys + accumulators + self.groups.capacity() * size_of::<usize>()
    }

    /// Takes in the rows of `batch`, once for each grouping set.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let arguments = evaluate_many(&self.shape.arguments, batch)?;
        let filters = filters(&self.shape.filters, batch)?;
        let sets = match self.keys {
            Some(_) => evaluate_group_by(&self.shape.group_by, batch)?,
            None => vec![Vec::new()],
        };
        for keys in sets {
            self.intern(&keys, batch.num_rows())?;
            let group_count = self.len();
            for ((accumulator, arguments), filter) in
                self.accumulators.iter_mut().zip(&arguments).zip(&filters)
            {
                let filter = filter.as_ref();
                accumulator.update_batch(arguments, &self.groups, filter, group_count)?;
            }
        }
        Ok(())
    }

    /// Merges the states of `batch`, laid out as the shape's state schema.
    pub(super) fn merge(&mut self, batch: &RecordBatch) -> Result<()> {
        let (keys, mut states) = batch.columns().split_at(self.shape.key_width());
        self.intern(keys, batch.num_rows())?;
        let group_count = self.len();
        for (accumulator, width) in self.accumulators.iter_mut().zip(&self.shape.state_widths) {
            let (own, rest) = states.split_at(*width);
            accumulator.merge_batch(own, &self.groups, group_count)?;
            states = rest;
        }
        Ok(())
    }

    fn emit_keys(&mut self) -> Result<Vec<ArrayRef>> {
        let emit = |keys: &mut Box<dyn GroupValues>| keys.emit(EmitTo::All);
        self.keys.as_mut().map_or_else(|| Ok(Vec::new()), emit)
    }

    /// The states of all groups; the table is used up.
    pub(super) fn into_states(mut self) -> Result<RecordBatch> {
        let mut columns = self.emit_keys()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(
            Arc::clone(&self.shape.state_schema),
            columns,
        )?)
    }

    /// The results of all groups; the table is used up.
    pub(super) fn into_results(mut self) -> Result<RecordBatch> {
        let mut columns = self.emit_keys()?;
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(
            Arc::clone(&self.shape.schema),
            columns,
        )?)
    }
}

/// The accumulators of `aggregates`, each for all groups of a table.
pub(super) fn accumulators(
    shape: &Shape,
    aggregates: &[Arc<AggregateFunctionExpr>],
) -> Result<Vec<Box<dyn GroupsAccumulator>>> {
    let accumulators = aggregates
        .iter()
        .map(|aggregate| accumulator(shape, aggregate));
    accumulators.collect()
}

/// Turns input rows into states, one a row and grouping set, without looking for equal keys.
pub(super) struct RowStates {
    shape: Arc<Shape>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
}

impl RowStates {
    pub(super) fn new(shape: &Arc<Shape>) -> Result<Self> {
        Ok(Self {
            accumulators: accumulators(shape, &shape.update)?,
            shape: Arc::clone(shape),
        })
    }

    /// The states of the rows of `batch`, a batch for each grouping set.
    pub(super) fn of(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let arguments = evaluate_many(&self.shape.arguments, batch)?;
        let filters = filters(&self.shape.filters, batch)?;
        let mut states = Vec::new();
        for ((accumulator, arguments), filter) in
            self.accumulators.iter().zip(&arguments).zip(&filters)
        {
            states.extend(accumulator.convert_to_state(arguments, filter.as_ref())?);
        }
        evaluate_group_by(&self.shape.group_by, batch)?
            .into_iter()
            .map(|mut columns| {
                columns.extend(states.iter().cloned());
                let schema = Arc::clone(&self.shape.state_schema);
                Ok(RecordBatch::try_new(schema, columns)?)
            })
            .collect()
    }
}

fn one_row_of_nulls(schema: &Schema) -> Result<RecordBatch> {
    let fields = schema.fields().iter();
    let nullable: Fields = fields
        .map(|field| Field::clone(field).with_nullable(true))
        .collect();
    let columns = nullable.iter().map(|f| new_null_array(f.data_type(), 1));
    let columns = columns.collect();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let schema = Arc::new(Schema::new(nullable));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

fn accumulator(
    shape: &Shape,
    aggregate: &Arc<AggregateFunctionExpr>,
) -> Result<Box<dyn GroupsAccumulator>> {
    if let Some(lists) = OrderedLists::of(aggregate, usize::from(shape.has_no_keys()))? {
        return Ok(Box::new(lists));
    }
    if shape.has_no_keys() {
        return Ok(Box::new(OneGroup::new(aggregate.create_accumulator()?)));
    }
    if aggregate.groups_accumulator_supported() {
        return aggregate.create_groups_accumulator();
    }
    let aggregate = Arc::clone(aggregate);
    let one_group = move || aggregate.create_accumulator();
    Ok(Box::new(GroupsAccumulatorAdapter::new(one_group)))
}

fn filters(
    filters: &[Option<Arc<dyn PhysicalExpr>>],
    batch: &RecordBatch,
) -> Result<Vec<Option<BooleanArray>>> {
    let evaluate = |filter: &Arc<dyn PhysicalExpr>| -> Result<BooleanArray> {
        let array = filter.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(as_boolean_array(&array)?.clone())
    };
    filters
        .iter()
        .map(|filter| filter.as_ref().map(evaluate).transpose())
        .collect()
}
