//! One partition of a window node's input on its way.
//!
//! ```text
//! Gather ⇄ Replay (a partition larger than memory) → Done
//! Stream → Done
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{SpillMetrics, Time};
use futures::StreamExt;
use futures::stream::Fuse;
use sheaf_runtime::memory::{Grant, Holding};
use tokio::task::coop::consume_budget;

use super::OPERATOR;
use super::chunk::evaluate_chunk;
use super::function::{Function, Need, Sorting};
use super::keys::KeyReader;
use super::large::{LargePartition, Replay, stretches};
use super::numbering::Place;
use super::spool::GIVEN_BACK_BYTES_MIN;
use crate::spill::{SpillWriter, batch_bytes};

/// Bytes reserved for each byte of rows that are gathered: the rows, and a copy of them in one
/// piece while they are evaluated.
const COPIES: usize = 2;

/// Bytes reserved for each value that a function adds.
const VALUE_BYTES: usize = 16;

/// What a run is made of.
pub(super) struct RunParts {
    pub(super) input: SendableRecordBatchStream,
    pub(super) functions: Arc<[Function]>,
    pub(super) sorting: Sorting,
    pub(super) schema: SchemaRef,
    pub(super) partition: usize,
    pub(super) context: Arc<TaskContext>,
    pub(super) spill_metrics: SpillMetrics,
    pub(super) elapsed: Time,
}

/// A running window node.
pub(super) struct WindowRun {
    input: Fuse<SendableRecordBatchStream>,
    input_schema: SchemaRef,
    functions: Arc<[Function]>,
    sorting: Sorting,
    schema: SchemaRef,
    context: Arc<TaskContext>,
    spill_metrics: SpillMetrics,
    elapsed: Time,
    batch_rows: usize,
    phase: Phase,
    keys: KeyReader,
    /// Rows read, but not yet gathered.
    pieces: VecDeque<Piece>,
    /// Partitions that have ended, with their lengths.
    complete: Gathered,
    lengths: Vec<usize>,
    open: Open,
    /// Rows with their columns, and where the next batch of them begins.
    output: Option<(RecordBatch, usize)>,
    output_bytes: usize,
    holding: Arc<Holding>,
}

enum Phase {
    /// The place reached.
    Stream(Place),
    Gather,
    Replay(Box<Replay>),
    Done,
}

/// Rows of one partition, or of several that all begin in it but the last of which may go on.
struct Piece {
    rows: RecordBatch,
    lengths: Vec<usize>,
    begins_partition: bool,
}

/// Rows that are held, and what is reserved for them.
#[derive(Default)]
struct Gathered {
    pieces: Vec<RecordBatch>,
    row_count: usize,
    bytes: usize,
}

/// The partition that has not ended.
enum Open {
    Memory(Gathered),
    Large(Box<LargePartition>),
}

impl Gathered {
    fn push(&mut self, rows: RecordBatch, bytes: usize) {
        self.row_count += rows.num_rows();
        self.bytes += bytes;
        self.pieces.push(rows);
    }

    fn append(&mut self, other: Self) {
        self.row_count += other.row_count;
        self.bytes += other.bytes;
        self.pieces.extend(other.pieces);
    }
}

impl WindowRun {
    pub(super) fn new(parts: RunParts) -> Self {
        let streams = parts.functions.iter().all(Function::looks_back);
        let finds_peers = streams
            && parts
                .functions
                .iter()
                .any(|f| matches!(f.need, Need::Numbering(number) if number.needs_peers()));
        let name = format!("Window[{}]", parts.partition);
        Self {
            input_schema: parts.input.schema(),
            input: parts.input.fuse(),
            functions: parts.functions,
            keys: KeyReader::new(parts.sorting.clone(), finds_peers),
            sorting: parts.sorting,
            schema: parts.schema,
            batch_rows: parts.context.session_config().batch_size().max(1),
            holding: Arc::new(Holding::new(name, parts.context.memory_pool())),
            context: parts.context,
            spill_metrics: parts.spill_metrics,
            elapsed: parts.elapsed,
            phase: if streams {
                Phase::Stream(Place::default())
            } else {
                Phase::Gather
            },
            pieces: VecDeque::new(),
            complete: Gathered::default(),
            lengths: Vec::new(),
            open: Open::Memory(Gathered::default()),
            output: None,
            output_bytes: 0,
        }
    }

    /// The next batch of the result.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.next_output() {
                return Ok(Some(batch));
            }
            consume_budget().await;
            self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Stream(place) => self.stream(place).await?,
                Phase::Gather => self.gather().await?,
                Phase::Replay(mut replay) => match replay.next().await? {
                    Some((rows, columns)) => {
                        self.give(&rows, columns, 0)?;
                        Phase::Replay(replay)
                    }
                    None => Phase::Gather,
                },
                Phase::Done => return Ok(None),
            };
        }
    }

    fn next_output(&mut self) -> Option<RecordBatch> {
        let (rows, begin) = self.output.as_mut()?;
        let row_count = self.batch_rows.min(rows.num_rows() - *begin);
        if row_count == 0 {
            self.output = None;
            self.holding.shrink(std::mem::take(&mut self.output_bytes));
            return None;
        }
        let batch = rows.slice(*begin, row_count);
        *begin += row_count;
        Some(batch)
    }

    /// Puts out `rows` with their columns, for which `bytes` stay reserved meanwhile.
    fn give(&mut self, rows: &RecordBatch, columns: Vec<ArrayRef>, bytes: usize) -> Result<()> {
        let mut arrays = rows.columns().to_vec();
        arrays.extend(columns);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        self.output = Some((batch, 0));
        self.output_bytes = bytes;
        Ok(())
    }

    async fn stream(&mut self, place: Place) -> Result<Phase> {
        let Some(rows) = self.input.next().await.transpose()? else {
            return Ok(Phase::Done);
        };
        if rows.num_rows() == 0 {
            return Ok(Phase::Stream(place));
        }
        let elapsed = self.elapsed.clone();
        let _timer = elapsed.timer();
        let stretches = stretches(&self.keys.read(&rows)?, 0);
        let columns = self
            .functions
            .iter()
            .filter_map(|function| match function.need {
                Need::Numbering(number) => Some(place.numbers(number, &stretches)),
                _ => None,
            });
        let columns = columns.collect();
        self.give(&rows, columns, 0)?;
        Ok(Phase::Stream(place.after(&stretches)))
    }

    async fn gather(&mut self) -> Result<Phase> {
        let Some(piece) = self.pieces.pop_front() else {
            return match self.read().await? {
                Some(batch) => {
                    self.cut(&batch)?;
                    Ok(Phase::Gather)
                }
                None => self.finish(),
            };
        };
        if piece.begins_partition
            && let Some(large) = self.close_partition()
        {
            self.pieces.push_front(piece);
            return Ok(Phase::Replay(Box::new(large.finish(&self.sorting)?)));
        }
        if let Open::Large(large) = &mut self.open {
            large.append(&piece.rows)?;
            return Ok(Phase::Gather);
        }
        let bytes = batch_bytes(&piece.rows)? * COPIES
            + piece.rows.num_rows() * self.functions.len() * VALUE_BYTES;
        if self.holding.try_grow(bytes) == Grant::SpillFirst {
            self.make_room(piece, bytes).await?;
        } else {
            self.admit(piece, bytes);
        }
        if self.complete.row_count >= self.batch_rows {
            self.evaluate()?;
        }
        Ok(Phase::Gather)
    }

    /// The next batch; while it is waited for, others may have the memory of the open partition.
    async fn read(&mut self) -> Result<Option<RecordBatch>> {
        let holding = Arc::clone(&self.holding);
        loop {
            // Who listens without having anything lets others wait in vain.
            let _listening = self.can_give().then(|| holding.listen());
            tokio::select! {
                biased;
                _ = holding.asked() => {
                    self.give_back()?;
                    self.holding.answer();
                }
                batch = self.input.next() => return batch.transpose(),
            }
        }
    }

    /// Whether the open partition may go to disk, and is worth it.
    fn can_give(&self) -> bool {
        let bytes = match &self.open {
            Open::Memory(open) => open.bytes,
            Open::Large(_) => 0,
        };
        bytes >= GIVEN_BACK_BYTES_MIN && !self.functions.iter().any(Function::needs_rows)
    }

    fn give_back(&mut self) -> Result<()> {
        match self.can_give() {
            true => self.spill_open(),
            false => Ok(()),
        }
    }

    /// After the last row.
    fn finish(&mut self) -> Result<Phase> {
        if let Some(large) = self.close_partition() {
            return Ok(Phase::Replay(Box::new(large.finish(&self.sorting)?)));
        }
        if self.lengths.is_empty() {
            return Ok(Phase::Done);
        }
        self.evaluate()?;
        Ok(Phase::Gather)
    }

    /// Cuts a batch into the rest of the open partition and what begins in it.
    fn cut(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let runs = self.keys.read(batch)?;
        let first = runs.partitions.first().map_or(0, |run| run.end);
        self.pieces.push_back(Piece {
            rows: batch.slice(0, first),
            lengths: vec![first],
            begins_partition: runs.begins_partition,
        });
        if first < batch.num_rows() {
            self.pieces.push_back(Piece {
                rows: batch.slice(first, batch.num_rows() - first),
                lengths: runs
                    .partitions
                    .iter()
                    .skip(1)
                    .map(|run| run.len())
                    .collect(),
                begins_partition: true,
            });
        }
        Ok(())
    }

    /// Ends the open partition; returns it if it is on disk.
    fn close_partition(&mut self) -> Option<Box<LargePartition>> {
        match std::mem::replace(&mut self.open, Open::Memory(Gathered::default())) {
            Open::Large(large) => Some(large),
            Open::Memory(rows) => {
                if rows.row_count > 0 {
                    self.lengths.push(rows.row_count);
                    self.complete.append(rows);
                }
                None
            }
        }
    }

    /// Holds the rows of `piece`, for which `bytes` are reserved; its last partition stays open.
    fn admit(&mut self, mut piece: Piece, bytes: usize) {
        let row_count = piece.rows.num_rows();
        let last = piece.lengths.pop().unwrap_or(0);
        let ended = row_count - last;
        let bytes_ended = bytes / row_count.max(1) * ended;
        if ended > 0 {
            self.complete.push(piece.rows.slice(0, ended), bytes_ended);
            self.lengths.append(&mut piece.lengths);
        }
        if let Open::Memory(open) = &mut self.open {
            open.push(piece.rows.slice(ended, last), bytes - bytes_ended);
        }
    }

    /// Frees memory for `piece`, or does without; what is left of it comes again.
    async fn make_room(&mut self, mut piece: Piece, bytes: usize) -> Result<()> {
        let open_rows = match &self.open {
            Open::Memory(open) => open.row_count,
            Open::Large(_) => 0,
        };
        if !self.lengths.is_empty() {
            self.evaluate()?;
        } else if piece.lengths.len() > 1 && open_rows == 0 {
            let half = piece.lengths.split_off(piece.lengths.len() / 2);
            let at = piece.lengths.iter().sum();
            let rest = piece.rows.slice(at, piece.rows.num_rows() - at);
            self.pieces.push_front(Piece {
                rows: rest,
                lengths: half,
                begins_partition: true,
            });
            piece.rows = piece.rows.slice(0, at);
        } else if let Some(function) = self.functions.iter().find(|f| f.needs_rows()) {
            // Others may give back; this one has nothing to spill.
            match self.holding.grow(bytes).await {
                Ok(Grant::Granted) => {
                    self.admit(piece, bytes);
                    return Ok(());
                }
                Ok(Grant::SpillFirst) => {
                    return Err(needs_partition(function, "memory is spent"));
                }
                Err(error) => return Err(needs_partition(function, &error.to_string())),
            }
        } else {
            self.spill_open()?;
            // It belongs to the partition that is being written.
            piece.begins_partition = false;
        }
        self.pieces.push_front(piece);
        Ok(())
    }

    /// Writes the open partition to disk.
    fn spill_open(&mut self) -> Result<()> {
        let env = self.context.runtime_env();
        let schema = &self.input_schema;
        let writer = SpillWriter::create(&env, &self.spill_metrics, schema, OPERATOR)?;
        let reservation = self.holding.reservation().new_empty();
        let mut large = LargePartition::new(writer, Arc::clone(&self.functions), reservation)?;
        if let Open::Memory(open) = &mut self.open {
            let open = std::mem::take(open);
            for rows in &open.pieces {
                large.append(rows)?;
            }
            self.holding.shrink(open.bytes);
        }
        self.open = Open::Large(Box::new(large));
        Ok(())
    }

    /// Evaluates the partitions that have ended, and puts them out.
    fn evaluate(&mut self) -> Result<()> {
        let elapsed = self.elapsed.clone();
        let _timer = elapsed.timer();
        let complete = std::mem::take(&mut self.complete);
        let lengths = std::mem::take(&mut self.lengths);
        let rows = concat_batches(&self.input_schema, &complete.pieces)?;
        let columns = evaluate_chunk(&self.functions, &self.sorting, &rows, &lengths)?;
        self.give(&rows, columns, complete.bytes)
    }
}

fn needs_partition(function: &Function, why: &str) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "{} needs all rows of a partition in memory: {why}",
        function.expr.name()
    ))
}
