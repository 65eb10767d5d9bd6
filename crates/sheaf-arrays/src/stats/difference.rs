//! Differences of neighbours, and covariances.

use sheaf_base::{Result, SheafError};

use crate::dtype::{Class, DType, Scalar};
use crate::elementwise::{BinaryOp, UnaryOp, binary, cast, unary};
use crate::grid::{Grid, tuple};
use crate::linalg::matmul;
use crate::reduce::{ReduceOptions, Reduction, reduce};
use crate::source::full;
use crate::store::Array;
use crate::view::{AxisSlice, axis_of, concat, expand_dims, shelved, slice, transpose};

/// The differences of neighbours along `axis`, `times` times over; of booleans, whether they differ.
///
/// # Errors
/// `UserInput` if there is no such axis.
pub fn diff(source: &Array, times: u64, axis: i64) -> Result<Array> {
    let axis = axis_of("array_diff", axis, source.rank())?;
    let op = match source.dtype() {
        DType::Bool => BinaryOp::NotEqual,
        _ => BinaryOp::Subtract,
    };
    let mut result = source.clone();
    // Beyond its length nothing is left to take differences of.
    for _ in 0..times.min(source.shape()[axis]) {
        let source = shelved(&result);
        let later = part(&source, axis, Some(1), None)?;
        let earlier = part(&source, axis, None, Some(-1))?;
        result = binary(op, &later, &earlier)?;
    }
    Ok(result)
}

/// The slope along `axis` of values that are `spacing` apart: from the neighbours at both sides, at the
/// ends from the one.
///
/// # Errors
/// `UserInput` if there is no such axis, or fewer than two elements along it.
pub fn gradient(source: &Array, spacing: f64, axis: i64) -> Result<Array> {
    let axis = axis_of("array_gradient", axis, source.rank())?;
    let length = source.shape()[axis];
    if length < 2 {
        return Err(SheafError::user(format!(
            "array_gradient: axis {axis} of the shape {} has fewer than two elements",
            tuple(&source.shape())
        )));
    }
    let source = shelved(&cast(source, source.dtype().to_inexact()));
    let slope = |from: (Option<i64>, Option<i64>), to: (Option<i64>, Option<i64>), width: f64| {
        let later = part(&source, axis, to.0, to.1)?;
        let earlier = part(&source, axis, from.0, from.1)?;
        scaled(&binary(BinaryOp::Subtract, &later, &earlier)?, width)
    };
    let first = slope((None, Some(1)), (Some(1), Some(2)), spacing)?;
    let inner = slope((None, Some(-2)), (Some(2), None), 2.0 * spacing)?;
    let last = slope((Some(-2), Some(-1)), (Some(-1), None), spacing)?;
    let along = i64::try_from(axis).unwrap_or(0);
    match length {
        2 => concat(&[first, last], along),
        _ => concat(&[first, inner, last], along),
    }
}

/// The covariances of the rows of a matrix; an array of one axis is a row.
///
/// # Errors
/// `UserInput` if there are more axes.
pub fn cov(source: &Array, ddof: f64) -> Result<Array> {
    let rows = rows_of("array_cov", source)?;
    let count = rows.shape()[1] as f64;
    let mean = reduce(&rows, Reduction::Mean, &along_rows(0.0))?;
    let centred = shelved(&binary(BinaryOp::Subtract, &rows, &mean)?);
    let turned = match centred.dtype().class() {
        Class::Complex => unary(UnaryOp::Conj, &transpose(&centred, None)?)?,
        _ => transpose(&centred, None)?,
    };
    scaled(&matmul(&centred, &turned)?, (count - ddof).max(0.0))
}

/// The correlations of the rows of a matrix.
///
/// # Errors
/// As [`cov`].
pub fn corrcoef(source: &Array) -> Result<Array> {
    let rows = shelved(&rows_of("array_corrcoef", source)?);
    let deviation = reduce(&rows, Reduction::Std, &along_rows(0.0))?;
    let across = transpose(&deviation, None)?;
    let covariance = cov(&rows, 0.0)?;
    let down = binary(BinaryOp::Divide, &covariance, &deviation)?;
    binary(BinaryOp::Divide, &down, &across)
}

fn rows_of(operation: &str, source: &Array) -> Result<Array> {
    let rows = cast(source, source.dtype().promote(DType::Float64));
    match source.rank() {
        1 => expand_dims(&rows, &[0]),
        2 => Ok(rows),
        rank => Err(SheafError::user(format!(
            "{operation}: a matrix has two axes, not {rank}"
        ))),
    }
}

fn along_rows(ddof: f64) -> ReduceOptions {
    ReduceOptions {
        axes: Some(vec![1]),
        keep_dims: true,
        ddof,
        skip_nan: false,
    }
}

/// `source / divisor`, in the type of `source`.
fn scaled(source: &Array, divisor: f64) -> Result<Array> {
    let dtype = source.dtype();
    let divisor = full(
        Grid::regular(&[], &[], dtype.to_real())?,
        Scalar::Float(divisor),
    );
    binary(BinaryOp::Divide, source, &divisor)
}

/// A range of one axis.
pub(crate) fn part(
    source: &Array,
    axis: usize,
    start: Option<i64>,
    stop: Option<i64>,
) -> Result<Array> {
    let parts: Vec<AxisSlice> = (0..source.rank())
        .map(|at| AxisSlice::Range {
            start: start.filter(|_| at == axis),
            stop: stop.filter(|_| at == axis),
            step: 1,
        })
        .collect();
    slice(source, &parts)
}
