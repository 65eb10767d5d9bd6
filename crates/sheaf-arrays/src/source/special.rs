//! Arrays by simple formulas: one value everywhere, ranges, ones on a diagonal.

use sheaf_base::{Result, SheafError};

use super::by_rows;
use crate::context::Context;
use crate::dtype::{Class, DType, Scalar};
use crate::grid::{Grid, Region, to_u64};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

/// A formula of an element's coordinates.
#[derive(Debug)]
enum Formula {
    Full(Scalar),
    /// The i-th of an axis: `start + i · step`.
    Whole {
        start: i64,
        step: i64,
    },
    Range {
        start: f64,
        step: f64,
    },
    /// `count` values from the first to the last of these, both among them if `has_last`.
    Between {
        start: f64,
        stop: f64,
        divisions: u64,
        has_last: bool,
    },
    /// One where the column less the row is this.
    Diagonal(i64),
}

#[derive(Debug)]
struct Special {
    grid: Grid,
    formula: Formula,
}

/// `value` everywhere.
#[must_use]
pub fn full(grid: Grid, value: Scalar) -> Array {
    Array::new(Special {
        grid,
        formula: Formula::Full(value),
    })
}

/// `start`, `start + step`, … before `stop`, in chunks of `chunk`: NumPy's `arange`.
///
/// # Errors
/// `UserInput` if `step` is 0 or one of them is no number.
pub fn arange(
    start: Scalar,
    stop: Scalar,
    step: Scalar,
    dtype: DType,
    chunk: u64,
) -> Result<Array> {
    let whole = |value| match value {
        Scalar::Int(value) => Some(value),
        Scalar::UInt(value) => i64::try_from(value).ok(),
        _ => None,
    };
    let (length, formula) = match (whole(start), whole(stop), whole(step)) {
        (_, _, Some(0)) => return Err(SheafError::user("array_arange: the step is 0")),
        (Some(first), Some(stop), Some(step)) => {
            let span = (i128::from(stop) - i128::from(first)) * i128::from(step.signum());
            let length = span
                .max(0)
                .unsigned_abs()
                .div_ceil(u128::from(step.unsigned_abs()));
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            (length, Formula::Whole { start: first, step })
        }
        _ => {
            let (start, stop, step) = (start.as_f64(), stop.as_f64(), step.as_f64());
            let length = ((stop - start) / step).ceil();
            if step == 0.0 || !length.is_finite() {
                return Err(SheafError::user(format!(
                    "array_arange: there is no range from {start} to {stop} in steps of {step}"
                )));
            }
            (to_u64(length.max(0.0)), Formula::Range { start, step })
        }
    };
    let grid = Grid::regular(&[length], &[chunk], dtype)?;
    Ok(Array::new(Special { grid, formula }))
}

/// `count` values at equal distances from `start` to `stop`, this one among them if `has_stop`.
///
/// # Errors
/// `UserInput` if the chunk is 0.
pub fn linspace(
    start: f64,
    stop: f64,
    count: u64,
    has_stop: bool,
    dtype: DType,
    chunk: u64,
) -> Result<Array> {
    let formula = Formula::Between {
        start,
        stop,
        divisions: if has_stop {
            count.saturating_sub(1)
        } else {
            count
        },
        has_last: has_stop && count > 1,
    };
    let grid = Grid::regular(&[count], &[chunk], dtype)?;
    Ok(Array::new(Special { grid, formula }))
}

/// Ones where the column is the row plus `diagonal`, else zeros.
///
/// # Errors
/// `UserInput` if the grid has not two axes.
pub fn eye(grid: Grid, diagonal: i64) -> Result<Array> {
    if grid.rank() != 2 {
        return Err(SheafError::user(format!(
            "array_eye: the shape has two axes, not {}",
            grid.rank()
        )));
    }
    Ok(Array::new(Special {
        grid,
        formula: Formula::Diagonal(diagonal),
    }))
}

impl ChunkStore for Special {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        match self.formula {
            Formula::Full(value) => Tensor::full(&region.shape, dtype, value, context),
            Formula::Whole { start, step } if dtype.class() != Class::Float => {
                by_rows(region, dtype, context, |at, values: &mut [i64]| {
                    for (i, value) in (at[0]..).zip(values) {
                        *value = start.wrapping_add(step.wrapping_mul(i.cast_signed()));
                    }
                })
            }
            Formula::Whole { start, step } => floats(region, dtype, context, |i| {
                start as f64 + i as f64 * step as f64
            }),
            Formula::Range { start, step } => {
                floats(region, dtype, context, |i| start + i as f64 * step)
            }
            Formula::Between {
                start,
                stop,
                divisions,
                has_last,
            } => {
                let step = (stop - start) / divisions.max(1) as f64;
                floats(region, dtype, context, |i| {
                    match has_last && i == divisions {
                        true => stop,
                        false => start + i as f64 * step,
                    }
                })
            }
            Formula::Diagonal(diagonal) => {
                by_rows(region, dtype, context, |at, values: &mut [u64]| {
                    let wanted = i128::from(at[0]) + i128::from(diagonal);
                    for (column, value) in (at[1]..).zip(values) {
                        *value = u64::from(i128::from(column) == wanted);
                    }
                })
            }
        }
    }

    fn cost(&self) -> Cost {
        Cost::Elements
    }
}

/// Values of one axis.
fn floats(
    region: &Region,
    dtype: DType,
    context: &Context,
    value_at: impl Fn(u64) -> f64,
) -> Result<Tensor> {
    by_rows(region, dtype, context, |at, values: &mut [f64]| {
        for (i, value) in (at[0]..).zip(values) {
            *value = value_at(i);
        }
    })
}
