//! Whole partitions in memory, evaluated together.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_empty_array};
use arrow::compute::{concat, take};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::window::WindowExpr;

use super::function::{Function, Need, Sorting};
use super::keys::KeyReader;
use super::numbering::{Place, Stretch};

/// The columns that `functions` add to `rows`, which are partitions of `lengths` rows.
pub(super) fn evaluate_chunk(
    functions: &[Function],
    sorting: &Sorting,
    rows: &RecordBatch,
    lengths: &[usize],
) -> Result<Vec<ArrayRef>> {
    let numbers = functions
        .iter()
        .any(|f| matches!(f.need, Need::Numbering(_)));
    let stretches = if numbers {
        stretches(functions, sorting, rows, lengths)?
    } else {
        Vec::new()
    };
    let mut columns = Vec::with_capacity(functions.len());
    for function in functions {
        columns.push(match function.need {
            Need::Numbering(number) => Place::default().numbers(number, &stretches),
            Need::Whole => match aggregate_all(function, rows, lengths)? {
                Some(column) => column,
                None => one_by_one(function.expr.as_ref(), rows, lengths)?,
            },
            _ => one_by_one(function.expr.as_ref(), rows, lengths)?,
        });
    }
    Ok(columns)
}

/// The rows as stretches: partitions, or runs of peers if a function needs those.
fn stretches(
    functions: &[Function],
    sorting: &Sorting,
    rows: &RecordBatch,
    lengths: &[usize],
) -> Result<Vec<Stretch>> {
    let needs_peers = functions
        .iter()
        .any(|f| matches!(f.need, Need::Numbering(number) if number.needs_peers()));
    if !needs_peers {
        let whole = lengths.iter().map(|length| Stretch {
            row_count: *length as u64,
            begins_partition: true,
            begins_peers: true,
            partition_rows: *length as u64,
            peers_end: *length as u64,
        });
        return Ok(whole.collect());
    }
    let peers = KeyReader::new(sorting.clone(), true).read(rows)?.peers;
    let mut stretches = Vec::with_capacity(peers.len());
    let mut lengths = lengths.iter();
    let (mut begin, mut end) = (0, 0);
    for run in peers {
        let begins_partition = run.start == end;
        if begins_partition {
            begin = end;
            end += lengths.next().copied().unwrap_or(0);
        }
        stretches.push(Stretch {
            row_count: run.len() as u64,
            begins_partition,
            begins_peers: true,
            partition_rows: (end - begin) as u64,
            peers_end: (run.end - begin) as u64,
        });
    }
    Ok(stretches)
}

/// An aggregate over each partition as over groups; `None` if it cannot be computed so.
fn aggregate_all(
    function: &Function,
    rows: &RecordBatch,
    lengths: &[usize],
) -> Result<Option<ArrayRef>> {
    let Some(aggregate) = function.aggregate().filter(|aggregate| {
        aggregate.groups_accumulator_supported() && aggregate.order_bys().is_empty()
    }) else {
        return Ok(None);
    };
    let mut groups = Vec::with_capacity(rows.num_rows());
    for (group, length) in lengths.iter().enumerate() {
        groups.extend(std::iter::repeat_n(group, *length));
    }
    let args = function.expr.evaluate_args(rows)?;
    let mut accumulator = aggregate.create_groups_accumulator()?;
    accumulator.update_batch(&args, &groups, None, lengths.len())?;
    let values = accumulator.evaluate(EmitTo::All)?;
    let groups = UInt64Array::from_iter_values(groups.into_iter().map(|group| group as u64));
    Ok(Some(take(&values, &groups, None)?))
}

/// The engine's evaluation of each partition.
fn one_by_one(expr: &dyn WindowExpr, rows: &RecordBatch, lengths: &[usize]) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(lengths.len());
    let mut begin = 0;
    for length in lengths {
        values.push(expr.evaluate(&rows.slice(begin, *length))?);
        begin += length;
    }
    if begin != rows.num_rows() {
        return internal_err!(
            "partitions of {begin} rows in a chunk of {}",
            rows.num_rows()
        );
    }
    match values.as_slice() {
        [] => Ok(new_empty_array(expr.field()?.data_type())),
        [one] => Ok(Arc::clone(one)),
        values => {
            let arrays: Vec<_> = values.iter().map(AsRef::as_ref).collect();
            Ok(concat(&arrays)?)
        }
    }
}
