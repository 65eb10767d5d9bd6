//! Where each batch lies: the list behind stored rows. Plain data; moves nothing itself.

use arrow::array::RecordBatch;

use crate::spill::SpilledRows;

/// Batches numbered from 0, in memory or in files.
#[derive(Default)]
pub(super) struct Chunks {
    list: Vec<Chunk>,
    row_count: usize,
}

/// Consecutive batches in one place.
struct Chunk {
    /// The number of its first batch.
    first: usize,
    batch_count: usize,
    place: Place,
}

enum Place {
    Memory { batch: RecordBatch, bytes: usize },
    Disk(SpilledRows),
}

/// Where a batch was found.
pub(super) enum Found {
    /// Here it is.
    Memory(RecordBatch),
    /// In this file, behind so many others.
    Disk(SpilledRows, usize),
}

/// Batches in memory, to be written to one file.
pub(super) struct Run {
    start: usize,
    /// The batches.
    pub(super) batches: Vec<RecordBatch>,
    /// What they take in memory.
    pub(super) bytes: usize,
}

impl Chunks {
    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    pub(super) fn batch_count(&self) -> usize {
        self.list
            .last()
            .map_or(0, |chunk| chunk.first + chunk.batch_count)
    }

    pub(super) fn disk_bytes(&self) -> usize {
        let files = self.list.iter().filter_map(|chunk| match &chunk.place {
            Place::Disk(rows) => Some(rows.file_bytes()),
            Place::Memory { .. } => None,
        });
        files.sum()
    }

    pub(super) fn has_files(&self) -> bool {
        let mut places = self.list.iter().map(|chunk| &chunk.place);
        places.any(|place| matches!(place, Place::Disk(_)))
    }

    pub(super) fn push_batch(&mut self, batch: RecordBatch, bytes: usize) {
        self.row_count += batch.num_rows();
        self.push(1, Place::Memory { batch, bytes });
    }

    /// A file of `batch_count` batches.
    pub(super) fn push_file(&mut self, rows: SpilledRows, batch_count: usize) {
        self.row_count += rows.row_count();
        self.push(batch_count, Place::Disk(rows));
    }

    pub(super) fn append(&mut self, others: Self) {
        self.row_count += others.row_count;
        for chunk in others.list {
            self.push(chunk.batch_count, chunk.place);
        }
    }

    pub(super) fn find(&self, batch: usize) -> Option<Found> {
        let behind = self.list.partition_point(|chunk| chunk.first <= batch);
        let chunk = self.list.get(behind.checked_sub(1)?)?;
        let skip = batch - chunk.first;
        if skip >= chunk.batch_count {
            return None;
        }
        Some(match &chunk.place {
            Place::Memory { batch, .. } => Found::Memory(batch.clone()),
            Place::Disk(rows) => Found::Disk(rows.clone(), skip),
        })
    }

    /// The first consecutive batches in memory, as many as take `bytes`; `None` if there are none.
    pub(super) fn first_in_memory(&self, bytes: usize) -> Option<Run> {
        let is_memory = |chunk: &Chunk| matches!(chunk.place, Place::Memory { .. });
        let start = self.list.iter().position(is_memory)?;
        let mut run = Run {
            start,
            batches: Vec::new(),
            bytes: 0,
        };
        for chunk in self.list.iter().skip(start) {
            match &chunk.place {
                Place::Memory { batch, bytes: held } if run.bytes < bytes => {
                    run.batches.push(batch.clone());
                    run.bytes += held;
                }
                _ => break,
            }
        }
        Some(run)
    }

    /// `rows` are those of `run`, which nobody else has moved meanwhile.
    pub(super) fn put_on_disk(&mut self, run: &Run, rows: SpilledRows) {
        let end = (run.start + run.batches.len()).min(self.list.len());
        let Some(first) = self.list.get(run.start).map(|chunk| chunk.first) else {
            return;
        };
        let chunk = Chunk {
            first,
            batch_count: run.batches.len(),
            place: Place::Disk(rows),
        };
        self.list.splice(run.start..end, [chunk]);
    }

    fn push(&mut self, batch_count: usize, place: Place) {
        let first = self.batch_count();
        self.list.push(Chunk {
            first,
            batch_count,
            place,
        });
    }
}
