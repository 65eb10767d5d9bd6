//! How a CSV file is written: its delimiter and whether it has a header, told from its first rows.

use super::csv::{csv_records, is_null};
use super::value_type::ValueType;
use crate::formats::options::CsvOptions;
use crate::scan::csv::CsvLayout;

/// Rows by which the dialect is told.
const DIALECT_ROWS: usize = 256;

/// Delimiters that are tried, the likeliest first.
const DELIMITERS: &[u8] = b",;\t|";

/// The layout of the file that starts with `body`, the lines to skip already taken off.
///
/// The delimiter is the one that cuts most rows into the same number of values (more than one).
/// `name` is the file's name: `.tsv` and `.psv` files may have a single column.
pub(super) fn detect_layout(
    options: &CsvOptions,
    body: &[u8],
    is_whole: bool,
    name: &str,
) -> CsvLayout {
    let mut layout = CsvLayout {
        delimiter: options.delimiter.unwrap_or(b','),
        quote: options.quote.unwrap_or(Some(b'"')),
        escape: options
            .escape
            .filter(|escape| options.quote.flatten().unwrap_or(b'"') != *escape),
        comment: options.comment,
        has_header: options.header.unwrap_or(false),
        is_by_name: options.union_by_name.unwrap_or(true),
        names: options.names.clone(),
        skip: options.skip,
        nulls: options.nulls.clone(),
        null_padding: options.null_padding,
        headers: std::collections::HashMap::new(),
    };
    if options.delimiter.is_none() {
        layout.delimiter = detect_delimiter(&layout, body, is_whole, name);
    }
    layout
}

fn detect_delimiter(layout: &CsvLayout, body: &[u8], is_whole: bool, name: &str) -> u8 {
    let by_name = match crate::formats::Compression::of_file(name)
        .1
        .rsplit_once('.')
    {
        Some((_, extension)) if extension.eq_ignore_ascii_case("tsv") => b'\t',
        Some((_, extension)) if extension.eq_ignore_ascii_case("psv") => b'|',
        _ => b',',
    };
    let mut best = (0_usize, 1_usize, by_name);
    for delimiter in std::iter::once(by_name).chain(DELIMITERS.iter().copied()) {
        let trial = CsvLayout {
            delimiter,
            ..layout.clone()
        };
        let records = csv_records(&trial, body, is_whole, DIALECT_ROWS);
        let (rows, values) = commonest_count(&records);
        // Consistency first, measured in sixteenths so that one odd row does not decide.
        let share = rows * 16 / records.len().max(1);
        if values > 1 && (share, values) > (best.0, best.1) {
            best = (share, values, delimiter);
        }
    }
    best.2
}

/// How many rows have the commonest number of values, and that number.
fn commonest_count(records: &[Vec<String>]) -> (usize, usize) {
    let mut counts: Vec<(usize, usize)> = Vec::new();
    for record in records {
        match counts
            .iter_mut()
            .find(|(_, values)| *values == record.len())
        {
            Some((rows, _)) => *rows += 1,
            None => counts.push((1, record.len())),
        }
    }
    counts.into_iter().max().unwrap_or((0, 0))
}

/// Whether the first of `records` names the columns.
///
/// It does if a column's first cell is text where the others are not. If all columns are text,
/// nothing tells them apart, and a header is likelier than none; so it is in a file of one row.
pub(super) fn detect_header(layout: &CsvLayout, records: &[Vec<String>]) -> bool {
    let Some((first, rest)) = records.split_first() else {
        return true;
    };
    let mut has_typed_cell = false;
    for (i, cell) in first.iter().enumerate() {
        let cell_type = if is_null(layout, cell) {
            ValueType::Null
        } else {
            ValueType::of(cell)
        };
        let rest = rest
            .iter()
            .take(DIALECT_ROWS)
            .filter_map(|record| record.get(i));
        let rest_type = rest
            .filter(|value| !is_null(layout, value))
            .fold(ValueType::Null, |known, value| known.with(value));
        if cell_type == ValueType::Text && !matches!(rest_type, ValueType::Text | ValueType::Null) {
            return true;
        }
        has_typed_cell |= cell_type != ValueType::Text;
    }
    !has_typed_cell
}
