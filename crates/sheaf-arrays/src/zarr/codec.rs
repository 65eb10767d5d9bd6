//! How the bytes of a chunk are stored: packed, in which order, and how bytes make numbers.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use sheaf_base::{Result, SheafError};

use super::blosc;
use crate::dtype::DType;
use crate::tensor::Tensor;

/// Bytes of the checksums that a chunk may have between what packs it: those of two.
const SUM_BYTES: u64 = 8;

/// How bytes are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zlib,
    Zstd,
    Blosc,
    Lz4,
    /// Four bytes behind the others, which tell whether they are those that were written.
    Crc32c,
}

/// All that is done to a chunk, in the order of writing.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The order of the axes in which elements stand, if it is not theirs.
    pub(super) order: Option<Vec<usize>>,
    pub(super) is_big_endian: bool,
    pub(super) packings: Vec<Packing>,
    /// How much is done to pack what is written.
    pub(super) level: i32,
    /// Whether chunks that hardly get smaller are packed, too, so that reading them takes several times as
    /// long.
    pub(super) packs_noise: bool,
}

/// Objects of several chunks.
#[derive(Debug, Clone)]
pub(super) struct Sharding {
    /// The lengths of its chunks.
    pub(super) chunks: Vec<u64>,
    pub(super) codecs: Chain,
    /// Whether the index has a checksum.
    pub(super) has_checksum: bool,
    pub(super) index_at_end: bool,
}

impl Chain {
    /// A chunk of `shape`, which is reserved by the caller.
    pub(super) fn decode(&self, bytes: &[u8], shape: &[usize], dtype: DType) -> Result<Tensor> {
        let order: Vec<usize> = match &self.order {
            Some(order) => order.clone(),
            None => (0..shape.len()).collect(),
        };
        let stored: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        let block = Tensor::filled_by(&stored, dtype, |into| {
            self.unpack_into(bytes, into, dtype)?;
            if self.is_big_endian {
                into.chunks_exact_mut(dtype.to_real().bytes())
                    .for_each(<[u8]>::reverse);
            }
            Ok(())
        })?;
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        Ok(block.transpose(&back))
    }

    fn unpack_into(&self, bytes: &[u8], into: &mut [u8], dtype: DType) -> Result<()> {
        let mut bytes = Cow::Borrowed(bytes);
        let mut packings = self.packings.iter().rev().peekable();
        while let Some(packing) = packings.next() {
            if packings.peek().is_none() && unpack_stream(packing, &bytes, into)? {
                return Ok(());
            }
            bytes = Cow::Owned(unpack(packing, &bytes, into.len())?);
        }
        if bytes.len() != into.len() {
            return Err(SheafError::data(format!(
                "the chunk has {} bytes, and {} {dtype} numbers have {}",
                bytes.len(),
                into.len() / dtype.bytes(),
                into.len()
            )));
        }
        into.copy_from_slice(&bytes);
        Ok(())
    }

    /// The bytes of a chunk; of the order and the ends of numbers only the plain ones are written.
    pub(super) fn encode(&self, block: &Tensor) -> Result<Vec<u8>> {
        let mut bytes = block.with_bytes(<[u8]>::to_vec);
        for packing in &self.packings {
            bytes = self.pack(packing, &bytes)?;
        }
        Ok(bytes)
    }

    fn pack(&self, packing: &Packing, bytes: &[u8]) -> Result<Vec<u8>> {
        match packing {
            Packing::Gzip => {
                let mut packed = Vec::new();
                let level = flate2::Compression::new(u32::try_from(self.level).unwrap_or(0));
                flate2::bufread::GzEncoder::new(bytes, level).read_to_end(&mut packed)?;
                Ok(packed)
            }
            Packing::Zstd => {
                let packed = zstd::bulk::compress(bytes, self.level)?;
                if self.packs_noise || !is_noise(bytes, &packed) {
                    return Ok(packed);
                }
                drop(packed);
                Ok(zstd::bulk::compress(bytes, ZSTD_REPETITIONS)?)
            }
            other => Err(SheafError::unsupported(format!(
                "chunks are not written as {other:?}"
            ))),
        }
    }
}

/// A level of zstd that looks for repetitions alone: what it does not find is stored as it is.
const ZSTD_REPETITIONS: i32 = -1;

/// Whether packing hardly made `bytes` smaller, as with random numbers and the lower bits of measurements.
fn is_noise(bytes: &[u8], packed: &[u8]) -> bool {
    packed.len() > bytes.len() - bytes.len() / 10
}

fn corrupt(what: &dyn std::fmt::Display) -> SheafError {
    SheafError::data(format!("the chunk is corrupt: {what}"))
}

/// Unpacks what is read as a stream to where it belongs; whether the packing is of this kind.
fn unpack_stream(packing: &Packing, bytes: &[u8], into: &mut [u8]) -> Result<bool> {
    let length = into.len();
    if matches!(packing, Packing::Zstd) {
        // In one go: a stream unpacks to a window of its own and copies from there. What is wrong with the
        // bytes, if anything is, the stream says.
        let count = zstd::bulk::decompress_to_buffer(bytes, into);
        if count.is_ok_and(|count| count == length) {
            return Ok(true);
        }
    }
    let mut fill = |from: &mut dyn Read| {
        from.read_exact(into).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => SheafError::data(format!(
                "the chunk ends too early: it should have {length} bytes"
            )),
            _ => corrupt(&error),
        })?;
        // To see that there are no more.
        match from.read(&mut [0]) {
            Ok(0) => Ok(true),
            Ok(_) => Err(SheafError::data(format!(
                "the chunk is too long: it should have {length} bytes"
            ))),
            Err(error) => Err(corrupt(&error)),
        }
    };
    match packing {
        Packing::Gzip => fill(&mut flate2::read::MultiGzDecoder::new(bytes)),
        Packing::Zlib => fill(&mut flate2::read::ZlibDecoder::new(bytes)),
        Packing::Zstd => {
            let from = zstd::stream::read::Decoder::new(bytes);
            fill(&mut from.map_err(|error| corrupt(&error))?)
        }
        Packing::Blosc | Packing::Lz4 | Packing::Crc32c => Ok(false),
    }
}

fn unpack(packing: &Packing, bytes: &[u8], expected: usize) -> Result<Vec<u8>> {
    // Whatever the bytes say, no more than the chunk has is unpacked (but checksums), and one to see that it
    // is more.
    let read = |from: &mut dyn Read| {
        let mut unpacked = Vec::new();
        from.take(expected as u64 + SUM_BYTES + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| corrupt(&error))?;
        Ok(unpacked)
    };
    match packing {
        Packing::Gzip => read(&mut flate2::read::MultiGzDecoder::new(bytes)),
        Packing::Zlib => read(&mut flate2::read::ZlibDecoder::new(bytes)),
        Packing::Zstd => {
            let from = zstd::stream::read::Decoder::new(bytes);
            read(&mut from.map_err(|error| corrupt(&error))?)
        }
        Packing::Blosc => blosc::unpack(bytes, expected),
        Packing::Lz4 => {
            let (size, packed) = bytes
                .split_at_checked(4)
                .ok_or_else(|| corrupt(&"it is too short"))?;
            let size = size
                .iter()
                .rev()
                .fold(0usize, |size, byte| size << 8 | usize::from(*byte));
            if size > expected {
                return Err(corrupt(&"it is too long"));
            }
            lz4_flex::block::decompress(packed, size).map_err(|error| corrupt(&error))
        }
        Packing::Crc32c => {
            let at = bytes
                .len()
                .checked_sub(4)
                .ok_or_else(|| corrupt(&"it is too short"))?;
            let (content, sum) = bytes.split_at(at);
            match sum == crc32c(content).to_le_bytes() {
                true => Ok(content.to_vec()),
                false => Err(corrupt(&"its checksum is another")),
            }
        }
    }
}

impl Sharding {
    pub(super) fn index_bytes(&self, chunks: u64) -> u64 {
        chunks
            .saturating_mul(16)
            .saturating_add(if self.has_checksum { 4 } else { 0 })
    }

    /// Offset and length of each chunk.
    pub(super) fn index(&self, bytes: Vec<u8>) -> Result<Vec<u64>> {
        let bytes = match self.has_checksum {
            true => unpack(&Packing::Crc32c, &bytes, 0)
                .map_err(|error| error.with_context("the index of the shard"))?,
            false => bytes,
        };
        let (numbers, _) = bytes.as_chunks::<8>();
        Ok(numbers
            .iter()
            .map(|number| u64::from_le_bytes(*number))
            .collect())
    }
}

/// The checksum of Castagnoli's polynomial, bit by bit with a table of bytes.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (byte, entry) in (0u32..).zip(&mut table) {
        *entry = (0..8).fold(byte, |rest, _| {
            if rest & 1 == 1 {
                rest >> 1 ^ 0x82F6_3B78
            } else {
                rest >> 1
            }
        });
    }
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        sum >> 8 ^ table[usize::from(low ^ byte)]
    });
    !sum
}
