//! Rows that outlive queries, as those of created tables do: in memory until memory is needed,
//! then on disk.
//!
//! ```text
//! StoredRowsWriter::append … → finish → StoredRows ─┬─> StoredScanExec, any number at once
//!                                          ▲        │
//!                            mover: asked ─┴─ moves the oldest batches to a spill file
//! ```
//!
//! Rows are a list of batches that only grows, numbered from 0. Each lies in memory, charged to a
//! [`Holding`] of the process, or in a spill file, which charges the disk budget. A task listens at
//! the holding; when others need memory it writes the oldest batches that are still in memory to a
//! file and puts the file in their place. Readers go by the number of the batch, so they need not
//! know that it has moved, and hold one batch at a time.
//!
//! Rows never ask others for memory: what finds no room is written to disk at once. Everything,
//! on disk and in memory, goes with the last handle or reader. Knows nothing of names in a
//! catalogue, and of queries only that they read.

mod chunks;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use parking_lot::Mutex;
use sheaf_runtime::EngineRuntime;
use sheaf_runtime::memory::{Grant, Holding};
use tokio::task::AbortHandle;

use crate::spill::{SpillWriter, SpilledRows};
use chunks::{Chunks, Found};

pub use scan::StoredScanExec;
pub use writer::StoredRowsWriter;

/// Bytes of rows in a file: little, so that those who wait have the first of it soon.
const FILE_BYTES: usize = 8 * 1024 * 1024;

/// A move writes at least one in this many of the bytes in memory, and no less than a file: who
/// asks for a little will ask again, and small files are not worth opening.
const MOVE_PART: usize = 4;

/// Rows that live until the last handle is dropped.
pub struct StoredRows {
    shared: Arc<Shared>,
    mover: AbortHandle,
}

/// What the handle shares with the task that moves rows.
struct Shared {
    /// Who holds the memory: `table t`.
    name: String,
    schema: SchemaRef,
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    holding: Holding,
    chunks: Mutex<Chunks>,
    /// Held while rows are moved, so that no rows are moved twice.
    moving: tokio::sync::Mutex<()>,
}

impl StoredRows {
    /// No rows of `schema`, in the memory and on the disk of `engine`; `name` is who holds them:
    /// `table t`.
    #[must_use]
    pub fn new(name: impl Into<String>, schema: SchemaRef, engine: &EngineRuntime) -> Self {
        let name = name.into();
        let shared = Arc::new(Shared {
            holding: Holding::of_process(name.clone(), engine.memory()),
            name,
            schema,
            env: engine.runtime_env(),
            metrics: SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0),
            chunks: Mutex::default(),
            moving: tokio::sync::Mutex::default(),
        });
        let mover = engine.cpu().spawn(give_back(Arc::clone(&shared)));
        Self {
            shared,
            mover: mover.abort_handle(),
        }
    }

    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shared.schema)
    }

    /// Rows in all.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.shared.chunks.lock().row_count()
    }

    /// Bytes of the rows in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shared.holding.bytes()
    }

    /// Bytes of the files, compressed.
    #[must_use]
    pub fn disk_bytes(&self) -> usize {
        self.shared.chunks.lock().disk_bytes()
    }

    /// Puts the rows of `others`, which have the same columns, behind its own, all at once.
    pub async fn absorb(&self, others: Self) {
        // Neither side is moved meanwhile.
        let _moving = (
            self.shared.moving.lock().await,
            others.shared.moving.lock().await,
        );
        let mut chunks = self.shared.chunks.lock();
        let taken = std::mem::take(&mut *others.shared.chunks.lock());
        // What is held changes hands; nobody can be refused what was granted before.
        let bytes = others.shared.holding.bytes();
        others.shared.holding.free();
        self.shared.holding.reservation().grow(bytes);
        chunks.append(taken);
    }
}

impl Drop for StoredRows {
    fn drop(&mut self) {
        self.mover.abort();
        // The task may hold its end a little longer.
        *self.shared.chunks.lock() = Chunks::default();
        self.shared.holding.free();
    }
}

impl fmt::Debug for StoredRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRows")
            .field("name", &self.shared.name)
            .field("row_count", &self.row_count())
            .field("memory_bytes", &self.memory_bytes())
            .field("disk_bytes", &self.disk_bytes())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Keeps `batch`, which takes `bytes`, in memory if there is room now.
    fn keep(&self, batch: &RecordBatch, bytes: usize) -> bool {
        let mut chunks = self.chunks.lock();
        let granted = self.holding.try_grow(bytes) == Grant::Granted;
        if granted {
            chunks.push_batch(batch.clone(), bytes);
        }
        granted
    }

    fn find(&self, batch: usize) -> Option<Found> {
        self.chunks.lock().find(batch)
    }

    fn create_file(&self) -> Result<SpillWriter> {
        SpillWriter::create(&self.env, &self.metrics, &self.schema, &self.name)
    }

    /// Moves the oldest batches in memory to disk until `bytes` of memory are free of them, or
    /// nothing is left.
    ///
    /// # Errors
    /// `Resource` if the disk or its budget is spent; what could not be written stays in memory.
    async fn move_to_disk(&self, bytes: usize) -> Result<()> {
        let _moving = self.moving.lock().await;
        let least = FILE_BYTES.max(self.holding.bytes() / MOVE_PART);
        let mut left = bytes.max(least);
        while left > 0 {
            let Some(run) = self.chunks.lock().first_in_memory(FILE_BYTES) else {
                return Ok(());
            };
            let file = self.write(&run.batches)?;
            let bytes = run.bytes;
            self.chunks.lock().put_on_disk(&run, file);
            drop(run);
            self.holding.shrink(bytes);
            left = left.saturating_sub(bytes);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn write(&self, batches: &[RecordBatch]) -> Result<SpilledRows> {
        let mut file = self.create_file()?;
        for batch in batches {
            file.append(batch)?;
        }
        file.finish()
    }
}

/// Answers those who need memory, as long as the rows live.
async fn give_back(shared: Arc<Shared>) {
    let _listening = shared.holding.listen();
    loop {
        let wanted = shared.holding.asked().await;
        // Rows that cannot be written stay where they are; the asker gets the refusal, which names
        // who holds most.
        let _ = shared.move_to_disk(wanted).await;
        shared.holding.answer();
    }
}
