//! Records of any shape: the scan of `read_bag`.
//!
//! The way of a piece: chunks of bytes → whole records ([`split`]: one a line, or JSON values
//! wherever they end) → JSON ([`sheaf_bags::logs`] for lines of logs) → one pass over each, which
//! checks it and gives the columns that the query asks for. A scan takes what a query does with
//! `rec` (paths, casts) over from the plan ([`absorb`]), so that whole records are not built unless
//! somebody wants them.
//!
//! Memory: a block of the file, a record (at most [`RECORD_BYTES_MAX`]), a batch (about
//! [`BATCH_BYTES_MAX`] and a record more).

mod absorb;
mod errors;
mod lines;
mod sink;
mod split;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::physical_expr::projection::ProjectionExprs;
use sheaf_bags::extract::Extract;
use sheaf_bags::logs::LineFormat;
use sheaf_base::Result;

pub(in crate::scan) use self::errors::BagExplain;
pub(crate) use self::lines::LineCounts;
use self::sink::{Output, Reader, Sink};
pub(in crate::scan) use self::split::{LineDecoder, RecordSink, ValueDecoder};
use super::bad_records::{ErrorPolicy, keep_rejected};
use super::bytes::SourceFile;
use super::records::marked_records;
use super::stream::{RecordDecoder, decode};
use super::{Absorbed, Batches, Piece, RecordFormat};
use crate::formats::Compression;
use crate::rejects::Rejects;

/// The column of records.
pub(crate) const RECORD_COLUMN: &str = "rec";

/// The column of a record's first byte in its file.
pub(crate) const OFFSET_COLUMN: &str = "_offset";

/// Bytes that one record may have.
pub(crate) const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of records after which a batch is handed on.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes by which a file tells what its records are.
const LOOK_BYTES: usize = 4 * 1024;

/// How the records of one file follow each other.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    /// The file's first bytes tell.
    Told,
    /// JSON, a value a line.
    JsonLines,
    /// JSON values over any lines, in one array or one after another.
    JsonValues,
    /// Lines of a log.
    Lines(Arc<LineFormat>),
}

/// A column of the scan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BagColumn {
    /// The record, or something in it.
    Extract(Extract),
    /// Where it begins in the file.
    Offset,
    /// On which line that is.
    Line,
}

/// The files of one bag.
#[derive(Debug, Clone)]
pub(crate) struct BagFormat {
    pub(crate) file_schema: SchemaRef,
    /// What each column of `file_schema` is.
    pub(crate) columns: Arc<[BagColumn]>,
    pub(crate) layout: Layout,
    /// Whether bytes that are not UTF-8 are replaced.
    pub(crate) is_lossy: bool,
    pub(crate) policy: Arc<ErrorPolicy>,
    pub(crate) lines: Arc<LineCounts>,
    pub(crate) rejects: Option<Arc<dyn Rejects>>,
}

/// A column of numbers that a record has besides its contents.
pub(crate) fn number_field(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

#[async_trait]
impl RecordFormat for BagFormat {
    fn name(&self) -> &'static str {
        "bag"
    }

    fn absorb(
        &self,
        projection: &ProjectionExprs,
        table_schema: &TableSchema,
    ) -> EngineResult<Option<Absorbed>> {
        absorb::absorb(self, projection, table_schema)
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        let layout = match &self.layout {
            Layout::Told => layout_of(&piece.file).await?,
            layout => layout.clone(),
        };
        let parts = marked_records(&piece.file, piece.range.clone()).await?;
        let wanted: Vec<&BagColumn> = projection.iter().map(|i| &self.columns[*i]).collect();
        // Lines before the piece are counted only if somebody wants to know.
        let counts_lines = wanted.contains(&&BagColumn::Line) || self.rejects.is_some();
        let first_line = match counts_lines {
            true => 1 + self.lines.before(&piece, parts.start).await?,
            false => 1,
        };
        let (extracts, outputs) = Output::of(&wanted);
        let sink = Sink::new(
            Arc::new(self.file_schema.project(&projection)?),
            &extracts,
            outputs,
            Reader {
                line_format: match &layout {
                    Layout::Lines(format) => Some(Arc::clone(format)),
                    _ => None,
                },
                is_lossy: self.is_lossy,
            },
            Arc::clone(&self.policy),
            batch_rows,
        );
        let pending = sink.pending();
        let decoder: Box<dyn RecordDecoder> = match layout {
            Layout::JsonValues => Box::new(ValueDecoder::new(sink, first_line)),
            _ => Box::new(LineDecoder::new(sink, parts.start, first_line)),
        };
        let path = Arc::clone(&piece.file.path);
        let explain = BagExplain {
            start: parts.start,
            first_line,
            piece,
            lines: Arc::clone(&self.lines),
        };
        let batches = decode(parts.chunks, decoder, Arc::new(explain));
        Ok(match &self.rejects {
            Some(rejects) => keep_rejected(batches, path, pending, Arc::clone(rejects)),
            None => batches,
        })
    }
}

/// What the name and the first bytes of a file say its records are.
///
/// # Errors
/// Names the file if it cannot be read.
pub(crate) async fn layout_of(file: &SourceFile) -> Result<Layout> {
    let name = Compression::of_file(&file.path).1.to_ascii_lowercase();
    if name.ends_with(".jsonl") || name.ends_with(".ndjson") {
        return Ok(Layout::JsonLines);
    }
    let prefix = file.prefix(LOOK_BYTES).await?;
    let body = prefix.bytes.strip_prefix(b"\xef\xbb\xbf");
    let body = body.unwrap_or(&prefix.bytes).trim_ascii_start();
    let is_json = name.ends_with(".json");
    let first_line = first_line(body, prefix.is_whole);
    Ok(match (body.first(), first_line) {
        // All of the file, or as much as is looked at, is on one line: an array has no others.
        (Some(b'['), _) if is_json || opens_array_of_objects(body) => Layout::JsonValues,
        (Some(b'{'), FirstLine::Value | FirstLine::Long) => Layout::JsonLines,
        (Some(b'{'), FirstLine::Other) => Layout::JsonValues,
        _ if is_json => Layout::JsonValues,
        _ => Layout::Lines(Arc::new(LineFormat::Text)),
    })
}

/// The first line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstLine {
    /// One JSON value, or what was meant to be one: a brace closes it.
    Value,
    /// It goes on beyond what is looked at; a value over several lines would have broken it.
    Long,
    Other,
}

fn first_line(body: &[u8], is_whole: bool) -> FirstLine {
    let line = match memchr::memchr(b'\n', body) {
        Some(end) => &body[..end],
        None if is_whole => body,
        None => return FirstLine::Long,
    };
    match line.trim_ascii_end().ends_with(b"}") {
        true => FirstLine::Value,
        false => FirstLine::Other,
    }
}

/// Whether an array of records begins, rather than a line like `[2026-01-01] started`.
fn opens_array_of_objects(body: &[u8]) -> bool {
    let inner = body.get(1..).unwrap_or_default().trim_ascii_start();
    matches!(inner.first(), Some(b'{'))
}
