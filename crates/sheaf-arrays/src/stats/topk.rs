//! The largest elements along an axis.

use std::cmp::Ordering;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::Class;
use crate::grid::{Grid, Region, to_usize};
use crate::reduce::Number;
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Store, Stride, Tensor};
use crate::view::axis_of;

#[derive(Debug)]
struct TopK {
    grid: Grid,
    source: Array,
    axis: usize,
    count: usize,
    is_smallest: bool,
}

/// The `count` largest elements along `axis`, the largest first; of a negative count, the smallest, the
/// smallest first. NaN is larger than all numbers.
///
/// # Memory
/// Twice as many elements as there are results, and a chunk.
/// # Errors
/// `UserInput` if there is no such axis, or it is shorter; `Unsupported` for complex numbers.
pub fn topk(source: &Array, count: i64, axis: i64) -> Result<Array> {
    let axis = axis_of("array_topk", axis, source.rank())?;
    let length = source.shape()[axis];
    if count.unsigned_abs() > length {
        return Err(SheafError::user(format!(
            "array_topk: there are not {} elements along axis {axis} of {length} elements",
            count.unsigned_abs()
        )));
    }
    if source.dtype().class() == Class::Complex {
        return Err(SheafError::unsupported(
            "array_topk: complex numbers have no order",
        ));
    }
    let mut sizes = source.grid().all_sizes();
    sizes[axis] = vec![count.unsigned_abs()];
    Ok(Array::new(TopK {
        grid: Grid::irregular(&sizes, source.dtype())?.with_names(source.grid().names())?,
        source: source.clone(),
        axis,
        count: to_usize(count.unsigned_abs()),
        is_smallest: count < 0,
    }))
}

impl ChunkStore for TopK {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        match self.grid.dtype().class() {
            Class::Int => self.read_as::<i64>(region, context),
            Class::UInt | Class::Bool => self.read_as::<u64>(region, context),
            _ => self.read_as::<f64>(region, context),
        }
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl TopK {
    fn read_as<W: Number>(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let mut all = region.clone();
        all.start[self.axis] = 0;
        all.shape[self.axis] = to_usize(self.source.shape()[self.axis]);
        let mut lanes_shape = region.shape.clone();
        lanes_shape.remove(self.axis);
        let lanes: usize = lanes_shape.iter().product();
        let _held = context.hold(
            lanes.saturating_mul(self.count * 2 * size_of::<W>()),
            "array_topk",
        )?;
        let mut best: Vec<Vec<W>> = vec![Vec::new(); lanes];
        let mut order: Vec<usize> = (0..region.shape.len())
            .filter(|&at| at != self.axis)
            .collect();
        order.push(self.axis);
        // Along the axis chunk by chunk, all lanes of the box at once.
        let mut start = 0;
        for size in self.source.grid().sizes(self.axis) {
            let mut part = all.clone();
            part.start[self.axis] = start;
            part.shape[self.axis] = to_usize(size);
            start += size;
            let block = self
                .source
                .read(&part, context)?
                .transpose(&order)
                .contiguous(context)?;
            let mut values = vec![W::default(); to_usize(size)];
            for (lane, best) in best.iter_mut().enumerate() {
                block.load(lane * values.len(), &mut values);
                for &value in &values {
                    best.push(value);
                    if best.len() >= 2 * self.count.max(1) {
                        self.keep_best(best);
                    }
                }
            }
        }
        let mut store = Store::new(self.grid.dtype(), lanes * self.count);
        for mut best in best {
            self.keep_best(&mut best);
            best.sort_by(|a, b| self.order(*a, *b));
            store.push(&best);
        }
        lanes_shape.push(self.count);
        let hold = context.hold_chunk(&lanes_shape, self.grid.dtype())?;
        let sorted = Tensor::from_store(store, &lanes_shape)?.held(hold);
        let mut back: Vec<usize> = (0..region.shape.len() - 1).collect();
        back.insert(self.axis, region.shape.len() - 1);
        let strides = (0..region.shape.len()).map(|axis| Stride {
            start: if axis == self.axis {
                to_usize(region.start[axis])
            } else {
                0
            },
            length: region.shape[axis],
            step: 1,
        });
        Ok(sorted.transpose(&back).slice(&strides.collect::<Vec<_>>()))
    }

    /// Leaves no more than are wanted.
    fn keep_best<W: Number>(&self, best: &mut Vec<W>) {
        if self.count == 0 {
            best.clear();
        } else if best.len() > self.count {
            best.select_nth_unstable_by(self.count - 1, |a, b| self.order(*a, *b));
            best.truncate(self.count);
        }
    }

    /// The better comes first.
    fn order<W: Number>(&self, a: W, b: W) -> Ordering {
        let rising = compare(a, b);
        if self.is_smallest {
            rising
        } else {
            rising.reverse()
        }
    }
}

/// The order of numbers, NaN behind all.
pub(super) fn compare<W: Number>(a: W, b: W) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if a.is_before(b) => Ordering::Less,
        _ if b.is_before(a) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}
