//! An aggregate over all rows, for tables without keys.
//!
//! The engine's accumulators of groups look up the group of every row, and its adapter for
//! functions without one gathers the rows of each group first. Where there is one group, the
//! plain accumulator does neither.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{filter, prep_null_mask_filter};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// A plain accumulator where the engine has one for groups.
pub(super) struct OneGroup(Box<dyn Accumulator>);

impl OneGroup {
    pub(super) fn new(accumulator: Box<dyn Accumulator>) -> Self {
        Self(accumulator)
    }
}

impl GroupsAccumulator for OneGroup {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        _groups: &[usize],
        mask: Option<&BooleanArray>,
        _group_count: usize,
    ) -> Result<()> {
        let Some(mask) = mask else {
            return self.0.update_batch(values);
        };
        let mask = match mask.null_count() {
            0 => mask.clone(),
            _ => prep_null_mask_filter(mask),
        };
        let values = values.iter().map(|array| Ok(filter(array, &mask)?));
        self.0.update_batch(&values.collect::<Result<Vec<_>>>()?)
    }

    /// State by state: some of the engine's functions look at the first of several only.
    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        _groups: &[usize],
        _group_count: usize,
    ) -> Result<()> {
        let row_count = states.first().map_or(0, |state| state.len());
        for row in 0..row_count {
            let state: Vec<ArrayRef> = states.iter().map(|state| state.slice(row, 1)).collect();
            self.0.merge_batch(&state)?;
        }
        Ok(())
    }

    fn state(&mut self, _emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let state = self.0.state()?;
        state.iter().map(|value| value.to_array()).collect()
    }

    fn evaluate(&mut self, _emit_to: EmitTo) -> Result<ArrayRef> {
        self.0.evaluate()?.to_array()
    }

    fn convert_to_state(
        &self,
        _values: &[ArrayRef],
        _mask: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        internal_err!("one group never has as many groups as rows")
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
