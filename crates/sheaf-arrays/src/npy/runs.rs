//! Where the elements of a box are in a row-major file: in runs, of which those that are near each other are
//! read together.

use sheaf_base::Result;

use super::Bytes;
use crate::context::Context;
use crate::grid::{Grid, Region, to_usize};

/// Bytes that are read together where runs have gaps between them.
const SPAN_BYTES_MAX: u64 = 4 << 20;
/// Runs that are read together.
const SPAN_RUNS_MAX: usize = 1 << 16;

/// The runs of a box, in order: the offset of each in bytes. All have the same length.
pub(super) struct Runs {
    /// Bytes of each run.
    pub(super) length: usize,
    left: usize,
    offset: u64,
    /// Of each axis in front of the runs, the last of which counts fastest.
    outer: Vec<Outer>,
}

struct Outer {
    at: usize,
    count: usize,
    step: u64,
}

impl Runs {
    pub(super) fn new(grid: &Grid, region: &Region) -> Self {
        let shape = grid.shape();
        let width = grid.dtype().bytes();
        // Behind this axis all are whole: its elements make one run.
        let is_whole = |axis: usize| region.shape[axis] as u64 == shape[axis];
        let split = (0..shape.len()).rev().find(|&axis| !is_whole(axis));
        let split = split.unwrap_or(0);
        let mut step = width as u64;
        let mut offset = 0;
        let mut outer = Vec::new();
        for axis in (0..shape.len()).rev() {
            offset += region.start[axis] * step;
            if axis < split {
                outer.push(Outer {
                    at: 0,
                    count: region.shape[axis],
                    step,
                });
            }
            step *= shape[axis];
        }
        outer.reverse();
        let length = region.shape[split.min(shape.len())..]
            .iter()
            .product::<usize>()
            * width;
        Self {
            length,
            left: match region.elements() {
                0 => 0,
                _ => outer.iter().map(|axis| axis.count).product(),
            },
            offset,
            outer,
        }
    }
}

impl Iterator for Runs {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let offset = self.offset;
        for axis in self.outer.iter_mut().rev() {
            axis.at += 1;
            self.offset += axis.step;
            if axis.at < axis.count {
                break;
            }
            self.offset -= axis.step * axis.count as u64;
            axis.at = 0;
        }
        Some(offset)
    }
}

/// Reads runs, whose offsets count from `begin`, one behind the other into `into`.
///
/// # Memory
/// What is read together, if there are gaps: a few megabytes, or a block if that is less.
pub(super) fn read_runs(
    from: &dyn Bytes,
    begin: u64,
    runs: Runs,
    into: &mut [u8],
    context: &Context,
) -> Result<()> {
    let (length, gap) = (runs.length, from.gap_bytes());
    let mut runs = runs.peekable();
    let mut filled = 0;
    let mut near: Vec<u64> = Vec::new();
    let mut span = Vec::new();
    let span_max = SPAN_BYTES_MAX.min(context.block_bytes() as u64);
    while let Some(first) = runs.next() {
        near.clear();
        near.push(first);
        let mut end = first + length as u64;
        while let Some(next) = runs.next_if(|next| {
            let is_near = next - end <= gap && next + length as u64 - first <= span_max;
            is_near && near.len() < SPAN_RUNS_MAX
        }) {
            near.push(next);
            end = next + length as u64;
        }
        let own = &mut into[filled..filled + near.len() * length];
        filled += own.len();
        if near.len() == 1 {
            from.read(begin + first, own, context)?;
            continue;
        }
        let bytes = to_usize(end - first);
        let _held = context.hold(bytes + 8 * near.len(), "reading parts of a file")?;
        span.resize(bytes, 0);
        from.read(begin + first, &mut span, context)?;
        for (run, part) in near.iter().zip(own.chunks_exact_mut(length)) {
            let at = to_usize(run - first);
            part.copy_from_slice(&span[at..at + length]);
        }
    }
    Ok(())
}
