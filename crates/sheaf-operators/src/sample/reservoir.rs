//! The sample of a number of rows: the n rows of lowest priority, in the order in which they came; and
//! n draws with replacement, in the order of the draws.
//!
//! Phases: *reading* appends the rows of each batch which are below the current limit to a buffer,
//! and cuts the buffer back to n rows whenever it holds twice as many, which lowers the limit, so
//! that of N rows only about n · (1 + ln(N / n)) are ever copied; *giving* hands out the buffer.
//! Memory: 2 · n rows and a batch, reserved before the next batch is read.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Result, internal_err, resources_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures::StreamExt;
use tokio::task::coop::consume_budget;

use super::draws::Draws;
use super::priority::RowPriorities;

/// Takes `rows_max` rows of `input`.
pub(super) struct Reservoir {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    rows_max: usize,
    /// How many draws with replacement are made of the rows, and by which seed.
    draws: Option<(u64, Option<u64>)>,
    row_count: u64,
    batch_rows: usize,
    row_priorities: RowPriorities,
    reservation: MemoryReservation,
    metrics: BaselineMetrics,
    phase: Phase,
}

enum Phase {
    Reading(Buffer),
    Giving {
        sample: RecordBatch,
        offset: usize,
    },
    /// `order` has the places of rows of `sample` by their priority.
    Drawing {
        sample: RecordBatch,
        order: Vec<u32>,
        draws: Draws,
    },
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
            draws: None,
            row_count: 0,
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

    /// Draws with replacement instead, as many as rows were asked for.
    pub(super) fn with_replacement(mut self, draws: u64, seed: Option<u64>) -> Self {
        self.draws = Some((draws, seed));
        self
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
                Phase::Drawing {
                    sample,
                    order,
                    draws,
                } => {
                    let drawn = draws.next(self.batch_rows);
                    if drawn.is_empty() {
                        self.reservation.free();
                        return Ok(None);
                    }
                    return Ok(Some(drawn_rows(sample, order, &drawn)?));
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
        self.row_count += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
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
        let sample_bytes = get_record_batch_memory_size(&sample);
        let Some((draws, seed)) = self.draws else {
            self.reservation.try_resize(sample_bytes)?;
            self.phase = Phase::Giving { sample, offset: 0 };
            return Ok(());
        };
        let priorities = std::mem::take(&mut buffer.priorities);
        let order = by_priority(&priorities)?;
        self.reservation
            .try_resize(sample_bytes + order.capacity() * size_of::<u32>())?;
        self.phase = Phase::Drawing {
            sample,
            order,
            draws: Draws::new(draws, self.row_count, seed),
        };
        Ok(())
    }
}

/// The places of rows by their priority.
fn by_priority(priorities: &[u64]) -> Result<Vec<u32>> {
    let Ok(count) = u32::try_from(priorities.len()) else {
        return resources_err!("draws of more than {} different rows", u32::MAX);
    };
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_by_key(|place| usize::try_from(*place).map_or(0, |place| priorities[place]));
    Ok(order)
}

/// The rows that were drawn, given their places in the random order.
fn drawn_rows(sample: &RecordBatch, order: &[u32], drawn: &[u64]) -> Result<RecordBatch> {
    let place = |draw: &u64| order.get(usize::try_from(*draw).ok()?).copied();
    let places: UInt32Array = drawn.iter().map(place).collect();
    if places.null_count() > 0 {
        return internal_err!("a draw of a row that was not kept");
    }
    let columns = sample.columns().iter();
    let columns = columns.map(|column| Ok(take(column, &places, None)?));
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    Ok(RecordBatch::try_new_with_options(
        sample.schema(),
        columns.collect::<Result<_>>()?,
        &options,
    )?)
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
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns,
        &options,
    )?)
}
