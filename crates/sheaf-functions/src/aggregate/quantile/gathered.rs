//! The quantiles of one group, and of the frames of a window.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use super::shares::Shares;
use super::values::Values;

/// With DISTINCT, equal values are looked for when there are so many more than different ones.
const EQUAL_VALUES_MAX: usize = 4096;

/// The values of a group.
#[derive(Debug)]
pub(super) struct Gathered {
    shares: Shares,
    values: Box<dyn Values>,
    is_distinct: bool,
    /// Whether values go out again, so that equal ones must be counted.
    is_sliding: bool,
    /// With DISTINCT, how many values there were when there were no equal ones.
    distinct_count: usize,
}

impl Gathered {
    /// For values that only come.
    pub(super) fn new(shares: Shares, values: Box<dyn Values>, is_distinct: bool) -> Self {
        Self {
            shares,
            values,
            is_distinct,
            is_sliding: false,
            distinct_count: 0,
        }
    }

    /// For values that come and go.
    pub(super) fn sliding(shares: Shares, values: Box<dyn Values>, is_distinct: bool) -> Self {
        Self {
            is_sliding: true,
            ..Self::new(shares, values, is_distinct)
        }
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        self.values.add(values)?;
        let limit = 2 * self.distinct_count + EQUAL_VALUES_MAX;
        if self.is_distinct && !self.is_sliding && self.values.count() > limit {
            self.deduplicate()?;
        }
        Ok(())
    }

    fn deduplicate(&mut self) -> Result<()> {
        if self.is_distinct && self.distinct_count < self.values.count() {
            self.values.deduplicate()?;
            self.distinct_count = self.values.count();
        }
        Ok(())
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values.first() {
            Some(values) => self.add(values),
            None => internal_err!("a quantile has arguments"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else {
            return internal_err!("a quantile has a state");
        };
        for values in lists.as_list::<i32>().iter().flatten() {
            self.add(&values)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values.first() {
            Some(values) => self.values.remove(values),
            None => internal_err!("a quantile has arguments"),
        }
    }

    fn supports_retract_batch(&self) -> bool {
        self.is_sliding && self.values.is_ordered()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.deduplicate()?;
        let values = self.values.to_array()?;
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        let list = ListArray::try_new(item, offsets, values, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.is_distinct && self.is_sliding {
            return self.shares.result(self.values.distinct()?.as_mut());
        }
        self.deduplicate()?;
        self.shares.result(self.values.as_mut())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.size()
    }
}
