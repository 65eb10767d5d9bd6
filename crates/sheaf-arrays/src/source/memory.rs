//! Arrays whose elements are in memory already.

use sheaf_base::Result;

use crate::context::Context;
use crate::grid::{Grid, Region};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::strides;

#[derive(Debug)]
struct Memory {
    grid: Grid,
    tensor: Tensor,
}

/// An array of the elements of `tensor`, in chunks of `chunk` elements per axis.
///
/// # Errors
/// `UserInput` if the chunks do not fit the shape.
pub fn from_tensor(tensor: Tensor, chunk: &[u64]) -> Result<Array> {
    let shape: Vec<u64> = tensor.shape().iter().map(|&length| length as u64).collect();
    let grid = Grid::regular(&shape, chunk, tensor.dtype())?;
    Ok(Array::new(Memory { grid, tensor }))
}

impl ChunkStore for Memory {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, _: &Context) -> Result<Tensor> {
        let strides = strides(region, &self.grid.whole());
        Ok(self.tensor.clone().slice(&strides))
    }

    fn cost(&self) -> Cost {
        Cost::Elements
    }
}
