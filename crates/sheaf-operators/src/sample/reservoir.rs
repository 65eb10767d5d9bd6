//! The sample of a number of rows: the n rows of lowest priority, in the order in which they came.
//!
//! Phases: *reading* appends the rows of each batch which are below the current limit to a buffer,
//! and cuts the buffer back to n rows whenever it holds twice as many, which lowers the limit, so
//! that of N rows only about n · (1 + ln(N / n)) are ever copied; *giving* hands out the buffer.
//! Memory: 2 · n rows and a batch, reserved before the next batch is read.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::StreamExt;
use tokio::task::coop::consume_budget;

use super::priority::RowPriorities;

/// Takes `rows_max` rows of `input`.
pub(super) struct Reservoir {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    rows_max: usize,
    batch_rows: usize,
    row_priorities: RowPriorities,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
    phase: Phase,
}

enum Phase {
    Reading(Buffer),
    Giving { sample: RecordBatch, offset: usize },
}

/// Candidates for the sample.
struct Buffer {
    batches: Vec<RecordBatch>,
    batch_bytes: usize,
    /// One for each row of `batches`, in order.
    priorities: Vec<u64>,
    /// Rows of this priority or a higher one cannot be among the lowest n.
    limit: Option<u64>,
}

impl Reservoir {
    pub(super) fn new(
        input: SendableRecordBatchStream,
        rows_max: u64,
        seed: Option<u64>,
        batch_rows: usize,
        reservation: MemoryReservation,
        metrics: BaselineMetrics,
    ) -> Self {
        let schema = input.schema();
        Self {
            input,
            schema,
            rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX),
            batch_rows: batch_rows.max(1),
            row_priorities: RowPriorities::new(seed),
            reservation,
            metrics,
            phase: Phase::Reading(Buffer {
                batches: Vec::new(),
                batch_bytes: 0,
                priorities: Vec::new(),
                limit: None,
            }),
        }
    }

    /// The next batch of the sample.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match &mut self.phase {
                Phase::Giving { sample, offset } => {
                    let rows = self.batch_rows.min(sample.num_rows() - *offset);
                    if rows == 0 {
                        self.reservation.free();
                        return Ok(None);
                    }
                    let batch = sample.slice(*offset, rows);
                    *offset += rows;
                    return Ok(Some(batch));
                }
                Phase::Reading(_) if self.rows_max == 0 => {
                    let sample = RecordBatch::new_empty(Arc::clone(&self.schema));
                    self.phase = Phase::Giving { sample, offset: 0 };
                }
                Phase::Reading(_) => {
                    consume_budget().await;
                    match self.input.next().await {
                        Some(batch) => self.read(&batch?)?,
                        None => self.finish()?,
                    }
                }
            }
        }
    }

    fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        let _timer = self.metrics.elapsed_compute().timer();
        let Phase::Reading(buffer) = &mut self.phase else {
            return Ok(());
        };
        let first = buffer.priorities.len();
        self.row_priorities.append(batch, &mut buffer.priorities)?;
        buffer.admit(batch, first)?;
        let cut_at_rows = self.rows_max.saturating_mul(2).max(self.batch_rows);
        if buffer.priorities.len() > cut_at_rows {
            buffer.cut(self.rows_max, &self.schema)?;
        }
        self.reservation
            .try_resize(buffer.memory_bytes() + self.row_priorities.memory_bytes())
    }

    fn finish(&mut self) -> Result<()> {
        let _timer = self.metrics.elapsed_compute().timer();
        let Phase::Reading(buffer) = &mut self.phase else {
            return Ok(());
        };
        // Joining the batches holds them twice for a moment.
        self.reservation.try_grow(buffer.memory_bytes())?;
        buffer.cut(self.rows_max, &self.schema)?;
        let sample = match buffer.batches.pop() {
            Some(sample) => sample,
            None => RecordBatch::new_empty(Arc::clone(&self.schema)),
        };
        self.reservation
            .try_resize(get_record_batch_memory_size(&sample))?;
        self.phase = Phase::Giving { sample, offset: 0 };
        Ok(())
    }
}

impl Buffer {
    /// Keeps the rows of `batch` below the limit; their priorities begin at `first`.
    fn admit(&mut self, batch: &RecordBatch, first: usize) -> Result<()> {
        let kept = match self.limit {
            None => compact(batch)?,
            Some(limit) => {
                let mask: BooleanArray = self.priorities[first..]
                    .iter()
                    .map(|p| Some(*p < limit))
                    .collect();
                let mut position = 0;
                self.priorities.retain(|priority| {
                    position += 1;
                    position <= first || *priority < limit
                });
                compact(&filter_record_batch(batch, &mask)?)?
            }
        };
        if kept.num_rows() > 0 {
            self.push(kept);
        }
        Ok(())
    }

    /// Leaves the `rows_max` rows of lowest priority, in one batch, in their order.
    fn cut(&mut self, rows_max: usize, schema: &SchemaRef) -> Result<()> {
        let all = concat_batches(schema, &self.batches)?;
        self.batches.clear();
        self.batch_bytes = 0;
        if self.priorities.len() <= rows_max {
            self.push(all);
            return Ok(());
        }
        let mut sorted = self.priorities.clone();
        let (_, limit, _) = sorted.select_nth_unstable(rows_max);
        let limit = *limit;
        // Equal priorities are as good as impossible, yet must not make the sample smaller.
        let below = self
            .priorities
            .iter()
            .filter(|priority| **priority < limit)
            .count();
        let mut equals_wanted = rows_max - below;
        let mask: Vec<bool> = self
            .priorities
            .iter()
            .map(|priority| {
                let is_equal = *priority == limit && equals_wanted > 0;
                equals_wanted -= usize::from(is_equal);
                is_equal || *priority < limit
            })
            .collect();
        let mut keeps = mask.iter();
        self.priorities
            .retain(|_| keeps.next().copied().unwrap_or(false));
        self.push(compact(&filter_record_batch(
            &all,
            &BooleanArray::from(mask),
        )?)?);
        self.limit = Some(limit);
        Ok(())
    }

    fn push(&mut self, batch: RecordBatch) {
        self.batch_bytes += get_record_batch_memory_size(&batch);
        self.batches.push(batch);
    }

    fn memory_bytes(&self) -> usize {
        self.batch_bytes + self.priorities.capacity() * size_of::<u64>()
    }
}

/// Copies text out of shared buffers: a view of one row would keep the whole batch's text alive.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()) as Arc<dyn Array>,
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()) as Arc<dyn Array>,
            _ => Arc::clone(column),
        })
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns,
        &options,
    )?)
}
