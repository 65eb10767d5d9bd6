//! Lines of text: one row a line. The table has the column `line` and, if wanted, `_line`: its number,
//! for which files must not be split.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringBuilder, StringViewBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::records::records;
use super::stream::{Explain, RecordDecoder, decode};
use super::{Batches, Piece, RecordFormat};

/// The place of the text in the schema; after it comes the number.
const TEXT_PLACE: usize = 0;

/// Bytes that one line may have.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The text files of one table, whose schema is a text column, and perhaps the number of the line.
#[derive(Debug)]
pub(crate) struct TextFormat {
    pub(crate) file_schema: SchemaRef,
}

#[async_trait]
impl RecordFormat for TextFormat {
    fn name(&self) -> &'static str {
        "text"
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        let parts = records(&piece.file, piece.range.clone(), None, 0).await?;
        let decoder = LineDecoder {
            output: Arc::new(self.file_schema.project(&projection)?),
            lines: Lines::new(
                self.file_schema.field(0).data_type(),
                projection.contains(&TEXT_PLACE),
            ),
            projection,
            lines_before: 0,
            partial: Vec::new(),
            rows: 0,
            batch_rows,
        };
        let explain = TextExplain {
            path: Arc::clone(&piece.file.path),
        };
        Ok(decode(parts.chunks, Box::new(decoder), Arc::new(explain)))
    }
}

enum Lines {
    Counted,
    Text(StringBuilder),
    View(StringViewBuilder),
}

impl Lines {
    fn new(data_type: &DataType, is_wanted: bool) -> Self {
        match (is_wanted, data_type) {
            (false, _) => Self::Counted,
            (true, DataType::Utf8) => Self::Text(StringBuilder::new()),
            (true, _) => Self::View(StringViewBuilder::new()),
        }
    }

    /// Appends a line; bytes that are not UTF-8 become the replacement character, since logs have
    /// them and a line is better than none.
    fn push(&mut self, line: &[u8]) {
        match self {
            Self::Counted => {}
            Self::Text(builder) => builder.append_value(String::from_utf8_lossy(line)),
            Self::View(builder) => builder.append_value(String::from_utf8_lossy(line)),
        }
    }

    fn finish(&mut self) -> Option<ArrayRef> {
        match self {
            Self::Counted => None,
            Self::Text(builder) => Some(Arc::new(builder.finish())),
            Self::View(builder) => Some(Arc::new(builder.finish())),
        }
    }
}

struct LineDecoder {
    output: SchemaRef,
    projection: Arc<[usize]>,
    lines: Lines,
    /// Lines of the batches before.
    lines_before: i64,
    /// The start of a line whose end is not yet here.
    partial: Vec<u8>,
    rows: usize,
    batch_rows: usize,
}

impl LineDecoder {
    fn push(&mut self, end_of_line: &[u8]) {
        if self.partial.is_empty() {
            self.lines.push(without_return(end_of_line));
        } else {
            self.partial.extend_from_slice(end_of_line);
            let line = std::mem::take(&mut self.partial);
            self.lines.push(without_return(&line));
        }
        self.rows += 1;
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl RecordDecoder for LineDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        if bytes.is_empty() && !self.partial.is_empty() {
            self.push(&[]);
        }
        let mut at = 0;
        while at < bytes.len() && self.rows < self.batch_rows {
            match memchr::memchr(b'\n', &bytes[at..]) {
                Some(length) => {
                    self.push(&bytes[at..at + length]);
                    at += length + 1;
                }
                None => {
                    self.partial.extend_from_slice(&bytes[at..]);
                    if self.partial.len() > LINE_BYTES_MAX {
                        return Err(ArrowError::ParseError("a line is too long".to_owned()));
                    }
                    return Ok(bytes.len());
                }
            }
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let first = self.lines_before + 1;
        self.lines_before += i64::try_from(self.rows).unwrap_or(0);
        self.rows = 0;
        let text = self.lines.finish();
        let arrays = self.projection.iter().filter_map(|place| match *place {
            TEXT_PLACE => text.clone(),
            _ => Some(Arc::new(Int64Array::from_iter_values(first..=self.lines_before)) as _),
        });
        let arrays = arrays.collect();
        RecordBatch::try_new_with_options(Arc::clone(&self.output), arrays, &options).map(Some)
    }

    fn is_full(&self) -> bool {
        self.rows >= self.batch_rows
    }
}

struct TextExplain {
    path: Arc<str>,
}

#[async_trait]
impl Explain for TextExplain {
    async fn explain(&self, _: ArrowError, rows_before: u64) -> SheafError {
        SheafError::data(format!(
            "{}: a line after line {rows_before} of its part has over {LINE_BYTES_MAX} bytes",
            self.path
        ))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("is it a text file?")
    }
}
