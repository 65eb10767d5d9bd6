//! Folds of lists of rows, each list in one lane.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Fields};
use datafusion::common::Result;

use super::Fold;
use super::assign::{check_arguments, coerced};
use super::lanes::{Layers, run, steps_along};
use super::states::START;
use crate::gathered::OverLists;

impl OverLists for Fold {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn arguments(&self) -> Fields {
        self.parts.arguments.clone()
    }

    fn result(&self) -> &DataType {
        &self.parts.result
    }

    fn coerced(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerced(self, types))
    }

    fn check(&self, types: &[DataType]) -> Result<()> {
        check_arguments(self, types)
    }

    fn is_always_gathered(&self) -> bool {
        self.parts.merge.is_none()
    }

    /// # Memory
    /// A state for each list, and those of a step.
    fn lists(&self, lists: &ArrayRef, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let lists = lists.as_list::<i32>();
        let mut layers = Layers::default();
        layers.push(self.parts.init.clone());
        let starts = vec![START; lists.len()];
        let places = run(
            steps_along(lists, 0),
            starts,
            &mut layers,
            |step, states| self.accumulate(&step.rows_of(arguments)?, states),
        )?;
        self.finish_gathered(layers.at(&places)?)
    }
}
