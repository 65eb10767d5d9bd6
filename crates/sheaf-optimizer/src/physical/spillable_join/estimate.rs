//! How many bytes a build side will take.
//!
//! Rows are the engine's estimate, times what a row of the build side's columns takes. Above all
//! the estimate is bounded by the input: the scans below, decoded.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Statistics;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Bytes of the hash table for each row: hash, chain, slack.
const ENTRY_BYTES: u64 = 24;

/// Bytes of a value of variable length whose size nobody knows.
const VARIABLE_BYTES: u64 = 32;

/// Decoded bytes for each byte of a file that is encoded and compressed by columns.
const COLUMNAR_EXPANSION: u64 = 4;

/// Decoded bytes for each byte of a text file: short numbers grow, names and quotes go.
const TEXT_EXPANSION: u64 = 2;

/// Bytes of text for each byte of a compressed text file.
const COMPRESSED_EXPANSION: u64 = 5;

/// Estimates sides of joins of one plan, which must not change meanwhile.
#[derive(Default)]
pub(super) struct Estimator {
    statistics: StatisticsContext,
}

impl Estimator {
    /// Bytes that a hash table over the rows of `side` will take; `None` if there is nothing to
    /// go by.
    pub(super) fn build_bytes(&self, side: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        let by_rows = self.statistics(side).and_then(|statistics| {
            let row_bytes = row_bytes(&side.schema(), &statistics).saturating_add(ENTRY_BYTES);
            rows(&statistics)?.checked_mul(row_bytes)
        });
        match (by_rows, self.input_bytes(side)) {
            (Some(rows), Some(input)) => Some(rows.min(input)),
            (by_rows, by_input) => by_rows.or(by_input),
        }
    }

    /// Decoded bytes of all scans below; `None` if one of them does not tell.
    fn input_bytes(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        let mut sum: u64 = 0;
        let mut pending = vec![plan];
        while let Some(node) = pending.pop() {
            let children = node.children();
            if children.is_empty() {
                sum = sum.saturating_add(self.scan_bytes(node)?);
            }
            pending.extend(children);
        }
        Some(sum)
    }

    fn scan_bytes(&self, node: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        if node.is::<EmptyExec>() || node.is::<PlaceholderRowExec>() {
            return Some(0);
        }
        let statistics = self.statistics(node)?;
        if let Some(rows) = rows(&statistics) {
            let row_bytes = row_bytes(&node.schema(), &statistics).saturating_add(ENTRY_BYTES);
            return Some(rows.saturating_mul(row_bytes));
        }
        let scan = node.downcast_ref::<DataSourceExec>()?;
        let files = scan.data_source().downcast_ref::<FileScanConfig>()?;
        Some(decoded_bytes(files, &node.schema()))
    }

    fn statistics(&self, node: &Arc<dyn ExecutionPlan>) -> Option<Arc<Statistics>> {
        self.statistics
            .compute(node.as_ref(), &StatisticsArgs::new())
            .ok()
    }
}

fn rows(statistics: &Statistics) -> Option<u64> {
    statistics.num_rows.get_value().map(|rows| *rows as u64)
}

/// Bytes of one row of `schema`: the widths of fixed types, the files' averages for others.
fn row_bytes(schema: &Schema, statistics: &Statistics) -> u64 {
    let rows = rows(statistics).filter(|rows| *rows > 0);
    let mut sum: u64 = 0;
    for (index, field) in schema.fields().iter().enumerate() {
        let bytes = match field.data_type().primitive_width() {
            Some(width) => width as u64,
            None => statistics
                .column_statistics
                .get(index)
                .and_then(|column| column.byte_size.get_value())
                .zip(rows)
                .map_or(VARIABLE_BYTES, |(bytes, rows)| *bytes as u64 / rows),
        };
        sum = sum.saturating_add(bytes);
    }
    sum
}

/// Bytes of the columns `schema` of files whose rows were not counted.
fn decoded_bytes(files: &FileScanConfig, schema: &Schema) -> u64 {
    let mut bytes: u64 = 0;
    for file in files.file_groups.iter().flat_map(|group| group.iter()) {
        bytes = bytes.saturating_add(match &file.range {
            Some(range) => u64::try_from(range.end - range.start).unwrap_or(0),
            None => file.object_meta.size,
        });
    }
    let expansion = match files.file_source().file_type() {
        "parquet" => COLUMNAR_EXPANSION,
        _ if files.file_compression_type.is_compressed() => TEXT_EXPANSION * COMPRESSED_EXPANSION,
        _ => TEXT_EXPANSION,
    };
    let columns = files.file_schema().fields().len().max(1) as u64;
    let read = (schema.fields().len() as u64).clamp(1, columns);
    bytes.saturating_mul(expansion) / columns * read
}
