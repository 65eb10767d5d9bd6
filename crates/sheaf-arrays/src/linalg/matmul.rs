//! Products of matrices, tile by tile.
//!
//! A tile of the product streams along the inner axis, a block of each factor at a time. Where one factor
//! is the other's transpose, the product is symmetric: of two tiles that mirror each other one is
//! computed, and kept until the other is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use num_complex::Complex;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::gemm::{Factor, INNER, Target, multiply_in_strips, packed_bytes};
use super::kernels::Multiply;
use crate::context::{Context, next_number};
use crate::dtype::{Class, DType};
use crate::elementwise::{cast, common_shape};
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::scratch::{ScratchFile, Stored};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Block, Tensor};
use crate::view::{broadcast_to, expand_dims, shelved, squeeze, transpose};

/// Strips in which a tile on the diagonal of a symmetric product is computed, of which the part left of
/// the diagonal is the mirror of the rest.
const STRIPS: usize = 8;

/// Elements of a product of a single tile up to which blocks along the inner axis are multiplied at the
/// same time, each into a tile of its own.
const PARTS_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Product {
    number: u64,
    grid: Grid,
    left: Array,
    right: Array,
    is_symmetric: bool,
}

/// Tiles that wait for their mirrors to be asked for.
#[derive(Default)]
struct Mirrors {
    tiles: Mutex<HashMap<Vec<u32>, Slot>>,
    file: Mutex<Option<Arc<dyn ScratchFile>>>,
}

type Slot = Arc<Mutex<Option<Waiting>>>;

/// A tile that has been computed, and its chunk.
struct Waiting {
    chunk: Vec<u32>,
    place: Place,
}

enum Place {
    Memory(Tensor),
    Disk(Arc<dyn ScratchFile>, Stored),
}

/// The product of matrices, as NumPy's `matmul`: of the last two axes, those before repeated to the same
/// shape; an array of one axis is a row on the left and a column on the right.
///
/// # Memory
/// A tile of the product and a block of each factor for each thread. Factors that are dear to read are
/// kept, in half of the memory limit, beyond that on disk.
/// # Errors
/// `UserInput` if the inner sizes differ.
pub fn matmul(left: &Array, right: &Array) -> Result<Array> {
    let shapes = || format!("{} × {}", tuple(&left.shape()), tuple(&right.shape()));
    let dtype = left.dtype().promote(right.dtype());
    let (is_row, is_column) = (left.rank() == 1, right.rank() == 1);
    let wide = |array: &Array, axis: i64| match array.rank() {
        0 => Err(SheafError::user(format!(
            "array_matmul: an array without axes is no matrix: {}",
            shapes()
        ))),
        1 => expand_dims(array, &[axis]),
        _ => Ok(array.clone()),
    };
    let is_gram = is_transpose(left, right) && left.dtype() == dtype && left.rank() == 2;
    let (a, b) = (wide(left, 0)?, wide(right, 1)?);
    let (a_shape, b_shape) = (a.shape(), b.shape());
    let inner = (a_shape[a_shape.len() - 1], b_shape[b_shape.len() - 2]);
    if inner.0 != inner.1 {
        return Err(SheafError::user(format!(
            "array_matmul: inner sizes differ: {}",
            shapes()
        )));
    }
    let (a, b) = repeat_batches(&a, &b)?;
    let rank = a.rank();
    let mut sizes = a.grid().all_sizes();
    sizes[rank - 1] = b.grid().sizes(rank - 1);
    for (axis, sizes) in sizes.iter_mut().enumerate().take(rank - 2) {
        *sizes = a.grid().sizes(axis);
    }
    let right = shelved(&cast(&b, dtype));
    let left = match is_gram {
        // What is kept of the one serves the other.
        true => transpose(&right, None)?,
        false => shelved(&cast(&a, dtype)),
    };
    let product = Array::new(Product {
        number: next_number(),
        grid: Grid::irregular(&sizes, dtype)?,
        left,
        right,
        is_symmetric: is_gram,
    });
    let last = i64::try_from(rank).unwrap_or(0) - 1;
    match (is_row, is_column) {
        (false, false) => Ok(product),
        (true, false) => squeeze(&product, Some(&[last - 1])),
        (false, true) => squeeze(&product, Some(&[last])),
        (true, true) => squeeze(&product, Some(&[last - 1, last])),
    }
}

/// Whether one is the other's transpose, and no more.
fn is_transpose(left: &Array, right: &Array) -> bool {
    left.transpose_of().is_some_and(|of| of.is(right))
        || right.transpose_of().is_some_and(|of| of.is(left))
}

/// Both with the same axes in front of the last two.
fn repeat_batches(a: &Array, b: &Array) -> Result<(Array, Array)> {
    if a.rank() == 2 && b.rank() == 2 {
        return Ok((a.clone(), b.clone()));
    }
    let front = |array: &Array| {
        let mut shape = array.shape();
        let matrix = shape.split_off(shape.len() - 2);
        (shape, matrix)
    };
    let ((a_front, a_matrix), (b_front, b_matrix)) = (front(a), front(b));
    let stand_in = |shape: &[u64]| -> Result<Array> {
        let chunk: Vec<u64> = shape.iter().map(|&length| length.max(1)).collect();
        let grid = Grid::regular(shape, &chunk, DType::Bool)?;
        Ok(crate::source::full(grid, crate::dtype::Scalar::ZERO))
    };
    let common = common_shape("array_matmul", &[stand_in(&a_front)?, stand_in(&b_front)?])?;
    let whole = |matrix: Vec<u64>| common.iter().copied().chain(matrix).collect::<Vec<u64>>();
    Ok((
        broadcast_to(a, &whole(a_matrix))?,
        broadcast_to(b, &whole(b_matrix))?,
    ))
}

impl ChunkStore for Product {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        match dtype {
            DType::Float32 => self.read_as::<f32>(region, context),
            _ => match dtype.class() {
                Class::Int => self.read_as::<i64>(region, context),
                Class::UInt | Class::Bool => self.read_as::<u64>(region, context),
                Class::Float => self.read_as::<f64>(region, context),
                Class::Complex => self.read_as::<Complex<f64>>(region, context),
            },
        }
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Product {
    fn read_as<T: Multiply>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let chunk = self.grid.chunk_of(region);
        let is_tile = self.is_symmetric
            && region.elements() > 0
            && self
                .grid
                .region_of(&chunk)
                .is_ok_and(|whole| whole == *region);
        if !is_tile {
            return self.compute::<T>(region, context);
        }
        if chunk[0] == chunk[1] {
            return self.diagonal::<T>(region, context);
        }
        let mirrors = context.kept::<Mirrors>(self.number);
        let mut pair = chunk.clone();
        pair.sort_unstable();
        let slot = Arc::clone(mirrors.tiles.lock().entry(pair).or_default());
        let mut waiting = slot.lock();
        if let Some(tile) = waiting.take_if(|tile| tile.chunk != chunk) {
            return Ok(tile.place.read(context)?.transpose(&[1, 0]));
        }
        if let Some(tile) = &*waiting {
            return tile.place.read(context);
        }
        let tile = self.compute::<T>(region, context)?;
        let place = mirrors.keep(&tile, context)?;
        *waiting = Some(Waiting { chunk, place });
        Ok(tile)
    }

    /// A box of the product.
    fn compute<T: Multiply>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let rank = region.shape.len();
        let (rows, columns) = (region.shape[rank - 2], region.shape[rank - 1]);
        let batch = Region {
            start: region.start[..rank - 2].to_vec(),
            shape: region.shape[..rank - 2].to_vec(),
        };
        let hold = context.hold_chunk(&region.shape, T::DTYPE)?;
        let mut elements = vec![T::default(); region.elements()];
        if region.elements() > 0 {
            let layers = batch.blocks(1);
            for (layer, target) in layers.iter().zip(elements.chunks_mut(rows * columns)) {
                let mut tile = layer.clone();
                tile.push(region.start[rank - 2], rows);
                tile.push(region.start[rank - 1], columns);
                self.tile(&tile, target, context)?;
            }
        }
        let product = Tensor::from_vec(&region.shape, elements)?.held(hold);
        product.cast(self.grid.dtype(), context)
    }

    /// Adds up a tile. Where there are fewer tiles than could be computed at a time, the blocks along the
    /// inner axis are.
    fn tile<T: Multiply>(&self, tile: &Region, sums: &mut [T], context: &Context) -> Result<()> {
        let steps = self.inner_steps::<T>(tile, context);
        let (rows, columns) = (
            tile.shape[tile.shape.len() - 2],
            tile.shape[tile.shape.len() - 1],
        );
        if self.grid.chunks() > 1 || sums.len() > PARTS_MAX {
            let single = context.single();
            return steps
                .iter()
                .try_for_each(|&step| self.add_step(tile, step, sums, columns, &single));
        }
        let count = sums.len();
        let bytes = size_of_val(sums);
        let step_max = steps.iter().map(|step| step.1).max().unwrap_or(0);
        let block = tile.shape.iter().rev().take(2).sum::<usize>() * step_max * size_of::<T>();
        context.in_order(
            steps.len(),
            bytes + block + packed_bytes::<T>(rows, columns, step_max),
            |number, context| {
                let _held = context.hold(bytes, "a part of a product")?;
                let mut part = vec![T::default(); count];
                self.add_step(tile, steps[number], &mut part, columns, context)?;
                Ok((part, _held))
            },
            |_, (part, _held)| {
                sums.iter_mut()
                    .zip(part)
                    .for_each(|(sum, value)| *sum = sum.plus(value));
                Ok(())
            },
        )
    }

    /// Where the inner axis is cut: along the left factor's chunks, and these into such blocks as fit.
    fn inner_steps<T>(&self, tile: &Region, context: &Context) -> Vec<(u64, usize)> {
        let sides: usize = tile.shape.iter().rev().take(2).sum();
        let most = context.block_bytes() * 2 / (sides * size_of::<T>()).max(1);
        // Of what is read a chunk at a time, a part takes as much memory as all of it.
        let most = match self.left.cost() {
            Cost::Elements => (most / INNER).max(1) * INNER,
            _ => usize::MAX,
        };
        let mut steps = Vec::new();
        let mut start = 0;
        for size in self.left.grid().sizes(self.left.rank() - 1) {
            for first in (0..to_usize(size)).step_by(most) {
                steps.push((start + first as u64, most.min(to_usize(size) - first)));
            }
            start += size;
        }
        steps
    }

    /// Adds the products of `step.1` columns and rows from `step.0` on to the rows of `sums`.
    fn add_step<T: Multiply>(
        &self,
        tile: &Region,
        step: (u64, usize),
        sums: &mut [T],
        row_step: usize,
        context: &Context,
    ) -> Result<()> {
        let rank = tile.shape.len();
        let (mut left, mut right) = (tile.clone(), tile.clone());
        (left.start[rank - 1], left.shape[rank - 1]) = step;
        (right.start[rank - 2], right.shape[rank - 2]) = step;
        let packed = packed_bytes::<T>(tile.shape[rank - 2], tile.shape[rank - 1], step.1);
        let _packed = context.hold(packed, "array_matmul")?;
        let left = self.left.read(&left, context)?.cast(T::DTYPE, context)?;
        let right = self.right.read(&right, context)?.cast(T::DTYPE, context)?;
        let (left, right) = (
            Matrix::<T>::of(left, context)?,
            Matrix::<T>::of(right, context)?,
        );
        let mut target = Target {
            elements: sums,
            row_step,
            rows: tile.shape[rank - 2],
            columns: tile.shape[rank - 1],
        };
        multiply_with_idle(left.factor(), right.factor(), step.1, &mut target, context);
        context.check()
    }

    /// A tile on the diagonal of a symmetric product: strips from the diagonal to the right, and their
    /// mirror.
    fn diagonal<T: Multiply>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let side = region.shape[0];
        let hold = context.hold_chunk(&region.shape, T::DTYPE)?;
        let mut elements = vec![T::default(); side * side];
        let steps = self.inner_steps::<T>(region, context);
        let step_max = steps.iter().map(|step| step.1).max().unwrap_or(0);
        let packed = packed_bytes::<T>(side, side, step_max);
        let _packed = context.hold(packed, "array_matmul")?;
        for step in steps {
            let mut right = region.clone();
            (right.start[0], right.shape[0]) = step;
            let right = self.right.read(&right, context)?.cast(T::DTYPE, context)?;
            let right = Matrix::<T>::of(right, context)?;
            for first in (0..side).step_by(side.div_ceil(STRIPS)) {
                let rows = side.div_ceil(STRIPS).min(side - first);
                let factor = right.factor();
                // The left factor is the right one's transpose.
                let left = Factor {
                    elements: &factor.elements[first * factor.column_step..],
                    row_step: factor.column_step,
                    column_step: factor.row_step,
                };
                let right = Factor {
                    elements: &factor.elements[first * factor.column_step..],
                    ..factor
                };
                let mut target = Target {
                    elements: &mut elements[first * side + first..],
                    row_step: side,
                    rows,
                    columns: side - first,
                };
                multiply_with_idle(left, right, step.1, &mut target, context);
                context.check()?;
            }
        }
        for row in 0..side {
            for column in 0..row {
                elements[row * side + column] = elements[column * side + row];
            }
        }
        let product = Tensor::from_vec(&region.shape, elements)?.held(hold);
        product.cast(self.grid.dtype(), context)
    }
}

/// Adds the product of `left` and `right` to `target`, strips of its rows on threads that have nothing
/// else to do.
fn multiply_with_idle<T: Multiply>(
    left: Factor<'_, T>,
    right: Factor<'_, T>,
    inner: usize,
    target: &mut Target<'_, T>,
    context: &Context,
) {
    let idle = context.idle_threads();
    let packed = packed_bytes::<T>(target.rows, target.columns, inner) * idle.count();
    let held = context.try_hold(packed);
    let threads = 1 + held.as_ref().map_or(0, |_| idle.count());
    multiply_in_strips(threads, left, right, inner, target);
}

/// The last two axes of a block as a factor. The block keeps its memory.
struct Matrix<T> {
    block: Block<T>,
    _held: Tensor,
}

impl<T: Multiply> Matrix<T> {
    fn of(tensor: Tensor, context: &Context) -> Result<Self> {
        let is_ours =
            |block: &Block<T>| block.is_standard_layout() || block.t().is_standard_layout();
        let tensor = match T::block(&tensor.data).is_some_and(is_ours) {
            true => tensor,
            false => tensor.contiguous(context)?,
        };
        match T::block(&tensor.data) {
            Some(block) => Ok(Self {
                block: block.clone(),
                _held: tensor,
            }),
            None => Err(SheafError::internal("a factor of another type")),
        }
    }

    fn factor(&self) -> Factor<'_, T> {
        let rank = self.block.ndim();
        let (rows, columns) = (self.block.shape()[rank - 2], self.block.shape()[rank - 1]);
        match self.block.as_slice() {
            Some(elements) => Factor {
                elements,
                row_step: columns,
                column_step: 1,
            },
            None => Factor {
                elements: self.block.as_slice_memory_order().unwrap_or(&[]),
                row_step: 1,
                column_step: rows,
            },
        }
    }
}

impl Place {
    fn read(&self, context: &Context) -> Result<Tensor> {
        match self {
            Place::Memory(tile) => Ok(tile.clone()),
            Place::Disk(file, stored) => stored.read(&**file, context),
        }
    }
}

impl Mirrors {
    fn keep(&self, tile: &Tensor, context: &Context) -> Result<Place> {
        if context.has_room_for(0) {
            return Ok(Place::Memory(tile.clone()));
        }
        let file = {
            let mut file = self.file.lock();
            match &*file {
                Some(file) => Arc::clone(file),
                None => Arc::clone(file.insert(context.scratch().create("array_matmul")?)),
            }
        };
        let stored = Stored::write(&*file, tile)?;
        Ok(Place::Disk(file, stored))
    }
}
