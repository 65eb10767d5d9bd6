//! The parts: states cut by the hash of their keys, in memory or on disk.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;

use super::shape::Shape;
use crate::spill::{SpillWriter, SpilledRows, batch_bytes, compact, copy_together};

/// Parts into which one that does not fit is cut.
pub(super) const LEVEL_PARTS: usize = 16;

/// Parts of one output at the first cut, where outputs are few.
const OUTPUT_PARTS_MAX: usize = 16;

/// Parts of all outputs at the first cut: each may have a file open.
const FIRST_PARTS_MAX: usize = 256;

/// Rows that a batch of spilled states has at most, so that reading one back takes little memory.
const SPILLED_BATCH_ROWS_MAX: usize = 8192;

/// Bytes that a batch of spilled states has at most, unless one row has more.
const SPILLED_BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of pieces in a part that are put together, where memory may be short.
const TOGETHER_BYTES: usize = 1024 * 1024;

/// Memory may be short once parts have one in this many of the bytes that there are, and more than a few
/// of what is put together.
const SHORT_PART: usize = 8;
const SHORT_BYTES_MIN: usize = 16 * TOGETHER_BYTES;

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

    /// A cut of one part into [`LEVEL_PARTS`], by other bits at each level from 1.
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
        if shape.has_no_keys() {
            return Ok(batches.iter().map(|batch| (0, batch.clone())).collect());
        }
        let joined;
        let batch = match batches {
            [] => return Ok(Vec::new()),
            [batch] => batch,
            [first, ..] => {
                joined = concat_batches(&first.schema(), batches)?;
                &joined
            }
        };
        let keys: &[ArrayRef] = &batch.columns()[..shape.key_width()];
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(keys, REPARTITION_RANDOM_STATE.random_state(), &mut hashes)?;
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); self.count()];
        for (row, hash) in (0_u32..).zip(hashes) {
            let hash = match self.level {
                0 => hash,
                level => mixed(hash, level),
            };
            places[self.part(hash)].push(row);
        }
        let places = places.into_iter().enumerate();
        let filled = places.filter(|(_, rows)| !rows.is_empty());
        filled
            .map(|(part, rows)| {
                let gathered = take_record_batch(batch, &UInt32Array::from(rows))?;
                Ok((part, compact(&gathered)?))
            })
            .collect()
    }

    /// The output by the low bits, as the engine has it; the part by the high ones.
    fn part(self, hash: u64) -> usize {
        // The share of the range that the bits reach into: a division would cost more.
        let own = ((hash >> 32) * self.parts) >> 32;
        let part = (hash % self.outputs) * self.parts + own;
        usize::try_from(part).unwrap_or(0)
    }
}

/// Another hash for each level, from the same one: keys that differ little have hashes that do, too,
/// whatever their seed, and would stay together. The mixing is SplitMix64's (G. Steele, D. Lea,
/// C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
fn mixed(hash: u64, level: u64) -> u64 {
    let mut mixed = hash.wrapping_add(level.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// States in memory; the bytes reserved for them are given back when this is dropped.
pub(super) struct HeldBatch {
    pub(super) batch: RecordBatch,
    bytes: usize,
    holding: Arc<Holding>,
}

impl HeldBatch {
    /// `bytes` are reserved in `holding` for `batch`.
    pub(super) fn new(batch: RecordBatch, bytes: usize, holding: &Arc<Holding>) -> Self {
        Self {
            batch,
            bytes,
            holding: Arc::clone(holding),
        }
    }
}

impl Drop for HeldBatch {
    fn drop(&mut self) {
        self.holding.shrink(self.bytes);
    }
}

/// One part: what is in memory, and what is on disk.
#[derive(Default)]
pub(super) struct Part {
    batches: Vec<HeldBatch>,
    bytes: usize,
    /// How many of `batches` are put together as they are, and the bytes of the others.
    together: usize,
    piece_bytes: usize,
    row_count: usize,
    file: Option<SpillWriter>,
    /// Nobody will take it: its output is gone.
    is_unwanted: bool,
}

/// A part that gets no more rows.
#[derive(Default)]
pub(super) struct WholePart {
    pub(super) batches: Vec<HeldBatch>,
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
    fn push(&mut self, held: HeldBatch) {
        self.row_count += held.batch.num_rows();
        self.bytes += held.bytes;
        self.piece_bytes += held.bytes;
        self.batches.push(held);
    }

    /// Puts pieces together once they are many. Those of all parts lie beside one another in memory, so that
    /// it could not be given back when those of one part go.
    fn put_together(&mut self, schema: &SchemaRef) -> Result<()> {
        if self.piece_bytes < TOGETHER_BYTES {
            return Ok(());
        }
        let pieces = self.batches.split_off(self.together);
        if let Some(HeldBatch { holding, .. }) = pieces.first() {
            let holding = Arc::clone(holding);
            let batch = copy_together(schema, pieces.iter().map(|piece| &piece.batch))?;
            let bytes = part_bytes(&batch)?;
            holding.reservation().grow(bytes);
            drop(pieces);
            self.bytes = self.bytes - self.piece_bytes + bytes;
            self.batches.push(HeldBatch::new(batch, bytes, &holding));
        }
        self.piece_bytes = 0;
        self.together = self.batches.len();
        Ok(())
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
        while let Some(first) = pieces.next() {
            let (mut row_count, mut bytes) = (first.batch.num_rows(), first.bytes);
            let mut together = vec![first];
            while let Some(piece) = pieces.next_if(|piece| {
                row_count + piece.batch.num_rows() <= SPILLED_BATCH_ROWS_MAX
                    && bytes + piece.bytes <= SPILLED_BATCH_BYTES_MAX
            }) {
                row_count += piece.batch.num_rows();
                bytes += piece.bytes;
                together.push(piece);
            }
            let batches = together.iter().map(|held| &held.batch);
            let batch = concat_batches(&spill.shape.state_schema, batches)?;
            drop(together);
            self.append(&batch, spill)?;
        }
        (self.together, self.piece_bytes) = (0, 0);
        Ok(std::mem::take(&mut self.bytes))
    }

    fn append(&mut self, batch: &RecordBatch, spill: &Spill) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let schema = &spill.shape.state_schema;
                let file =
                    SpillWriter::create(&spill.env, &spill.metrics, schema, "the aggregate")?;
                none.insert(file)
            }
        };
        append_pieces(file, batch)
    }

    pub(super) fn finish(self) -> Result<WholePart> {
        let files = self.file.map(SpillWriter::finish).transpose()?;
        Ok(WholePart {
            batches: self.batches,
            files: files.into_iter().collect(),
        })
    }
}

/// Appends the rows of `batch` in pieces that take little memory when they are read back.
pub(super) fn append_pieces(file: &mut SpillWriter, batch: &RecordBatch) -> Result<()> {
    let bytes = batch_bytes(batch)?.max(1);
    let rows_max = SPILLED_BATCH_BYTES_MAX.saturating_mul(batch.num_rows()) / bytes;
    let rows_max = rows_max.clamp(1, SPILLED_BATCH_ROWS_MAX);
    let mut offset = 0;
    while offset < batch.num_rows() {
        let rows = rows_max.min(batch.num_rows() - offset);
        file.append(&batch.slice(offset, rows))?;
        offset += rows;
    }
    Ok(())
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
    /// Why a part lost rows that it had: whoever wrote it could not tell anybody.
    failure: Mutex<Option<Arc<DataFusionError>>>,
    /// Bytes in memory from which on pieces are put together.
    short_bytes: usize,
    pub(super) spill: Spill,
}

impl PartStore {
    pub(super) fn new(count: usize, spill: Spill) -> Self {
        let short_bytes = match spill.env.memory_pool.memory_limit() {
            MemoryLimit::Finite(bytes) => (bytes / SHORT_PART).max(SHORT_BYTES_MIN),
            _ => usize::MAX,
        };
        Self {
            short_bytes,
            parts: (0..count).map(|_| Mutex::default()).collect(),
            bytes: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            failure: Mutex::default(),
            spill,
        }
    }

    /// Adds states in memory.
    pub(super) fn push(&self, number: usize, held: HeldBatch) -> Result<()> {
        let all: usize = self.sizes().sum();
        let mut part = self.parts[number].lock();
        if !part.is_unwanted {
            part.push(held);
            if all >= self.short_bytes {
                part.put_together(&self.spill.shape.state_schema)?;
            }
            self.bytes[number].store(part.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes in memory of each part.
    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed))
    }

    /// Adds states for which there is no memory.
    pub(super) fn write(&self, number: usize, batch: &RecordBatch) -> Result<()> {
        let mut part = self.parts[number].lock();
        match part.is_unwanted {
            true => Ok(()),
            false => part.write(batch, &self.spill),
        }
    }

    /// Takes part `number` out.
    ///
    /// # Errors
    /// Also if a part could not be written before.
    pub(super) fn take(&self, number: usize) -> Result<WholePart> {
        let part = self.take_out(number, false);
        if let Some(failure) = self.failure.lock().as_ref() {
            return Err(DataFusionError::Shared(Arc::clone(failure)));
        }
        part.finish()
    }

    /// Drops part `number`, and whatever is still added to it.
    pub(super) fn discard(&self, number: usize) {
        drop(self.take_out(number, true));
    }

    fn take_out(&self, number: usize, is_unwanted: bool) -> Part {
        let mut part = self.parts[number].lock();
        self.bytes[number].store(0, Ordering::Relaxed);
        let emptied = Part {
            is_unwanted,
            ..Part::default()
        };
        std::mem::replace(&mut *part, emptied)
    }

    /// Rows of part `number`, in memory and on disk.
    pub(super) fn row_count(&self, number: usize) -> usize {
        self.parts[number].lock().row_count
    }

    /// Sends the largest parts to disk until `wanted_bytes` are given back, or nothing is left in
    /// memory; the bytes given back.
    ///
    /// # Errors
    /// If a part cannot be written; whoever takes one then gets that error, too.
    pub(super) fn spill_largest(&self, wanted_bytes: usize) -> Result<usize> {
        let mut given = 0;
        while given < wanted_bytes {
            let sizes = self.sizes().enumerate();
            let Some((number, bytes)) = sizes.max_by_key(|(_, bytes)| *bytes) else {
                break;
            };
            if bytes == 0 {
                break;
            }
            // Locked while it is written, so that nobody takes the part without these rows.
            let mut part = self.parts[number].lock();
            self.bytes[number].store(0, Ordering::Relaxed);
            given += part.spill(&self.spill).map_err(|error| self.fail(error))?;
        }
        Ok(given)
    }

    fn fail(&self, error: DataFusionError) -> DataFusionError {
        let error = Arc::new(error);
        let mut failure = self.failure.lock();
        let first = failure.get_or_insert_with(|| error);
        DataFusionError::Shared(Arc::clone(first))
    }
}

/// Bytes of the dictionaries of `batch`, which arrays gathered from the same ones share.
pub(super) fn dictionary_bytes(batch: &RecordBatch) -> usize {
    let dictionaries = batch
        .columns()
        .iter()
        .filter_map(|column| column.as_any_dictionary_opt());
    let bytes = dictionaries.map(|column| column.values().get_array_memory_size());
    bytes.sum()
}

/// Bytes that `batch` takes in a part: its rows, and what an array takes besides.
pub(super) fn part_bytes(batch: &RecordBatch) -> Result<usize> {
    /// What a column takes besides its values: the array, its buffers' headers.
    const COLUMN_BYTES: usize = 256;
    Ok(batch_bytes(batch)? + batch.num_columns() * COLUMN_BYTES)
}
