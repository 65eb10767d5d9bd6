//! Running sums and products.

use std::collections::HashMap;
use std::sync::Arc;

use num_complex::Complex;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::Reduction;
use super::folds::Number;
use crate::context::{Context, next_number};
use crate::dtype::{Class, Scalar};
use crate::grid::{Grid, Region};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Block, Element, Stride, Tensor, Wide};
use crate::view::{assemble, axis_of};

/// What runs along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cumulative {
    /// The sum of all elements up to each.
    Sum,
    /// Their product.
    Product,
}

/// A running sum or product.
#[derive(Debug)]
struct Running {
    number: u64,
    grid: Grid,
    source: Array,
    axis: usize,
    kind: Cumulative,
}

/// What has come of whole chunks, by their coordinates beside the axis: what stands in front of each
/// chunk along it, as far as that is known.
#[derive(Default)]
struct Carries {
    rows: Mutex<HashMap<Vec<u32>, Row>>,
}

/// What stands in front of the chunks of a row. Who adds to it holds the lock; others wait.
type Row = Arc<Mutex<Vec<Tensor>>>;

/// The running sum or product along `axis`, of whole numbers in 64 bits.
///
/// # Memory
/// One slab across the axis for each of its chunks is kept while a reader goes on.
/// # Errors
/// `UserInput` if there is no such axis.
pub fn cumulative(source: &Array, kind: Cumulative, axis: i64) -> Result<Array> {
    let axis = axis_of("array_cumulative", axis, source.rank())?;
    let dtype = Reduction::Sum.result(source.dtype());
    Ok(Array::new(Running {
        number: next_number(),
        grid: source
            .grid()
            .clone()
            .with_dtype(dtype)
            .with_fill(Scalar::ZERO),
        source: source.clone(),
        axis,
        kind,
    }))
}

impl ChunkStore for Running {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        match self.source.dtype().class() {
            Class::Int => self.read_as::<i64>(region, context),
            Class::UInt => self.read_as::<u64>(region, context),
            Class::Bool => self.read_as::<i64>(region, context),
            Class::Float => self.read_as::<f64>(region, context),
            Class::Complex => self.read_as::<Complex<f64>>(region, context),
        }
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Running {
    fn read_as<W: Number>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let parts = self.grid.cut(region);
        assemble(region, self.grid.dtype(), context, &parts, |part| {
            let chunk = self.grid.chunk_of(part);
            let whole = self.grid.region_of(&chunk)?;
            let mut from_start = part.clone();
            from_start.start[self.axis] = whole.start[self.axis];
            from_start.shape[self.axis] +=
                part.offset_in(&whole).get(self.axis).copied().unwrap_or(0);
            let carry = self.carry::<W>(&chunk, context)?;
            let run = self.run::<W>(&from_start, context)?;
            let beside: Vec<usize> = part
                .offset_in(&whole)
                .iter()
                .enumerate()
                .map(|(axis, &offset)| if axis == self.axis { 0 } else { offset })
                .collect();
            let summed = self.combine::<W>(run, carry.as_ref(), &beside, context)?;
            let skip = from_start.shape[self.axis] - part.shape[self.axis];
            let strides = (0..part.shape.len()).map(|axis| Stride {
                start: if axis == self.axis { skip } else { 0 },
                length: part.shape[axis],
                step: 1,
            });
            summed
                .slice(&strides.collect::<Vec<_>>())
                .cast(self.grid.dtype(), context)
        })
    }

    /// The running result within a box, as if nothing were in front of it.
    fn run<W: Number>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let block = self
            .source
            .read(region, context)?
            .cast(W::DTYPE, context)?
            .copied(context)?;
        let lengths = (
            region.shape[..self.axis].iter().product::<usize>(),
            region.shape[self.axis],
            region.shape[self.axis + 1..].iter().product::<usize>(),
        );
        self.change::<W>(block, |values| {
            let (outer, length, inner) = lengths;
            for slab in 0..outer {
                let slab = &mut values[slab * length * inner..(slab + 1) * length * inner];
                for at in inner..length * inner {
                    slab[at] = self.join(slab[at - inner], slab[at]);
                }
            }
        })
    }

    fn join<W: Number>(&self, before: W, value: W) -> W {
        match self.kind {
            Cumulative::Sum => before.plus(value),
            Cumulative::Product => before.times(value),
        }
    }

    /// Applies `change` to the values of a block that nobody shares.
    fn change<W: Wide>(&self, block: Tensor, change: impl FnOnce(&mut [W])) -> Result<Tensor> {
        let mut block = block;
        let values = block.block_mut::<W>().and_then(Block::as_slice_mut);
        change(values.ok_or_else(|| SheafError::internal("a running sum of another type"))?);
        Ok(block)
    }

    /// `run` with `carry`, of which the part from `beside` on counts, in front.
    fn combine<W: Number>(
        &self,
        run: Tensor,
        carry: Option<&Tensor>,
        beside: &[usize],
        context: &Context,
    ) -> Result<Tensor> {
        let Some(carry) = carry else {
            return Ok(run);
        };
        let shape = run.shape().to_vec();
        let strides = (0..shape.len()).map(|axis| Stride {
            start: beside[axis],
            length: if axis == self.axis { 1 } else { shape[axis] },
            step: 1,
        });
        let carry = carry
            .clone()
            .slice(&strides.collect::<Vec<_>>())
            .contiguous(context)?;
        let mut before = vec![W::default(); carry.elements()];
        carry.load(0, &mut before);
        let inner: usize = shape[self.axis + 1..].iter().product();
        let length = shape[self.axis];
        self.change::<W>(run, |values| {
            for (number, value) in values.iter_mut().enumerate() {
                let at = number / (length * inner) * inner + number % inner;
                *value = self.join(before[at], *value);
            }
        })
    }

    /// What stands in front of a chunk: the last slab of the one before it, as it is with all in front.
    fn carry<W: Number>(&self, chunk: &[u32], context: &Context) -> Result<Option<Tensor>> {
        let wanted = chunk[self.axis] as usize;
        let kept = context.kept::<Carries>(self.number);
        let mut row = chunk.to_vec();
        row[self.axis] = 0;
        let carries = Arc::clone(kept.rows.lock().entry(row).or_default());
        let mut carries = carries.lock();
        while carries.len() < wanted {
            let mut before = chunk.to_vec();
            before[self.axis] = u32::try_from(carries.len()).unwrap_or(u32::MAX);
            let region = self.grid.region_of(&before)?;
            let run = self.run::<W>(&region, context)?;
            let last = (0..region.shape.len()).map(|axis| Stride {
                start: if axis == self.axis {
                    region.shape[axis].saturating_sub(1)
                } else {
                    0
                },
                length: if axis == self.axis {
                    1
                } else {
                    region.shape[axis]
                },
                step: 1,
            });
            let last = run.slice(&last.collect::<Vec<_>>()).apart(context)?;
            let beside = vec![0; region.shape.len()];
            let next = self.combine::<W>(last, carries.last(), &beside, context)?;
            carries.push(next);
        }
        Ok(wanted
            .checked_sub(1)
            .and_then(|before| carries.get(before).cloned()))
    }
}

impl Tensor {
    /// The block of values, to be changed in place.
    pub(crate) fn block_mut<T: Element>(&mut self) -> Option<&mut Block<T>> {
        T::block_mut(&mut self.data)
    }
}
