//! The same elements in row-major order in another shape.

use sheaf_base::{Result, SheafError};

use super::{assemble, rechunk};
use crate::context::Context;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

#[derive(Debug)]
struct Reshape {
    grid: Grid,
    source: Array,
}

/// The elements in row-major order in the shape `shape`, of which one length may be −1: what is left.
///
/// # Errors
/// `UserInput` if there are not as many elements.
pub fn reshape(source: &Array, shape: &[i64]) -> Result<Array> {
    let own = source.shape();
    let wrong = || {
        SheafError::user(format!(
            "array_reshape: an array of shape {} has {} elements, which do not make the shape {}",
            tuple(&own),
            source.grid().elements(),
            tuple(shape)
        ))
    };
    let known: u64 = shape
        .iter()
        .filter_map(|&length| u64::try_from(length).ok())
        .try_fold(1u64, u64::checked_mul)
        .ok_or_else(wrong)?;
    let elements = source.grid().elements();
    let mut open = shape.iter().filter(|&&length| length < 0);
    let rest = match (open.next(), open.next()) {
        (None, _) if known == elements => 1,
        (Some(-1), None) if known > 0 && elements.is_multiple_of(known) => elements / known,
        _ => return Err(wrong()),
    };
    let shape: Vec<u64> = shape
        .iter()
        .map(|&length| u64::try_from(length).unwrap_or(rest))
        .collect();
    if shape == own {
        return Ok(source.clone());
    }
    let bytes = source
        .grid()
        .chunk_bytes_max()
        .max(source.dtype().bytes() as u64);
    let chunk = rows_chunk(&shape, bytes / source.dtype().bytes() as u64);
    let grid = Grid::regular(&shape, &chunk, source.dtype())?.with_fill(source.grid().fill());
    // What is dear to read is first put into rows, so that no chunk is read again and again.
    let source = match source.cost() {
        Cost::Elements => source.clone(),
        _ => rechunk(
            source,
            &rows_chunk(&own, bytes / source.dtype().bytes() as u64),
        )?,
    };
    Ok(Array::new(Reshape { grid, source }))
}

/// Chunks of about `elements` that are whole along the last axes, so that each is one run of elements.
pub(crate) fn rows_chunk(shape: &[u64], elements: u64) -> Vec<u64> {
    let mut left = elements.max(1);
    let mut chunk: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&length| {
            let own = length
                .min(left)
                .max(1)
                .max(length.div_ceil(crate::grid::AXIS_CHUNKS_MAX as u64));
            left = (left / own).max(1);
            own
        })
        .collect();
    chunk.reverse();
    chunk
}

impl Reshape {
    /// The numbers, in row-major order, of the first and the last element of a box.
    fn span(&self, region: &Region) -> (u64, u64) {
        let number = |at: &dyn Fn(usize) -> u64| {
            let shape = self.grid.shape();
            (0..shape.len()).fold(0, |number, axis| number * shape[axis] + at(axis))
        };
        let first = number(&|axis| region.start[axis]);
        let last = number(&|axis| region.start[axis] + region.shape[axis] as u64 - 1);
        (first, last)
    }

    /// Elements number `first` to before `end` of the source, in a row.
    fn run(&self, first: u64, end: u64, context: &Context) -> Result<Tensor> {
        let boxes = run_boxes(&self.source.shape(), first, end);
        let line = Region {
            start: vec![first],
            shape: vec![to_usize(end - first)],
        };
        let mut at = first;
        let mut next = boxes.iter();
        let parts: Vec<Region> = boxes
            .iter()
            .map(|part| {
                let start = at;
                at += part.elements() as u64;
                Region {
                    start: vec![start],
                    shape: vec![part.elements()],
                }
            })
            .collect();
        assemble(&line, self.grid.dtype(), context, &parts, |part| {
            let inner = next
                .next()
                .ok_or_else(|| SheafError::internal("more runs than boxes"))?;
            self.source
                .read(inner, context)?
                .reshape(&part.shape, context)
        })
    }
}

impl ChunkStore for Reshape {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        if region.elements() == 0 {
            return Tensor::full(&region.shape, dtype, self.grid.fill(), context);
        }
        let (first, last) = self.span(region);
        let spanned = last - first + 1;
        if spanned == region.elements() as u64 {
            return self
                .run(first, last + 1, context)?
                .reshape(&region.shape, context);
        }
        // Not one run: its slabs along the first axis that is cut are more nearly so.
        let axis = region
            .shape
            .iter()
            .position(|&length| length > 1)
            .unwrap_or(0);
        let slabs = region.split(axis, 1);
        assemble(region, dtype, context, &slabs, |slab| {
            self.read(slab, context)
        })
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }
}

/// Boxes whose elements, one behind the other, are number `first` to before `end` of an array of `shape`
/// in row-major order: two for each axis at most.
fn run_boxes(shape: &[u64], first: u64, end: u64) -> Vec<Region> {
    let mut boxes = Vec::new();
    add_run(shape, first, end, &Region::empty(), &mut boxes);
    boxes
}

fn add_run(shape: &[u64], first: u64, end: u64, begun: &Region, boxes: &mut Vec<Region>) {
    if first >= end {
        return;
    }
    let Some((_, inner)) = shape.split_first() else {
        boxes.push(begun.clone());
        return;
    };
    let width: u64 = inner.iter().product();
    let with = |start: u64, length: u64| {
        let mut region = begun.clone();
        region.push(start, to_usize(length));
        region
    };
    let (row, last) = (first / width, (end - 1) / width);
    if row == last && end - first < width {
        return add_run(
            inner,
            first - row * width,
            end - row * width,
            &with(row, 1),
            boxes,
        );
    }
    let from = first.div_ceil(width);
    let to = end / width;
    if first < from * width {
        add_run(inner, first - row * width, width, &with(row, 1), boxes);
    }
    if from < to {
        let mut whole = with(from, to - from);
        for &length in inner {
            whole.push(0, to_usize(length));
        }
        boxes.push(whole);
    }
    if to * width < end {
        add_run(inner, 0, end - to * width, &with(to, 1), boxes);
    }
}
