//! The sums of many groups: 16 bytes each, and one bit whether a value was there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Int32Type, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::NullState;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::filter_to_nulls;

use super::accumulate::{as_decimals, fits, out_of_range};
use super::{lanes, state_type};
use crate::digits;

/// Of which groups the rows of a batch are.
struct Rows<'a> {
    groups: &'a [usize],
    /// Rows that count; all, if there is none.
    filter: Option<&'a BooleanArray>,
    /// The groups there are by now.
    group_count: usize,
}

#[derive(Debug)]
pub(super) struct SumGroupsAccumulator {
    sums: Vec<i128>,
    /// Which groups saw a value.
    seen: NullState,
    sum_type: DataType,
}

impl SumGroupsAccumulator {
    pub(super) fn new(sum_type: DataType) -> Self {
        Self {
            sums: Vec::new(),
            seen: NullState::new(),
            sum_type,
        }
    }

    fn add(&mut self, values: &ArrayRef, rows: &Rows<'_>) -> Result<()> {
        self.sums.resize(rows.group_count, 0);
        let fits = match values.data_type() {
            DataType::Int32 => self.add_of::<Int32Type>(values, rows, |_| 31, i64::from),
            DataType::Int64 => {
                self.add_of::<Int64Type>(values, rows, digits::bits_of_bigints, |value| value)
            }
            #[expect(clippy::cast_possible_truncation, reason = "called for short values")]
            DataType::Decimal128(_, _) => {
                self.add_of::<Decimal128Type>(values, rows, digits::bits, |value| value as i64)
            }
            other => return internal_err!("sum of {other}"),
        };
        match fits {
            true => Ok(()),
            false => Err(out_of_range(&self.sum_type).into()),
        }
    }

    /// Adds values that have so many `bits`, of which `short` gives those that have 63 at most.
    /// False if a sum took more than 128.
    fn add_of<T: ArrowPrimitiveType<Native: Into<i128>> + Send>(
        &mut self,
        values: &ArrayRef,
        rows: &Rows<'_>,
        bits: fn(&[T::Native]) -> u32,
        short: fn(T::Native) -> i64,
    ) -> bool {
        let values = values.as_primitive::<T>();
        let (sums, seen) = (&mut self.sums, &mut self.seen);
        let mut fits = true;
        let mut add = |group: usize, value: i128| {
            let (sum, is_wrong) = sums[group].overflowing_add(value);
            sums[group] = sum;
            fits &= !is_wrong;
        };
        let is_every_row = rows.filter.is_none() && values.null_count() == 0;
        let is_few = is_every_row && lanes::suit(rows.groups.len(), rows.group_count);
        if is_few && lanes::hold(bits(values.values()), rows.groups.len()) {
            seen.accumulate(rows.groups, values, None, rows.group_count, |_, _| {});
            let added = lanes::sums(rows.groups, values.values(), short);
            for (group, sum) in added.iter().take(rows.group_count).enumerate() {
                add(group, i128::from(*sum));
            }
        } else {
            seen.accumulate(
                rows.groups,
                values,
                rows.filter,
                rows.group_count,
                |group, value| {
                    add(group, value.into());
                },
            );
        }
        fits
    }

    /// The sums as they are emitted, of type `data_type`.
    fn emit(&mut self, emit_to: EmitTo, data_type: &DataType) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let nulls = self.seen.build(emit_to);
        // The sum of a group without values is 0, which fits.
        if !sums.iter().all(|sum| fits(*sum, data_type)) {
            return Err(out_of_range(data_type).into());
        }
        let sums = Decimal128Array::new(sums.into(), nulls);
        Ok(match data_type {
            #[expect(clippy::cast_possible_truncation, reason = "each sum fits")]
            DataType::Int64 => Arc::new(sums.unary::<_, Int64Type>(|sum| sum as i64)),
            other => Arc::new(sums.with_data_type(other.clone())),
        })
    }
}

impl GroupsAccumulator for SumGroupsAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        match values {
            [values] => self.add(
                values,
                &Rows {
                    groups: group_indices,
                    filter: opt_filter,
                    group_count: total_num_groups,
                },
            ),
            _ => internal_err!("sum has one argument"),
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let data_type = self.sum_type.clone();
        self.emit(emit_to, &data_type)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let data_type = state_type(&self.sum_type);
        Ok(vec![self.emit(emit_to, &data_type)?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let [values] = values else {
            return internal_err!("sum has one argument");
        };
        let state = as_decimals(values)?.with_data_type(state_type(&self.sum_type));
        let Some(filter) = opt_filter else {
            return Ok(vec![Arc::new(state)]);
        };
        let (data_type, digits, nulls) = state.into_parts();
        let nulls = NullBuffer::union(nulls.as_ref(), Some(&filter_to_nulls(filter)));
        let state = Decimal128Array::new(digits, nulls).with_data_type(data_type);
        Ok(vec![Arc::new(state)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.size()
    }
}
