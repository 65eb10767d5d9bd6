//! The rows of a result that may be read anywhere and again: what cursors that scroll stand on.
//!
//! ```text
//! query ─ as far as somebody asks ─> recent rows, in memory ─ when they are many ─> chunks on disk
//! ```
//!
//! Nothing runs ahead: the query is read up to the row that is asked for. What was read is kept until
//! the rows are dropped.
//!
//! # Memory
//! Two chunks of [`CHUNK_BYTES`], and a batch more each: the recent rows, and one chunk that was read
//! back. Both are reserved in the budget of the process; where that has less, chunks are smaller. On
//! disk it is the budget of spilled data that counts.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use futures::TryStreamExt;
use sheaf_base::{Result, SheafError};
use sheaf_operators::spill::{SpillWriter, SpilledRows, batch_bytes, compact};

use crate::result::QueryResult;
use crate::session::Session;

/// Bytes of rows in memory that make a chunk.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Who reserves memory and disk, in errors.
const OPERATOR: &str = "the cursor";

/// Rows that may be read anywhere and again.
pub struct ScrolledRows {
    session: Session,
    /// Those to come; `None` at the end.
    coming: Option<QueryResult>,
    schema: SchemaRef,
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    /// On disk, in order.
    chunks: Vec<Chunk>,
    /// Behind those.
    recent: Held,
    /// The chunk that was read back last.
    opened: Option<Held>,
}

/// Rows on disk.
struct Chunk {
    first: u64,
    bytes: usize,
    rows: SpilledRows,
}

/// Rows in memory.
struct Held {
    first: u64,
    rows: u64,
    batches: Vec<RecordBatch>,
    /// For them.
    reservation: MemoryReservation,
}

impl std::fmt::Debug for ScrolledRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScrolledRows")
            .field("rows", &self.row_count())
            .field("chunks", &self.chunks.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Keeps the rows of `result` as they are read, so that they can be read again.
    #[must_use]
    pub fn scroll(&self, result: QueryResult) -> ScrolledRows {
        let env = self.engine().runtime_env();
        let reservation = MemoryConsumer::new(OPERATOR).register(&env.memory_pool);
        ScrolledRows {
            session: self.clone(),
            schema: result.schema(),
            coming: Some(result),
            env,
            metrics: SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0),
            chunks: vec![],
            recent: Held::new(0, reservation),
            opened: None,
        }
    }
}

impl ScrolledRows {
    /// The batch that has row `row`, counted from 0, and the row's place in it; `None` if there are
    /// fewer. May be dropped and called anew without loss.
    ///
    /// # Errors
    /// Those of the query; `Resource` if memory or disk do not suffice.
    pub async fn at(&mut self, row: u64) -> Result<Option<(RecordBatch, usize)>> {
        while row >= self.row_count() {
            if !self.read_on().await? {
                return Ok(None);
            }
        }
        if row >= self.recent.first {
            return Ok(self.recent.find(row));
        }
        if !self.opened.as_ref().is_some_and(|opened| opened.has(row)) {
            let read = self.open(row).await;
            self.opened = read.map_err(|error| self.told(error))?;
        }
        Ok(self.opened.as_ref().and_then(|opened| opened.find(row)))
    }

    /// Reads to the end; how many rows there are.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub async fn count(&mut self) -> Result<u64> {
        while self.read_on().await? {}
        Ok(self.row_count())
    }

    /// Rows that were read.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.recent.first + self.recent.rows
    }

    /// Chunks that are on disk.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The query that gives the rows, while it has not ended.
    #[must_use]
    pub fn coming(&self) -> Option<&QueryResult> {
        self.coming.as_ref()
    }

    /// Reads one batch more; whether there was one.
    async fn read_on(&mut self) -> Result<bool> {
        let Some(coming) = &mut self.coming else {
            return Ok(false);
        };
        match coming.next_batch().await.transpose()? {
            Some(batch) => {
                let kept = self.keep(&batch);
                kept.map_err(|error| self.told(error))?;
                Ok(true)
            }
            None => {
                self.coming = None;
                Ok(false)
            }
        }
    }

    fn keep(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = compact(batch)?;
        let bytes = batch_bytes(&batch)?;
        let is_much = self.recent.reservation.size() + bytes > CHUNK_BYTES;
        if is_much || self.recent.reservation.try_grow(bytes).is_err() {
            self.write()?;
            self.recent.reservation.try_grow(bytes)?;
        }
        self.recent.rows += batch.num_rows() as u64;
        self.recent.batches.push(batch);
        Ok(())
    }

    /// Puts the recent rows on disk.
    fn write(&mut self) -> Result<(), DataFusionError> {
        if self.recent.batches.is_empty() {
            return Ok(());
        }
        let mut writer = SpillWriter::create(&self.env, &self.metrics, &self.schema, OPERATOR)?;
        for batch in &self.recent.batches {
            writer.append(batch)?;
        }
        let recent = &mut self.recent;
        self.chunks.push(Chunk {
            first: recent.first,
            bytes: recent.reservation.size(),
            rows: writer.finish()?,
        });
        recent.first += recent.rows;
        recent.rows = 0;
        recent.batches.clear();
        recent.reservation.free();
        Ok(())
    }

    /// Reads back the chunk that has `row`.
    async fn open(&mut self, row: u64) -> Result<Option<Held>, DataFusionError> {
        self.opened = None;
        let behind = self.chunks.partition_point(|chunk| chunk.first <= row);
        let Some(chunk) = behind.checked_sub(1).and_then(|at| self.chunks.get(at)) else {
            return Ok(None);
        };
        let mut held = Held::new(chunk.first, self.recent.reservation.new_empty());
        held.reservation.try_grow(chunk.bytes)?;
        held.batches = chunk.rows.read()?.try_collect().await?;
        held.rows = chunk.rows.row_count() as u64;
        Ok(Some(held))
    }

    /// What a client may know of an error of the disk's or the memory's.
    fn told(&self, error: DataFusionError) -> SheafError {
        self.session.concealer().error(error.into())
    }
}

impl Held {
    fn new(first: u64, reservation: MemoryReservation) -> Self {
        Self {
            first,
            rows: 0,
            batches: vec![],
            reservation,
        }
    }

    fn has(&self, row: u64) -> bool {
        (self.first..self.first + self.rows).contains(&row)
    }

    /// The batch that has `row`, and the row's place in it.
    fn find(&self, row: u64) -> Option<(RecordBatch, usize)> {
        let mut place = usize::try_from(row.checked_sub(self.first)?).ok()?;
        for batch in &self.batches {
            match place.checked_sub(batch.num_rows()) {
                Some(behind) => place = behind,
                None => return Some((batch.clone(), place)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    async fn value(rows: &mut ScrolledRows, row: u64) -> Option<i64> {
        let (batch, place) = rows.at(row).await.unwrap()?;
        Some(batch.column(0).as_primitive::<Int64Type>().value(place))
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(work)
    }

    /// 24 MB in chunks of 4, of which memory has two at a time.
    #[test]
    fn rows_come_back_from_anywhere() {
        let session = Session::builder().build().unwrap();
        run(async {
            let many = "SELECT value AS n, value * 2 AS m FROM range(0, 1500000) ORDER BY 1";
            let result = session.sql(many).await.unwrap();
            let mut rows = session.scroll(result);
            assert_eq!(value(&mut rows, 3).await, Some(3));
            assert!(rows.row_count() < 1_500_000, "nothing runs ahead");
            assert_eq!(rows.count().await.unwrap(), 1_500_000);
            assert!(rows.chunk_count() >= 4, "{rows:?}");
            for row in [1_499_999, 0, 700_000, 699_999, 1, 1_200_000] {
                assert_eq!(value(&mut rows, row).await, i64::try_from(row).ok());
            }
            assert_eq!(value(&mut rows, 1_500_000).await, None);
            let held = session.engine().runtime_env().memory_pool.reserved();
            assert!(held <= 3 * CHUNK_BYTES, "{held}");
            assert_ne!(session.engine().spill().files(), 0);
            drop(rows);
            assert_eq!(session.engine().spill().files(), 0);
        });
    }

    #[test]
    fn errors_of_the_query_are_its_own() {
        let session = Session::builder().build().unwrap();
        run(async {
            let result = session
                .sql("SELECT 10 / (value - 3) FROM range(0, 5)")
                .await;
            let mut rows = session.scroll(result.unwrap());
            let error = rows.count().await.unwrap_err();
            assert_eq!(error.state().code(), "22012");
        });
    }
}
