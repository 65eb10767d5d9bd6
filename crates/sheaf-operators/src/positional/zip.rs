//! Two streams side by side, row by row.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

/// What is left of two streams.
///
/// # Memory
/// A batch of each.
pub(super) struct Zip {
    left: Side,
    right: Side,
    schema: SchemaRef,
}

/// One stream, as far as it has been read.
struct Side {
    stream: SendableRecordBatchStream,
    /// The rows that have been read and not been given; none at the stream's end.
    batch: Option<RecordBatch>,
}

impl Zip {
    /// `left` beside `right`; `schema` has the columns of both.
    pub(super) fn new(
        left: SendableRecordBatchStream,
        right: SendableRecordBatchStream,
        schema: SchemaRef,
    ) -> Self {
        let side = |stream| Side {
            stream,
            batch: None,
        };
        Self {
            left: side(left),
            right: side(right),
            schema,
        }
    }

    /// The next rows: as many as both sides have at hand, or all that the longer one has.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let left = self.left.rows_at_hand().await?;
        let right = self.right.rows_at_hand().await?;
        let Some(row_count) = left.into_iter().chain(right).min() else {
            return Ok(None);
        };
        let mut columns = self.left.take(row_count);
        columns.extend(self.right.take(row_count));
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Some(batch))
    }
}

impl Side {
    /// At least one; `None` at the end.
    async fn rows_at_hand(&mut self) -> Result<Option<usize>> {
        while self
            .batch
            .as_ref()
            .is_none_or(|batch| batch.num_rows() == 0)
        {
            match self.stream.next().await.transpose()? {
                Some(batch) => self.batch = Some(batch),
                None => {
                    self.batch = None;
                    return Ok(None);
                }
            }
        }
        Ok(self.batch.as_ref().map(RecordBatch::num_rows))
    }

    /// The columns of the next rows, of which there are so many, or NULLs behind the end.
    fn take(&mut self, row_count: usize) -> Vec<ArrayRef> {
        match self.batch.take() {
            Some(batch) => {
                let taken = batch.slice(0, row_count);
                self.batch = Some(batch.slice(row_count, batch.num_rows() - row_count));
                taken.columns().to_vec()
            }
            None => {
                let schema = self.stream.schema();
                let fields = schema.fields().iter();
                fields
                    .map(|field| new_null_array(field.data_type(), row_count))
                    .collect()
            }
        }
    }
}
