//! Arrays in the Zarr format, versions 2 and 3.
//!
//! A Zarr array is objects under one name: a description in JSON, and one object a chunk (or a shard: an
//! object of many chunks with an index at its end). A chunk that is not there is fill.

mod blosc;
mod codec;
mod meta;
mod objects;
mod write;

use std::fmt;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::assemble;
use codec::{Chain, Sharding};
use meta::Meta;

pub use objects::{LocalObjects, Objects};
pub use write::{ZarrOptions, write_zarr};

/// What an index says of a chunk that is not in its shard.
const NOT_THERE: u64 = u64::MAX;

struct Zarr {
    grid: Grid,
    meta: Meta,
    objects: Arc<dyn Objects>,
}

/// The Zarr array whose objects these are.
///
/// # Errors
/// `Data` if there is no description of an array, or one that is wrong; `Unsupported` for types and
/// codecs that are not known.
pub fn read_zarr(objects: Arc<dyn Objects>) -> Result<Array> {
    let name = objects.name();
    let (text, is_v3) = match objects.get("zarr.json")? {
        Some(text) => (text, true),
        None => match objects.get(".zarray")? {
            Some(text) => (text, false),
            None => {
                return Err(SheafError::data(format!(
                    "{name} is no Zarr array: it has neither zarr.json nor .zarray"
                )));
            }
        },
    };
    let named = |error: SheafError| error.with_context(&name);
    let meta = if is_v3 {
        meta::v3(&text)
    } else {
        meta::v2(&text)
    }
    .map_err(named)?;
    let grid = Grid::regular(&meta.shape, &meta.chunks, meta.dtype)
        .and_then(|grid| match &meta.names {
            Some(names) => grid.with_names(names.clone()),
            None => Ok(grid),
        })
        .map_err(named)?
        .with_fill(meta.fill);
    Ok(Array::new(Zarr {
        grid,
        meta,
        objects,
    }))
}

impl fmt::Debug for Zarr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zarr({})", self.objects.name())
    }
}

impl ChunkStore for Zarr {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let parts = self.grid.cut(region);
        assemble(region, self.grid.dtype(), context, &parts, |part| {
            let coordinates = self.grid.chunk_of(part);
            let key = self.meta.key(&coordinates);
            let chunk = match &self.meta.sharding {
                None => self.chunk(&key, &coordinates, part, context),
                Some(sharding) => self.shard(&key, sharding, &coordinates, part, context),
            };
            chunk.map_err(|error| error.with_context(format!("{}/{key}", self.objects.name())))
        })
    }

    fn cost(&self) -> Cost {
        Cost::Chunks
    }
}

impl Zarr {
    fn fill(&self, part: &Region, context: &Context) -> Result<Tensor> {
        Tensor::full(&part.shape, self.grid.dtype(), self.grid.fill(), context)
    }

    /// The part of a chunk that is an object.
    fn chunk(
        &self,
        key: &str,
        coordinates: &[u32],
        part: &Region,
        context: &Context,
    ) -> Result<Tensor> {
        let Some(bytes) = self.objects.get(key)? else {
            return self.fill(part, context);
        };
        let block = self.decode(&self.meta.codecs, bytes, &self.meta.chunks, context)?;
        let start: Vec<u64> = coordinates
            .iter()
            .zip(&self.meta.chunks)
            .map(|(&at, size)| u64::from(at) * size)
            .collect();
        Ok(block.slice(&within(part, &start)))
    }

    /// The part of a shard: of each chunk in it what lies in the part.
    fn shard(
        &self,
        key: &str,
        sharding: &Sharding,
        coordinates: &[u32],
        part: &Region,
        context: &Context,
    ) -> Result<Tensor> {
        let counts: Vec<u64> = self
            .meta
            .chunks
            .iter()
            .zip(&sharding.chunks)
            .map(|(all, one)| all / one)
            .collect();
        let index_bytes = sharding.index_bytes(counts.iter().product());
        let Some(index) = self
            .objects
            .get_end(key, index_bytes, sharding.index_at_end)?
        else {
            return self.fill(part, context);
        };
        let index = sharding.index(index)?;
        let inner = Grid::regular(&self.grid.shape(), &sharding.chunks, self.grid.dtype())?;
        let pieces = inner.cut(part);
        assemble(part, self.grid.dtype(), context, &pieces, |piece| {
            let chunk = inner.chunk_of(piece);
            // The number of the chunk within its shard.
            let number = (0..chunk.len()).fold(0u64, |number, axis| {
                let first = u64::from(coordinates[axis]) * counts[axis];
                number * counts[axis] + (u64::from(chunk[axis]) - first)
            });
            let wrong = || SheafError::data("the index of the shard is too short");
            let at = 2 * to_usize(number);
            let (offset, length) = (
                *index.get(at).ok_or_else(wrong)?,
                *index.get(at + 1).ok_or_else(wrong)?,
            );
            if offset == NOT_THERE && length == NOT_THERE {
                return self.fill(piece, context);
            }
            let bytes = self.objects.get_range(key, offset, length)?;
            let bytes = bytes.ok_or_else(|| SheafError::data("the shard is gone"))?;
            let block = self.decode(&sharding.codecs, bytes, &sharding.chunks, context)?;
            let start: Vec<u64> = chunk
                .iter()
                .zip(&sharding.chunks)
                .map(|(&at, size)| u64::from(at) * size)
                .collect();
            Ok(block.slice(&within(piece, &start)))
        })
    }

    /// A whole chunk: the last of an axis is stored in full, too.
    fn decode(
        &self,
        codecs: &Chain,
        bytes: Vec<u8>,
        chunk: &[u64],
        context: &Context,
    ) -> Result<Tensor> {
        let shape: Vec<usize> = chunk.iter().map(|&length| to_usize(length)).collect();
        let hold = context.hold_chunk(&shape, self.grid.dtype())?;
        let block = codecs.decode(bytes, &shape, self.grid.dtype())?;
        Ok(block.held(hold))
    }
}

/// Where `part` is in a chunk that begins at `start`.
fn within(part: &Region, start: &[u64]) -> Vec<Stride> {
    part.start
        .iter()
        .zip(start)
        .zip(&part.shape)
        .map(|((&first, &start), &length)| Stride {
            start: to_usize(first - start),
            length,
            step: 1,
        })
        .collect()
}
