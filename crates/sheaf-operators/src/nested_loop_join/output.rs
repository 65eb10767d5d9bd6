//! The rows that a nested-loop join gives: put together from both sides, in whole batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::compute::{BatchCoalescer, interleave, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{JoinSide, Result, ScalarValue};
use datafusion::physical_plan::joins::utils::ColumnIndex;

/// The columns of a join's output.
#[derive(Debug, Clone)]
pub(super) struct OutputColumns {
    pub(super) schema: SchemaRef,
    /// Where each comes from; the mark comes from no side.
    pub(super) places: Vec<ColumnIndex>,
}

/// The rows of one side in some rows of output.
pub(super) enum Rows<'a> {
    /// No row: NULLs.
    Nulls,
    /// All of a batch.
    Whole(&'a RecordBatch),
    /// These rows of a batch.
    Taken(&'a RecordBatch, &'a UInt64Array),
    /// These rows (batch, row) of some batches.
    Interleaved(&'a [RecordBatch], &'a [(usize, usize)]),
    /// The same row of a batch in each row of output.
    Repeated(&'a RecordBatch, usize),
}

impl Rows<'_> {
    fn column(&self, index: usize, kind: &DataType, row_count: usize) -> Result<ArrayRef> {
        Ok(match self {
            Self::Nulls => new_null_array(kind, row_count),
            Self::Whole(batch) => Arc::clone(batch.column(index)),
            Self::Taken(batch, rows) => take(batch.column(index), rows, None)?,
            Self::Interleaved(batches, rows) => {
                let arrays: Vec<&dyn Array> = batches
                    .iter()
                    .map(|batch| batch.column(index).as_ref())
                    .collect();
                interleave(&arrays, rows)?
            }
            Self::Repeated(batch, row) => ScalarValue::try_from_array(batch.column(index), *row)?
                .to_array_of_size(row_count)?,
        })
    }
}

/// Output on its way.
pub(super) struct Output {
    columns: OutputColumns,
    batches: BatchCoalescer,
    batch_rows: usize,
}

impl Output {
    pub(super) fn new(columns: OutputColumns, batch_rows: usize) -> Self {
        let batches = BatchCoalescer::new(Arc::clone(&columns.schema), batch_rows)
            .with_biggest_coalesce_batch_size(Some(batch_rows / 2));
        Self {
            columns,
            batches,
            batch_rows,
        }
    }

    /// Adds `row_count` rows; `mark` is the column of a mark join.
    pub(super) fn push(
        &mut self,
        row_count: usize,
        left: &Rows<'_>,
        right: &Rows<'_>,
        mark: Option<ArrayRef>,
    ) -> Result<()> {
        if row_count == 0 {
            return Ok(());
        }
        let fields = self.columns.schema.fields().iter();
        let mut arrays = Vec::with_capacity(fields.len());
        for (field, place) in fields.zip(&self.columns.places) {
            let kind = field.data_type();
            arrays.push(match (place.side, &mark) {
                (JoinSide::Left, _) => left.column(place.index, kind, row_count)?,
                (JoinSide::Right, _) => right.column(place.index, kind, row_count)?,
                (JoinSide::None, Some(mark)) => Arc::clone(mark),
                (JoinSide::None, None) => new_null_array(kind, row_count),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let schema = Arc::clone(&self.columns.schema);
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        Ok(self.batches.push_batch(batch)?)
    }

    /// Rows of a full batch.
    pub(super) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    pub(super) fn is_ready(&self) -> bool {
        self.batches.has_completed_batch()
    }

    /// A batch, if enough rows have come together.
    pub(super) fn next(&mut self) -> Option<RecordBatch> {
        self.batches.next_completed_batch()
    }

    /// No more rows come.
    pub(super) fn finish(&mut self) -> Result<()> {
        Ok(self.batches.finish_buffered_batch()?)
    }
}
