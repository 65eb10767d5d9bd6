//! Build rows as the table holds them: a batch, its keys, and what they cost.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, MutableArrayData, RecordBatch, RecordBatchOptions, make_array,
};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;

use super::keys::Keys;

/// An array may hold twice what its rows need, and this much more, before it is copied.
const SLACK_BYTES: usize = 4 * 1024;

/// Bytes of a string view, of which short strings are all.
const VIEW_BYTES: usize = 16;

/// Some build rows.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) batch: RecordBatch,
    pub(super) keys: Keys,
    /// Bytes of all of it.
    pub(super) bytes: usize,
}

impl Chunk {
    pub(super) fn new(batch: RecordBatch, keys: Keys) -> Self {
        let bytes = memory_bytes(&batch, &keys);
        Self { batch, keys, bytes }
    }

    pub(super) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Gives up the hashes; returns how many bytes that frees.
    pub(super) fn drop_hashes(&mut self) -> usize {
        let freed = self.keys.hashes.len() * size_of::<u64>();
        self.keys.hashes = Vec::new();
        self.bytes = self.bytes.saturating_sub(freed);
        freed.min(self.bytes + freed)
    }
}

/// Bytes of a batch and its keys, those that are columns of it counted once.
pub(super) fn memory_bytes(batch: &RecordBatch, keys: &Keys) -> usize {
    let is_column = |key: &&ArrayRef| batch.columns().iter().any(|c| Arc::ptr_eq(c, key));
    let computed: usize = keys
        .arrays
        .iter()
        .filter(|key| !is_column(key))
        .map(|key| key.get_array_memory_size())
        .sum();
    // Columns that were read from a file may share one buffer.
    get_record_batch_memory_size(batch) + computed + keys.hashes.len() * size_of::<u64>()
}

/// The same rows without buffers that mostly hold others': slices of large batches, and string
/// views into pages of which a filter left little.
pub(super) fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let compacted: Vec<Option<ArrayRef>> = batch.columns().iter().map(compacted).collect();
    if compacted.iter().all(Option::is_none) {
        return Ok(batch);
    }
    let columns = compacted
        .into_iter()
        .zip(batch.columns())
        .map(|(compacted, column)| compacted.unwrap_or_else(|| Arc::clone(column)))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns,
        &options,
    )?)
}

fn compacted(array: &ArrayRef) -> Option<ArrayRef> {
    let held = array.get_array_memory_size();
    let is_loose = |used: usize| held > used.saturating_mul(2).saturating_add(SLACK_BYTES);
    match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            is_loose(views.total_buffer_bytes_used() + views.len() * VIEW_BYTES)
                .then(|| Arc::new(views.gc()) as ArrayRef)
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            is_loose(views.total_buffer_bytes_used() + views.len() * VIEW_BYTES)
                .then(|| Arc::new(views.gc()) as ArrayRef)
        }
        _ => {
            let data = array.to_data();
            let used = data.get_slice_memory_size().unwrap_or(held);
            if !is_loose(used) {
                return None;
            }
            let mut copy = MutableArrayData::new(vec![&data], false, data.len());
            // What was once in an array fits into another.
            copy.try_extend(0, 0, data.len()).ok()?;
            Some(make_array(copy.freeze()))
        }
    }
}
