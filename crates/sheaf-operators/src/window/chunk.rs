//! Whole partitions in memory, evaluated together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array, new_empty_array};
use arrow::compute::{concat, take};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::window::WindowExpr;

use super::function::{Aggregate, Function, Need, Sorting};
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
        let expr = function.expr.as_ref();
        columns.push(match &function.need {
            Need::Numbering(number) => Place::default().numbers(*number, &stretches),
            Need::Whole(aggregate) => whole(aggregate, &expr.evaluate_args(rows)?, lengths)?,
            _ => one_by_one(expr, rows, lengths)?,
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

/// An aggregate over each partition, whose rows have `values`.
fn whole(aggregate: &Aggregate, values: &[ArrayRef], lengths: &[usize]) -> Result<ArrayRef> {
    let function = &aggregate.expr;
    let values_of_partitions = if function.groups_accumulator_supported() {
        let groups: Vec<usize> = groups(lengths).collect();
        let (args, mask) = aggregate.split(values);
        let mut accumulator = function.create_groups_accumulator()?;
        accumulator.update_batch(args, &groups, mask.as_ref(), lengths.len())?;
        accumulator.evaluate(EmitTo::All)?
    } else {
        let mut begin = 0;
        let totals = lengths.iter().map(|length| {
            let slice = |array: &ArrayRef| array.slice(begin, *length);
            let rows: Vec<ArrayRef> = values.iter().map(slice).collect();
            begin += length;
            let mut accumulator = function.create_accumulator()?;
            if let Some(args) = aggregate.counted(&rows)? {
                accumulator.update_batch(&args)?;
            }
            accumulator.evaluate()
        });
        let totals = totals.collect::<Result<Vec<_>>>()?;
        match totals.is_empty() {
            true => new_empty_array(function.field().data_type()),
            false => ScalarValue::iter_to_array(totals)?,
        }
    };
    let partitions = UInt64Array::from_iter_values(groups(lengths).map(|group| group as u64));
    Ok(take(&values_of_partitions, &partitions, None)?)
}

/// The number of each row's partition.
fn groups(lengths: &[usize]) -> impl Iterator<Item = usize> + '_ {
    let groups = lengths.iter().enumerate();
    groups.flat_map(|(group, length)| std::iter::repeat_n(group, *length))
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
