//! What lies between two values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Float32Array, Float64Array, Int64Array,
    IntervalMonthDayNanoArray, make_array,
};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit,
};
use datafusion::common::{Result, ScalarValue};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::values::reinterpret;
use crate::scalar::interval_multiply;

/// What lies at `fraction` of the way from the value at `index` to the one after it.
pub(super) fn between(values: &ArrayRef, index: usize, fraction: f64) -> Result<ScalarValue> {
    if fraction == 0.0 {
        return ScalarValue::try_from_array(values, index);
    }
    let data_type = values.data_type();
    let found: ArrayRef = match data_type {
        DataType::Float64 => {
            let [low, high] = pair::<Float64Type>(values, index);
            Arc::new(Float64Array::from(vec![number(low, high, fraction)]))
        }
        DataType::Float32 => {
            let [low, high] = pair::<Float32Type>(values, index);
            let found = number(f64::from(low), f64::from(high), fraction);
            #[expect(clippy::cast_possible_truncation, reason = "between two floats")]
            Arc::new(Float32Array::from(vec![found as f32]))
        }
        DataType::Timestamp(..) | DataType::Time64(_) => {
            let ticks = reinterpret(values, &DataType::Int64)?;
            let [low, high] = pair::<Int64Type>(&ticks, index);
            let found: ArrayRef = Arc::new(Int64Array::from(vec![tick(low, high, fraction)]));
            reinterpret(&found, data_type)?
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let [low, high] = pair::<IntervalMonthDayNanoType>(values, index);
            let found = interval(low, high, fraction).ok_or_else(|| {
                SheafError::user("interval out of range").with_state(SqlState::DATETIME_OVERFLOW)
            })?;
            Arc::new(IntervalMonthDayNanoArray::from(vec![found]))
        }
        _ => return ScalarValue::try_from_array(values, index),
    };
    ScalarValue::try_from_array(&make_array(found.to_data()), 0)
}

fn pair<T: ArrowPrimitiveType>(values: &ArrayRef, index: usize) -> [T::Native; 2] {
    let values = values.as_primitive::<T>();
    [values.value(index), values.value(index + 1)]
}

fn number(low: f64, high: f64, fraction: f64) -> f64 {
    let difference = high - low;
    if low == high {
        low
    } else if difference.is_finite() {
        low + difference * fraction
    } else {
        // Neither end alone is too large.
        low * (1.0 - fraction) + high * fraction
    }
}

/// To the nearest tick of a clock.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "rounded to a number between two others"
)]
fn tick(low: i64, high: i64, fraction: f64) -> i64 {
    let difference = i128::from(high) - i128::from(low);
    let way = (difference as f64 * fraction).round() as i128;
    i64::try_from(i128::from(low) + way).unwrap_or(high)
}

/// As in PostgreSQL: the difference of months, days and time, a share of it, added.
fn interval(
    low: IntervalMonthDayNano,
    high: IntervalMonthDayNano,
    fraction: f64,
) -> Option<IntervalMonthDayNano> {
    let difference = IntervalMonthDayNano::new(
        high.months.checked_sub(low.months)?,
        high.days.checked_sub(low.days)?,
        high.nanoseconds.checked_sub(low.nanoseconds)?,
    );
    let way = interval_multiply::fraction(difference, fraction)?;
    Some(IntervalMonthDayNano::new(
        low.months.checked_add(way.months)?,
        low.days.checked_add(way.days)?,
        low.nanoseconds.checked_add(way.nanoseconds)?,
    ))
}
