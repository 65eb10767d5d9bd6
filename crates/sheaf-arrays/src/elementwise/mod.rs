//! Functions of single elements, of one array or of several, whose shapes are brought together as
//! NumPy's: axes of length 1, and missing ones in front, are repeated.

mod binary;
mod kernel;
mod select;
mod unary;

use std::fmt;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::{Grid, Region, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::broadcast_to;

pub(crate) use binary::quotient;
pub use binary::{BinaryOp, binary};
pub use kernel::{Kernel, map};
pub(crate) use kernel::{STRIP_ELEMENTS, tensor_of};
pub use select::select;
pub use unary::{UnaryOp, unary};

/// What is done with blocks of the same shape; one of a single element stands for as many as there are.
pub(crate) trait Pointwise: fmt::Debug + Send + Sync {
    /// The block of the results, of the type that the grid has.
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor>;
}

#[derive(Debug)]
struct Elementwise {
    grid: Grid,
    sources: Vec<Array>,
    function: Arc<dyn Pointwise>,
}

/// The function of the arrays, for `operation`.
pub(crate) fn pointwise(
    operation: &str,
    sources: &[Array],
    dtype: DType,
    function: impl Pointwise + 'static,
) -> Result<Array> {
    let shape = common_shape(operation, sources)?;
    let mut names = vec![None; shape.len()];
    let mut sizes: Vec<Vec<u64>> = vec![Vec::new(); shape.len()];
    for source in sources {
        let new = shape.len() - source.rank();
        let own_names = source.grid().names();
        for (axis, own) in source.shape().iter().enumerate() {
            if *own == shape[axis + new] && sizes[axis + new].is_empty() {
                sizes[axis + new] = source.grid().sizes(axis);
            }
            names[axis + new] = names[axis + new].take().or_else(|| own_names[axis].clone());
        }
    }
    let grid = Grid::irregular(&sizes, dtype)?;
    let grid = grid.clone().with_names(names).unwrap_or(grid);
    // Arrays of one element are not repeated: the function does that.
    let sources: Result<Vec<Array>> = sources
        .iter()
        .map(|source| match source.grid().elements() {
            1 => Ok(source.clone()),
            _ => broadcast_to(source, &shape),
        })
        .collect();
    Ok(Array::new(Elementwise {
        grid,
        sources: sources?,
        function: Arc::new(function),
    }))
}

/// The shape to which the shapes of all are repeated.
///
/// # Errors
/// `UserInput`, for `operation`, if there is none.
pub fn common_shape(operation: &str, arrays: &[Array]) -> Result<Vec<u64>> {
    let rank = arrays.iter().map(Array::rank).max().unwrap_or(0);
    let mut shape = vec![1u64; rank];
    for array in arrays {
        let own = array.shape();
        let new = rank - own.len();
        for (axis, &length) in own.iter().enumerate() {
            let common = &mut shape[axis + new];
            match (*common, length) {
                (1, length) => *common = length,
                (common, length) if length == common || length == 1 => {}
                _ => {
                    let shapes: Vec<String> =
                        arrays.iter().map(|array| tuple(&array.shape())).collect();
                    return Err(SheafError::user(format!(
                        "{operation}: shapes do not go together: {}",
                        shapes.join(" and ")
                    )));
                }
            }
        }
    }
    Ok(shape)
}

impl ChunkStore for Elementwise {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let blocks: Result<Vec<Tensor>> = self
            .sources
            .iter()
            .map(|source| match source.grid().elements() {
                1 => source.read(&source.grid().whole(), context),
                _ => source.read(region, context)?.contiguous(context),
            })
            .collect();
        self.function.apply(blocks?, &region.shape, context)
    }

    fn cost(&self) -> Cost {
        self.sources
            .iter()
            .map(Array::cost)
            .max()
            .unwrap_or(Cost::Elements)
    }
}

#[derive(Debug)]
struct Cast {
    grid: Grid,
    source: Array,
}

/// The array with its elements as another type: floats are cut, whole numbers wrap.
#[must_use]
pub fn cast(source: &Array, dtype: DType) -> Array {
    if source.dtype() == dtype {
        return source.clone();
    }
    Array::new(Cast {
        grid: source.grid().clone().with_dtype(dtype),
        source: source.clone(),
    })
}

impl ChunkStore for Cast {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        self.source
            .read(region, context)?
            .cast(self.grid.dtype(), context)
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }
}
