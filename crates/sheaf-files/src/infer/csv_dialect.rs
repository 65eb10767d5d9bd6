//! How a CSV file is written: its delimiter and whether it has a header, told from its first rows.

use super::csv_records::{csv_records, is_null};
use super::value_type::ValueType;
use crate::formats::csv::CsvOptions;
use crate::formats::options::ReadOptions;
use crate::scan::csv::CsvLayout;
use crate::scan::quotes::QuoteTracker;
use crate::scan::records::skip_top;

/// Rows by which the dialect is told.
const DIALECT_ROWS: usize = 256;

/// Delimiters that are tried, the likeliest first.
pub(super) const DELIMITERS: &[u8] = b",;\t|";

/// Quotes that are tried, with what escapes them within a value beside their doubling; the likeliest
/// first.
const QUOTES: &[(u8, Option<u8>)] = &[(b'"', None), (b'"', Some(b'\\')), (b'\'', None)];

/// Lines above the header that are taken for a title.
const TITLE_LINES_MAX: usize = 32;

/// The character of comment lines, where nobody says.
const COMMENT: u8 = b'#';

/// The beginning of a table's first file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    /// Its bytes, the lines to skip already taken off.
    pub(super) body: &'a [u8],
    /// Whether that is all.
    pub(super) is_whole: bool,
    /// The file's name: `.tsv` and `.psv` files may have a single column.
    pub(super) name: &'a str,
    /// Whether the table has no other file. What stands above the header is only skipped then.
    pub(super) is_only_file: bool,
}

/// The layout of the files of which one begins so.
///
/// Quote and escape are the first of [`QUOTES`] that are used and never wrong. The delimiter is the
/// one that cuts most rows into the same number of values (more than one). Lines that begin with `#`
/// are comments if the file begins with one that is cut into another number of values than rows
/// are. Lines of one value above rows of several are a title.
pub(super) fn detect_layout(options: &ReadOptions, beginning: Beginning<'_>) -> CsvLayout {
    let (notation, options) = (&options.notation, &options.csv);
    let given = CsvLayout {
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
        null_padding: options.null_padding,
        notation: notation.clone(),
        headers: std::sync::Arc::default(),
    };
    let mut layout = detect_characters(options, &given, beginning);
    if options.comment.is_none() && beginning.body.first() == Some(&COMMENT) {
        let given = CsvLayout {
            comment: Some(COMMENT),
            ..given
        };
        let trial = detect_characters(options, &given, beginning);
        let first = beginning.records(&layout).into_iter().next();
        let (_, values) = commonest_count(&beginning.records(&trial));
        if values > 0 && first.is_some_and(|first| first.len() != values) {
            layout = trial;
        }
    }
    if beginning.is_only_file && options.skip == 0 && !options.null_padding {
        layout.skip = title_lines(&layout, beginning);
    }
    layout
}

impl Beginning<'_> {
    fn records(&self, layout: &CsvLayout) -> Vec<Vec<String>> {
        csv_records(layout, self.body, self.is_whole, DIALECT_ROWS)
    }
}

/// Lines of one value above rows of several, all of the same number.
fn title_lines(layout: &CsvLayout, beginning: Beginning<'_>) -> usize {
    let records = beginning.records(layout);
    if records.first().is_none_or(|first| first.len() != 1) {
        return 0;
    }
    let leaves_rows = |lines: &usize| {
        let below = Beginning {
            body: skip_top(beginning.body, *lines),
            ..beginning
        };
        let records = below.records(layout);
        let values = records.first().map_or(0, Vec::len);
        records.len() > 1 && values > 1 && records.iter().all(|record| record.len() == values)
    };
    (1..=TITLE_LINES_MAX).find(leaves_rows).unwrap_or(0)
}

/// Detects delimiter, quote and escape where the options do not say.
fn detect_characters(
    options: &CsvOptions,
    given: &CsvLayout,
    beginning: Beginning<'_>,
) -> CsvLayout {
    let mut layout = given.clone();
    if options.delimiter.is_none() {
        layout.delimiter = detect_delimiter(&layout, beginning);
    }
    let candidates = QUOTES.iter().filter(|(quote, escape)| {
        (options.quote.is_none() || given.quote == Some(*quote))
            && (options.escape.is_none() || escape.is_none())
    });
    let mut trials = candidates.map(|(quote, escape)| {
        let mut trial = CsvLayout {
            quote: Some(*quote),
            escape: given.escape.or(*escape),
            ..layout.clone()
        };
        if options.delimiter.is_none() {
            trial.delimiter = detect_delimiter(&trial, beginning);
        }
        trial
    });
    let fitting = trials.find(|trial| has_fitting_quotes(trial, beginning));
    fitting.unwrap_or(layout)
}

/// Whether there are quoted values, and no quote is wrong.
fn has_fitting_quotes(layout: &CsvLayout, beginning: Beginning<'_>) -> bool {
    let Some(quoting) = layout.quoting() else {
        return false;
    };
    let mut tracker = QuoteTracker::new(quoting);
    tracker.advance(beginning.body);
    let fault = match beginning.is_whole {
        true => tracker.fault_at_end(),
        false => tracker.stray(),
    };
    tracker.has_opened() && fault.is_none()
}

fn detect_delimiter(layout: &CsvLayout, beginning: Beginning<'_>) -> u8 {
    let name = crate::formats::Compression::of_file(beginning.name).1;
    let by_name = match name.rsplit_once('.') {
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
        let records = beginning.records(&trial);
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
            ValueType::of(cell, &layout.notation)
        };
        let rest = rest
            .iter()
            .take(DIALECT_ROWS)
            .filter_map(|record| record.get(i));
        let rest_type = rest
            .filter(|value| !is_null(layout, value))
            .fold(ValueType::Null, |known, value| {
                known.with(value, &layout.notation)
            });
        if cell_type == ValueType::Text && !matches!(rest_type, ValueType::Text | ValueType::Null) {
            return true;
        }
        has_typed_cell |= cell_type != ValueType::Text;
    }
    !has_typed_cell
}
