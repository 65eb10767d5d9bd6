//! Parts of an array: ranges with steps, single positions, and axes turned round.

use sheaf_base::{Result, SheafError};

use super::{assemble, axes_of, squeeze};
use crate::context::Context;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};

/// What is taken of an axis, as Python's slices say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisSlice {
    /// From `start` on to before `stop`, in steps; negative positions count from the end, and what is not
    /// given is the end at which the steps begin or stop.
    Range {
        /// The first position.
        start: Option<i64>,
        /// The position before which to stop.
        stop: Option<i64>,
        /// The distance of positions; not 0.
        step: i64,
    },
    /// One position; the axis goes.
    Index(i64),
}

/// Along each axis, positions `start + i · step`.
#[derive(Debug)]
struct Slice {
    grid: Grid,
    source: Array,
    starts: Vec<u64>,
    steps: Vec<i64>,
}

/// The part of `source` that `parts` tell, one an axis; of axes without one, all.
///
/// # Errors
/// `UserInput` if there are more parts than axes, a step is 0, or a single position does not exist.
pub fn slice(source: &Array, parts: &[AxisSlice]) -> Result<Array> {
    let shape = source.shape();
    if parts.len() > shape.len() {
        return Err(SheafError::user(format!(
            "array_slice: {} parts for an array of shape {}",
            parts.len(),
            tuple(&shape)
        )));
    }
    let (mut starts, mut steps, mut sizes, mut single) = (vec![], vec![], vec![], vec![]);
    for (axis, &length) in shape.iter().enumerate() {
        let part = parts.get(axis).copied().unwrap_or(AxisSlice::Range {
            start: None,
            stop: None,
            step: 1,
        });
        let (start, step, count) = resolve(axis, length, part)?;
        if matches!(part, AxisSlice::Index(_)) {
            single.push(i64::try_from(axis).unwrap_or(0));
        }
        sizes.push(chunk_sizes(&source.grid().sizes(axis), start, step, count));
        starts.push(start);
        steps.push(step);
    }
    let grid = Grid::irregular(&sizes, source.dtype())?
        .with_fill(source.grid().fill())
        .with_names(source.grid().names())?;
    let all = source.clone();
    if grid == *source.grid() && steps.iter().all(|&step| step == 1) {
        return squeeze(&all, Some(&single));
    }
    let part = Array::new(Slice {
        grid,
        source: all,
        starts,
        steps,
    });
    if single.is_empty() {
        Ok(part)
    } else {
        squeeze(&part, Some(&single))
    }
}

/// The array with `axes` turned round; of none given, all.
///
/// # Errors
/// `UserInput` if an axis does not exist.
pub fn flip(source: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let turned = axes_of("array_flip", axes, source.rank())?;
    let parts: Vec<AxisSlice> = (0..source.rank())
        .map(|axis| AxisSlice::Range {
            start: None,
            stop: None,
            step: if turned.contains(&axis) { -1 } else { 1 },
        })
        .collect();
    slice(source, &parts)
}

/// Parts as NumPy writes them: `0:100, ::-2, 5, ...`, for an array of `rank` axes.
///
/// # Errors
/// `UserInput` for texts that are none.
pub fn parse_slice(text: &str, rank: usize) -> Result<Vec<AxisSlice>> {
    let wrong = |part: &str| {
        SheafError::user(format!("array_slice: \"{part}\" is no part of an axis"))
            .with_hint("write start:stop:step, of which each may be left out, a position, or ...")
    };
    let texts: Vec<&str> = text.split(',').map(str::trim).collect();
    let texts = match texts.as_slice() {
        [rest @ .., ""] => rest.to_vec(),
        _ => texts,
    };
    let whole = AxisSlice::Range {
        start: None,
        stop: None,
        step: 1,
    };
    let mut parts = Vec::new();
    let mut has_dots = false;
    for part in &texts {
        if *part == "..." && !has_dots {
            has_dots = true;
            let others = texts.len() - 1;
            parts.extend(std::iter::repeat_n(whole, rank.saturating_sub(others)));
            continue;
        }
        let numbers: Option<Vec<Option<i64>>> = part
            .split(':')
            .map(|number| match number.trim() {
                "" => Some(None),
                digits => digits.parse().ok().map(Some),
            })
            .collect();
        parts.push(match numbers.as_deref() {
            Some(&[Some(position)]) => AxisSlice::Index(position),
            Some(&[start, stop]) => AxisSlice::Range {
                start,
                stop,
                step: 1,
            },
            Some(&[start, stop, step]) => AxisSlice::Range {
                start,
                stop,
                step: step.unwrap_or(1),
            },
            _ => return Err(wrong(part)),
        });
    }
    Ok(parts)
}

/// First position, step and number of positions of a part.
fn resolve(axis: usize, length: u64, part: AxisSlice) -> Result<(u64, i64, u64)> {
    let count = i128::from(length);
    let from_end = |position: i64| match position < 0 {
        true => i128::from(position) + count,
        false => i128::from(position),
    };
    let (start, stop, step) = match part {
        AxisSlice::Index(position) => {
            let found = from_end(position);
            if !(0..count).contains(&found) {
                return Err(SheafError::user(format!(
                    "array_slice: there is no position {position} on axis {axis} of {length} elements"
                )));
            }
            (found, found + 1, 1)
        }
        AxisSlice::Range { step: 0, .. } => {
            return Err(SheafError::user(format!(
                "array_slice: the step of axis {axis} is 0"
            )));
        }
        AxisSlice::Range { start, stop, step } if step > 0 => (
            start.map_or(0, |start| from_end(start).clamp(0, count)),
            stop.map_or(count, |stop| from_end(stop).clamp(0, count)),
            step,
        ),
        AxisSlice::Range { start, stop, step } => (
            start.map_or(count - 1, |start| from_end(start).clamp(-1, count - 1)),
            stop.map_or(-1, |stop| from_end(stop).clamp(-1, count - 1)),
            step,
        ),
    };
    let span = (stop - start) * i128::from(step.signum());
    let positions = span
        .max(0)
        .unsigned_abs()
        .div_ceil(u128::from(step.unsigned_abs()));
    Ok((
        u64::try_from(start.max(0)).unwrap_or(0),
        step,
        u64::try_from(positions).unwrap_or(0),
    ))
}

/// How many positions lie in each chunk of the source, in the order of the positions.
fn chunk_sizes(source: &[u64], start: u64, step: i64, count: u64) -> Vec<u64> {
    let mut sizes = Vec::new();
    let (mut left, width) = (count, step.unsigned_abs());
    if step > 0 {
        let (mut position, mut end) = (start, 0);
        for size in source {
            end += size;
            if position < end && left > 0 {
                let here = (end - position).div_ceil(width).min(left);
                sizes.push(here);
                left -= here;
                position = position.saturating_add(here.saturating_mul(width));
            }
        }
    } else {
        let mut begin: u64 = source.iter().sum();
        let mut position = Some(start);
        for size in source.iter().rev() {
            begin -= size;
            if let Some(at) = position.filter(|&at| at >= begin && left > 0) {
                let here = ((at - begin) / width + 1).min(left);
                sizes.push(here);
                left -= here;
                position = here
                    .checked_mul(width)
                    .and_then(|moved| at.checked_sub(moved));
            }
        }
    }
    sizes
}

impl Slice {
    /// The box of the source that has all positions of `region`, and where they are in it.
    fn inner(&self, region: &Region) -> (Region, Vec<Stride>) {
        let mut inner = Region::empty();
        let mut strides = Vec::with_capacity(region.shape.len());
        for (axis, (&start, &length)) in region.start.iter().zip(&region.shape).enumerate() {
            let step = self.steps[axis];
            let width = step.unsigned_abs();
            let span = width * (length as u64).saturating_sub(1);
            let first = match step < 0 {
                true => self.starts[axis] - width * start,
                false => self.starts[axis] + width * start,
            };
            let lowest = if step < 0 { first - span } else { first };
            inner.push(lowest, to_usize(span + 1));
            strides.push(Stride {
                start: to_usize(first - lowest),
                length,
                step: isize::try_from(step).unwrap_or(isize::MAX),
            });
        }
        (inner, strides)
    }
}

impl ChunkStore for Slice {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        if region.elements() == 0 {
            return Tensor::full(&region.shape, dtype, self.grid.fill(), context);
        }
        let (inner, strides) = self.inner(region);
        let wanted = region.elements() * dtype.bytes();
        let bytes = inner.elements().saturating_mul(dtype.bytes());
        if bytes / 2 > wanted && bytes > context.block_bytes() && wanted > dtype.bytes() {
            let (first, second) = region.halves().unwrap_or((region.clone(), Region::empty()));
            return assemble(region, dtype, context, &[first, second], |part| {
                self.read(part, context)
            });
        }
        let part = self.source.read(&inner, context)?.slice(&strides);
        // Elements that nobody wants are not kept in memory.
        if bytes / 2 > wanted {
            part.apart(context)
        } else {
            Ok(part)
        }
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }
}
