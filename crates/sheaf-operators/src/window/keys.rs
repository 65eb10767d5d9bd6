//! Where partitions and peers begin in a stream of sorted batches.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::partition;
use datafusion::common::utils::get_row_at_idx;
use datafusion::common::{Result, ScalarValue};

use super::function::{Sorting, evaluate};

/// Runs of equal keys in one batch.
pub(super) struct Runs {
    /// Runs of rows of one partition; the first may go on from the batch before.
    pub(super) partitions: Vec<Range<usize>>,
    /// Runs of peers: of one partition, equal in ORDER BY.
    pub(super) peers: Vec<Range<usize>>,
    /// Whether the first row begins a partition.
    pub(super) begins_partition: bool,
    /// Whether the first row begins a run of peers.
    pub(super) begins_peers: bool,
}

/// Finds runs, remembering the keys of the last row from batch to batch.
pub(super) struct KeyReader {
    sorting: Sorting,
    finds_peers: bool,
    last: Option<(Vec<ScalarValue>, Vec<ScalarValue>)>,
}

impl KeyReader {
    pub(super) fn new(sorting: Sorting, finds_peers: bool) -> Self {
        Self {
            sorting,
            finds_peers,
            last: None,
        }
    }

    /// The runs of `batch`, which must have rows.
    pub(super) fn read(&mut self, batch: &RecordBatch) -> Result<Runs> {
        let row_count = batch.num_rows();
        let mut keys = evaluate(&self.sorting.partition_by, batch)?;
        let partitions = runs(&keys, row_count)?;
        let first = get_row_at_idx(&keys, 0)?;
        let last = get_row_at_idx(&keys, row_count - 1)?;
        let begins_partition = self.last.as_ref().is_none_or(|(known, _)| *known != first);
        let mut peers = Vec::new();
        let mut begins_peers = begins_partition;
        let mut last_order = Vec::new();
        if self.finds_peers {
            let order = evaluate(&self.sorting.order_by, batch)?;
            let first = get_row_at_idx(&order, 0)?;
            last_order = get_row_at_idx(&order, row_count - 1)?;
            begins_peers |= self.last.as_ref().is_none_or(|(_, known)| *known != first);
            keys.extend(order);
            peers = runs(&keys, row_count)?;
        }
        self.last = Some((last, last_order));
        Ok(Runs {
            partitions,
            peers,
            begins_partition,
            begins_peers,
        })
    }
}

/// Runs of equal rows; without columns all rows are equal.
fn runs(columns: &[ArrayRef], row_count: usize) -> Result<Vec<Range<usize>>> {
    if columns.is_empty() {
        return Ok(std::iter::once(0..row_count).collect());
    }
    Ok(partition(columns)?.ranges())
}
