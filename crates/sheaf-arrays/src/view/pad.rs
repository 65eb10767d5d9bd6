//! Arrays with borders, and arrays turned round an axis.

use sheaf_base::{Result, SheafError};

use super::{AxisSlice, axis_of, concat, slice, take};
use crate::dtype::Scalar;
use crate::grid::Grid;
use crate::source::full;
use crate::store::Array;

/// Elements of a border that is made of the array's own: their places are kept in memory.
const BORDER_MAX: u64 = 1 << 22;

/// What is beyond the edge of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// One value.
    Constant(Scalar),
    /// The last element, again and again.
    Nearest,
    /// The elements in reverse, the last not twice.
    Reflect,
    /// The elements in reverse, the last twice.
    Symmetric,
    /// The elements from the other end on.
    Periodic,
}

/// The array with `before` elements in front of and `after` behind `axis`.
///
/// # Errors
/// `UserInput` if there is no such axis, or nothing on it to go by.
pub fn pad(source: &Array, axis: i64, before: u64, after: u64, mode: PadMode) -> Result<Array> {
    let number = axis_of("array_pad", axis, source.rank())?;
    let length = source.shape()[number];
    let border = |positions: (i64, i64)| -> Result<Option<Array>> {
        if positions.0 == positions.1 {
            return Ok(None);
        }
        if let PadMode::Constant(value) = mode {
            let mut sizes = source.grid().all_sizes();
            sizes[number] = vec![positions.0.abs_diff(positions.1)];
            let grid = Grid::irregular(&sizes, source.dtype())?;
            return Ok(Some(full(grid, value)));
        }
        if positions.0.abs_diff(positions.1) > BORDER_MAX {
            return Err(SheafError::user(format!(
                "array_pad: a border of more than {BORDER_MAX} elements must be of one value"
            )));
        }
        if length == 0 {
            return Err(SheafError::user(format!(
                "array_pad: axis {number} is empty: there is nothing to fill its borders with"
            )));
        }
        let inside: Vec<i64> = (positions.0..positions.1)
            .map(|position| mirrored(position, length, mode))
            .collect();
        take(source, &inside, axis).map(Some)
    };
    let (before, after) = (signed(before)?, signed(after)?);
    let end = signed(length)?;
    let behind = end.checked_add(after).ok_or_else(|| {
        SheafError::user(format!(
            "array_pad: axis {number} of {length} elements cannot have {after} more"
        ))
    })?;
    let parts = [
        border((-before, 0))?,
        Some(source.clone()),
        border((end, behind))?,
    ];
    let parts: Vec<Array> = parts.into_iter().flatten().collect();
    match parts.as_slice() {
        [only] => Ok(only.clone()),
        _ => concat(&parts, axis),
    }
}

/// The array with its elements moved on by `shift` along `axis`; those that leave at one end come in at
/// the other.
///
/// # Errors
/// `UserInput` if there is no such axis.
pub fn roll(source: &Array, shift: i64, axis: i64) -> Result<Array> {
    let number = axis_of("array_roll", axis, source.rank())?;
    let length = signed(source.shape()[number])?;
    if length == 0 || shift.rem_euclid(length) == 0 {
        return Ok(source.clone());
    }
    let split = length - shift.rem_euclid(length);
    let part = |start, stop| {
        let mut parts = vec![
            AxisSlice::Range {
                start: None,
                stop: None,
                step: 1
            };
            source.rank()
        ];
        parts[number] = AxisSlice::Range {
            start: Some(start),
            stop: Some(stop),
            step: 1,
        };
        slice(source, &parts)
    };
    concat(&[part(split, length)?, part(0, split)?], axis)
}

/// The position in the array that a position beyond its edge stands for.
fn mirrored(position: i64, length: u64, mode: PadMode) -> i64 {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    match mode {
        PadMode::Constant(_) | PadMode::Nearest => position.clamp(0, length - 1),
        PadMode::Periodic => position.rem_euclid(length),
        PadMode::Symmetric => {
            let at = position.rem_euclid(2 * length);
            at.min(2 * length - 1 - at)
        }
        PadMode::Reflect => {
            let period = (2 * (length - 1)).max(1);
            let at = position.rem_euclid(period);
            at.min(period - at).min(length - 1)
        }
    }
}

fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| SheafError::user(format!("{value} is too large a length")))
}
