//! Chunks that are kept once they have been read: in memory as far as half of the limit goes, beyond that
//! on disk. What is kept belongs to the context and goes with it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::Result;

use super::assemble;
use crate::context::{Context, next_number};
use crate::grid::{Grid, Region};
use crate::scratch::{ScratchFile, Stored};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};

#[derive(Debug)]
struct Shelf {
    /// What tells this shelf from others in a context.
    number: u64,
    grid: Grid,
    source: Array,
    /// Each chunk is kept in pieces, cut where chunks of this grid end.
    pieces: Grid,
}

/// Chunks that a context keeps.
#[derive(Default)]
pub(crate) struct KeptChunks {
    chunks: Mutex<HashMap<Vec<u32>, Slot>>,
    file: Mutex<Option<Arc<dyn ScratchFile>>>,
}

/// The pieces of a chunk, once it has been read. Who reads it holds the lock; others wait for it.
type Slot = Arc<Mutex<Option<Pieces>>>;

type Pieces = Arc<Vec<(Region, Piece)>>;

/// A part of a chunk that is kept.
pub(crate) enum Piece {
    Memory(Tensor),
    Disk(Arc<dyn ScratchFile>, Stored),
}

/// The same array, of which a context reads each chunk only once. An array whose elements cost nothing is
/// given back as it is.
#[must_use]
pub fn shelved(source: &Array) -> Array {
    match source.cost() {
        Cost::Elements => source.clone(),
        _ => cut(source, source.grid()),
    }
}

/// The same array, of which each chunk is kept in pieces that lie in one chunk of `pieces` each.
pub(super) fn cut(source: &Array, pieces: &Grid) -> Array {
    Array::new(Shelf {
        number: next_number(),
        grid: source.grid().clone(),
        source: source.clone(),
        pieces: pieces.clone(),
    })
}

impl Shelf {
    /// The pieces of the chunk at `coordinates`.
    fn chunk(&self, coordinates: Vec<u32>, context: &Context) -> Result<Pieces> {
        let kept = context.kept::<KeptChunks>(self.number);
        let region = self.grid.region_of(&coordinates)?;
        let slot = Arc::clone(kept.chunks.lock().entry(coordinates).or_default());
        let mut slot = slot.lock();
        if let Some(pieces) = &*slot {
            return Ok(Arc::clone(pieces));
        }
        let whole = self.source.read(&region, context)?;
        let mut pieces = Vec::new();
        for part in self.pieces.cut(&region) {
            let piece = whole.clone().slice(&strides(&part, &region));
            pieces.push((part, kept.keep(piece, context)?));
        }
        Ok(Arc::clone(slot.insert(Arc::new(pieces))))
    }
}

impl KeptChunks {
    /// The pieces of the chunk at `coordinates`, if it is there.
    pub(crate) fn get(&self, coordinates: &[u32]) -> Option<Pieces> {
        let slot = self.chunks.lock().get(coordinates).map(Arc::clone)?;
        let pieces = slot.lock();
        pieces.as_ref().map(Arc::clone)
    }

    /// Keeps a chunk as one piece, in place of one that was there.
    pub(crate) fn put(
        &self,
        coordinates: Vec<u32>,
        region: Region,
        chunk: Tensor,
        context: &Context,
    ) -> Result<()> {
        let piece = self.keep(chunk, context)?;
        let slot = Arc::clone(self.chunks.lock().entry(coordinates).or_default());
        *slot.lock() = Some(Arc::new(vec![(region, piece)]));
        Ok(())
    }

    fn keep(&self, piece: Tensor, context: &Context) -> Result<Piece> {
        if context.has_room_for(piece.bytes()) {
            return Ok(Piece::Memory(piece.apart(context)?));
        }
        let file = {
            let mut file = self.file.lock();
            match &*file {
                Some(file) => Arc::clone(file),
                None => Arc::clone(file.insert(context.scratch().create("an array")?)),
            }
        };
        let stored = Stored::write(&*file, &piece)?;
        Ok(Piece::Disk(file, stored))
    }
}

impl Piece {
    /// Its elements.
    pub(crate) fn read(&self, context: &Context) -> Result<Tensor> {
        match self {
            Piece::Memory(tensor) => Ok(tensor.clone()),
            Piece::Disk(file, stored) => stored.read(&**file, context),
        }
    }
}

/// Where `part` lies in `whole`.
pub(crate) fn strides(part: &Region, whole: &Region) -> Vec<Stride> {
    part.offset_in(whole)
        .into_iter()
        .zip(&part.shape)
        .map(|(start, &length)| Stride {
            start,
            length,
            step: 1,
        })
        .collect()
}

impl ChunkStore for Shelf {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let parts = self.grid.cut(region);
        assemble(region, self.grid.dtype(), context, &parts, |part| {
            let pieces = self.chunk(self.grid.chunk_of(part), context)?;
            let wanted: Vec<(Region, &Region, &Piece)> = pieces
                .iter()
                .filter_map(|(place, piece)| Some((place.intersect(part)?, place, piece)))
                .collect();
            let common: Vec<Region> = wanted.iter().map(|(common, ..)| common.clone()).collect();
            let mut next = wanted.iter();
            assemble(part, self.grid.dtype(), context, &common, |common| {
                let (_, place, piece) = next
                    .next()
                    .ok_or_else(|| sheaf_base::SheafError::internal("a piece too few"))?;
                Ok(piece.read(context)?.slice(&strides(common, place)))
            })
        })
    }

    fn cost(&self) -> Cost {
        Cost::Chunks
    }
}
