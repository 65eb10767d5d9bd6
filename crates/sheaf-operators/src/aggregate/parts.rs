//! The parts: states cut by the hash of their keys, in memory or on disk.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::UInt32Array;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{concat_batches, interleave_record_batch, take_record_batch};
use datafusion::common::Result;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;

use super::shape::Shape;
use crate::spill::{SpillWriter, SpilledRows, batch_bytes, compact};

/// Parts into which one that does not fit is cut.
pub(super) const LEVEL_PARTS: usize = 16;

/// Parts of one output at the first cut, where outputs are few.
const OUTPUT_PARTS_MAX: usize = 16;

/// Parts of all outputs at the first cut: each may have a file open.
const FIRST_PARTS_MAX: usize = 256;

/// Rows that a batch of spilled states has at most, so that reading one back takes little memory.
const SPILLED_BATCH_ROWS_MAX: usize = 8192;

/// What goes to which part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    outputs: u64,
    parts: u64,
    level: u64,
}

impl Cut {
    /// The first cut: `outputs` as the engine's hash repartitioning cuts rows, so that operators
    /// above may rely on it, and each of them into [`OUTPUT_PARTS_MAX`].
    pub(super) fn first(outputs: usize) -> Self {
        Self {
            outputs: outputs as u64,
            parts: (FIRST_PARTS_MAX / outputs.max(1)).clamp(1, OUTPUT_PARTS_MAX) as u64,
            level: 0,
        }
    }

    /// The numbers of the parts of output `number`.
    pub(super) fn parts_of(self, number: usize) -> Range<usize> {
        let parts = usize::try_from(self.parts).unwrap_or(1);
        number * parts..(number + 1) * parts
    }

    /// A cut of one part into [`LEVEL_PARTS`], by a hash of its own at each level from 1.
    pub(super) fn deeper(level: usize) -> Self {
        Self {
            outputs: 1,
            parts: LEVEL_PARTS as u64,
            level: level as u64,
        }
    }

    pub(super) fn count(self) -> usize {
        usize::try_from(self.outputs * self.parts).unwrap_or(usize::MAX)
    }

    /// Cuts the rows of `batches`: each part that gets rows, and its rows.
    pub(super) fn cut(
        self,
        shape: &Shape,
        batches: &[RecordBatch],
    ) -> Result<Vec<(usize, RecordBatch)>> {
        let mut places: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.count()];
        let mut hashes = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            let keys: &[ArrayRef] = &batch.columns()[..shape.key_width()];
            hashes.clear();
            hashes.resize(batch.num_rows(), 0);
            match self.level {
                0 => create_hashes(keys, REPARTITION_RANDOM_STATE.random_state(), &mut hashes)?,
                level => create_hashes(keys, &RandomState::with_seed(level), &mut hashes)?,
            };
            for (row, hash) in hashes.iter().enumerate() {
                places[self.part(*hash)].push((number, row));
            }
        }
        let rows = places
            .into_iter()
            .enumerate()
            .filter(|(_, rows)| !rows.is_empty());
        rows.map(|(part, rows)| Ok((part, gather(batches, &rows)?)))
            .collect()
    }

    /// The output by the low bits, as the engine has it; the part by the high ones.
    fn part(self, hash: u64) -> usize {
        let part = (hash % self.outputs) * self.parts + (hash >> 32) % self.parts;
        usize::try_from(part).unwrap_or(0)
    }
}

fn gather(batches: &[RecordBatch], rows: &[(usize, usize)]) -> Result<RecordBatch> {
    let gathered = if let [batch] = batches {
        let indices = rows
            .iter()
            .map(|(_, row)| u32::try_from(*row).unwrap_or(u32::MAX));
        take_record_batch(batch, &UInt32Array::from_iter_values(indices))?
    } else {
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        interleave_record_batch(&batches, rows)?
    };
    compact(&gathered)
}

/// One part: what is in memory, and what is on disk.
#[derive(Default)]
pub(super) struct Part {
    /// States, and the bytes reserved for each batch.
    batches: Vec<(RecordBatch, usize)>,
    bytes: usize,
    row_count: usize,
    file: Option<SpillWriter>,
}

/// A part that gets no more rows.
#[derive(Default)]
pub(super) struct WholePart {
    /// States in memory, and the bytes reserved for each batch.
    pub(super) batches: Vec<(RecordBatch, usize)>,
    pub(super) files: Vec<SpilledRows>,
}

/// How to write states to disk.
#[derive(Clone)]
pub(super) struct Spill {
    pub(super) env: Arc<RuntimeEnv>,
    pub(super) metrics: SpillMetrics,
    pub(super) shape: Arc<Shape>,
}

impl Part {
    /// Adds states whose bytes are reserved.
    fn push(&mut self, batch: RecordBatch, bytes: usize) {
        self.row_count += batch.num_rows();
        self.batches.push((batch, bytes));
        self.bytes += bytes;
    }

    /// Adds states on disk.
    pub(super) fn write(&mut self, batch: &RecordBatch, spill: &Spill) -> Result<()> {
        self.row_count += batch.num_rows();
        self.append(batch, spill)
    }

    /// Sends what is in memory to disk; the bytes that are free then.
    fn spill(&mut self, spill: &Spill) -> Result<usize> {
        // Pieces of a few hundred rows are put together first: each batch of a file costs an
        // encoder a column, whatever its rows.
        let mut pieces = std::mem::take(&mut self.batches).into_iter().peekable();
        while pieces.peek().is_some() {
            let mut row_count = 0;
            let mut together = Vec::new();
            while let Some((piece, _)) = pieces.next_if(|(piece, _)| {
                row_count == 0 || row_count + piece.num_rows() <= SPILLED_BATCH_ROWS_MAX
            }) {
                row_count += piece.num_rows();
                together.push(piece);
            }
            let batch = concat_batches(&spill.shape.state_schema, &together)?;
            drop(together);
            self.append(&batch, spill)?;
        }
        Ok(std::mem::take(&mut self.bytes))
    }

    fn append(&mut self, batch: &RecordBatch, spill: &Spill) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let schema = &spill.shape.state_schema;
                let file = SpillWriter::create(&spill.env, &spill.metrics, schema, "Aggregate")?;
                none.insert(file)
            }
        };
        let mut offset = 0;
        while offset < batch.num_rows() {
            let rows = SPILLED_BATCH_ROWS_MAX.min(batch.num_rows() - offset);
            file.append(&batch.slice(offset, rows))?;
            offset += rows;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<WholePart> {
        let files = self.file.map(SpillWriter::finish).transpose()?;
        Ok(WholePart {
            batches: self.batches,
            files: files.into_iter().collect(),
        })
    }
}

impl WholePart {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.files.is_empty()
    }

    /// Takes in the rows of `other`.
    pub(super) fn extend(&mut self, other: Self) {
        self.batches.extend(other.batches);
        self.files.extend(other.files);
    }
}

/// The parts of one operator. What they hold in memory is reserved in the operator's holding, and
/// anybody who works on the operator may send the largest of them to disk.
pub(super) struct PartStore {
    parts: Vec<Mutex<Part>>,
    /// Bytes in memory of each part, to be seen without its lock.
    bytes: Vec<AtomicUsize>,
    pub(super) spill: Spill,
}

impl PartStore {
    pub(super) fn new(count: usize, spill: Spill) -> Self {
        Self {
            parts: (0..count).map(|_| Mutex::default()).collect(),
            bytes: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            spill,
        }
    }

    /// Adds states whose bytes are reserved already.
    pub(super) fn push(&self, number: usize, batch: RecordBatch, bytes: usize) {
        let mut part = self.parts[number].lock();
        part.push(batch, bytes);
        self.bytes[number].store(part.bytes, Ordering::Relaxed);
    }

    /// Adds states for which there is no memory.
    pub(super) fn write(&self, number: usize, batch: &RecordBatch) -> Result<()> {
        self.parts[number].lock().write(batch, &self.spill)
    }

    /// Takes part `number` out; its bytes stay reserved, and are now the caller's.
    pub(super) fn take(&self, number: usize) -> Result<WholePart> {
        let part = {
            let mut part = self.parts[number].lock();
            self.bytes[number].store(0, Ordering::Relaxed);
            std::mem::take(&mut *part)
        };
        part.finish()
    }

    /// Rows of part `number`, in memory and on disk.
    pub(super) fn row_count(&self, number: usize) -> usize {
        self.parts[number].lock().row_count
    }

    /// Sends the largest parts to disk until `wanted_bytes` are given back, or nothing is left in
    /// memory; the bytes given back.
    pub(super) fn spill_largest(&self, holding: &Holding, wanted_bytes: usize) -> Result<usize> {
        let mut given = 0;
        while given < wanted_bytes {
            let sizes = self.bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed));
            let Some((number, bytes)) = sizes.enumerate().max_by_key(|(_, bytes)| *bytes) else {
                break;
            };
            if bytes == 0 {
                break;
            }
            // Locked while it is written, so that nobody takes the part without these rows.
            let mut part = self.parts[number].lock();
            self.bytes[number].store(0, Ordering::Relaxed);
            let freed = part.spill(&self.spill)?;
            drop(part);
            holding.shrink(freed);
            given += freed;
        }
        Ok(given)
    }
}

/// Bytes that `batch` takes in a part: its rows, and what an array takes besides.
pub(super) fn part_bytes(batch: &RecordBatch) -> Result<usize> {
    /// What a column takes besides its values: the array, its buffers' headers.
    const COLUMN_BYTES: usize = 256;
    Ok(batch_bytes(batch)? + batch.num_columns() * COLUMN_BYTES)
}
