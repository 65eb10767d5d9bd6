//! Output batches: pairs of rows, probe rows, and build rows that found no match.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::array::{AsArray, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::ColumnIndex;

use super::index::Pairs;
use super::spec::JoinSpec;
use super::table::Table;

/// Build and probe rows side by side.
pub(super) fn pairs_batch(
    spec: &JoinSpec,
    table: &Table,
    probe: &RecordBatch,
    pairs: &Pairs,
) -> Result<RecordBatch> {
    let columns = pair_columns(&spec.columns, table, probe, pairs)?;
    assembled(&spec.schema, columns, pairs.len())
}

/// Keeps the pairs for which the residual filter holds.
pub(super) fn retain_filtered(
    spec: &JoinSpec,
    table: &Table,
    probe: &RecordBatch,
    pairs: &mut Pairs,
) -> Result<()> {
    let Some(filter) = &spec.filter else {
        return Ok(());
    };
    if pairs.is_empty() {
        return Ok(());
    }
    let columns = pair_columns(filter.column_indices(), table, probe, pairs)?;
    let batch = assembled(filter.schema(), columns, pairs.len())?;
    let holds = filter
        .expression()
        .evaluate(&batch)?
        .into_array(pairs.len())?;
    let Some(holds) = holds.as_boolean_opt() else {
        return internal_err!("the filter of a join is of type {}", holds.data_type());
    };
    let mut at = 0;
    pairs.retain(|_, _| {
        at += 1;
        holds.is_valid(at - 1) && holds.value(at - 1)
    });
    Ok(())
}

fn pair_columns(
    columns: &[ColumnIndex],
    table: &Table,
    probe: &RecordBatch,
    pairs: &Pairs,
) -> Result<Vec<ArrayRef>> {
    let rows = Rows::of(&pairs.probe, probe.num_rows());
    columns
        .iter()
        .map(|column| match column.side {
            JoinSide::Left => table.gather(column.index, &pairs.build),
            JoinSide::Right => rows.take(probe.column(column.index)),
            JoinSide::None => internal_err!("pairs of rows have no mark"),
        })
        .collect()
}

/// Probe rows: alone or with a mark, or with NULLs for the build side's columns.
pub(super) fn probe_batch(
    spec: &JoinSpec,
    probe: &RecordBatch,
    rows: &[u32],
    mark: Option<BooleanArray>,
) -> Result<RecordBatch> {
    let selected = Rows::of(rows, probe.num_rows());
    let mark = mark.map(|mark| Arc::new(mark) as ArrayRef);
    let columns = spec.columns.iter().map(|column| match column.side {
        JoinSide::Left => Ok(nulls(&spec.build_schema, column.index, rows.len())),
        JoinSide::Right => selected.take(probe.column(column.index)),
        JoinSide::None => marked(&mark),
    });
    assembled(&spec.schema, columns.collect::<Result<_>>()?, rows.len())
}

/// Build rows: alone or with a mark, or with NULLs for the probe side's columns.
pub(super) fn build_batch(
    spec: &JoinSpec,
    build: &RecordBatch,
    rows: &[u32],
    mark: Option<BooleanArray>,
) -> Result<RecordBatch> {
    let selected = Rows::of(rows, build.num_rows());
    let mark = mark.map(|mark| Arc::new(mark) as ArrayRef);
    let columns = spec.columns.iter().map(|column| match column.side {
        JoinSide::Left => selected.take(build.column(column.index)),
        JoinSide::Right => Ok(nulls(&spec.probe_schema, column.index, rows.len())),
        JoinSide::None => marked(&mark),
    });
    assembled(&spec.schema, columns.collect::<Result<_>>()?, rows.len())
}

fn marked(mark: &Option<ArrayRef>) -> Result<ArrayRef> {
    match mark {
        Some(mark) => Ok(Arc::clone(mark)),
        None => internal_err!("a join without marks is to show them"),
    }
}

fn nulls(schema: &SchemaRef, column: usize, rows: usize) -> ArrayRef {
    new_null_array(schema.field(column).data_type(), rows)
}

fn assembled(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    // Joins may be asked for no columns, only for how many rows there are.
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// Rows of a batch.
enum Rows {
    /// All, in order: nothing is copied.
    All,
    Some(UInt32Array),
}

impl Rows {
    fn of(rows: &[u32], of: usize) -> Self {
        let all = rows.len() == of && rows.iter().zip(0_u32..).all(|(row, at)| *row == at);
        if all {
            Self::All
        } else {
            Self::Some(UInt32Array::from_iter_values(rows.iter().copied()))
        }
    }

    fn take(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::All => Ok(Arc::clone(column)),
            Self::Some(rows) => Ok(take(column, rows, None)?),
        }
    }
}
