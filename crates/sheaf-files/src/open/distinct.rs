//! How many distinct values a Parquet column has, told from the size of its chunks.
//!
//! Footers seldom count distinct values. But a column written with a dictionary takes the bits of
//! an index for each value, and an index of n bits names more than half of 2^n values. What a
//! column with long runs, or without a dictionary, takes says nothing, and nothing is said then.
//! The numbers are estimates: they choose between plans.

use arrow::datatypes::{DataType, Schema};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// Fewer values than this do not show how many bits each takes.
const VALUES_MIN: i64 = 1_000;

/// Shorter than a bit: runs. Longer than this: values themselves rather than places in a
/// dictionary, which is given up when it has grown to some ten thousand entries.
const BITS_MIN: f64 = 0.9;
const BITS_MAX: f64 = 16.0;

/// Of the values that an index can name, so many are taken to be there: between half and all.
const FILLED: f64 = 0.75;

/// Adds estimates of distinct values to `statistics`, which are those of a file's columns by
/// `schema`, where the file does not tell.
pub(super) fn add_distinct(
    statistics: &mut Statistics,
    schema: &Schema,
    metadata: &ParquetMetaData,
) {
    let columns = statistics.column_statistics.iter_mut();
    for (column, field) in columns.zip(schema.fields()) {
        let is_told = column.distinct_count != Precision::Absent;
        if is_told || field.data_type().is_nested() || *field.data_type() == DataType::Boolean {
            continue;
        }
        let chunks = metadata.row_groups().iter().filter_map(|group| {
            let columns = group.columns().iter();
            columns
                .into_iter()
                .find(|chunk| matches!(chunk.column_path().parts(), [name] if name == field.name()))
        });
        // The same values are taken to be in all row groups.
        let most = chunks
            .map(distinct)
            .try_fold(0, |most, one| Some(one?.max(most)));
        if let Some(most) = most.filter(|most| *most > 0) {
            column.distinct_count = Precision::Inexact(most);
        }
    }
}

/// The distinct values of a chunk, if its size tells.
fn distinct(chunk: &ColumnChunkMetaData) -> Option<usize> {
    let values = chunk.num_values();
    if values < VALUES_MIN || chunk.dictionary_page_offset().is_none() {
        return None;
    }
    let bits = chunk.uncompressed_size() as f64 * 8.0 / values as f64;
    if !(BITS_MIN..=BITS_MAX).contains(&bits) {
        return None;
    }
    let named = bits.round().exp2();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2^16"
    )]
    let estimate = (named * FILLED).ceil() as usize;
    Some(estimate)
}
