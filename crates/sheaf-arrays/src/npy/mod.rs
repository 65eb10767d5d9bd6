//! Arrays in npy files, and the arrays of npz files.

mod header;

use std::fmt;
use std::fs::File;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::grid::{CHUNK_BYTES_DEFAULT, Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::{rechunk, transpose};
use header::Header;

/// Bytes that are read at any place: a file, or one that has been unpacked.
trait Bytes: Send + Sync {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()>;
}

/// An array in a file, row-major.
struct Npy {
    name: String,
    grid: Grid,
    header: Header,
    bytes: Arc<dyn Bytes>,
}

struct LocalFile {
    path: PathBuf,
    file: File,
}

/// The array in the npy file `path`, in chunks of `chunk` elements per axis, or of whole rows.
///
/// # Errors
/// `Data` if it is none, or has types that are not among ours.
pub fn read_npy(path: &Path, chunk: Option<&[u64]>) -> Result<Array> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| failed(&name, "opened", &error))?;
    let length = file
        .metadata()
        .map_err(|error| failed(&name, "opened", &error))?
        .len();
    let bytes = LocalFile {
        path: path.to_owned(),
        file,
    };
    open(name, length, Arc::new(bytes), chunk)
}

/// Writes `source` as an npy file, row-major, chunk by chunk; its name appears when all is written.
///
/// # Memory
/// A chunk for each thread.
/// # Errors
/// What reading the array gives; `Resource` if the file cannot be written.
pub fn write_npy(source: &Array, path: &Path, context: &Context) -> Result<()> {
    let name = path.display().to_string();
    let cannot = |error: &std::io::Error| failed(&name, "written", error);
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let part = directory.unwrap_or(Path::new(".")).join(format!(
        ".{}.{}.part",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let written = (|| {
        let file = File::create(&part).map_err(|error| cannot(&error))?;
        write_elements(source, &file, &name, context)?;
        file.sync_all().map_err(|error| cannot(&error))?;
        std::fs::rename(&part, path).map_err(|error| cannot(&error))
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn write_elements(source: &Array, file: &File, name: &str, context: &Context) -> Result<()> {
    let cannot = |error: &std::io::Error| failed(name, "written", error);
    let header = header::write(source.dtype(), &source.shape());
    file.write_all_at(&header, 0)
        .map_err(|error| cannot(&error))?;
    let begin = header.len() as u64;
    file.set_len(begin + source.grid().bytes())
        .map_err(|error| cannot(&error))?;
    let grid = source.grid();
    context.in_order(
        to_usize(grid.chunks()),
        to_usize(grid.chunk_bytes_max()),
        |number, context| {
            let region = grid.region_of(&grid.chunk_at(number as u64))?;
            let block = source.read(&region, context)?.contiguous(context)?;
            let mut written = 0;
            block.with_bytes(|bytes| {
                for (offset, length) in runs(grid, &region) {
                    let run = &bytes[written..written + length];
                    file.write_all_at(run, begin + offset)
                        .map_err(|error| cannot(&error))?;
                    written += length;
                }
                Ok(())
            })
        },
        |_, ()| Ok(()),
    )
}

fn open(name: String, length: u64, bytes: Arc<dyn Bytes>, chunk: Option<&[u64]>) -> Result<Array> {
    let header = header::read(&name, |count| {
        let mut start = vec![0; count];
        match (count as u64) <= length {
            true => bytes.read(0, &mut start).map(|()| start),
            false => Err(SheafError::data(format!("{name}: this is no npy file"))),
        }
    })?;
    let mut stored = header.shape.clone();
    if header.is_column_major {
        stored.reverse();
    }
    let grid = Grid::regular(
        &stored,
        &rows(&stored, header.dtype.bytes() as u64),
        header.dtype,
    )
    .map_err(|error| error.with_context(&name))?;
    let needed = header.length as u64 + grid.bytes();
    if length < needed {
        return Err(SheafError::data(format!(
            "{name}: the file ends too early: an array of shape {} has {needed} bytes, not {length}",
            crate::grid::tuple(&header.shape)
        )));
    }
    let is_turned = header.is_column_major;
    let array = Array::new(Npy {
        name,
        grid,
        header,
        bytes,
    });
    let array = if is_turned {
        transpose(&array, None)?
    } else {
        array
    };
    match chunk {
        Some(chunk) => rechunk(&array, chunk),
        None => Ok(array),
    }
}

/// Chunks of whole rows, about as large as by default.
fn rows(shape: &[u64], bytes: u64) -> Vec<u64> {
    let mut left = (CHUNK_BYTES_DEFAULT / bytes).max(1);
    let mut chunk: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&length| {
            let own = length
                .min(left)
                .max(1)
                .max(length.div_ceil(crate::grid::AXIS_CHUNKS_MAX as u64));
            left = (left / own).max(1);
            own
        })
        .collect();
    chunk.reverse();
    chunk
}

/// Where the elements of a box are among all, in bytes: offset and length of each run, in order.
fn runs(grid: &Grid, region: &Region) -> Vec<(u64, usize)> {
    let shape = grid.shape();
    let bytes = grid.dtype().bytes();
    // Behind this axis all are whole: its elements make one run.
    let whole = |axis: usize| region.shape[axis] as u64 == shape[axis];
    let split = (0..shape.len())
        .rev()
        .find(|&axis| !whole(axis))
        .unwrap_or(0);
    let run: usize = region.shape[split.min(shape.len())..]
        .iter()
        .product::<usize>()
        * bytes;
    let outer = Region {
        start: region.start[..split.min(shape.len())].to_vec(),
        shape: region.shape[..split.min(shape.len())].to_vec(),
    };
    if region.elements() == 0 {
        return Vec::new();
    }
    let number = |start: &[u64]| {
        (0..shape.len()).fold(0, |number, axis| {
            number * shape[axis] + start.get(axis).copied().unwrap_or(region.start[axis])
        })
    };
    outer
        .blocks(1)
        .iter()
        .map(|row| (number(&row.start) * bytes as u64, run))
        .collect()
}

impl ChunkStore for Npy {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        let hold = context.hold_chunk(&region.shape, dtype)?;
        let tensor = Tensor::filled_by(&region.shape, dtype, |bytes| {
            let mut filled = 0;
            for (offset, length) in runs(&self.grid, region) {
                let into = &mut bytes[filled..filled + length];
                self.bytes.read(self.header.length as u64 + offset, into)?;
                filled += length;
            }
            if self.header.is_big_endian {
                swap(bytes, dtype);
            }
            Ok(())
        })?;
        Ok(tensor.held(hold))
    }

    fn cost(&self) -> Cost {
        Cost::Elements
    }
}

/// Turns round the bytes of each number.
fn swap(bytes: &mut [u8], dtype: crate::dtype::DType) {
    let width = dtype.to_real().bytes();
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

impl Bytes for LocalFile {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(into, offset)
            .map_err(|error| failed(&self.path.display().to_string(), "read", &error))
    }
}

impl fmt::Debug for Npy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Npy({})", self.name)
    }
}

fn failed(name: &str, what: &str, error: &std::io::Error) -> SheafError {
    SheafError::from(std::io::Error::new(
        error.kind(),
        format!("{name} cannot be {what}: {error}"),
    ))
}
