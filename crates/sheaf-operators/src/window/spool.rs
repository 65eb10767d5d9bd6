//! The rows of one partition, for several readers that each go forward at their own pace.
//!
//! ```text
//! Memory ─(memory is refused)→ Writing ─(the partition ends)→ Disk
//! ```
//!
//! Rows that every reader has passed are dropped, so that a frame which only looks back a little
//! holds little. Where memory is refused all the rows that are held, and those to come, go to a
//! file; readers then go on in that file, each by itself.
//!
//! Memory: the rows held are reserved; on disk, a batch a reader is not.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::SpillMetrics;
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_runtime::memory::{Grant, Holding};

use super::OPERATOR;
use crate::spill::{SpillWriter, SpilledRows, batch_bytes, compact};

/// Rows of a batch on disk, so that a reader holds little.
const SPILLED_BATCH_ROWS_MAX: usize = 1024;

/// Fewer bytes are not worth a file when others want memory.
pub(super) const GIVEN_BACK_BYTES_MIN: usize = 256 * 1024;

/// What a spool writes with.
#[derive(Clone)]
pub(super) struct SpoolMeans {
    pub(super) context: Arc<TaskContext>,
    pub(super) metrics: SpillMetrics,
    pub(super) schema: SchemaRef,
    pub(super) holding: Arc<Holding>,
}

/// See the module's text.
pub(super) struct Spool {
    means: SpoolMeans,
    place: Place,
    /// The first row that is kept.
    begin: u64,
    row_count: u64,
    is_complete: bool,
}

enum Place {
    /// Batches, the bytes reserved for each.
    Memory(VecDeque<(RecordBatch, usize)>),
    /// Locked, so that readers may share the spool: nobody reads meanwhile.
    Writing(Box<Mutex<SpillWriter>>),
    Disk(SpilledRows),
}

/// Where a reader is.
#[derive(Default)]
pub(super) struct Bookmark {
    /// The row it comes to next.
    next_row: u64,
    file: Option<(SendableRecordBatchStream, u64)>,
}

/// What a reader finds.
pub(super) enum Found {
    /// A batch, and the number of its first row in the partition.
    Rows(RecordBatch, u64),
    /// Rows may come, but are not there yet.
    NotYet,
    /// There are no more.
    End,
}

impl Spool {
    pub(super) fn new(means: SpoolMeans) -> Self {
        Self {
            means,
            place: Place::Memory(VecDeque::new()),
            begin: 0,
            row_count: 0,
            is_complete: false,
        }
    }

    /// Rows of the partition so far.
    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Whether these are all.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether rows are being written, and none can be read.
    pub(super) fn is_writing(&self) -> bool {
        matches!(self.place, Place::Writing(_))
    }

    /// Whether there is something to give back.
    pub(super) fn can_give(&self) -> bool {
        let Place::Memory(batches) = &self.place else {
            return false;
        };
        let bytes: usize = batches.iter().map(|(_, bytes)| bytes).sum();
        bytes >= GIVEN_BACK_BYTES_MIN
    }

    /// Gives back what is held, since others want memory.
    ///
    /// # Errors
    /// `Resource` if it cannot be written.
    pub(super) fn give_back(&mut self) -> Result<()> {
        if !self.can_give() {
            return Ok(());
        }
        self.spill()?;
        if self.is_complete {
            self.complete()?;
        }
        Ok(())
    }

    /// Adds rows at the end.
    ///
    /// # Errors
    /// `Resource` if they have to be written and cannot be.
    pub(super) fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        self.row_count += rows.num_rows() as u64;
        if let Place::Memory(batches) = &mut self.place {
            let rows = compact(rows)?;
            let bytes = batch_bytes(&rows)?;
            if self.means.holding.try_grow(bytes) == Grant::Granted {
                batches.push_back((rows, bytes));
                return Ok(());
            }
            self.spill()?;
        }
        let Place::Writing(writer) = &mut self.place else {
            return internal_err!("a partition that has ended gets rows");
        };
        write(writer.get_mut(), rows)
    }

    /// Sends what is held to disk.
    fn spill(&mut self) -> Result<()> {
        let means = &self.means;
        let env = means.context.runtime_env();
        let mut writer = SpillWriter::create(&env, &means.metrics, &means.schema, OPERATOR)?;
        if let Place::Memory(batches) = &mut self.place {
            while let Some((rows, bytes)) = batches.pop_front() {
                write(&mut writer, &rows)?;
                drop(rows);
                means.holding.shrink(bytes);
            }
        }
        self.place = Place::Writing(Box::new(Mutex::new(writer)));
        Ok(())
    }

    /// After the last row.
    ///
    /// # Errors
    /// `Resource` if the file cannot be ended.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.is_complete = true;
        match std::mem::replace(&mut self.place, Place::Memory(VecDeque::new())) {
            Place::Writing(writer) => self.place = Place::Disk(writer.into_inner().finish()?),
            place => self.place = place,
        }
        Ok(())
    }

    /// Drops the rows before `row`, which no reader needs again.
    pub(super) fn forget(&mut self, row: u64) {
        let Place::Memory(batches) = &mut self.place else {
            return;
        };
        while let Some((rows, bytes)) = batches.front() {
            let end = self.begin + rows.num_rows() as u64;
            if end > row {
                break;
            }
            self.means.holding.shrink(*bytes);
            self.begin = end;
            batches.pop_front();
        }
    }

    /// The batch that follows what the reader has read.
    pub(super) async fn next(&self, bookmark: &mut Bookmark) -> Result<Found> {
        let found = match &self.place {
            Place::Memory(batches) => self.in_memory(batches, bookmark.next_row),
            Place::Writing(_) => Found::NotYet,
            Place::Disk(rows) => self.on_disk(rows, bookmark).await?,
        };
        if let Found::Rows(rows, begin) = &found {
            bookmark.next_row = begin + rows.num_rows() as u64;
        }
        Ok(found)
    }

    fn in_memory(&self, batches: &VecDeque<(RecordBatch, usize)>, row: u64) -> Found {
        let mut begin = self.begin;
        for (rows, _) in batches {
            if row < begin + rows.num_rows() as u64 {
                return Found::Rows(rows.clone(), begin);
            }
            begin += rows.num_rows() as u64;
        }
        match self.is_complete {
            true => Found::End,
            false => Found::NotYet,
        }
    }

    async fn on_disk(&self, rows: &SpilledRows, bookmark: &mut Bookmark) -> Result<Found> {
        let (stream, row) = match &mut bookmark.file {
            Some(file) => file,
            none => none.insert((rows.read()?, self.begin)),
        };
        while let Some(batch) = stream.next().await.transpose()? {
            let begin = *row;
            let end = begin + batch.num_rows() as u64;
            *row = end;
            if end <= bookmark.next_row {
                continue;
            }
            // Read before the rows went to disk.
            let passed = usize::try_from(bookmark.next_row.saturating_sub(begin)).unwrap_or(0);
            let rest = batch.slice(passed, batch.num_rows() - passed);
            return Ok(Found::Rows(rest, begin + passed as u64));
        }
        Ok(Found::End)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Place::Memory(batches) = &self.place {
            let bytes = batches.iter().map(|(_, bytes)| bytes).sum();
            self.means.holding.shrink(bytes);
        }
    }
}

impl Bookmark {
    /// Passes the rows before `row`.
    pub(super) fn skip_to(&mut self, row: u64) {
        self.next_row = self.next_row.max(row);
    }

    /// The row it comes to next: those before it are not needed again.
    pub(super) fn next_row(&self) -> u64 {
        self.next_row
    }
}

fn write(writer: &mut SpillWriter, rows: &RecordBatch) -> Result<()> {
    let mut offset = 0;
    while offset < rows.num_rows() {
        let count = SPILLED_BATCH_ROWS_MAX.min(rows.num_rows() - offset);
        writer.append(&rows.slice(offset, count))?;
        offset += count;
    }
    Ok(())
}
