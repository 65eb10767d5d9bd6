//! Arrays of counts: of one axis, counted all at once when the first of them is read, and kept.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::Result;

use crate::context::{Context, next_number};
use crate::grid::{Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Store, Stride, Tensor};

/// Elements counted at a time where an array may be read in any boxes.
const BLOCK_ELEMENTS: usize = 1 << 16;

/// What counts.
pub(super) trait Counter: fmt::Debug + Send + Sync + 'static {
    /// All `count` counts, or what is made of them.
    fn count(&self, count: usize, context: &Context) -> Result<Vec<f64>>;
}

#[derive(Debug)]
struct Counts<C> {
    number: u64,
    grid: Grid,
    counter: C,
}

/// What has been counted, once it has.
#[derive(Default)]
struct Kept(Mutex<Option<Arc<Vec<f64>>>>);

/// The array of one axis of what `counter` counts.
pub(super) fn counts(grid: Grid, counter: impl Counter) -> Array {
    Array::new(Counts {
        number: next_number(),
        grid,
        counter,
    })
}

impl<C: Counter> ChunkStore for Counts<C> {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let kept = context.kept::<Kept>(self.number);
        let mut kept = kept.0.lock();
        let counts = match &*kept {
            Some(counts) => Arc::clone(counts),
            None => {
                let count = to_usize(self.grid.elements());
                Arc::clone(kept.insert(Arc::new(self.counter.count(count, context)?)))
            }
        };
        let mut store = Store::new(self.grid.dtype(), counts.len());
        store.push(&counts);
        let all = Tensor::from_store(store, &[counts.len()])?;
        Ok(all.slice(&[Stride {
            start: to_usize(region.start[0]),
            length: region.shape[0],
            step: 1,
        }]))
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

/// The boxes in which all elements of an array are read.
pub(super) fn blocks_of(source: &Array) -> Vec<Region> {
    let chunks = source.grid().cut(&source.grid().whole());
    match source.cost() {
        Cost::Elements => chunks
            .iter()
            .flat_map(|chunk| chunk.blocks(BLOCK_ELEMENTS))
            .collect(),
        _ => chunks,
    }
}
