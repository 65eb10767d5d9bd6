//! A dataset as an array.

use std::fmt;
use std::sync::Arc;

use hdf5_reader::error::{Error, Result as DecodeResult};
use hdf5_reader::{
    ByteOrder, CompoundField, Dataset, Datatype, H5Type, Hdf5File, SliceInfo, SliceInfoElem,
    dtype_element_size,
};
use ndarray::ArrayD;
use sheaf_base::{Result, SheafError};

use super::ranges::{Failure, reading};
use super::{CHUNK_BYTES_MAX, INDEX_BYTES_MAX};
use crate::context::Context;
use crate::dtype::DType;
use crate::grid::{AXES_MAX, AXIS_CHUNKS_MAX, CHUNK_BYTES_DEFAULT, Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;
use crate::view::{rechunk, rows_chunk};

pub(super) struct Hdf5 {
    name: String,
    grid: Grid,
    is_big_endian: bool,
    /// Bytes of a chunk as it is stored, if there are chunks.
    chunk_bytes: Option<usize>,
    dataset: Dataset,
    /// Open as long as the array is there.
    _file: Arc<Hdf5File>,
}

/// The bytes of an element, as they are in the file.
#[derive(Clone, Copy)]
struct Raw<const N: usize>([u8; N]);

impl<const N: usize> H5Type for Raw<N> {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque {
            size: u32::try_from(N).unwrap_or(u32::MAX),
            tag: String::new(),
        }
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> DecodeResult<Self> {
        let bytes = bytes.get(..N).and_then(|bytes| bytes.try_into().ok());
        let short = || Error::InvalidData("an element is too short".to_owned());
        bytes.map(Self).ok_or_else(short)
    }

    fn element_size(_: &Datatype) -> usize {
        N
    }

    fn decode_vec(raw: &[u8], _: &Datatype, count: usize) -> Option<DecodeResult<Vec<Self>>> {
        let (elements, _) = raw.as_chunks::<N>();
        let elements = elements.get(..count)?;
        Some(Ok(elements.iter().copied().map(Self).collect()))
    }

    fn native_copy_compatible(dtype: &Datatype) -> bool {
        dtype_element_size(dtype).is_ok_and(|size| size == N)
    }
}

impl Hdf5 {
    /// The array of a dataset.
    pub(super) fn array(
        name: &str,
        file: Arc<Hdf5File>,
        dataset: Dataset,
        chunk: Option<&[u64]>,
    ) -> Result<Array> {
        let named = |error: SheafError| error.with_context(name);
        let (dtype, is_big_endian) = dtype_of(dataset.dtype()).ok_or_else(|| {
            named(SheafError::unsupported(
                "the elements of the dataset are no numbers that are read",
            ))
            .with_hint(
                "whole numbers of 8 to 64 bits, floats of 32 and 64, and h5py's booleans and complex numbers are",
            )
        })?;
        let shape = dataset.shape().to_vec();
        if shape.len() > AXES_MAX {
            return Err(named(SheafError::unsupported(format!(
                "the dataset has {} axes, and an array has {AXES_MAX} at most",
                shape.len()
            ))));
        }
        let own: Option<Vec<u64>> = dataset
            .chunks()
            .map(|chunk| chunk.iter().map(|&length| u64::from(length)).collect());
        let width = dtype.bytes() as u64;
        let (sizes, chunk_bytes) = match own {
            None => (rows_chunk(&shape, CHUNK_BYTES_DEFAULT / width), None),
            Some(own) => {
                let bytes = own
                    .iter()
                    .fold(width, |bytes, own| bytes.saturating_mul(*own));
                let is_wrong = own.len() != shape.len() || own.contains(&0);
                if is_wrong || bytes > CHUNK_BYTES_MAX as u64 {
                    return Err(named(SheafError::data(format!(
                        "the file is corrupt: chunks of {} in a dataset of shape {}",
                        crate::grid::tuple(&own),
                        crate::grid::tuple(&shape)
                    ))));
                }
                (together(&own, &shape, bytes), Some(to_usize(bytes)))
            }
        };
        let grid = Grid::regular(&shape, &sizes, dtype)
            .map_err(|error| named(SheafError::data(error.message())))?;
        let array = Array::new(Self {
            name: name.to_owned(),
            grid,
            is_big_endian,
            chunk_bytes,
            dataset,
            _file: file,
        });
        match chunk {
            Some(chunk) => rechunk(&array, chunk),
            None => Ok(array),
        }
    }

    /// The elements of a box, which are `N` bytes each.
    fn fill<const N: usize>(
        &self,
        region: &Region,
        into: &mut [u8],
        bytes_max: usize,
        context: &Context,
    ) -> Result<()> {
        let selections = region.ranges();
        let selections = selections.map(|(start, end)| SliceInfoElem::Slice {
            start,
            end,
            step: 1,
        });
        let selection = SliceInfo {
            selections: selections.collect(),
        };
        let read: Result<ArrayD<Raw<N>>, Failure> =
            reading(&self.name, Some(context), bytes_max, || {
                match region.shape.is_empty() {
                    true => self.dataset.read_array(),
                    false => self.dataset.read_slice(&selection),
                }
            });
        let elements = read.map_err(|failure| failure.into_error(&self.name))?;
        if elements.len() * N != into.len() {
            return Err(SheafError::data(format!(
                "{}: the file is corrupt: {} elements in the place of {}",
                self.name,
                elements.len(),
                into.len() / N
            )));
        }
        for (element, place) in elements.iter().zip(into.chunks_exact_mut(N)) {
            place.copy_from_slice(&element.0);
        }
        Ok(())
    }
}

/// Type and order of bytes of elements that are read.
fn dtype_of(datatype: &Datatype) -> Option<(DType, bool)> {
    let is_big = |order: &ByteOrder| *order == ByteOrder::BigEndian;
    match datatype {
        Datatype::FixedPoint {
            size,
            signed,
            byte_order,
        } => {
            let dtype = match (size, signed) {
                (1, true) => DType::Int8,
                (2, true) => DType::Int16,
                (4, true) => DType::Int32,
                (8, true) => DType::Int64,
                (1, false) => DType::UInt8,
                (2, false) => DType::UInt16,
                (4, false) => DType::UInt32,
                (8, false) => DType::UInt64,
                _ => return None,
            };
            Some((dtype, is_big(byte_order)))
        }
        Datatype::FloatingPoint { size, byte_order } => match size {
            4 => Some((DType::Float32, is_big(byte_order))),
            8 => Some((DType::Float64, is_big(byte_order))),
            _ => None,
        },
        Datatype::Enum { base, members } => {
            let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            names.sort_unstable();
            match (dtype_of(base)?, names.as_slice()) {
                ((DType::Int8 | DType::UInt8, _), ["FALSE", "TRUE"]) => Some((DType::Bool, false)),
                (base, _) => Some(base),
            }
        }
        Datatype::Compound { size, fields } => complex_of(*size, fields),
        _ => None,
    }
}

/// The type of pairs of floats that h5py writes for complex numbers.
fn complex_of(size: u32, fields: &[CompoundField]) -> Option<(DType, bool)> {
    let [re, im] = fields else {
        return None;
    };
    let is_pair = re.name == "r"
        && im.name == "i"
        && re.byte_offset == 0
        && im.byte_offset == size / 2
        && re.datatype == im.datatype;
    match (dtype_of(&re.datatype)?, size) {
        ((DType::Float32, order), 8) if is_pair => Some((DType::Complex64, order)),
        ((DType::Float64, order), 16) if is_pair => Some((DType::Complex128, order)),
        _ => None,
    }
}

/// As many chunks of the dataset together as make a block of the usual size: they are often small.
fn together(own: &[u64], shape: &[u64], bytes: u64) -> Vec<u64> {
    let mut left = (CHUNK_BYTES_DEFAULT / bytes.max(1)).max(1);
    let mut sizes: Vec<u64> = own.to_vec();
    for (size, length) in sizes.iter_mut().zip(shape).rev() {
        let count = length.div_ceil(*size).max(1);
        let times = count.min(left).max(count.div_ceil(AXIS_CHUNKS_MAX as u64));
        left = (left / times).max(1);
        *size = size.saturating_mul(times);
    }
    sizes
}

impl ChunkStore for Hdf5 {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let dtype = self.grid.dtype();
        let hold = context.hold_chunk(&region.shape, dtype)?;
        let bytes = region.elements() * dtype.bytes();
        // What is decoded is a block of its own before it is in its place, and so is a chunk, packed and not.
        let chunk = self.chunk_bytes.unwrap_or(bytes);
        let most = bytes.saturating_add(chunk.saturating_mul(3));
        let _held = context.hold(most, "decoding a part of an HDF5 file")?;
        let bytes_max = chunk.saturating_mul(2).max(bytes).max(INDEX_BYTES_MAX);
        let tensor = Tensor::filled_by(&region.shape, dtype, |into| {
            match (region.elements(), dtype.bytes()) {
                (0, _) => {}
                (_, 1) => self.fill::<1>(region, into, bytes_max, context)?,
                (_, 2) => self.fill::<2>(region, into, bytes_max, context)?,
                (_, 4) => self.fill::<4>(region, into, bytes_max, context)?,
                (_, 8) => self.fill::<8>(region, into, bytes_max, context)?,
                _ => self.fill::<16>(region, into, bytes_max, context)?,
            }
            if self.is_big_endian {
                into.chunks_exact_mut(dtype.to_real().bytes())
                    .for_each(<[u8]>::reverse);
            }
            Ok(())
        })?;
        Ok(tensor.held(hold))
    }

    fn cost(&self) -> Cost {
        match self.chunk_bytes {
            Some(_) => Cost::Chunks,
            None => Cost::Elements,
        }
    }

    fn stored_in(&self, _region: &Region) -> Option<String> {
        Some(self.name.clone())
    }
}

impl fmt::Debug for Hdf5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hdf5({})", self.name)
    }
}
