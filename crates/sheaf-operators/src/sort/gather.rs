//! Copies rows out of several batches into one, in a given order.
//!
//! Views are rewritten: an output batch refers to buffers of its own, which hold its own texts and
//! nothing else, however many buffers its rows came in.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, GenericByteViewArray, GenericByteViewBuilder,
    RecordBatch, RecordBatchOptions, StringViewBuilder,
};
use arrow::compute::interleave;
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use datafusion::common::Result;

use crate::spill::compact;

/// Blocks that texts are copied into have at most this size, unless one text is longer.
const VIEW_BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Texts up to this length are in the view itself.
const INLINE_BYTES_MAX: usize = 12;

/// The rows at `places` (the number of a batch, and of a row in it) of `batches`.
pub(super) fn gather(
    schema: &SchemaRef,
    batches: &[&RecordBatch],
    places: &[(usize, usize)],
) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    let mut has_nested = false;
    for (column, field) in schema.fields().iter().enumerate() {
        let arrays = || batches.iter().map(|batch| batch.column(column));
        columns.push(match field.data_type() {
            DataType::Utf8View => {
                let views: Vec<_> = arrays().map(|array| array.as_string_view()).collect();
                copy_views(&views, places, StringViewBuilder::with_capacity)
            }
            DataType::BinaryView => {
                let views: Vec<_> = arrays().map(|array| array.as_binary_view()).collect();
                copy_views(&views, places, BinaryViewBuilder::with_capacity)
            }
            data_type => {
                has_nested |= data_type.is_nested();
                let arrays: Vec<&dyn Array> = arrays().map(AsRef::as_ref).collect();
                interleave(&arrays, places)?
            }
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
    match has_nested {
        true => compact(&batch),
        false => Ok(batch),
    }
}

fn copy_views<T: ByteViewType>(
    arrays: &[&GenericByteViewArray<T>],
    places: &[(usize, usize)],
    builder: fn(usize) -> GenericByteViewBuilder<T>,
) -> ArrayRef {
    let length = |(batch, row): &(usize, usize)| {
        // A view begins with the length of its text.
        let length = arrays[*batch].views()[*row] & u128::from(u32::MAX);
        usize::try_from(length).unwrap_or(usize::MAX)
    };
    let long = places.iter().map(length).filter(|n| *n > INLINE_BYTES_MAX);
    let block = long.sum::<usize>().clamp(1, VIEW_BLOCK_BYTES_MAX);
    let block = u32::try_from(block).unwrap_or(u32::MAX);
    let mut copy = builder(places.len()).with_fixed_block_size(block);
    for (batch, row) in places {
        let array = arrays[*batch];
        if array.is_null(*row) {
            copy.append_null();
        } else {
            copy.append_value(array.value(*row));
        }
    }
    Arc::new(copy.finish())
}
