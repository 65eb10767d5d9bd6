//! CSV errors with file, line and column: `sales.csv:417: expected a number in column "amount",
//! found "abc"`.
//!
//! Arrow's reader counts records of the piece it reads. The line is found by reading the file once
//! more up to that record; only failing queries pay for it.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use async_trait::async_trait;
use csv_core::ReadRecordResult;
use futures::TryStreamExt;
use regex::Regex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};

use super::{Columns, CsvLayout};
use crate::scan::Piece;
use crate::scan::quotes::Quoting;
use crate::scan::records::records;
use crate::scan::stream::Explain;

/// Characters of a value that an error quotes.
const VALUE_CHARS_MAX: usize = 60;

/// Bytes of one record that are kept to explain an error in it.
const RECORD_BYTES_MAX: usize = 64 * 1024;

pub(super) struct CsvExplain {
    pub(super) layout: CsvLayout,
    pub(super) columns: std::sync::Arc<Columns>,
    pub(super) piece: Piece,
    /// Stored offset of the piece's first record.
    pub(super) first_record: u64,
}

/// What Arrow's message says.
#[derive(Debug, PartialEq)]
enum Fault {
    /// A value of physical column `column` in record `record` does not fit its type.
    Value { record: u64, column: usize },
    /// Record `record` has another number of values.
    Count {
        record: u64,
        expected: String,
        found: String,
    },
    /// Record `record` is not UTF-8.
    Encoding { record: u64, column: usize },
    /// Something else.
    Other,
}

/// Record `index` of a piece as it stands in the file.
struct Found {
    line: u64,
    values: Vec<String>,
}

#[async_trait]
impl Explain for CsvExplain {
    async fn explain(&self, error: ArrowError, rows_before: u64) -> SheafError {
        let message = error.to_string();
        let path = &self.piece.file.path;
        let fault = parse_fault(&message);
        let record = match &fault {
            Fault::Value { record, .. }
            | Fault::Count { record, .. }
            | Fault::Encoding { record, .. } => *record,
            Fault::Other => rows_before + u64::from(self.reads_header()),
        };
        let Ok(Some(found)) = self.find(record).await else {
            return SheafError::from(error).with_context(path);
        };
        let place = format!("{path}:{}", found.line);
        match fault {
            Fault::Value { column, .. } => self.value_error(&place, column, &found),
            Fault::Encoding { column, .. } => SheafError::data(format!(
                "{place}: the value of column {} is not UTF-8",
                self.column_name(column)
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT)
            .with_hint("convert the file to UTF-8, with iconv say"),
            Fault::Count {
                expected,
                found: count,
                ..
            } => SheafError::data(format!(
                "{place}: expected {expected} values, found {count}"
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT)
            .with_hint(
                "null_padding => true fills short rows with NULL; check delim and quote too",
            ),
            Fault::Other => {
                SheafError::from(error).with_context(format!("{path}, near line {}", found.line))
            }
        }
    }
}

impl CsvExplain {
    fn reads_header(&self) -> bool {
        self.layout.has_header && self.first_record == 0
    }

    fn column_name(&self, column: usize) -> String {
        match self.columns.physical.fields().get(column) {
            Some(field) => format!("\"{}\"", field.name()),
            None => (column + 1).to_string(),
        }
    }

    fn value_error(&self, place: &str, column: usize, found: &Found) -> SheafError {
        let value = found.values.get(column).map_or("", String::as_str);
        let data_type = self
            .columns
            .physical
            .fields()
            .get(column)
            .map_or(&DataType::Utf8, |f| f.data_type());
        let shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
        let mark = if shown.len() < value.len() { "…" } else { "" };
        let name = self.column_name(column);
        let key = name.trim_matches('"').replace('\'', "''");
        SheafError::data(format!(
            "{place}: expected {} in column {name}, found \"{shown}{mark}\"",
            describe(data_type, value)
        ))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_hint(format!(
            "types => {{'{key}': 'VARCHAR'}} reads the column as text; nullstr => '{}' reads such \
             values as NULL; sample_size => -1 detects types by all rows",
            shown.replace('\'', "''")
        ))
    }

    /// Reads the piece again up to record `index`, counted from 0, headers included.
    async fn find(&self, index: u64) -> Result<Option<Found>> {
        let file = &self.piece.file;
        let range = self.piece.range.clone();
        // Wrong quotes have been told already, or are what is looked for.
        let quoting = self.layout.quoting().map(|quoting| Quoting {
            has_comments: true,
            ..quoting
        });
        let parts = records(file, range, quoting, self.layout.skip).await?;
        let mut line = 1 + self.lines_before(parts.start).await?;
        let mut chunks = parts.chunks;
        if parts.start == 0 {
            line += self.layout.skip as u64;
        }
        let mut finder = Finder::new(&self.layout, line, index);
        while let Some(chunk) = chunks.try_next().await? {
            if !chunk.is_empty() && finder.feed(&chunk) {
                return Ok(Some(finder.found()));
            }
        }
        Ok(finder.feed(&[]).then(|| finder.found()))
    }

    async fn lines_before(&self, offset: u64) -> Result<u64> {
        let mut chunks = self.piece.file.range(0..offset).await?;
        let mut lines = 0_u64;
        while let Some(chunk) = chunks.try_next().await? {
            lines += memchr::memchr_iter(b'\n', &chunk).count() as u64;
        }
        Ok(lines)
    }
}

/// Counts records and lines until the wanted record.
struct Finder {
    reader: csv_core::Reader,
    left: u64,
    output: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    values: usize,
    /// The last byte of the record, to tell whether its line break was consumed with it.
    ended_by_line_break: bool,
}

impl Finder {
    fn new(layout: &CsvLayout, line: u64, index: u64) -> Self {
        let mut reader = layout.record_reader();
        reader.set_line(line);
        Self {
            reader,
            left: index,
            output: vec![0; RECORD_BYTES_MAX],
            ends: vec![0; RECORD_BYTES_MAX / 16],
            written: 0,
            values: 0,
            ended_by_line_break: false,
        }
    }

    /// Takes bytes (none at the end); true when the wanted record is read.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut at = 0;
        loop {
            let (result, read, written, ends) = self.reader.read_record(
                &bytes[at..],
                &mut self.output[self.written..],
                &mut self.ends[self.values..],
            );
            at += read;
            self.written += written;
            self.values += ends;
            match result {
                ReadRecordResult::InputEmpty => return false,
                // A record too large to keep: its line is what counts.
                ReadRecordResult::OutputFull => self.written = 0,
                ReadRecordResult::OutputEndsFull => self.values = 0,
                ReadRecordResult::End => return false,
                ReadRecordResult::Record => {
                    self.ended_by_line_break = at > 0 && bytes[at - 1] == b'\n';
                    if self.left == 0 {
                        return true;
                    }
                    self.left -= 1;
                    self.written = 0;
                    self.values = 0;
                    if at == bytes.len() && !bytes.is_empty() {
                        return false;
                    }
                }
            }
        }
    }

    fn found(&self) -> Found {
        let kept = &self.output[..self.written];
        let breaks = memchr::memchr_iter(b'\n', kept).count() as u64;
        let line = self.reader.line() - breaks - u64::from(self.ended_by_line_break);
        let mut start = 0;
        let mut values = Vec::new();
        for end in &self.ends[..self.values] {
            values.push(String::from_utf8_lossy(kept.get(start..*end).unwrap_or_default()).into());
            start = *end;
        }
        Found { line, values }
    }
}

/// What a value should have been, in words.
pub(in crate::scan) fn describe(data_type: &DataType, value: &str) -> String {
    match data_type {
        DataType::Boolean => "true or false".to_owned(),
        DataType::Date32 | DataType::Date64 => "a date".to_owned(),
        DataType::Timestamp(_, _) => "a timestamp".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "a time".to_owned(),
        integer if integer.is_integer() && value.trim().parse::<f64>().is_ok() => {
            format!("a whole number of type {}", sql_type_name(integer))
        }
        number if number.is_numeric() => "a number".to_owned(),
        other => format!("a value of type {}", sql_type_name(other)),
    }
}

/// Reads the messages of Arrow's CSV reader. Its two layers count records differently: the parser
/// of values from 0, the splitter of records from 1.
fn parse_fault(message: &str) -> Fault {
    let number_after = |mark: &str| -> Option<u64> {
        let rest = &message[message.find(mark)? + mark.len()..];
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    let column_after = |mark| number_after(mark).and_then(|n| usize::try_from(n).ok());
    if message.contains("incorrect number of fields for line ") {
        let record = number_after("fields for line ")
            .unwrap_or(1)
            .saturating_sub(1);
        let expected = number_after("expected ").unwrap_or(0).to_string();
        let found = message
            .rsplit_once(" got ")
            .map_or("more", |(_, found)| found)
            .to_owned();
        return Fault::Count {
            record,
            expected,
            found,
        };
    }
    if message.contains("invalid UTF-8 data for line ") {
        let record = number_after("data for line ")
            .unwrap_or(1)
            .saturating_sub(1);
        let column = column_after("and field ").unwrap_or(1).saturating_sub(1);
        return Fault::Encoding { record, column };
    }
    let pattern = r"(?:' for column|Error parsing column) (\d+) at line (\d+)";
    let captures = Regex::new(pattern)
        .ok()
        .and_then(|pattern| pattern.captures(message));
    let number = |group: usize| captures.as_ref()?.get(group)?.as_str().parse::<u64>().ok();
    match (
        number(1).and_then(|column| usize::try_from(column).ok()),
        number(2),
    ) {
        (Some(column), Some(record)) => Fault::Value { record, column },
        _ => Fault::Other,
    }
}
