//! One input of an ASOF join while it is read: the current batch and its comparable keys.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::row::{RowConverter, Rows};
use datafusion::common::Result;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

/// Turns keys and times into byte strings which compare as they are sorted; both sides share it.
pub(super) struct Converters {
    /// `None` if there are no keys.
    pub(super) keys: Option<RowConverter>,
    pub(super) at: RowConverter,
}

/// A batch with its keys.
pub(super) struct SideBatch {
    pub(super) batch: RecordBatch,
    keys: Option<Rows>,
    at: Rows,
    /// Rows with a NULL in a key or in the time, which match nothing.
    nulls: Option<NullBuffer>,
}

impl SideBatch {
    pub(super) fn row_count(&self) -> usize {
        self.batch.num_rows()
    }

    pub(super) fn can_match(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// Compares keys only.
    pub(super) fn has_keys_of(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (&self.keys, &other.keys) {
            (Some(keys), Some(others)) => keys.row(row) == others.row(other_row),
            _ => true,
        }
    }

    /// Compares keys, then times.
    pub(super) fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        let keys = match (&self.keys, &other.keys) {
            (Some(keys), Some(others)) => keys.row(row).cmp(&others.row(other_row)),
            _ => Ordering::Equal,
        };
        keys.then_with(|| self.at.row(row).cmp(&other.at.row(other_row)))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        get_record_batch_memory_size(&self.batch)
            + self.keys.as_ref().map_or(0, Rows::size)
            + self.at.size()
    }
}

/// One sorted input.
pub(super) struct Side {
    stream: SendableRecordBatchStream,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    at: Arc<dyn PhysicalExpr>,
    /// The batch being read; `None` before the first and after the last one.
    pub(super) current: Option<Arc<SideBatch>>,
    /// The row of `current` that comes next.
    pub(super) row: usize,
    pub(super) is_done: bool,
}

impl Side {
    pub(super) fn new(
        stream: SendableRecordBatchStream,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        at: Arc<dyn PhysicalExpr>,
    ) -> Self {
        Self {
            stream,
            keys,
            at,
            current: None,
            row: 0,
            is_done: false,
        }
    }

    /// Whether the next row is not in memory, yet may exist.
    pub(super) fn needs_batch(&self) -> bool {
        !self.is_done
            && self
                .current
                .as_ref()
                .is_none_or(|batch| self.row >= batch.row_count())
    }

    /// Reads the next batch with rows, or notes that there is none.
    pub(super) async fn read(&mut self, converters: &Converters) -> Result<()> {
        self.current = None;
        self.row = 0;
        while let Some(batch) = self.stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                self.current = Some(Arc::new(self.prepare(batch, converters)?));
                return Ok(());
            }
        }
        self.is_done = true;
        Ok(())
    }

    fn prepare(&self, batch: RecordBatch, converters: &Converters) -> Result<SideBatch> {
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| -> Result<ArrayRef> {
            expr.evaluate(&batch)?.into_array(batch.num_rows())
        };
        let keys = self.keys.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let at = evaluate(&self.at)?;
        let nulls = keys.iter().fold(at.logical_nulls(), |nulls, key| {
            NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref())
        });
        let key_rows = match &converters.keys {
            Some(converter) => Some(converter.convert_columns(&keys)?),
            None => None,
        };
        let at = converters.at.convert_columns(&[at])?;
        Ok(SideBatch {
            batch,
            keys: key_rows,
            at,
            nulls,
        })
    }
}
