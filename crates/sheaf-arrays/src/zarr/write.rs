//! Writing arrays of versions 2 and 3, their chunks as objects of their own or together in shards.

use sheaf_base::{Result, SheafError};

use super::codec::{Chain, Packing, Sharding, crc32c};
use super::{NOT_THERE, V2_ARRAY, V2_GROUP, V3, describe};
use crate::context::Context;
use crate::dtype::Scalar;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::sink::{DirectorySink, Target};
use crate::store::Array;
use crate::tensor::Tensor;
use crate::view::rechunk;

/// How chunks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZarrPacking {
    /// With zstd, by a level from 1 to 22. If none is given, by level 1, and chunks that this makes hardly
    /// smaller are stored as they are, in zstd's frames: they are read many times as fast.
    #[default]
    Zstd,
    /// With gzip, by a level from 0 to 9 (5 if none is given).
    Gzip,
    /// Not at all.
    Plain,
}

/// How an array is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZarrOptions {
    /// How chunks are packed.
    pub packing: ZarrPacking,
    /// How much is done to pack them.
    pub level: Option<i32>,
    /// The version of the format, 2 or 3.
    pub version: u32,
    /// The lengths of shards: objects of many chunks, each of as many as fit in one. Version 3 has them.
    pub shards: Option<Vec<u64>>,
}

impl Default for ZarrOptions {
    fn default() -> Self {
        Self {
            packing: ZarrPacking::default(),
            level: None,
            version: 3,
            shards: None,
        }
    }
}

/// An array while it is written.
struct Writer {
    source: Array,
    chunks: Vec<u64>,
    codecs: Chain,
    is_v3: bool,
}

/// Writes `source` as a Zarr array. Chunks are the array's, or, where they are not of the same length, as
/// long as its longest.
///
/// All chunks are written, those of one value alone, too, which packing makes a few bytes of: the fill that
/// the description must name, 0, is the value of no element. What `source` nowhere stores is written as the
/// fill that it has there.
///
/// # Memory
/// A chunk and its packed bytes for each thread; with shards the packed bytes of a shard.
/// # Errors
/// `UserInput` if the target is there and not to be replaced, or the options do not go together; `Resource`
/// if it cannot be written; what reading gives.
pub fn write_zarr(
    source: &Array,
    target: &Target,
    options: &ZarrOptions,
    context: &Context,
) -> Result<()> {
    let chunks: Vec<u64> = source
        .grid()
        .chunk_max()
        .into_iter()
        .map(|length| length.max(1))
        .collect();
    let codecs = codecs(options)?;
    let is_v3 = match options.version {
        2 => false,
        3 => true,
        other => {
            return Err(SheafError::user(format!(
                "the version of a Zarr array is 2 or 3, not {other}"
            )));
        }
    };
    let shards = options.shards.as_deref();
    let shards = shards
        .map(|shards| checked(shards, &chunks, is_v3))
        .transpose()?;
    let writer = Writer {
        source: rechunk(source, &chunks)?,
        chunks,
        codecs,
        is_v3,
    };
    let sink = target.create_all(&[V3, V2_ARRAY, V2_GROUP], context)?;
    let grid = writer.source.grid();
    match shards {
        Some(shards) => {
            let sharding = Sharding {
                chunks: writer.chunks.clone(),
                codecs: writer.codecs.clone(),
                has_checksum: true,
                index_at_end: true,
            };
            writer.write_shards(&shards, &sink, context)?;
            let text = describe::v3(grid, &shards, &writer.codecs, Some(&sharding));
            sink.finish(V3, text, context)
        }
        None => {
            writer.write_chunks(&sink, context)?;
            let (key, text) = match is_v3 {
                true => (V3, describe::v3(grid, &writer.chunks, &writer.codecs, None)),
                false => (V2_ARRAY, describe::v2(grid, &writer.chunks, &writer.codecs)),
            };
            sink.finish(key, text, context)
        }
    }
}

fn codecs(options: &ZarrOptions) -> Result<Chain> {
    let (packing, name, levels, default) = match options.packing {
        ZarrPacking::Zstd => (Some(Packing::Zstd), "zstd", 1..=22, 1),
        ZarrPacking::Gzip => (Some(Packing::Gzip), "gzip", 0..=9, 5),
        ZarrPacking::Plain => (None, "none", 0..=0, 0),
    };
    let level = options.level.unwrap_or(default);
    if !levels.contains(&level) {
        return Err(SheafError::user(format!(
            "the level of packing '{name}' is from {} to {}, not {level}",
            levels.start(),
            levels.end()
        )));
    }
    Ok(Chain {
        order: None,
        is_big_endian: false,
        packings: packing.into_iter().collect(),
        level,
        packs_noise: options.level.is_some(),
    })
}

fn checked(shards: &[u64], chunks: &[u64], is_v3: bool) -> Result<Vec<u64>> {
    if !is_v3 {
        return Err(SheafError::user("Zarr arrays of version 2 have no shards")
            .with_hint("write version 3, or leave out the shards"));
    }
    let divides = |(shard, chunk): (&u64, &u64)| *shard > 0 && shard.is_multiple_of(*chunk);
    if shards.len() != chunks.len() || !shards.iter().zip(chunks).all(divides) {
        return Err(SheafError::user(format!(
            "shards of {} are not made of whole chunks of {}",
            tuple(shards),
            tuple(chunks)
        )));
    }
    Ok(shards.to_vec())
}

impl Writer {
    /// The packed bytes of a chunk.
    fn packed(&self, coordinates: &[u32], context: &Context) -> Result<Vec<u8>> {
        let block = self.block(coordinates, context)?;
        self.codecs.encode(&block.contiguous(context)?)
    }

    /// The block of a chunk, the last of an axis filled up to the length of the others.
    fn block(&self, coordinates: &[u32], context: &Context) -> Result<Tensor> {
        let grid = self.source.grid();
        let region: Region = grid.region_of(coordinates)?;
        let block = self.source.read(&region, context)?;
        let shape: Vec<usize> = self.chunks.iter().map(|&length| to_usize(length)).collect();
        if block.shape() == shape {
            return Ok(block);
        }
        let mut filled = Tensor::full(&shape, grid.dtype(), Scalar::ZERO, context)?;
        filled.assign(&vec![0; shape.len()], &block)?;
        Ok(filled)
    }

    fn chunk_bytes(&self) -> usize {
        to_usize(self.source.grid().chunk_bytes_max())
    }

    fn write_chunks(&self, sink: &DirectorySink, context: &Context) -> Result<()> {
        let grid = self.source.grid();
        context.in_order(
            to_usize(grid.chunks()),
            self.chunk_bytes().saturating_mul(2),
            |number, context| {
                let coordinates = grid.chunk_at(number as u64);
                let bytes = self.packed(&coordinates, context)?;
                let _held = context.hold(bytes.len(), "a packed chunk")?;
                sink.put(&self.key(&coordinates), bytes, context)
            },
            |_, ()| Ok(()),
        )
    }

    fn key(&self, coordinates: &[u32]) -> String {
        let numbers: Vec<String> = coordinates.iter().map(ToString::to_string).collect();
        match (self.is_v3, numbers.is_empty()) {
            (true, true) => "c".to_owned(),
            (true, false) => format!("c/{}", numbers.join("/")),
            (false, true) => "0".to_owned(),
            (false, false) => numbers.join("."),
        }
    }

    fn write_shards(&self, shards: &[u64], sink: &DirectorySink, context: &Context) -> Result<()> {
        let grid = self.source.grid();
        let outer = Grid::regular(&grid.shape(), shards, grid.dtype())?;
        let most = to_usize(outer.chunk_bytes_max());
        context.in_order(
            to_usize(outer.chunks()),
            most.saturating_add(self.chunk_bytes()),
            |number, context| {
                let coordinates = outer.chunk_at(number as u64);
                let bytes = self.shard(&outer, shards, &coordinates, context)?;
                sink.put(&self.key(&coordinates), bytes, context)
            },
            |_, ()| Ok(()),
        )
    }

    /// The chunks of a shard, packed, and its index; what lies beyond the array's end is not there.
    fn shard(
        &self,
        outer: &Grid,
        shards: &[u64],
        coordinates: &[u32],
        context: &Context,
    ) -> Result<Vec<u8>> {
        let grid = self.source.grid();
        let counts: Vec<u64> = shards
            .iter()
            .zip(&self.chunks)
            .map(|(shard, chunk)| shard / chunk)
            .collect();
        let count = counts
            .iter()
            .fold(1, |all: u64, own| all.saturating_mul(*own));
        let _held = context.hold(to_usize(count).saturating_mul(48), "the index of a shard")?;
        let mut index = vec![[NOT_THERE; 2]; to_usize(count)];
        let mut bytes = Vec::new();
        let mut holds = Vec::new();
        for part in grid.cut(&outer.region_of(coordinates)?) {
            let chunk = grid.chunk_of(&part);
            let number = (0..chunk.len()).fold(0u64, |number, axis| {
                let first = u64::from(coordinates[axis]) * counts[axis];
                number * counts[axis] + (u64::from(chunk[axis]) - first)
            });
            let packed = self.packed(&chunk, context)?;
            holds.push(context.hold(packed.len(), "the packed chunks of a shard")?);
            index[to_usize(number)] = [bytes.len() as u64, packed.len() as u64];
            bytes.extend(packed);
        }
        let index: Vec<u8> = index
            .iter()
            .flatten()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        bytes.extend_from_slice(&index);
        bytes.extend(crc32c(&index).to_le_bytes());
        Ok(bytes)
    }
}
