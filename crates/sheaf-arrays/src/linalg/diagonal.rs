//! Diagonals, and their sums.

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{Grid, Region};
use crate::reduce::{ReduceOptions, Reduction, reduce};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::{axis_of, shelved, transpose};

/// Of an array, its last two axes as one: where the column is the row plus `offset`.
#[derive(Debug)]
struct Diagonal {
    grid: Grid,
    source: Array,
    offset: i64,
}

/// The elements whose place along `second` is that along `first` plus `offset`, along a last axis; the
/// two are gone.
///
/// # Errors
/// `UserInput` if the axes are the same or do not exist.
pub fn diagonal(source: &Array, offset: i64, first: i64, second: i64) -> Result<Array> {
    let rank = source.rank();
    let rows = axis_of("array_diagonal", first, rank)?;
    let columns = axis_of("array_diagonal", second, rank)?;
    if rows == columns {
        return Err(SheafError::user(
            "array_diagonal: the two axes are the same",
        ));
    }
    let order = (0..rank)
        .filter(|&axis| axis != rows && axis != columns)
        .chain([rows, columns]);
    let order: Vec<i64> = order.map(|axis| i64::try_from(axis).unwrap_or(0)).collect();
    let source = transpose(source, Some(&order))?;
    let shape = source.shape();
    let (height, width) = (shape[rank - 2], shape[rank - 1]);
    let length = match offset < 0 {
        true => height.saturating_sub(offset.unsigned_abs()).min(width),
        false => width.saturating_sub(offset.unsigned_abs()).min(height),
    };
    let mut sizes = source.grid().all_sizes();
    let chunk = sizes[rank - 2].iter().copied().max().unwrap_or(1).max(1);
    sizes.truncate(rank - 2);
    sizes.push(Grid::regular(&[length], &[chunk], source.dtype())?.sizes(0));
    Ok(Array::new(Diagonal {
        grid: Grid::irregular(&sizes, source.dtype())?,
        source: shelved(&source),
        offset,
    }))
}

/// The sum of the diagonal of the first two axes.
///
/// # Errors
/// As [`diagonal`].
pub fn trace(source: &Array, offset: i64) -> Result<Array> {
    let diagonal = diagonal(source, offset, 0, 1)?;
    let options = ReduceOptions {
        axes: Some(vec![-1]),
        ..ReduceOptions::default()
    };
    reduce(&diagonal, Reduction::Sum, &options)
}

impl ChunkStore for Diagonal {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let rank = self.source.rank();
        let mut all = Tensor::full(&region.shape, self.grid.dtype(), self.grid.fill(), context)?;
        let (Some(&start), Some(&length)) = (region.start.last(), region.shape.last()) else {
            return Ok(all);
        };
        // Squares along the diagonal, of which only it is kept.
        let side = 64;
        for first in (0..length).step_by(side) {
            let here = side.min(length - first);
            let mut square = region.clone();
            let from = start + first as u64;
            let down = if self.offset < 0 {
                self.offset.unsigned_abs()
            } else {
                0
            };
            let across = if self.offset > 0 {
                self.offset.unsigned_abs()
            } else {
                0
            };
            square.start[rank - 2] = from + down;
            square.shape[rank - 2] = here;
            square.push(from + across, here);
            let block = self.source.read(&square, context)?;
            for at in 0..here {
                let strides: Vec<Stride> = (0..rank)
                    .map(|axis| Stride {
                        start: if axis < rank - 2 { 0 } else { at },
                        length: if axis < rank - 2 {
                            square.shape[axis]
                        } else {
                            1
                        },
                        step: 1,
                    })
                    .collect();
                let from: Vec<Option<usize>> = (0..rank - 1).map(Some).collect();
                let mut offset = vec![0; rank - 1];
                offset[rank - 2] = first + at;
                all.assign(&offset, &block.clone().slice(&strides).relabel(&from))?;
            }
        }
        Ok(all)
    }

    fn cost(&self) -> Cost {
        self.source.cost().max(Cost::Chunks)
    }
}
