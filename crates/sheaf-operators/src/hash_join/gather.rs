//! Copies values of build rows out of the chunks, once an output batch.
//!
//! Made once a table for each column that is needed: typed chunks stand ready. Long strings are
//! copied beside one another: an output batch refers to one buffer, not to one of each chunk.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewBuilder, GenericByteViewArray,
    GenericByteViewBuilder, PrimitiveArray, StringViewBuilder, UInt32Array, downcast_primitive,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{interleave, take};
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use datafusion::common::Result;

use super::chunk::Chunk;
use super::index::locate;

/// Blocks that string values are copied into are at most of this size.
const VIEW_BLOCK_BYTES_MAX: u32 = 2 * 1024 * 1024;

/// Copies values of one column.
pub(super) trait Gather: Send + Sync {
    /// The values of the rows called `ids`, in that order.
    fn gather(&self, ids: &[u32]) -> Result<ArrayRef>;
}

impl fmt::Debug for dyn Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gather")
    }
}

/// What copies column `column` of `chunks`.
pub(super) fn gather_column(chunks: &[Chunk], column: usize) -> Box<dyn Gather> {
    let arrays: Vec<ArrayRef> = chunks
        .iter()
        .map(|chunk| Arc::clone(chunk.batch.column(column)))
        .collect();
    if let [array] = arrays.as_slice() {
        return Box::new(OneChunk(Arc::clone(array)));
    }
    let Some(data_type) = arrays.first().map(|array| array.data_type().clone()) else {
        return Box::new(Chunks(arrays));
    };
    macro_rules! primitive {
        ($t:ty) => {
            Box::new(Primitives {
                chunks: arrays
                    .iter()
                    .filter_map(|array| array.as_primitive_opt::<$t>().cloned())
                    .collect(),
                nullable: arrays.iter().any(|array| array.null_count() > 0),
            })
        };
    }
    downcast_primitive! {
        &data_type => (primitive),
        DataType::Utf8View => Box::new(Views::<StringViewType> {
            chunks: arrays.iter().map(|array| array.as_string_view().clone()).collect(),
            builder: StringViewBuilder::with_capacity,
        }),
        DataType::BinaryView => Box::new(Views::<BinaryViewType> {
            chunks: arrays.iter().map(|array| array.as_binary_view().clone()).collect(),
            builder: BinaryViewBuilder::with_capacity,
        }),
        _ => Box::new(Chunks(arrays)),
    }
}

/// Names of rows of the first chunk are places in it.
struct OneChunk(ArrayRef);

impl Gather for OneChunk {
    fn gather(&self, ids: &[u32]) -> Result<ArrayRef> {
        let rows = UInt32Array::from_iter_values(ids.iter().copied());
        Ok(take(&self.0, &rows, None)?)
    }
}

struct Primitives<T: ArrowPrimitiveType> {
    chunks: Vec<PrimitiveArray<T>>,
    nullable: bool,
}

impl<T: ArrowPrimitiveType> Gather for Primitives<T> {
    fn gather(&self, ids: &[u32]) -> Result<ArrayRef> {
        let values: Vec<T::Native> = ids
            .iter()
            .map(|id| {
                let (chunk, row) = locate(*id);
                self.chunks[chunk].values()[row]
            })
            .collect();
        let nulls = self.nullable.then(|| {
            let is_valid = |id: &u32| {
                let (chunk, row) = locate(*id);
                self.chunks[chunk].is_valid(row)
            };
            ids.iter().map(is_valid).collect::<NullBuffer>()
        });
        let array = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
        // Time zones, precision and scale are the type's, not `T`'s.
        let data_type = self.chunks.first().map(|c| c.data_type().clone());
        Ok(Arc::new(match data_type {
            Some(data_type) => array.with_data_type(data_type),
            None => array,
        }))
    }
}

struct Views<T: ByteViewType> {
    chunks: Vec<GenericByteViewArray<T>>,
    builder: fn(usize) -> GenericByteViewBuilder<T>,
}

impl<T: ByteViewType> Gather for Views<T> {
    fn gather(&self, ids: &[u32]) -> Result<ArrayRef> {
        let long_bytes: u64 = ids
            .iter()
            .map(|id| {
                let (chunk, row) = locate(*id);
                // A view begins with its length; up to 12 bytes are in the view itself.
                let length = self.chunks[chunk].views()[row] & u128::from(u32::MAX);
                u64::try_from(length).map_or(0, |bytes| if bytes > 12 { bytes } else { 0 })
            })
            .sum();
        let block = u32::try_from(long_bytes)
            .unwrap_or(u32::MAX)
            .clamp(64, VIEW_BLOCK_BYTES_MAX);
        let mut builder = (self.builder)(ids.len()).with_fixed_block_size(block);
        for id in ids {
            let (chunk, row) = locate(*id);
            let chunk = &self.chunks[chunk];
            if chunk.is_null(row) {
                builder.append_null();
            } else {
                builder.append_value(chunk.value(row));
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}

struct Chunks(Vec<ArrayRef>);

impl Gather for Chunks {
    fn gather(&self, ids: &[u32]) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.0.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = ids.iter().map(|id| locate(*id)).collect();
        Ok(interleave(&arrays, &places)?)
    }
}
