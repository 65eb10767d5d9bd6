//! One sum at a time: of a whole input, of a window frame that slides, of different values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, ListArray, PrimitiveArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, DecimalType, Field, Int32Type, Int64Type,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use super::{DIGITS_MAX, state_type};
use crate::digits;

/// The sum does not fit its type.
pub(super) fn out_of_range(sum_type: &DataType) -> SheafError {
    SheafError::data(format!(
        "the sum is out of range for type {}",
        sql_type_name(sum_type)
    ))
    .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
    .with_hint("sum(CAST(x AS DOUBLE)) has no limit")
}

/// Whether a sum fits its type (a BIGINT, or the widest decimal).
#[inline]
pub(super) fn fits(sum: i128, sum_type: &DataType) -> bool {
    match sum_type {
        DataType::Int64 => i64::try_from(sum).is_ok(),
        _ => Decimal128Type::is_valid_decimal_precision(sum, DIGITS_MAX),
    }
}

fn scalar(sum: Option<i128>, sum_type: &DataType) -> Result<ScalarValue> {
    if sum.is_some_and(|sum| !fits(sum, sum_type)) {
        return Err(out_of_range(sum_type).into());
    }
    match sum_type {
        DataType::Int64 => Ok(ScalarValue::Int64(
            sum.and_then(|sum| i64::try_from(sum).ok()),
        )),
        DataType::Decimal128(precision, scale) => {
            Ok(ScalarValue::Decimal128(sum, *precision, *scale))
        }
        other => internal_err!("a sum of type {other}"),
    }
}

/// The sum of the values that are there; `None` if it takes more than 128 bits.
fn sum_of(values: &ArrayRef) -> Result<Option<i128>> {
    Ok(match values.data_type() {
        DataType::Int32 => Some(sum_slices::<Int32Type>(values.as_primitive(), |slice| {
            slice
                .iter()
                .map(|value| i64::from(*value))
                .sum::<i64>()
                .into()
        })),
        DataType::Int64 => Some(sum_slices::<Int64Type>(values.as_primitive(), sum_bigints)),
        DataType::Decimal128(_, _) => {
            let values = values.as_primitive::<Decimal128Type>();
            let rows = values.len().max(1).ilog2() + 1;
            match digits::bits(values.values()) + rows < i128::BITS {
                true => Some(sum_slices(values, |slice| slice.iter().sum())),
                false => values.iter().flatten().try_fold(0_i128, i128::checked_add),
            }
        }
        other => return internal_err!("sum of {other}"),
    })
}

fn sum_slices<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    sum: fn(&[T::Native]) -> i128,
) -> i128 {
    match array.nulls() {
        None => sum(array.values()),
        Some(nulls) => nulls
            .valid_slices()
            .map(|(start, end)| sum(&array.values()[start..end]))
            .sum(),
    }
}

/// Adds the lower and the upper halves apart, neither of which can overflow 64 bits in a batch:
/// two loops of plain additions, which are vectorised.
fn sum_bigints(values: &[i64]) -> i128 {
    let lower: i64 = values.iter().map(|value| value & 0xffff_ffff).sum();
    let upper: i64 = values.iter().map(|value| value >> 32).sum();
    (i128::from(upper) << 32) + i128::from(lower)
}

/// Adds rows, and takes them back when a window frame leaves them behind.
#[derive(Debug)]
pub(super) struct SumAccumulator {
    sum: i128,
    /// Values that are not NULL.
    count: usize,
    sum_type: DataType,
}

impl SumAccumulator {
    pub(super) fn new(sum_type: DataType) -> Self {
        Self {
            sum: 0,
            count: 0,
            sum_type,
        }
    }

    fn current(&self) -> Option<i128> {
        (self.count > 0).then_some(self.sum)
    }
}

impl Accumulator for SumAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else {
            return internal_err!("sum has one argument");
        };
        self.count += values.len() - values.null_count();
        let sum = sum_of(values)?.and_then(|sum| self.sum.checked_add(sum));
        self.sum = sum.ok_or_else(|| out_of_range(&self.sum_type))?;
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else {
            return internal_err!("sum has one argument");
        };
        self.count -= values.len() - values.null_count();
        let sum = sum_of(values)?.and_then(|sum| self.sum.checked_sub(sum));
        self.sum = sum.ok_or_else(|| out_of_range(&self.sum_type))?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![scalar(self.current(), &state_type(&self.sum_type))?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar(self.current(), &self.sum_type)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// `sum(DISTINCT x)`. Memory: each different value.
#[derive(Debug)]
pub(super) struct DistinctAccumulator {
    /// Each value, and in how many rows it is.
    counts: HashMap<i128, u64>,
    sum_type: DataType,
}

impl DistinctAccumulator {
    pub(super) fn new(sum_type: DataType) -> Self {
        Self {
            counts: HashMap::new(),
            sum_type,
        }
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        for value in as_decimals(values)?.iter().flatten() {
            *self.counts.entry(value).or_insert(0) += 1;
        }
        Ok(())
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [values] => self.add(values),
            _ => internal_err!("sum has one argument"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [lists] = states else {
            return internal_err!("sum has one state");
        };
        lists
            .as_list::<i32>()
            .iter()
            .flatten()
            .try_for_each(|values| self.add(&values))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else {
            return internal_err!("sum has one argument");
        };
        for value in as_decimals(values)?.iter().flatten() {
            if let Some(count) = self.counts.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&value);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = state_type(&self.sum_type);
        let values = Decimal128Array::from_iter_values(self.counts.keys().copied())
            .with_data_type(state.clone());
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        let item = Arc::new(Field::new_list_field(state, true));
        let list = ListArray::try_new(item, offsets, Arc::new(values), None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return scalar(None, &self.sum_type);
        }
        let sum = self.counts.keys().copied().try_fold(0, i128::checked_add);
        let sum = sum.ok_or_else(|| out_of_range(&self.sum_type))?;
        scalar(Some(sum), &self.sum_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * (size_of::<(i128, u64)>() + 1)
    }
}

/// The values' digits as decimals.
pub(super) fn as_decimals(values: &ArrayRef) -> Result<Decimal128Array> {
    Ok(match values.data_type() {
        DataType::Int32 => values.as_primitive::<Int32Type>().unary(i128::from),
        DataType::Int64 => values.as_primitive::<Int64Type>().unary(i128::from),
        DataType::Decimal128(_, _) => values.as_primitive::<Decimal128Type>().clone(),
        other => return internal_err!("sum of {other}"),
    })
}
