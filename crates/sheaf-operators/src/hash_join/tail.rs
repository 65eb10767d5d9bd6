//! What comes out of the build side when all probes have ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{BooleanArray, RecordBatch};
use datafusion::common::{JoinType, Result};

use super::build::ProbeNulls;
use super::output::build_batch;
use super::spec::JoinSpec;
use super::table::Table;

/// Walks over a table's rows.
#[derive(Debug)]
pub(super) struct BuildTail {
    table: Arc<Table>,
    chunk: usize,
    row: usize,
    /// Rows with a NULL key are in: true unless `NOT IN` has something to be compared with.
    with_null_keys: bool,
}

impl BuildTail {
    /// The tail of `table`; `None` if the join type has none, or a `NOT IN` met a NULL.
    pub(super) fn new(spec: &JoinSpec, table: Arc<Table>, nulls: &ProbeNulls) -> Option<Self> {
        if !spec.tracks_build() || (spec.null_aware && nulls.has_null.load(Ordering::Acquire)) {
            return None;
        }
        Some(Self {
            table,
            chunk: 0,
            row: 0,
            with_null_keys: !(spec.null_aware && nulls.has_rows.load(Ordering::Acquire)),
        })
    }

    /// The next rows that come out; never more than an output batch.
    pub(super) fn next(&mut self, spec: &JoinSpec) -> Result<Option<RecordBatch>> {
        let table = Arc::clone(&self.table);
        while let Some(chunk) = table.chunks.get(self.chunk) {
            let mut rows = Vec::new();
            while self.row < chunk.rows() && rows.len() < spec.batch_rows {
                if self.comes_out(spec, self.row)
                    && let Ok(row) = u32::try_from(self.row)
                {
                    rows.push(row);
                }
                self.row += 1;
            }
            let at = self.chunk;
            if self.row == chunk.rows() {
                self.chunk += 1;
                self.row = 0;
            }
            if rows.is_empty() {
                continue;
            }
            let mark = (spec.join_type == JoinType::LeftMark).then(|| {
                let marks = rows.iter().map(|row| table.is_visited(at, *row as usize));
                BooleanArray::from(marks.collect::<Vec<bool>>())
            });
            return build_batch(spec, &chunk.batch, &rows, mark).map(Some);
        }
        Ok(None)
    }

    fn comes_out(&self, spec: &JoinSpec, row: usize) -> bool {
        let visited = self.table.is_visited(self.chunk, row);
        match spec.join_type {
            JoinType::LeftMark => true,
            JoinType::LeftSemi => visited,
            _ if visited => false,
            _ => {
                self.with_null_keys
                    || self
                        .table
                        .chunks
                        .get(self.chunk)
                        .is_some_and(|chunk| chunk.keys.is_valid(row))
            }
        }
    }
}
