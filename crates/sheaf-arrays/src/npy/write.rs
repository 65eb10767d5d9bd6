//! Writing: npy files, and npz files of one array.

use std::io::Write;
use std::os::unix::fs::FileExt;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use sheaf_base::{Result, SheafError};

use super::header;
use super::runs::Runs;
use crate::context::Context;
use crate::grid::to_usize;
use crate::sink::{FileSink, Target};
use crate::store::Array;
use crate::view::{rechunk, rows_chunk};

/// The level by which members are deflated where the user does not say: zlib's own, as `np.savez_compressed`
/// takes it.
const LEVEL_DEFAULT: u32 = 6;

/// The only member of an npz file, which NumPy calls so if it is given no name.
const MEMBER: &[u8; 9] = b"arr_0.npy";

/// Bytes of its name and of its zip64 field.
const NAME_AND_EXTRA: [u8; 4] = [9, 0, 20, 0];

/// Marks lengths of which the zip64 fields tell.
const LONG: u32 = u32::MAX;

/// Writes `source` as an npy file, row-major, lowest byte first.
///
/// # Memory
/// A chunk for each thread; in a store a few parts of 8 MiB or more besides.
/// # Errors
/// What reading the array gives; `UserInput` if the target is there and not to be replaced; `Resource` if it
/// cannot be written.
pub fn write_npy(source: &Array, target: &Target, context: &Context) -> Result<()> {
    let header = header::write(source.dtype(), &source.shape());
    let bytes = header.len() as u64 + source.grid().bytes();
    let mut sink = target.create(bytes, context)?;
    if sink.local().is_some() {
        write_at_places(source, &header, &sink, target, context)?;
    } else {
        sink.write(&header, context)?;
        in_rows(source, context, |bytes| sink.write(bytes, context))?;
    }
    sink.finish(context)
}

/// Writes `source` as an npz file of one array, `arr_0`: stored, or deflated, by `level` from 0 to 9.
///
/// # Memory
/// As [`write_npy`].
/// # Errors
/// As [`write_npy`]; `UserInput` for another level.
pub fn write_npz(
    source: &Array,
    target: &Target,
    is_deflated: bool,
    level: Option<u32>,
    context: &Context,
) -> Result<()> {
    let level = level.unwrap_or(LEVEL_DEFAULT);
    if level > 9 {
        return Err(SheafError::user(format!(
            "npz files are deflated by a level from 0 to 9, not {level}"
        )));
    }
    let header = header::write(source.dtype(), &source.shape());
    let bytes = header.len() as u64 + source.grid().bytes();
    let mut sink = target.create(bytes + bytes / 1000 + 1024, context)?;
    let mut member = Writer {
        encoder: is_deflated.then(|| DeflateEncoder::new(Vec::new(), Compression::new(level))),
        crc: Crc::new(),
        packed: 0,
    };
    sink.write(&local_header(is_deflated), context)?;
    member.write(&header, &mut sink, context)?;
    in_rows(source, context, |bytes| {
        member.write(bytes, &mut sink, context)
    })?;
    let end = member.finish(bytes, &mut sink, context)?;
    sink.write(&end, context)?;
    sink.finish(context)
}

/// Each chunk at its places in the file, as many at a time as there are threads.
fn write_at_places(
    source: &Array,
    header: &[u8],
    sink: &FileSink,
    target: &Target,
    context: &Context,
) -> Result<()> {
    let Some(file) = sink.local() else {
        return Err(SheafError::internal("a file that is no file"));
    };
    let failed = |error: std::io::Error| {
        SheafError::from(error).with_context(format!("cannot write {}", target.name()))
    };
    let grid = source.grid();
    let begin = header.len() as u64;
    file.write_all_at(header, 0).map_err(failed)?;
    file.set_len(begin + grid.bytes()).map_err(failed)?;
    context.in_order(
        to_usize(grid.chunks()),
        to_usize(grid.chunk_bytes_max()),
        |number, context| {
            let region = grid.region_of(&grid.chunk_at(number as u64))?;
            let block = source.read(&region, context)?.contiguous(context)?;
            let runs = Runs::new(grid, &region);
            let length = runs.length.max(1);
            block.with_bytes(|bytes| {
                for (offset, run) in runs.zip(bytes.chunks_exact(length)) {
                    file.write_all_at(run, begin + offset).map_err(failed)?;
                }
                Ok(())
            })
        },
        |_, ()| Ok(()),
    )
}

/// Gives the bytes of all elements to `write`, in row-major order.
fn in_rows(
    source: &Array,
    context: &Context,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let shape = source.shape();
    let elements = context.block_bytes() / source.dtype().bytes();
    let chunk = rows_chunk(&shape, elements as u64);
    // Axes in front of the one that is cut have chunks of 1, unless they have more than can be numbered.
    let cut = (0..shape.len())
        .rev()
        .find(|&axis| chunk[axis] < shape[axis]);
    if !chunk[..cut.unwrap_or(0)].iter().all(|&length| length == 1) {
        return Err(SheafError::unsupported(format!(
            "an array of shape {} has rows that are too many and too long to be written in their order",
            crate::grid::tuple(&shape)
        )));
    }
    let rows = rechunk(source, &chunk)?;
    let grid = rows.grid();
    context.in_order(
        to_usize(grid.chunks()),
        to_usize(grid.chunk_bytes_max()),
        |number, context| {
            let block = rows.chunk(&grid.chunk_at(number as u64), context)?;
            block.contiguous(context)
        },
        |_, block| block.with_bytes(&mut write),
    )
}

/// The member while it is written.
struct Writer {
    encoder: Option<DeflateEncoder<Vec<u8>>>,
    crc: Crc,
    packed: u64,
}

impl Writer {
    fn write(&mut self, bytes: &[u8], sink: &mut FileSink, context: &Context) -> Result<()> {
        let Some(encoder) = &mut self.encoder else {
            self.crc.update(bytes);
            self.packed += bytes.len() as u64;
            return sink.write(bytes, context);
        };
        for piece in bytes.chunks(super::zip::PIECE_BYTES) {
            self.crc.update(piece);
            encoder.write_all(piece)?;
            let packed = std::mem::take(encoder.get_mut());
            self.packed += packed.len() as u64;
            sink.write(&packed, context)?;
        }
        Ok(())
    }

    /// Writes what is left; what follows the member.
    fn finish(mut self, bytes: u64, sink: &mut FileSink, context: &Context) -> Result<Vec<u8>> {
        let is_deflated = self.encoder.is_some();
        if let Some(encoder) = self.encoder.take() {
            let packed = encoder.finish()?;
            self.packed += packed.len() as u64;
            sink.write(&packed, context)?;
        }
        Ok(directory(is_deflated, self.crc.sum(), self.packed, bytes))
    }
}

/// What every description of the member begins with: version, flags (lengths follow), method, time.
fn common(is_deflated: bool) -> Vec<u8> {
    let method: u16 = if is_deflated { 8 } else { 0 };
    // The first of January 1980, as for everything that has no date.
    let fields = [45, 8, method, 0, 0x21];
    fields
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect()
}

/// The header in front of the member, which does not know its lengths yet.
fn local_header(is_deflated: bool) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    header.extend(common(is_deflated));
    header.extend([0; 4]);
    header.extend([LONG.to_le_bytes(), LONG.to_le_bytes()].concat());
    header.extend(NAME_AND_EXTRA);
    header.extend(MEMBER);
    header.extend([1, 0, 16, 0]);
    header.extend([0; 16]);
    header
}

/// What follows the member: its lengths, the directory, and where that is.
fn directory(is_deflated: bool, crc: u32, packed: u64, bytes: u64) -> Vec<u8> {
    let begin = local_header(is_deflated).len() as u64;
    let lengths = [packed.to_le_bytes(), bytes.to_le_bytes()].concat();
    let mut end = [b"PK\x07\x08".as_slice(), &crc.to_le_bytes(), &lengths].concat();
    let start = begin + packed + end.len() as u64;
    let mut entry = b"PK\x01\x02\x2d\x00".to_vec();
    entry.extend(common(is_deflated));
    entry.extend(crc.to_le_bytes());
    entry.extend([LONG.to_le_bytes(), LONG.to_le_bytes()].concat());
    entry.extend(NAME_AND_EXTRA);
    // No comment, disk 0, attributes of no kind, the header at the beginning of the file.
    entry.extend([0; 14]);
    entry.extend(MEMBER);
    entry.extend([1, 0, 16, 0]);
    entry.extend([bytes.to_le_bytes(), packed.to_le_bytes()].concat());
    let length = entry.len() as u64;
    end.extend(&entry);
    let end64 = start + length;
    end.extend(b"PK\x06\x06");
    end.extend(44u64.to_le_bytes());
    end.extend([45, 0, 45, 0]);
    end.extend([0; 8]);
    for number in [1, 1, length, start] {
        end.extend(number.to_le_bytes());
    }
    end.extend(b"PK\x06\x07\x00\x00\x00\x00");
    end.extend(end64.to_le_bytes());
    end.extend(1u32.to_le_bytes());
    end.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    end.extend([LONG.to_le_bytes(), LONG.to_le_bytes()].concat());
    end.extend([0, 0]);
    end
}
