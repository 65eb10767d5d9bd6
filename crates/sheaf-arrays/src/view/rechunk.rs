//! The same array in other chunks.

use sheaf_base::{Result, SheafError};

use super::shelf;
use crate::context::Context;
use crate::grid::{Grid, Region};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

#[derive(Debug)]
struct Rechunk {
    grid: Grid,
    source: Array,
}

/// The array in chunks of `chunk` elements per axis; 0 stands for the whole axis.
///
/// # Memory
/// One chunk of each grid for each thread. Where chunks of the one are in several of the other and are
/// dear to read, the pieces of those that have been read are kept: in half of the memory limit, beyond
/// that on disk.
/// # Errors
/// `UserInput` if there are not as many numbers as axes.
pub fn rechunk(source: &Array, chunk: &[u64]) -> Result<Array> {
    let shape = source.shape();
    if chunk.len() != shape.len() {
        return Err(SheafError::user(format!(
            "array_rechunk: {} chunk sizes for an array of shape {}",
            chunk.len(),
            crate::grid::tuple(&shape)
        )));
    }
    let chunk: Vec<u64> = chunk
        .iter()
        .zip(&shape)
        .map(|(&size, &length)| if size == 0 { length.max(1) } else { size })
        .collect();
    let grid = Grid::regular(&shape, &chunk, source.dtype())?
        .with_fill(source.grid().fill())
        .with_names(source.grid().names())?;
    if grid == *source.grid() {
        return Ok(source.clone());
    }
    let is_nested =
        (0..shape.len()).all(|axis| ends_are_among(&grid.sizes(axis), &source.grid().sizes(axis)));
    let source = match source.cost() {
        Cost::Elements => source.clone(),
        _ if is_nested => source.clone(),
        _ => shelf::cut(source, &grid),
    };
    Ok(Array::new(Rechunk { grid, source }))
}

/// Whether each chunk of the one is made of whole chunks of the other.
fn ends_are_among(coarse: &[u64], fine: &[u64]) -> bool {
    let mut fine = fine.iter();
    coarse.iter().all(|&size| {
        let mut left = size;
        while left > 0 {
            match fine.next().and_then(|own| left.checked_sub(*own)) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    })
}

impl ChunkStore for Rechunk {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        self.source.read(region, context)
    }

    fn cost(&self) -> Cost {
        // Pieces of shelved chunks are read one by one.
        self.source.cost()
    }
}
