//! What a table function gave, checked, on its way out in batches of the engine's size.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use sheaf_base::SheafError;
use sheaf_udf::{TableOutput, as_declared, broken, named};

use super::TableFunctionCall;
use crate::spill::batch_bytes;

/// Bytes of outer rows that one batch copies, as far as one row is no larger.
const COPIED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Rows that wait to be passed on.
pub(super) struct Waiting {
    /// The row of the outer batch beside each; none of relations.
    outer: Option<UInt32Array>,
    columns: Vec<ArrayRef>,
    rows: usize,
    /// How many have been passed on.
    passed: usize,
    /// For `columns`.
    reservation: MemoryReservation,
}

impl Waiting {
    /// Holds `columns`, of `rows` rows; `outer` says beside which outer rows they stand.
    ///
    /// # Errors
    /// `Resource` if memory has not as much.
    pub(super) fn new(
        call: &TableFunctionCall,
        columns: Vec<ArrayRef>,
        rows: usize,
        outer: Option<UInt32Array>,
    ) -> Result<Self> {
        let reservation = call.context.reservation(&format!("{}()", call.name));
        let mut bytes = 0;
        for column in &columns {
            let batch = RecordBatch::try_from_iter([("column", Arc::clone(column))])?;
            bytes += batch_bytes(&batch)?;
        }
        reservation.try_grow(bytes).map_err(|error| {
            let error = SheafError::from(error).with_context("what it gave at once");
            named(&call.name, error)
        })?;
        Ok(Self {
            outer,
            columns,
            rows,
            passed: 0,
            reservation,
        })
    }

    /// The next rows, at most `rows_max` of them, beside those of `beside`; `None` at the end.
    ///
    /// # Errors
    /// Those of copying rows.
    pub(super) fn next(
        &mut self,
        beside: Option<&RecordBatch>,
        rows_max: usize,
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>> {
        let left = self.rows - self.passed;
        if left == 0 {
            self.reservation.free();
            return Ok(None);
        }
        let rows = left.min(rows_max.max(1));
        let mut columns = Vec::with_capacity(schema.fields().len());
        if let (Some(batch), Some(outer)) = (beside, &self.outer) {
            let outer = outer.slice(self.passed, rows);
            for column in batch.columns() {
                columns.push(take(column, &outer, None)?);
            }
        }
        let own = self.columns.iter();
        columns.extend(own.map(|column| column.slice(self.passed, rows)));
        self.passed += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(schema);
        Ok(Some(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?))
    }
}

/// The columns of `output` as they were promised.
///
/// # Errors
/// `Data` (38000) if they are others.
pub(super) fn checked(
    call: &TableFunctionCall,
    output: &TableOutput,
) -> sheaf_base::Result<Vec<ArrayRef>> {
    let (found, wanted) = (output.rows.columns(), call.columns.fields());
    if found.len() != wanted.len() {
        let (found, wanted) = (found.len(), wanted.len());
        return Err(broken(format!(
            "it gave {found} columns where {wanted} are declared"
        )));
    }
    let columns = found.iter().zip(wanted).map(|(column, field)| {
        let rows = output.rows.num_rows();
        let column = as_declared(Arc::clone(column), rows, field.data_type());
        column.map_err(|error| error.with_context(format!("column \"{}\"", field.name())))
    });
    columns.collect()
}

/// The origins of the rows of `output`, each a row below `pushed`, from `first` on.
///
/// # Errors
/// `Data` (38000) if they are none.
pub(super) fn origins(
    output: &TableOutput,
    pushed: usize,
    first: u32,
) -> sheaf_base::Result<&UInt32Array> {
    let Some(origins) = &output.origin else {
        return Err(broken(
            "it does not say from which rows its rows come".to_owned(),
        ));
    };
    let rows = output.rows.num_rows();
    if origins.len() != rows || origins.null_count() > 0 {
        return Err(broken(format!(
            "it does not say of all {rows} rows from which they come"
        )));
    }
    let values = origins.values();
    let is_below = values.last().is_none_or(|last| (*last as usize) < pushed);
    let is_behind = values.first().is_none_or(|next| *next >= first);
    if !is_below || !is_behind || !values.is_sorted() {
        return Err(broken(format!(
            "it says that its rows come from others than the {pushed} pushed ones in their order"
        )));
    }
    Ok(origins)
}

/// How many rows of `batch` are copied into one batch of the result: at most `rows_max`, and fewer if they
/// are wide.
pub(super) fn copied_rows_max(batch: &RecordBatch, rows_max: usize) -> usize {
    rows_max.min(COPIED_BYTES_MAX / widest_row(batch)).max(1)
}

/// The bytes that copying the largest row takes, about.
fn widest_row(batch: &RecordBatch) -> usize {
    let widths = batch.columns().iter().map(|column| {
        let lengths = |offsets: &[i32]| offsets.windows(2).map(|w| w[1] - w[0]).max();
        let long_lengths = |offsets: &[i64]| offsets.windows(2).map(|w| w[1] - w[0]).max();
        match column.data_type() {
            DataType::Utf8 => short(lengths(column.as_string::<i32>().value_offsets())),
            DataType::Binary => short(lengths(column.as_binary::<i32>().value_offsets())),
            DataType::LargeUtf8 => long(long_lengths(column.as_string::<i64>().value_offsets())),
            DataType::LargeBinary => long(long_lengths(column.as_binary::<i64>().value_offsets())),
            DataType::Utf8View | DataType::BinaryView => size_of::<u128>(),
            other => other.primitive_width().unwrap_or_else(|| {
                let bytes = column.to_data().get_slice_memory_size().unwrap_or_default();
                bytes / column.len().max(1)
            }),
        }
    });
    widths.sum::<usize>().max(1)
}

fn short(length: Option<i32>) -> usize {
    length.map_or(0, |length| usize::try_from(length).unwrap_or_default())
}

fn long(length: Option<i64>) -> usize {
    length.map_or(0, |length| usize::try_from(length).unwrap_or_default())
}
