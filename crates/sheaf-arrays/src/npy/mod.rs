//! Arrays in npy files, in the npz files that hold several, and in stacks: directories of npy files.

mod header;
mod npz;
mod runs;
mod stack;
mod write;
mod zip;

use std::fmt;
use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::{CHUNK_BYTES_DEFAULT, Grid, Region, to_usize, tuple};
use crate::objects::{GoOn, Objects, always, name_of};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::{rechunk, rows_chunk, transpose};
use header::Header;
use runs::{Runs, read_runs};

pub use npz::{list_npz, read_npz};
pub use stack::read_npy_stack;
pub use write::{write_npy, write_npz};

/// Bytes of a file that are read at first: most headers have 128.
const START_BYTES: u64 = 1024;

/// The bytes of an npy file, read at any place.
trait Bytes: Send + Sync {
    fn read(&self, offset: u64, into: &mut [u8], context: &Context) -> Result<()>;

    /// Bytes that are sooner read than left out.
    fn gap_bytes(&self) -> u64;
}

/// A part of an object.
struct InObject {
    objects: Arc<dyn Objects>,
    key: String,
    begin: u64,
}

/// An array in a file, row-major.
struct Npy {
    name: String,
    grid: Grid,
    header: Header,
    bytes: Arc<dyn Bytes>,
}

/// The array in the npy file `file`, in chunks of `chunk` elements per axis, or of whole rows.
///
/// # Memory
/// The header. Elements are read in the parts of the file that a chunk has.
/// # Errors
/// `UserInput` if there is no such file; `Data` if it is no npy file or too short; `Unsupported` or `Data`
/// for types that are not among ours.
pub fn read_npy(file: Arc<dyn Objects>, chunk: Option<&[u64]>) -> Result<Array> {
    read_object(file, "", chunk, &always)
}

/// The array in the object `key`.
fn read_object(
    objects: Arc<dyn Objects>,
    key: &str,
    chunk: Option<&[u64]>,
    go_on: GoOn<'_>,
) -> Result<Array> {
    let name = name_of(&*objects, key);
    let length = objects.size(key, go_on)?.ok_or_else(|| missing(&name))?;
    let part = InObject {
        objects,
        key: key.to_owned(),
        begin: 0,
    };
    open_part(name, part, length, chunk, go_on)
}

/// The array in a part of an object, `length` bytes long.
fn open_part(
    name: String,
    part: InObject,
    length: u64,
    chunk: Option<&[u64]>,
    go_on: GoOn<'_>,
) -> Result<Array> {
    let start = |count: usize| {
        let mut start = vec![0; count];
        part.read_from(0, &mut start, go_on)?;
        Ok(start)
    };
    let header = header_of(&name, length, start)?;
    open(name, header, length, Arc::new(part), chunk)
}

/// The header of a file of `length` bytes, of whose first bytes `start` gives as many as it is asked for.
fn header_of(name: &str, length: u64, start: impl Fn(usize) -> Result<Vec<u8>>) -> Result<Header> {
    let first = start(to_usize(length.min(START_BYTES)))?;
    header::read(name, |count| match first.get(..count) {
        Some(bytes) => Ok(bytes.to_vec()),
        None if count as u64 <= length => start(count),
        None => Err(SheafError::data(format!("{name}: this is no npy file"))),
    })
}

fn missing(name: &str) -> SheafError {
    SheafError::user(format!("there is no file {name}")).with_state(SqlState::UNDEFINED_FILE)
}

/// The array behind `header` in a file of `length` bytes.
fn open(
    name: String,
    header: Header,
    length: u64,
    bytes: Arc<dyn Bytes>,
    chunk: Option<&[u64]>,
) -> Result<Array> {
    let mut stored = header.shape.clone();
    if header.is_column_major {
        stored.reverse();
    }
    let elements = CHUNK_BYTES_DEFAULT / header.dtype.bytes() as u64;
    let grid = Grid::regular(&stored, &rows_chunk(&stored, elements), header.dtype)
        .map_err(|error| SheafError::data(error.message()).with_context(&name))?;
    let needed = (header.length as u64).saturating_add(grid.bytes());
    if length < needed {
        return Err(SheafError::data(format!(
            "{name}: the file ends too early: an array of shape {} has {needed} bytes, not {length}",
            tuple(&header.shape)
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

impl InObject {
    fn read_from(&self, offset: u64, into: &mut [u8], go_on: GoOn<'_>) -> Result<()> {
        let offset = self.begin + offset;
        match self.objects.read(&self.key, offset, into, go_on)? {
            true => Ok(()),
            false => Err(missing(&name_of(&*self.objects, &self.key))),
        }
    }
}

impl Bytes for InObject {
    fn read(&self, offset: u64, into: &mut [u8], context: &Context) -> Result<()> {
        self.read_from(offset, into, &|| context.check())
    }

    fn gap_bytes(&self) -> u64 {
        self.objects.gap_bytes()
    }
}

impl ChunkStore for Npy {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        let hold = context.hold_chunk(&region.shape, dtype)?;
        let tensor = Tensor::filled_by(&region.shape, dtype, |into| {
            let begin = self.header.length as u64;
            read_runs(
                &*self.bytes,
                begin,
                Runs::new(&self.grid, region),
                into,
                context,
            )?;
            if self.header.is_big_endian {
                swap(into, dtype);
            }
            Ok(())
        })?;
        Ok(tensor.held(hold))
    }

    fn cost(&self) -> Cost {
        Cost::Elements
    }

    fn stored_in(&self, _region: &Region) -> Option<String> {
        Some(self.name.clone())
    }
}

/// Turns round the bytes of each number.
fn swap(bytes: &mut [u8], dtype: DType) {
    let width = dtype.to_real().bytes();
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

impl fmt::Debug for Npy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Npy({})", self.name)
    }
}
