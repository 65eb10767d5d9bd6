//! Arrays in the Zarr format, versions 2 and 3.
//!
//! A Zarr array is objects under one name: a description in JSON, and one object a chunk (or a shard: an
//! object of many chunks with an index at its end). A chunk that is not there is fill.

mod blosc;
mod codec;
mod describe;
mod group;
mod meta;
mod write;

use std::fmt;
use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{Grid, Region, to_usize};
use crate::objects::{DESCRIPTION_BYTES_MAX, Objects, always};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};
use crate::view::assemble;
use codec::{Chain, Sharding};
use meta::Meta;

pub use group::list_zarr;
pub use write::{ZarrOptions, ZarrPacking, write_zarr};

/// What an index says of a chunk that is not in its shard.
const NOT_THERE: u64 = u64::MAX;

/// The description of an array or group of version 3.
const V3: &str = "zarr.json";
/// That of an array of version 2, and that of a group.
const V2_ARRAY: &str = ".zarray";
const V2_GROUP: &str = ".zgroup";

struct Zarr {
    grid: Grid,
    meta: Meta,
    objects: Arc<dyn Objects>,
}

/// The Zarr array whose objects these are.
///
/// # Memory
/// The description. A chunk is read with its packed bytes.
/// # Errors
/// `UserInput` if nothing is there, or a group, whose arrays it lists; `Data` for a description that is
/// wrong; `Unsupported` for types and codecs that are not known.
pub fn read_zarr(objects: Arc<dyn Objects>) -> Result<Array> {
    let name = objects.name();
    let named = |error: SheafError| error.with_context(&name);
    let get = |key: &str| objects.get(key, DESCRIPTION_BYTES_MAX, &always);
    let meta = match get(V3)? {
        Some(text) if group::is_group(&text) => return Err(group::refused(&*objects)),
        Some(text) => meta::v3(&text).map_err(named)?,
        None => match get(V2_ARRAY)? {
            Some(text) => meta::v2(&text).map_err(named)?,
            None if objects.size(V2_GROUP, &always)?.is_some() => {
                return Err(group::refused(&*objects));
            }
            None => {
                return Err(SheafError::user(format!(
                    "{name} is no Zarr array: it has neither {V3} nor {V2_ARRAY}"
                ))
                .with_state(SqlState::UNDEFINED_FILE));
            }
        },
    };
    let grid = Grid::regular(&meta.shape, &meta.chunks, meta.dtype)
        .and_then(|grid| match &meta.names {
            Some(names) => grid.with_names(names.clone()),
            None => Ok(grid),
        })
        .map_err(|error| SheafError::data(error.message()).with_context(&name))?
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
            context.check()?;
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

    fn stored_in(&self, region: &Region) -> Option<String> {
        let key = self.meta.key(&self.grid.chunk_of(region));
        Some(format!("{}/{key}", self.objects.name()))
    }
}

/// Bytes of all numbers of a chunk, if they can be counted.
fn chunk_bytes(chunk: &[u64], width: usize) -> u64 {
    chunk
        .iter()
        .fold(width as u64, |bytes, &length| bytes.saturating_mul(length))
}

/// Bytes that a packed chunk may have: codecs may make what cannot be packed a little longer.
fn packed_bytes_max(bytes: u64) -> u64 {
    bytes.saturating_mul(2).saturating_add(64 << 10)
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
        let bytes = chunk_bytes(&self.meta.chunks, self.grid.dtype().bytes());
        let go_on = || context.check();
        let got = self.objects.get(key, packed_bytes_max(bytes), &go_on)?;
        let Some(bytes) = got else {
            return self.fill(part, context);
        };
        let block = self.decode(&self.meta.codecs, &bytes, &self.meta.chunks, context)?;
        let start: Vec<u64> = coordinates
            .iter()
            .zip(&self.meta.chunks)
            .map(|(&at, size)| u64::from(at) * size)
            .collect();
        Ok(block.slice(&within(part, &start)))
    }

    /// `length` bytes of a shard from `offset` on.
    fn part(&self, key: &str, offset: u64, length: u64, context: &Context) -> Result<Vec<u8>> {
        let mut bytes = vec![0; to_usize(length)];
        let go_on = || context.check();
        match self.objects.read(key, offset, &mut bytes, &go_on)? {
            true => Ok(bytes),
            false => Err(SheafError::data("the shard is gone")),
        }
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
        let index_bytes = sharding.index_bytes(chunk_bytes(&counts, 1));
        let Some(size) = self.objects.size(key, &|| context.check())? else {
            return self.fill(part, context);
        };
        if index_bytes > size {
            return Err(SheafError::data(format!(
                "the shard ends too early: its index has {index_bytes} bytes, and it has {size}"
            )));
        }
        let held = to_usize(index_bytes).saturating_mul(2);
        let _held = context.hold(held, "the index of a shard")?;
        let at = if sharding.index_at_end {
            size - index_bytes
        } else {
            0
        };
        let index = sharding.index(self.part(key, at, index_bytes, context)?)?;
        let inner = Grid::regular(&self.grid.shape(), &sharding.chunks, self.grid.dtype())?;
        let pieces = inner.cut(part);
        let most = packed_bytes_max(chunk_bytes(&sharding.chunks, self.grid.dtype().bytes()));
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
            if length > most || offset.saturating_add(length) > size {
                return Err(SheafError::data(format!(
                    "the index of the shard is wrong: chunk {number} would have {length} bytes"
                )));
            }
            let bytes = self.part(key, offset, length, context)?;
            let block = self.decode(&sharding.codecs, &bytes, &sharding.chunks, context)?;
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
        bytes: &[u8],
        chunk: &[u64],
        context: &Context,
    ) -> Result<Tensor> {
        let _held = context.hold(bytes.len(), "a packed chunk")?;
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
