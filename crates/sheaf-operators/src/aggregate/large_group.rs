//! One group whose states do not fit into memory together.
//!
//! States that stay small are merged as they come. The values in the others become a lane each on
//! disk (`lane.rs`), from which the results are computed one after another.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::new_group_values;
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::lane::{Lane, Means};
use super::output::CutUp;
use super::stage::Stage;
use super::table::{GroupTable, accumulators};

/// A group being taken apart.
pub(super) struct LargeGroup {
    stage: Arc<Stage>,
    /// Its keys: arrays of one value.
    keys: Vec<ArrayRef>,
    columns: Vec<Column>,
    /// Other groups among the states, if there are any.
    others: Option<CutUp>,
    level: usize,
    /// Bytes reserved for the small states.
    bytes: usize,
}

/// One aggregate.
enum Column {
    Small(Box<dyn GroupsAccumulator>),
    Lane(Box<Lane>),
}

impl LargeGroup {
    /// Begins with the only group of `table`.
    pub(super) fn new(stage: &Arc<Stage>, table: GroupTable, level: usize) -> Result<Self> {
        let shape = &stage.shape;
        let states = table.into_states()?;
        let mut columns = Vec::with_capacity(shape.merge.len());
        for (accumulator, growing) in accumulators(shape, &shape.merge)?
            .into_iter()
            .zip(&shape.growing)
        {
            columns.push(match growing {
                Some(growing) => Column::Lane(Box::new(Lane::create(growing, &stage.store)?)),
                None => Column::Small(accumulator),
            });
        }
        let keys = &states.columns()[..shape.key_width()];
        let mut group = Self {
            keys: keys.iter().map(|key| key.slice(0, 1)).collect(),
            stage: Arc::clone(stage),
            columns,
            others: None,
            level,
            bytes: 0,
        };
        group.take_in_own(&states)?;
        Ok(group)
    }

    /// Takes in states, of this group and of others.
    pub(super) fn take_in(&mut self, states: &RecordBatch) -> Result<()> {
        let Some(is_own) = self.is_own(states)? else {
            return self.take_in_own(states);
        };
        let others = filter_record_batch(states, &not(&is_own)?)?;
        if others.num_rows() == 0 {
            return self.take_in_own(states);
        }
        let (stage, level) = (&self.stage, self.level + 1);
        let cut_up = self.others.get_or_insert_with(|| CutUp::new(stage, level));
        cut_up.take_in(&others)?;
        self.take_in_own(&filter_record_batch(states, &is_own)?)
    }

    /// Which states are this group's; `None` if there are no keys to tell by.
    fn is_own(&self, states: &RecordBatch) -> Result<Option<BooleanArray>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let schema = Arc::clone(&self.stage.shape.key_schema);
        let mut keys = new_group_values(schema, &GroupOrdering::None)?;
        let mut groups = Vec::new();
        keys.intern(&self.keys, &mut groups)?;
        keys.intern(&states.columns()[..self.keys.len()], &mut groups)?;
        Ok(Some(groups.iter().map(|group| Some(*group == 0)).collect()))
    }

    fn take_in_own(&mut self, states: &RecordBatch) -> Result<()> {
        let shape = &self.stage.shape;
        let groups = vec![0; states.num_rows()];
        let mut rest = &states.columns()[shape.key_width()..];
        let mut bytes = 0;
        for (column, width) in self.columns.iter_mut().zip(&shape.state_widths) {
            let (own, others) = rest.split_at(*width);
            match column {
                Column::Small(accumulator) => {
                    accumulator.merge_batch(own, &groups, 1)?;
                    bytes += accumulator.size();
                }
                Column::Lane(lane) => lane.take_in(own)?,
            }
            rest = others;
        }
        let more = bytes.saturating_sub(self.bytes);
        self.stage.holding.reservation().try_grow(more)?;
        self.bytes += more;
        Ok(())
    }

    /// The group's results, and the other groups that were among the states.
    pub(super) async fn finish(mut self) -> Result<(RecordBatch, Option<CutUp>)> {
        let stage = Arc::clone(&self.stage);
        let means = Means {
            context: &stage.context,
            holding: &stage.holding,
            store: &stage.store,
        };
        let mut results = std::mem::take(&mut self.keys);
        for (column, aggregate) in std::mem::take(&mut self.columns)
            .into_iter()
            .zip(&stage.shape.update)
        {
            results.push(match column {
                Column::Small(mut accumulator) => accumulator.evaluate(EmitTo::All)?,
                Column::Lane(lane) => {
                    let result = lane.finish()?.result(aggregate, &means).await?;
                    result.to_array()?
                }
            });
        }
        if results.iter().any(|result| result.len() != 1) {
            return internal_err!("one group has one result");
        }
        let results = RecordBatch::try_new(Arc::clone(&stage.shape.schema), results)?;
        Ok((results, self.others.take()))
    }
}

impl Drop for LargeGroup {
    fn drop(&mut self) {
        self.stage.holding.shrink(self.bytes);
    }
}
