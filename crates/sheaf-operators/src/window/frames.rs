//! A window node whose functions look at frames, on its way through its input.
//!
//! Rows of the open partition lie in a spool; each function goes along them at its own pace, and
//! rows go on as soon as all functions have a value for them.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::Time;
use futures::StreamExt;
use futures::stream::Fuse;
use sheaf_runtime::memory::{Grant, Holding};
use tokio::task::coop::consume_budget;

use super::frame::CurrentRow;
use super::framed::{Framed, begin, column, numbers_peers, state_bytes};
use super::function::{Function, Sorting};
use super::keys::KeyReader;
use super::reader::Reader;
use super::run::RunParts;
use super::spool::{Spool, SpoolMeans};

/// Bytes of one function's values that wait for those of others, or to be put out; one value more.
const VALUES_BYTES_MAX: usize = 1024 * 1024;

/// A running window node.
pub(super) struct FramesRun {
    input: Fuse<SendableRecordBatchStream>,
    functions: Arc<[Function]>,
    sorting: Sorting,
    schema: SchemaRef,
    means: SpoolMeans,
    keys: KeyReader,
    elapsed: Time,
    batch_rows: usize,
    /// Rows read, but not yet in a partition: whether they begin one.
    pieces: VecDeque<(RecordBatch, bool)>,
    partition: Option<Partition>,
    ready: Vec<RecordBatch>,
    ready_rows: usize,
    /// Bytes of the columns added to them.
    ready_bytes: usize,
    /// Rows being put out, and where the next batch of them begins.
    output: Option<(RecordBatch, usize)>,
    is_done: bool,
}

impl FramesRun {
    pub(super) fn new(parts: RunParts) -> Self {
        let name = format!("Window[{}]", parts.partition);
        let holding = Arc::new(Holding::new(name, parts.context.memory_pool()));
        Self {
            keys: KeyReader::new(parts.sorting.clone(), false),
            batch_rows: parts.context.session_config().batch_size().max(1),
            means: SpoolMeans {
                schema: parts.input.schema(),
                context: parts.context,
                metrics: parts.spill_metrics,
                holding,
            },
            input: parts.input.fuse(),
            functions: parts.functions,
            sorting: parts.sorting,
            schema: parts.schema,
            elapsed: parts.elapsed,
            pieces: VecDeque::new(),
            partition: None,
            ready: Vec::new(),
            ready_rows: 0,
            ready_bytes: 0,
            output: None,
            is_done: false,
        }
    }

    /// The next batch of the result.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.next_output() {
                return Ok(Some(batch));
            }
            consume_budget().await;
            if self.advance().await? {
                if self.ready_rows >= self.batch_rows || self.ready_bytes >= VALUES_BYTES_MAX {
                    self.put_out()?;
                }
                continue;
            }
            if let Some((rows, begins)) = self.pieces.pop_front() {
                self.take_in(rows, begins)?;
                continue;
            }
            if self.ready_rows > 0 {
                self.put_out()?;
                continue;
            }
            if self.is_done && self.partition.is_none() {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// Reads on, or gives memory back to others who want it.
    async fn read(&mut self) -> Result<()> {
        let holding = Arc::clone(&self.means.holding);
        let can_give = self
            .partition
            .as_ref()
            .is_some_and(|partition| partition.spool.can_give());
        // Who listens without having anything lets others wait in vain.
        let _listening = can_give.then(|| holding.listen());
        tokio::select! {
            biased;
            _ = holding.asked() => {
                if let Some(partition) = &mut self.partition {
                    partition.spool.give_back()?;
                }
                holding.answer();
            }
            batch = self.input.next() => match batch.transpose()? {
                Some(batch) => self.cut(&batch)?,
                None => {
                    self.is_done = true;
                    if let Some(partition) = &mut self.partition {
                        partition.spool.complete()?;
                    }
                }
            },
        }
        Ok(())
    }

    /// Cuts a batch where partitions begin.
    fn cut(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let runs = self.keys.read(batch)?;
        for run in &runs.partitions {
            let begins = run.start > 0 || runs.begins_partition;
            self.pieces
                .push_back((batch.slice(run.start, run.len()), begins));
        }
        Ok(())
    }

    /// Adds rows to the open partition; if they begin another, that comes first to its end.
    fn take_in(&mut self, rows: RecordBatch, begins: bool) -> Result<()> {
        if begins && let Some(partition) = &mut self.partition {
            partition.spool.complete()?;
            self.pieces.push_front((rows, begins));
            return Ok(());
        }
        if self.partition.is_none() {
            self.partition = Some(Partition::new(self)?);
        }
        match &mut self.partition {
            Some(partition) => partition.spool.append(&rows),
            None => Ok(()),
        }
    }

    /// Gets what rows of the open partition can have their values; false if it has to wait for
    /// more.
    async fn advance(&mut self) -> Result<bool> {
        let Some(partition) = &mut self.partition else {
            return Ok(false);
        };
        let elapsed = self.elapsed.clone();
        let _timer = elapsed.timer();
        if let Some((rows, columns)) = partition.advance(&self.functions).await? {
            let added = columns.iter().map(|column| column.get_array_memory_size());
            self.ready_bytes += added.sum::<usize>();
            let mut arrays = rows.columns().to_vec();
            arrays.extend(columns);
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let schema = Arc::clone(&self.schema);
            let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
            self.ready_rows += batch.num_rows();
            self.ready.push(batch);
            return Ok(true);
        }
        let is_over = partition.spool.is_complete();
        if is_over {
            self.partition = None;
        }
        Ok(is_over)
    }

    fn put_out(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        (self.ready_rows, self.ready_bytes) = (0, 0);
        let batch = match ready.as_slice() {
            [one] => one.clone(),
            many => concat_batches(&self.schema, many)?,
        };
        self.output = Some((batch, 0));
        Ok(())
    }

    fn next_output(&mut self) -> Option<RecordBatch> {
        let (rows, begin) = self.output.as_mut()?;
        let row_count = self.batch_rows.min(rows.num_rows() - *begin);
        if row_count == 0 {
            self.output = None;
            return None;
        }
        let batch = rows.slice(*begin, row_count);
        *begin += row_count;
        Some(batch)
    }
}

/// The partition that has not come to its end.
struct Partition {
    spool: Spool,
    current: Reader,
    functions: Vec<Framed>,
    /// The next row to go on.
    row: u64,
    /// Values of functions for the rows from there.
    values: Vec<Vec<ScalarValue>>,
    holding: Arc<Holding>,
    /// Bytes reserved for the functions' states.
    state_bytes: usize,
}

impl Partition {
    fn new(run: &FramesRun) -> Result<Self> {
        let needs_peers = run.functions.iter().any(numbers_peers);
        let sorting = needs_peers.then_some(&run.sorting);
        Ok(Self {
            spool: Spool::new(run.means.clone()),
            current: Reader::new(run.sorting.order_by.clone(), sorting),
            functions: begin(&run.functions, &run.sorting, &run.means.holding)?,
            row: 0,
            values: vec![Vec::new(); run.functions.len()],
            holding: Arc::clone(&run.means.holding),
            state_bytes: 0,
        })
    }

    /// Rows with the columns that the functions add; `None` before more rows have come.
    async fn advance(
        &mut self,
        functions: &[Function],
    ) -> Result<Option<(RecordBatch, Vec<ArrayRef>)>> {
        if self.spool.is_writing() {
            return Ok(None);
        }
        let Some(loaded) = self.current.at(&self.spool, self.row).await? else {
            return Ok(None);
        };
        let left = loaded.rows.num_rows() - loaded.index(self.row);
        for (function, values) in self.functions.iter_mut().zip(&mut self.values) {
            let mut bytes: usize = values.iter().map(ScalarValue::size).sum();
            while values.len() < left && bytes < VALUES_BYTES_MAX {
                let row = self.row + values.len() as u64;
                let current = CurrentRow {
                    row,
                    group: loaded.group(row),
                    order: &loaded.values,
                    index: loaded.index(row),
                };
                match function.value(&current, &self.spool).await? {
                    Some(value) => {
                        bytes += value.size();
                        values.push(value);
                    }
                    None => break,
                }
            }
        }
        let count = self.values.iter().map(Vec::len).min().unwrap_or(left);
        if count == 0 {
            return Ok(None);
        }
        let rows = loaded.rows.slice(loaded.index(self.row), count);
        let values = self
            .values
            .iter_mut()
            .map(|values| values.drain(..count).collect());
        let columns = functions
            .iter()
            .zip(values)
            .map(|(function, values)| column(function, values));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        self.row += count as u64;
        self.settle().await?;
        Ok(Some((rows, columns)))
    }

    /// Forgets rows that are not needed any more, and reserves what states take: where memory is
    /// refused for those, the rows go to disk.
    async fn settle(&mut self) -> Result<()> {
        let needed = self.functions.iter().map(Framed::needed_from);
        let needed = needed
            .min()
            .unwrap_or(u64::MAX)
            .min(self.current.needed_from());
        self.spool.forget(needed);
        let bytes = state_bytes(&self.functions);
        if bytes <= self.state_bytes {
            self.holding.shrink(self.state_bytes - bytes);
        } else if self.holding.try_grow(bytes - self.state_bytes) == Grant::SpillFirst {
            self.spool.give_back()?;
            grow(&self.holding, bytes - self.state_bytes).await?;
        }
        self.state_bytes = bytes;
        Ok(())
    }
}

/// Takes memory that others may have to give back first.
async fn grow(holding: &Holding, bytes: usize) -> Result<()> {
    match holding.grow(bytes).await? {
        Grant::Granted => Ok(()),
        Grant::SpillFirst => holding.reservation().try_grow(bytes),
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.holding.shrink(self.state_bytes);
    }
}
