//! `interval_multiply(interval, n)`: what `n * interval` and `interval / n` stand for.
//!
//! As in PostgreSQL, a fraction of a month becomes days (a month has 30) and a fraction of a day
//! becomes time.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ScalarUDF};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const DAYS_A_MONTH: f64 = 30.0;
const NANOSECONDS_A_DAY: f64 = 86_400e9;

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(function()));

/// The call of it.
pub(crate) fn call(interval: Expr, factor: Expr) -> Expr {
    FUNCTION.call(vec![interval, factor])
}

pub(super) fn function() -> ScalarUDF {
    Kernel::new(
        "interval_multiply",
        &[&[INTERVAL, DataType::Int64], &[INTERVAL, DataType::Float64]],
        |_| Ok(INTERVAL),
        compute,
    )
    .documented(
        "Time and Date Functions",
        "An interval some times over; also written n * interval.",
        "interval_multiply(interval, n)",
        "SELECT 3 * INTERVAL '1 hour'; -- 3 hours",
    )
    .build()
}

fn compute(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::numbers::<IntervalMonthDayNanoType>(arrays, count, |row| {
        let interval = rows::number::<IntervalMonthDayNanoType>(&arrays[0], row);
        let product = match arrays[1].as_primitive_opt::<Int64Type>() {
            Some(factors) => whole(interval, factors.value(row)),
            None => fraction(interval, rows::number::<Float64Type>(&arrays[1], row)),
        };
        product.map(Some).ok_or_else(|| {
            DataFusionError::from(
                SheafError::user("interval out of range").with_state(SqlState::DATETIME_OVERFLOW),
            )
        })
    })
}

fn whole(interval: IntervalMonthDayNano, factor: i64) -> Option<IntervalMonthDayNano> {
    let small = |part: i32| i32::try_from(i64::from(part).checked_mul(factor)?).ok();
    Some(IntervalMonthDayNano::new(
        small(interval.months)?,
        small(interval.days)?,
        interval.nanoseconds.checked_mul(factor)?,
    ))
}

pub(crate) fn fraction(
    interval: IntervalMonthDayNano,
    factor: f64,
) -> Option<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * factor;
    // As in PostgreSQL: to a millionth, so that 0.9 months are 27 days.
    let days_of_months = (months.fract() * DAYS_A_MONTH * 1e6).round() / 1e6;
    let days = f64::from(interval.days) * factor + days_of_months;
    #[expect(clippy::cast_precision_loss, reason = "a fraction is not exact anyway")]
    let nanoseconds = interval.nanoseconds as f64 * factor + days.fract() * NANOSECONDS_A_DAY;
    Some(IntervalMonthDayNano::new(
        i32::try_from(truncated(months)?).ok()?,
        i32::try_from(truncated(days)?).ok()?,
        truncated((nanoseconds / 1000.0).round() * 1000.0)?,
    ))
}

fn truncated(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9.2e18;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (value.abs() < LIMIT).then(|| value.trunc() as i64)
}
