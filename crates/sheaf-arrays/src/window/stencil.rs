//! Functions of an element and of others at fixed places around it.

use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use super::sliding::neighbour;
use crate::context::Context;
use crate::dtype::{DType, Scalar};
use crate::elementwise::{Kernel, STRIP_ELEMENTS, map, tensor_of};
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::{PadMode, pad, shelved};

/// How many times its own elements a chunk with what surrounds it may have, to be read as one block.
const AROUND_MAX: u64 = 2;

/// `kernel` of blocks that have been read once with what surrounds them.
#[derive(Debug)]
struct Stencil {
    grid: Grid,
    /// With its borders.
    source: Array,
    /// Elements around each that are looked at, in front of it and behind, on each axis together.
    around: Vec<u64>,
    /// Where the kernel's arguments are in what surrounds an element.
    places: Vec<Vec<u64>>,
    kernel: Arc<dyn Kernel>,
}

/// `kernel` of every element: its arguments are those that are `offsets` away, one list of numbers an
/// argument, one number an axis; beyond the edge they are what `mode` says.
///
/// # Memory
/// A block with what surrounds it and one of results for each thread. Chunks that are dear to read are
/// kept: in half of the memory limit, beyond that on disk.
/// # Errors
/// `UserInput` if there are not as many offsets as axes.
pub fn stencil(
    source: &Array,
    offsets: &[Vec<i64>],
    mode: PadMode,
    dtype: DType,
    kernel: Arc<dyn Kernel>,
) -> Result<Array> {
    let shape = source.shape();
    if let Some(wrong) = offsets.iter().find(|own| own.len() != shape.len()) {
        return Err(SheafError::user(format!(
            "array_map_overlap: offsets {} for an array of shape {}",
            tuple(wrong),
            tuple(&shape)
        )));
    }
    if source.grid().elements() == 0 {
        // Nothing has no edges.
        return map(&vec![source.clone(); offsets.len()], dtype, kernel);
    }
    let reach = |axis: usize, sign: i64| {
        let offsets = offsets.iter().map(|own| own[axis]);
        let reach = offsets.filter(|offset| offset.signum() == sign);
        reach.map(i64::unsigned_abs).max().unwrap_or(0)
    };
    let axes = 0..shape.len();
    let before: Vec<u64> = axes.clone().map(|axis| reach(axis, -1)).collect();
    let after: Vec<u64> = axes.clone().map(|axis| reach(axis, 1)).collect();
    let around: Vec<u64> = axes
        .clone()
        .map(|axis| before[axis].saturating_add(after[axis]))
        .collect();
    if !is_near(source.grid(), &around) {
        let moved: Result<Vec<Array>> = offsets
            .iter()
            .map(|own| neighbour(&shelved(source), own, mode))
            .collect();
        return map(&moved?, dtype, kernel);
    }
    let mut padded = match around.iter().any(|&count| count > 0) {
        true => shelved(source),
        false => source.clone(),
    };
    for axis in axes.filter(|&axis| around[axis] > 0) {
        let number = i64::try_from(axis).unwrap_or(0);
        padded = pad(&padded, number, before[axis], after[axis], mode)?;
    }
    let place = |(offset, before): (&i64, &u64)| before.saturating_add_signed(*offset);
    Ok(Array::new(Stencil {
        grid: Grid::irregular(&source.grid().all_sizes(), dtype)?
            .with_names(source.grid().names())?,
        source: padded,
        around,
        places: offsets
            .iter()
            .map(|own| own.iter().zip(&before).map(place).collect())
            .collect(),
        kernel,
    }))
}

/// Whether what surrounds a chunk is no more than the chunk.
fn is_near(grid: &Grid, around: &[u64]) -> bool {
    let (mut own, mut whole) = (1u64, 1u64);
    for (axis, around) in around.iter().enumerate() {
        let size = grid.sizes(axis).into_iter().max().unwrap_or(0);
        own = own.saturating_mul(size);
        whole = whole.saturating_mul(size.saturating_add(*around));
    }
    whole <= own.saturating_mul(AROUND_MAX)
}

impl ChunkStore for Stencil {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        let mut whole = region.clone();
        for (length, around) in whole.shape.iter_mut().zip(&self.around) {
            *length += to_usize(*around);
        }
        let mut results = Tensor::full(&region.shape, dtype, Scalar::ZERO, context)?;
        if region.elements() == 0 {
            return Ok(results);
        }
        let block = self.source.read(&whole, context)?;
        let bytes = self.source.dtype().bytes() * self.places.len() + dtype.bytes();
        let strip_max = STRIP_ELEMENTS.min(region.elements());
        let _held = context.hold(bytes * strip_max, "array_map_overlap")?;
        for strip in region.blocks(STRIP_ELEMENTS) {
            context.check()?;
            let offset = strip.offset_in(region);
            let arguments: Result<Vec<_>> = self
                .places
                .iter()
                .map(|place| {
                    let strides: Vec<Stride> = (0..offset.len())
                        .map(|axis| Stride {
                            start: offset[axis] + to_usize(place[axis]),
                            length: strip.shape[axis],
                            step: 1,
                        })
                        .collect();
                    block.clone().slice(&strides).into_arrow(context)
                })
                .collect();
            let values = self.kernel.evaluate(&arguments?)?;
            results.assign(&offset, &tensor_of(values, &strip.shape, dtype)?)?;
        }
        Ok(results)
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }
}
