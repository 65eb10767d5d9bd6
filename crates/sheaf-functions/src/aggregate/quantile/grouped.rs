//! The quantiles of many groups, of values held as numbers: one vector a group.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::shares::Shares;
use super::values::{NumberType, Numbers, Values, array_of, extend, numbers};

/// The values of many groups.
#[derive(Debug)]
pub(super) struct Grouped<T: NumberType> {
    shares: Shares,
    data_type: DataType,
    groups: Vec<Vec<T::Native>>,
    /// Numbers for which the groups have room.
    capacity: usize,
}

impl<T: NumberType> Grouped<T> {
    pub(super) fn new(shares: Shares, data_type: &DataType) -> Self {
        Self {
            shares,
            data_type: data_type.clone(),
            groups: Vec::new(),
            capacity: 0,
        }
    }

    /// Changes the numbers of a group.
    fn change(&mut self, group: usize, change: impl FnOnce(&mut Vec<T::Native>)) {
        let numbers = &mut self.groups[group];
        self.capacity -= numbers.capacity();
        change(numbers);
        self.capacity += numbers.capacity();
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Vec<T::Native>> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.capacity -= taken.iter().map(Vec::capacity).sum::<usize>();
        taken
    }

    fn lists(
        &self,
        values: ArrayRef,
        lengths: impl IntoIterator<Item = usize>,
        nulls: Option<NullBuffer>,
    ) -> Result<Vec<ArrayRef>> {
        let item = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(vec![Arc::new(ListArray::try_new(
            item, offsets, values, nulls,
        )?)])
    }
}

impl<T: NumberType> GroupsAccumulator for Grouped<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        mask: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let Some(values) = values.first() else {
            return internal_err!("a quantile has arguments");
        };
        let values = numbers::<T>(values)?;
        self.groups.resize(group_count, Vec::new());
        for (row, group) in groups.iter().enumerate() {
            let counts = mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row));
            if counts && values.is_valid(row) {
                self.change(*group, |numbers| numbers.push(values.value(row)));
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        let Some(lists) = states.first() else {
            return internal_err!("a quantile has a state");
        };
        let lists = lists.as_list::<i32>();
        let values = numbers::<T>(lists.values())?;
        self.groups.resize(group_count, Vec::new());
        for (row, group) in groups.iter().enumerate() {
            if lists.is_null(row) {
                continue;
            }
            let [begin, end] = [row, row + 1].map(|row| lists.value_offsets()[row]);
            let (Ok(begin), Ok(end)) = (usize::try_from(begin), usize::try_from(end)) else {
                return internal_err!("a list begins before its values");
            };
            let values = values.slice(begin, end - begin);
            self.change(*group, |numbers| extend(numbers, &values));
        }
        Ok(())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let taken = self.take(emit_to);
        let values = array_of::<T>(taken.iter().flatten().copied(), &self.data_type)?;
        self.lists(values, taken.iter().map(Vec::len), None)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let taken = self.take(emit_to);
        let mut results = Vec::with_capacity(taken.len());
        for numbers in taken {
            let mut values = Numbers::<T>::of(numbers, &self.data_type);
            results.push(self.shares.result(&mut values as &mut dyn Values)?);
        }
        match results.is_empty() {
            true => Ok(self.shares.of_none()?.to_array_of_size(0)?),
            false => ScalarValue::iter_to_array(results),
        }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        mask: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let Some(values) = values.first() else {
            return internal_err!("a quantile has arguments");
        };
        let mask = mask.map(|mask| match mask.nulls() {
            Some(nulls) => NullBuffer::new(mask.values() & nulls.inner()),
            None => NullBuffer::new(mask.values().clone()),
        });
        let nulls = NullBuffer::union(values.nulls(), mask.as_ref());
        let lengths = std::iter::repeat_n(1, values.len());
        self.lists(Arc::clone(values), lengths, nulls)
    }

    fn size(&self) -> usize {
        let numbers = self.capacity * size_of::<T::Native>();
        size_of_val(self) + numbers + self.groups.capacity() * size_of::<Vec<T::Native>>()
    }
}
