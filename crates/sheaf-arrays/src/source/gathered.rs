//! Arrays whose chunks somebody puts down before they are read.

use std::fmt;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::{Context, next_number};
use crate::grid::{Grid, Region, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::{KeptChunks, assemble, strides};

/// The chunks of an array, each context's by themselves: put down in any order, before the array is read.
/// What has not been put down is fill.
#[derive(Debug, Clone)]
pub struct Gathered {
    store: Arc<Store>,
    array: Array,
}

#[derive(Debug)]
struct Store {
    number: u64,
    grid: Grid,
}

struct Reader(Arc<Store>);

impl Gathered {
    /// Nothing yet, in `grid`.
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        let number = next_number();
        let store = Arc::new(Store { number, grid });
        let array = Array::new(Reader(Arc::clone(&store)));
        Self { store, array }
    }

    /// The array of what has been put down.
    #[must_use]
    pub fn array(&self) -> &Array {
        &self.array
    }

    /// Puts down the chunk at `coordinates`, in place of one that was there.
    ///
    /// # Memory
    /// In memory as far as half of the limit goes, beyond that on disk.
    /// # Errors
    /// `UserInput` if there is no such chunk; `Internal` if the block has another shape or type;
    /// `Resource` if it cannot be kept.
    pub fn put(&self, coordinates: &[u32], chunk: Tensor, context: &Context) -> Result<()> {
        let grid = &self.store.grid;
        let region = grid.region_of(coordinates)?;
        if chunk.shape() != region.shape || chunk.dtype() != grid.dtype() {
            return Err(SheafError::internal(format!(
                "a block of {} {} is no chunk of {} {}",
                tuple(chunk.shape()),
                chunk.dtype(),
                tuple(&region.shape),
                grid.dtype()
            )));
        }
        let kept = context.kept::<KeptChunks>(self.store.number);
        kept.put(coordinates.to_vec(), region, chunk, context)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gathered")
    }
}

impl ChunkStore for Reader {
    fn grid(&self) -> &Grid {
        &self.0.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let grid = &self.0.grid;
        let kept = context.kept::<KeptChunks>(self.0.number);
        let parts = grid.cut(region);
        assemble(region, grid.dtype(), context, &parts, |part| {
            match kept.get(&grid.chunk_of(part)) {
                None => Tensor::full(&part.shape, grid.dtype(), grid.fill(), context),
                Some(pieces) => match pieces.first() {
                    Some((place, piece)) => Ok(piece.read(context)?.slice(&strides(part, place))),
                    None => Err(SheafError::internal("a chunk without pieces")),
                },
            }
        })
    }

    fn cost(&self) -> Cost {
        Cost::Chunks
    }
}
