//! How blocks are folded, whatever they are folded to.

use std::fmt;
use std::marker::PhantomData;

use ndarray::{ArrayD, IxDyn, SliceInfoElem};
use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{PIECE, Store, Tensor, Wide};

/// Elements that are made and folded at a time where an array may be read in any boxes: half a megabyte
/// of floats, which stay near the processor.
const BLOCK_ELEMENTS: usize = 1 << 16;

/// What elements are folded to.
pub(super) trait Fold<W: Wide>: fmt::Debug + Send + Sync {
    /// What stands for the elements folded so far.
    type State: Copy + Default + Send + Sync + fmt::Debug;
    /// The type of results.
    type Out: Wide;

    /// Adds elements; `first` is the number of the first along the axes that go, `step` how far the
    /// numbers of neighbours are apart.
    fn add(&self, state: &mut Self::State, values: &[W], first: u64, step: u64);
    /// Adds what other elements, all behind these, were folded to.
    fn merge(&self, state: &mut Self::State, other: &Self::State);
    /// The result.
    fn finish(&self, state: &Self::State) -> Self::Out;
    /// Sees that there is a result.
    ///
    /// # Errors
    /// `Data` if the elements have none; most folds have one of any.
    fn check(&self, _: &Self::State) -> Result<()> {
        Ok(())
    }
}

/// An array of what the elements of another are folded to.
#[derive(Debug)]
pub(super) struct Folded<W, F> {
    pub(super) grid: Grid,
    pub(super) source: Array,
    /// The axes that go, in their order.
    pub(super) axes: Vec<usize>,
    pub(super) keep_dims: bool,
    pub(super) fold: F,
    pub(super) values: PhantomData<W>,
}

impl<W: Wide, F: Fold<W>> ChunkStore for Folded<W, F> {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let all = self.source_region(region);
        let kept = self.kept(&all);
        let states = kept.elements().saturating_mul(size_of::<F::State>());
        let _states = context.hold(states, "a reduction's intermediate result")?;
        let mut total = ArrayD::from_elem(IxDyn(&kept.shape), F::State::default());
        let blocks = self.blocks(&all);
        // Where there are other chunks to read at the same time, one thread is enough for each.
        let has_others = self.grid.chunks() >= context.threads() as u64;
        let context_here = if has_others {
            context.single()
        } else {
            context.clone()
        };
        let block_elements = blocks.iter().map(Region::elements).max().unwrap_or(0);
        context_here.in_order(
            blocks.len(),
            block_elements * self.source.dtype().bytes() * 2,
            |number, context| self.fold_block(&blocks[number], context),
            |number, states| self.merge(&mut total, &kept, &self.kept(&blocks[number]), &states),
        )?;
        self.finish(&total, region, context)
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl<W: Wide, F: Fold<W>> Folded<W, F> {
    /// The elements of the source that a box of the result is made of.
    fn source_region(&self, region: &Region) -> Region {
        let mut own = region.ranges();
        let mut all = self.source.grid().whole();
        for axis in 0..all.shape.len() {
            let goes = self.axes.contains(&axis);
            let range = if goes && !self.keep_dims {
                None
            } else {
                own.next()
            };
            if let (false, Some((start, end))) = (goes, range) {
                all.start[axis] = start;
                all.shape[axis] = to_usize(end - start);
            }
        }
        all
    }

    /// The axes of a box that stay.
    fn kept(&self, all: &Region) -> Region {
        let mut kept = Region::empty();
        for axis in (0..all.shape.len()).filter(|axis| !self.axes.contains(axis)) {
            kept.push(all.start[axis], all.shape[axis]);
        }
        kept
    }

    /// The boxes that are read at a time. They depend on the source's grid alone, so that the result does.
    fn blocks(&self, all: &Region) -> Vec<Region> {
        let chunks = self.source.grid().cut(all);
        match self.source.cost() {
            Cost::Elements => chunks
                .iter()
                .flat_map(|chunk| chunk.blocks(BLOCK_ELEMENTS))
                .collect(),
            _ => chunks,
        }
    }

    fn fold_block(&self, block: &Region, context: &Context) -> Result<Vec<F::State>> {
        let tensor = self.source.read(block, context)?.contiguous(context)?;
        let mut states = vec![F::State::default(); self.kept(block).elements()];
        let mut walk = Walk {
            fold: &self.fold,
            tensor: &tensor,
            dims: self.dims(block),
            values: vec![W::default(); PIECE],
        };
        let first = self.number_of(block);
        walk.visit(0, 0, first, &mut states);
        Ok(states)
    }

    /// The axes of a block, outermost first.
    fn dims(&self, block: &Region) -> Vec<Dim> {
        let source = self.source.shape();
        let mut number_step = 1;
        let mut dims: Vec<Dim> = Vec::with_capacity(source.len());
        let mut kept_step = 1;
        let mut step = 1;
        for axis in (0..source.len()).rev() {
            let length = block.shape[axis];
            let is_reduced = self.axes.contains(&axis);
            dims.push(Dim {
                length,
                step,
                state_step: if is_reduced { 0 } else { kept_step },
                number_step: if is_reduced { number_step } else { 0 },
                is_reduced,
            });
            step *= length;
            if is_reduced {
                number_step *= source[axis];
            } else {
                kept_step *= length;
            }
        }
        dims.reverse();
        dims
    }

    /// The number, along the axes that go, of the first element of a block.
    fn number_of(&self, block: &Region) -> u64 {
        let shape = self.source.shape();
        self.axes
            .iter()
            .fold(0, |number, &axis| number * shape[axis] + block.start[axis])
    }

    fn merge(
        &self,
        total: &mut ArrayD<F::State>,
        kept: &Region,
        part: &Region,
        states: &[F::State],
    ) -> Result<()> {
        let slices: Vec<SliceInfoElem> = part
            .offset_in(kept)
            .into_iter()
            .zip(&part.shape)
            .map(|(start, &length)| SliceInfoElem::from(start..start + length))
            .collect();
        let mut target = total.slice_mut(slices.as_slice());
        if target.len() != states.len() {
            return Err(SheafError::internal("a block was folded to another shape"));
        }
        for (state, other) in target.iter_mut().zip(states) {
            self.fold.merge(state, other);
        }
        Ok(())
    }

    fn finish(
        &self,
        total: &ArrayD<F::State>,
        region: &Region,
        context: &Context,
    ) -> Result<Tensor> {
        let hold = context.hold_chunk(&region.shape, self.grid.dtype())?;
        let mut store = Store::new(self.grid.dtype(), total.len());
        let mut values = Vec::with_capacity(PIECE.min(total.len()));
        for state in total {
            self.fold.check(state)?;
            values.push(self.fold.finish(state));
            if values.len() == PIECE {
                store.push(&values);
                values.clear();
            }
        }
        store.push(&values);
        Ok(Tensor::from_store(store, &region.shape)?.held(hold))
    }
}

/// An axis of a block.
#[derive(Debug, Clone, Copy)]
struct Dim {
    length: usize,
    /// How far neighbours are apart in the block.
    step: usize,
    /// How far their states are apart.
    state_step: usize,
    /// How far their numbers along the axes that go are apart.
    number_step: u64,
    is_reduced: bool,
}

/// The way through a block, row by row of its last axis.
struct Walk<'a, W, F> {
    fold: &'a F,
    tensor: &'a Tensor,
    dims: Vec<Dim>,
    values: Vec<W>,
}

impl<W: Wide, F: Fold<W>> Walk<'_, W, F> {
    /// Folds what lies from `offset` on along the axes from `depth` on.
    fn visit(&mut self, depth: usize, offset: usize, number: u64, states: &mut [F::State]) {
        let Some(&dim) = self.dims.get(depth) else {
            return self.row(offset, Dim::single(), number, states);
        };
        if depth + 1 == self.dims.len() {
            return self.row(offset, dim, number, states);
        }
        for at in 0..dim.length {
            let states = &mut states[at * dim.state_step..];
            let number = number + at as u64 * dim.number_step;
            self.visit(depth + 1, offset + at * dim.step, number, states);
        }
    }

    fn row(&mut self, offset: usize, dim: Dim, number: u64, states: &mut [F::State]) {
        for first in (0..dim.length).step_by(PIECE) {
            let piece = &mut self.values[..PIECE.min(dim.length - first)];
            self.tensor.load(offset + first, piece);
            if dim.is_reduced {
                let number = number + first as u64 * dim.number_step;
                self.fold
                    .add(&mut states[0], piece, number, dim.number_step);
            } else {
                for (value, state) in piece.iter().zip(&mut states[first..]) {
                    self.fold.add(state, std::slice::from_ref(value), number, 0);
                }
            }
        }
    }
}

impl Dim {
    /// The one element of an array without axes.
    fn single() -> Self {
        Self {
            length: 1,
            step: 1,
            state_step: 0,
            number_step: 0,
            is_reduced: true,
        }
    }
}
