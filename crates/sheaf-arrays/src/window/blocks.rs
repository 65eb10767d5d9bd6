//! Functions that the caller gives, of whole chunks, with or without what surrounds them.

use std::fmt;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::{PadMode, assemble, pad, shelved};

/// A function of a block that gives a block of the same shape.
pub trait BlockKernel: fmt::Debug + Send + Sync {
    /// The block of results, of the type that was announced. `place` is where the block lies in the array.
    ///
    /// # Errors
    /// Any; the caller adds which array it was.
    fn evaluate(&self, block: Tensor, place: &Region, context: &Context) -> Result<Tensor>;
}

/// What surrounds an array for functions of neighbourhoods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Boundary {
    /// Nothing: blocks at the edge have less around them.
    None,
    /// What padding in this mode makes.
    Padded(PadMode),
}

/// A function of chunks with `depth` elements of their neighbours on both sides of each axis.
#[derive(Debug)]
struct Overlap {
    grid: Grid,
    /// With its borders.
    source: Array,
    depth: Vec<u64>,
    /// Borders that have been added in front.
    added: Vec<u64>,
    kernel: Arc<dyn BlockKernel>,
}

/// `kernel` of every chunk.
///
/// # Errors
/// `UserInput` if the grid has too many chunks.
pub fn map_blocks(source: &Array, dtype: DType, kernel: Arc<dyn BlockKernel>) -> Result<Array> {
    let rank = source.rank();
    map_overlap(
        source,
        dtype,
        &vec![0; rank],
        &vec![Boundary::None; rank],
        kernel,
    )
}

/// `kernel` of every chunk with `depth` elements of its neighbours on both sides of each axis, and at the
/// edges what `boundaries` say; of the results, those of the chunk itself.
///
/// # Errors
/// `UserInput` if there are not as many depths and boundaries as axes.
pub fn map_overlap(
    source: &Array,
    dtype: DType,
    depth: &[u64],
    boundaries: &[Boundary],
    kernel: Arc<dyn BlockKernel>,
) -> Result<Array> {
    let rank = source.rank();
    if depth.len() != rank || boundaries.len() != rank {
        return Err(SheafError::user(format!(
            "array_map_overlap: {} depths and {} boundaries for an array of shape {}",
            depth.len(),
            boundaries.len(),
            tuple(&source.shape())
        )));
    }
    let mut padded = match depth.iter().any(|&depth| depth > 0) {
        true => shelved(source),
        false => source.clone(),
    };
    let mut added = vec![0; rank];
    for axis in 0..rank {
        if let Boundary::Padded(mode) = boundaries[axis] {
            let number = i64::try_from(axis).unwrap_or(0);
            padded = pad(&padded, number, depth[axis], depth[axis], mode)?;
            added[axis] = depth[axis];
        }
    }
    let grid = Grid::irregular(&source.grid().all_sizes(), dtype)?;
    Ok(Array::new(Overlap {
        grid: grid.with_names(source.grid().names())?,
        source: padded,
        depth: depth.to_vec(),
        added,
        kernel,
    }))
}

impl Overlap {
    fn chunk(&self, whole: &Region, context: &Context) -> Result<Tensor> {
        let shape = self.source.shape();
        let mut around = Region::empty();
        let mut strides = Vec::with_capacity(shape.len());
        for (axis, &length) in shape.iter().enumerate() {
            let start = whole.start[axis] + self.added[axis];
            let first = start.saturating_sub(self.depth[axis]);
            let end = start + whole.shape[axis] as u64;
            let end = end.saturating_add(self.depth[axis]).min(length);
            around.push(first, to_usize(end - first));
            strides.push(Stride {
                start: to_usize(start - first),
                length: whole.shape[axis],
                step: 1,
            });
        }
        let block = self.source.read(&around, context)?;
        let result = self.kernel.evaluate(block, whole, context)?;
        match result.shape() == around.shape && result.dtype() == self.grid.dtype() {
            true => Ok(result.slice(&strides)),
            false => Err(SheafError::user(format!(
                "a function of a block of shape {} gave {} of {} instead of {}",
                tuple(&around.shape),
                tuple(result.shape()),
                result.dtype(),
                self.grid.dtype()
            ))),
        }
    }
}

impl ChunkStore for Overlap {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let parts = self.grid.cut(region);
        assemble(region, self.grid.dtype(), context, &parts, |part| {
            let whole = self.grid.region_of(&self.grid.chunk_of(part))?;
            let strides: Vec<Stride> = part
                .offset_in(&whole)
                .into_iter()
                .zip(&part.shape)
                .map(|(start, &length)| Stride {
                    start,
                    length,
                    step: 1,
                })
                .collect();
            Ok(self.chunk(&whole, context)?.slice(&strides))
        })
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}
