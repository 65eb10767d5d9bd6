//! The one thing that every array is: something with a grid that gives the elements of any box.

use std::fmt;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::{Grid, Region, tuple};
use crate::tensor::Tensor;

/// What reading a box costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// As much as its own elements: any box will do.
    Elements,
    /// As much as the chunks that it touches: boxes along the chunks are best.
    Chunks,
    /// Much more than its elements: what is read twice had better be kept.
    Work,
}

/// An array that is not in memory: stored, made by a formula, or made of others.
///
/// Reading is by coordinates, from as many threads at once as the caller likes. A store does not look at
/// its elements before it is read.
pub trait ChunkStore: fmt::Debug + Send + Sync {
    /// Shape, chunks and type.
    fn grid(&self) -> &Grid;

    /// The elements of `region`, which lies in the array; the result has its shape and the grid's type.
    ///
    /// # Errors
    /// Any; the caller adds which array it was.
    fn read(&self, region: &Region, context: &Context) -> Result<Tensor>;

    /// What reading costs.
    fn cost(&self) -> Cost;

    /// The file or object in which the chunk `region` stands, if it comes straight from one. Nothing is read:
    /// a chunk that is nothing but fill may have none.
    fn stored_in(&self, _region: &Region) -> Option<String> {
        None
    }

    /// The matrix whose transpose this is, if it is no more than that.
    fn transpose_of(&self) -> Option<&Array> {
        None
    }
}

/// A lazy array: cheap to clone, and nothing is read before a caller reads.
#[derive(Clone)]
pub struct Array {
    store: Arc<dyn ChunkStore>,
}

impl Array {
    /// The array of a store.
    #[must_use]
    pub fn new(store: impl ChunkStore + 'static) -> Self {
        Self {
            store: Arc::new(store),
        }
    }

    /// Shape, chunks and type.
    #[must_use]
    pub fn grid(&self) -> &Grid {
        self.store.grid()
    }

    /// Elements along each axis.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        self.grid().shape()
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.grid().rank()
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.grid().dtype()
    }

    /// What reading costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.store.cost()
    }

    /// The file or object in which the chunk `region` stands, if it comes straight from one; nothing is read.
    #[must_use]
    pub fn stored_in(&self, region: &Region) -> Option<String> {
        self.store.stored_in(region)
    }

    /// The matrix whose transpose this is, if it is no more than that.
    #[must_use]
    pub fn transpose_of(&self) -> Option<&Array> {
        self.store.transpose_of()
    }

    /// Whether both are the same array, and not only equal.
    #[must_use]
    pub fn is(&self, other: &Array) -> bool {
        Arc::ptr_eq(&self.store, &other.store)
    }

    /// The elements of a box.
    ///
    /// # Errors
    /// `UserInput` if it does not lie in the array; else what the store says.
    pub fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        context.check()?;
        let shape = self.shape();
        let fits = region.shape.len() == shape.len()
            && region
                .ranges()
                .zip(&shape)
                .all(|((_, end), length)| end <= *length);
        if !fits {
            return Err(SheafError::user(format!(
                "elements {} and {} on do not lie in an array of shape {}",
                tuple(&region.start),
                tuple(&region.shape),
                tuple(&shape)
            )));
        }
        let tensor = self.store.read(region, context)?;
        if tensor.shape() == region.shape && tensor.dtype() == self.dtype() {
            return Ok(tensor);
        }
        Err(SheafError::internal(format!(
            "{:?} gave {} of {} for {} of {}",
            self.store,
            tuple(tensor.shape()),
            tensor.dtype(),
            tuple(&region.shape),
            self.dtype()
        )))
    }

    /// The elements of the chunk at `coordinates`.
    ///
    /// # Errors
    /// As [`Array::read`].
    pub fn chunk(&self, coordinates: &[u32], context: &Context) -> Result<Tensor> {
        self.read(&self.grid().region_of(coordinates)?, context)
    }

    /// All elements in one block, read on the context's threads: for small arrays.
    ///
    /// # Errors
    /// As [`Array::read`]; `Resource` if they do not fit into memory.
    pub fn load(&self, context: &Context) -> Result<Tensor> {
        self.gather(&self.grid().whole(), context)
    }

    /// The elements of a box, read chunk by chunk on the context's threads.
    pub(crate) fn gather(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let boxes = self.grid().cut(region);
        if boxes.len() == 1 {
            return self.read(region, context);
        }
        let mut all = Tensor::full(&region.shape, self.dtype(), self.grid().fill(), context)?;
        let bytes_each = usize::try_from(self.grid().chunk_bytes_max()).unwrap_or(usize::MAX);
        context.in_order(
            boxes.len(),
            bytes_each,
            |number, context| self.read(&boxes[number], context),
            |number, part| all.assign(&boxes[number].offset_in(region), &part),
        )?;
        Ok(all)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
