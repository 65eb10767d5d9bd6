//! Neighbours of elements, and windows that slide over an array.

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::{AxisSlice, PadMode, pad, shelved, slice};

/// The array whose elements are those that are `offsets` away from its own, one number an axis; beyond the
/// edge they are what `mode` says. A stencil is a function of several of these, by [`crate::map`].
///
/// # Errors
/// `UserInput` if there are not as many offsets as axes.
pub fn neighbour(source: &Array, offsets: &[i64], mode: PadMode) -> Result<Array> {
    let shape = source.shape();
    if offsets.len() != shape.len() {
        return Err(SheafError::user(format!(
            "array_map_overlap: offsets {} for an array of shape {}",
            tuple(offsets),
            tuple(&shape)
        )));
    }
    let mut moved = source.clone();
    let mut parts = Vec::with_capacity(shape.len());
    for (axis, (&offset, &length)) in offsets.iter().zip(&shape).enumerate() {
        let (before, after) = match offset < 0 {
            true => (offset.unsigned_abs(), 0),
            false => (0, offset.unsigned_abs()),
        };
        if offset != 0 {
            moved = pad(
                &moved,
                i64::try_from(axis).unwrap_or(0),
                before,
                after,
                mode,
            )?;
        }
        let start = offset.max(0);
        parts.push(AxisSlice::Range {
            start: Some(start),
            stop: Some(start.saturating_add(i64::try_from(length).unwrap_or(i64::MAX))),
            step: 1,
        });
    }
    slice(&moved, &parts)
}

/// An array with an axis more for each axis with a window: the places in it.
#[derive(Debug)]
struct Windows {
    grid: Grid,
    source: Array,
    axes: Vec<usize>,
}

/// All windows of `lengths` elements along `axes`: the array's axes, which are shorter by the length less
/// 1, then an axis for each window.
///
/// # Errors
/// `UserInput` for a window that is empty or longer than its axis.
pub fn sliding_window(source: &Array, lengths: &[u64], axes: &[i64]) -> Result<Array> {
    let shape = source.shape();
    let axes: Result<Vec<usize>> = axes
        .iter()
        .map(|&axis| crate::view::axis_of("array_sliding_window", axis, shape.len()))
        .collect();
    let axes = axes?;
    let is_wrong = axes.len() != lengths.len()
        || axes
            .iter()
            .zip(lengths)
            .any(|(&axis, &length)| length == 0 || length > shape[axis])
        || (1..axes.len()).any(|at| axes[..at].contains(&axes[at]));
    if is_wrong {
        return Err(SheafError::user(format!(
            "array_sliding_window: windows of {} along axes {} do not fit the shape {}",
            tuple(lengths),
            tuple(&axes),
            tuple(&shape)
        )));
    }
    let mut sizes = source.grid().all_sizes();
    for (&axis, &length) in axes.iter().zip(lengths) {
        let mut left = shape[axis] - (length - 1);
        for size in &mut sizes[axis] {
            *size = (*size).min(left);
            left -= *size;
        }
    }
    sizes.extend(lengths.iter().map(|&length| vec![length]));
    Ok(Array::new(Windows {
        grid: Grid::irregular(&sizes, source.dtype())?,
        source: shelved(source),
        axes,
    }))
}

impl ChunkStore for Windows {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let mut all = Tensor::full(&region.shape, self.grid.dtype(), self.grid.fill(), context)?;
        if region.elements() == 0 {
            return Ok(all);
        }
        let rank = self.source.rank();
        let mut inner = Region {
            start: region.start[..rank].to_vec(),
            shape: region.shape[..rank].to_vec(),
        };
        for (at, &axis) in self.axes.iter().enumerate() {
            inner.start[axis] += region.start[rank + at];
            inner.shape[axis] += region.shape[rank + at] - 1;
        }
        let block = self.source.read(&inner, context)?;
        let places = Region {
            start: vec![0; self.axes.len()],
            shape: region.shape[rank..].to_vec(),
        };
        // For each place in the window: the array moved by it.
        let from: Vec<Option<usize>> = (0..rank)
            .map(Some)
            .chain(self.axes.iter().map(|_| None))
            .collect();
        for place in places.blocks(1) {
            let strides: Vec<Stride> = (0..rank)
                .map(|axis| {
                    let window = self.axes.iter().position(|&own| own == axis);
                    Stride {
                        start: window.map_or(0, |at| to_usize(place.start[at])),
                        length: region.shape[axis],
                        step: 1,
                    }
                })
                .collect();
            let mut offset = vec![0; rank];
            offset.extend(place.start.iter().map(|&start| to_usize(start)));
            all.assign(&offset, &block.clone().slice(&strides).relabel(&from))?;
        }
        Ok(all)
    }

    fn cost(&self) -> Cost {
        self.source.cost().max(Cost::Chunks)
    }
}
