//! JSON pieces: objects one a line, one after another, or in one array.

mod lenient;
mod plain;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};

use super::bad_records::{ErrorPolicy, shortened};
use super::bag::LineCounts;
use super::bytes::Chunks;
use super::json_texts::TextRewriter;
use super::json_values::{ArrayUnwrapper, ValueSplitter};
use super::records::records;
use super::stream::{Explain, RecordDecoder, decode};
use super::{Batches, Piece, RecordFormat};
use crate::formats::options::JsonFormat as Arrangement;
use crate::notation::Notation;
use crate::rejects::Rejects;

/// Bytes of a file by which its arrangement is told.
const ARRANGEMENT_BYTES: usize = 4 * 1024;

/// The JSON files of one table.
#[derive(Debug, Clone)]
pub(crate) struct JsonFormat {
    pub(crate) file_schema: SchemaRef,
    /// Whether its last column is that of rescued values.
    pub(crate) rescues: bool,
    /// Whether files are read value by value, going on from what is wrong, rather than by Arrow.
    pub(crate) is_lenient: bool,
    /// How texts are written; others than plainly are read value by value.
    pub(crate) notation: Arc<Notation>,
    pub(crate) policy: Arc<ErrorPolicy>,
    pub(crate) rejects: Option<Arc<dyn Rejects>>,
    pub(crate) lines: Arc<LineCounts>,
    pub(crate) arrangement: Arrangement,
    /// Whether each file is one array, where known.
    pub(crate) arrays: Arc<HashMap<Path, bool>>,
    /// Paths of text columns that may hold objects and arrays.
    pub(crate) text_paths: Arc<HashSet<String>>,
    /// Whether reading all columns fails on a key that is none of them: the columns were told from
    /// the first values only, and a later one must not be lost in silence.
    pub(crate) is_strict: bool,
}

#[async_trait]
impl RecordFormat for JsonFormat {
    fn name(&self) -> &'static str {
        "json"
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        if self.is_lenient {
            return lenient::open(self, piece, &projection, batch_rows).await;
        }
        let schema = Arc::new(self.file_schema.project(&projection)?);
        let is_strict = self.is_strict && projection.len() == self.file_schema.fields().len();
        let is_array = self.is_array(&piece).await?;
        let parts = records(&piece.file, piece.range.clone(), None, 0).await?;
        let mut chunks = parts.chunks;
        if is_array {
            chunks = unwrap_array(chunks);
        }
        if !self.text_paths.is_empty() {
            chunks = rewrite_texts(chunks, Arc::clone(&self.text_paths));
        }
        let decoder = JsonDecoder {
            decoder: decoder_of(Arc::clone(&schema), batch_rows, is_strict)?,
            batch_rows,
        };
        let explain = JsonExplain {
            schema,
            is_strict,
            piece,
            start: parts.start,
            is_array,
            text_paths: Arc::clone(&self.text_paths),
        };
        Ok(decode(chunks, Box::new(decoder), Arc::new(explain)))
    }
}

impl JsonFormat {
    /// Whether the piece's file is one array. Files that are split never are.
    async fn is_array(&self, piece: &Piece) -> Result<bool> {
        match self.arrangement {
            Arrangement::Array => return Ok(true),
            Arrangement::NewlineDelimited | Arrangement::Unstructured => return Ok(false),
            Arrangement::Auto => {}
        }
        if let Some(known) = self.arrays.get(&piece.file.meta.location) {
            return Ok(*known);
        }
        let prefix = piece.file.prefix(ARRANGEMENT_BYTES).await?;
        let is_array = starts_array(&prefix.bytes);
        if is_array && piece.range.is_some() {
            return Err(SheafError::data(format!(
                "{} is a JSON array among files of one value a line",
                piece.file.path
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT)
            .with_hint("read it by itself: read_json('…', format => 'array')"));
        }
        Ok(is_array)
    }
}

/// Whether the first thing in `bytes` opens an array.
pub(crate) fn starts_array(bytes: &[u8]) -> bool {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn decoder_of(
    schema: SchemaRef,
    batch_rows: usize,
    is_strict: bool,
) -> Result<Decoder, ArrowError> {
    ReaderBuilder::new(schema)
        .with_strict_mode(is_strict)
        .with_batch_size(batch_rows)
        .with_coerce_primitive(true)
        .build_decoder()
}

fn unwrap_array(chunks: Chunks) -> Chunks {
    let mut unwrapper = ArrayUnwrapper::default();
    let unwrapped = chunks.map(move |chunk| Ok(Bytes::from(unwrapper.unwrap(&chunk?))));
    unwrapped.boxed()
}

/// Whole values with objects and arrays at `paths` in quotes.
fn rewritten<'a>(bytes: &'a [u8], paths: &Arc<HashSet<String>>) -> Cow<'a, [u8]> {
    match paths.is_empty() {
        true => Cow::Borrowed(bytes),
        false => Cow::Owned(TextRewriter::new(Arc::clone(paths)).rewrite(bytes)),
    }
}

/// Encloses objects and arrays at `paths` in quotes.
fn rewrite_texts(chunks: Chunks, paths: Arc<HashSet<String>>) -> Chunks {
    let mut rewriter = TextRewriter::new(paths);
    chunks
        .map(move |chunk| Ok(Bytes::from(rewriter.rewrite(&chunk?))))
        .boxed()
}

struct JsonDecoder {
    decoder: Decoder,
    batch_rows: usize,
}

impl RecordDecoder for JsonDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        if bytes.is_empty() && self.decoder.has_partial_record() {
            return Err(ArrowError::JsonError(
                "the file ends within a value".to_owned(),
            ));
        }
        self.decoder.decode(bytes)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.decoder.flush()
    }

    fn is_full(&self) -> bool {
        self.decoder.len() >= self.batch_rows
    }
}

struct JsonExplain {
    schema: SchemaRef,
    is_strict: bool,
    piece: Piece,
    start: u64,
    is_array: bool,
    text_paths: Arc<HashSet<String>>,
}

#[async_trait]
impl Explain for JsonExplain {
    /// Reads the piece again, value by value, and tries each one after the good rows alone.
    async fn explain(&self, error: ArrowError, rows_before: u64) -> SheafError {
        match self.find(rows_before).await {
            Ok(Some((line, found))) => self.at_line(line, &found),
            _ => self.at_line(0, &error),
        }
    }
}

impl JsonExplain {
    async fn find(&self, rows_before: u64) -> Result<Option<(u64, ArrowError)>> {
        let file = &self.piece.file;
        let mut lines = 1_u64;
        let mut before = file.range(0..self.start).await?;
        while let Some(chunk) = before.try_next().await? {
            lines += memchr::memchr_iter(b'\n', &chunk).count() as u64;
        }
        let parts = records(file, self.piece.range.clone(), None, 0).await?;
        let mut chunks = parts.chunks;
        let mut splitter = ValueSplitter::new(Some(self.is_array), lines);
        let mut index = 0_u64;
        let mut fault = None;
        while let Some(chunk) = chunks.try_next().await? {
            splitter.feed(&chunk, |value| {
                if index >= rows_before {
                    let error = self.try_value(value.bytes);
                    fault = error.map(|error| (value.line, error));
                }
                index += 1;
                fault.is_none()
            });
            if fault.is_some() {
                return Ok(fault);
            }
        }
        let cut_off = || ArrowError::JsonError("the file ends within a value".to_owned());
        Ok(match splitter.rest() {
            Some(rest) => Some((
                rest.line,
                self.try_value(rest.bytes).unwrap_or_else(cut_off),
            )),
            None if !splitter.is_complete() => Some((splitter.line(), cut_off())),
            None => None,
        })
    }

    fn try_value(&self, bytes: &[u8]) -> Option<ArrowError> {
        let attempt = || -> Result<(), ArrowError> {
            let mut decoder = decoder_of(Arc::clone(&self.schema), 1, self.is_strict)?;
            decoder.decode(&rewritten(bytes, &self.text_paths))?;
            decoder.decode(b"\n")?;
            if decoder.has_partial_record() {
                return Err(ArrowError::JsonError(
                    "the file ends within a value".to_owned(),
                ));
            }
            decoder.flush()?;
            Ok(())
        };
        attempt().err()
    }

    fn at_line(&self, line: u64, error: &ArrowError) -> SheafError {
        let path = &self.piece.file.path;
        let place = if line == 0 {
            path.to_string()
        } else {
            format!("{path}:{line}")
        };
        let message = error.to_string();
        let message = message.strip_prefix("Json error: ").unwrap_or(&message);
        if message.starts_with("the file ends") {
            return SheafError::data(format!("{place}: {message}"))
                .with_state(SqlState::BAD_COPY_FILE_FORMAT)
                .with_hint("the file is truncated, or a bracket or quote is missing");
        }
        if let Some(column) = unknown_key(message) {
            return SheafError::data(format!(
                "{place}: column \"{column}\" is not in the values by which columns were detected"
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT)
            .with_hint(
                "sample_size => -1 detects columns by all values; a query that names its columns \
                 leaves the others out",
            );
        }
        match misfit(&self.schema, message) {
            Some((message, hint)) => SheafError::data(format!("{place}: {message}"))
                .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
                .with_hint(hint),
            None => SheafError::data(format!("{place}: not valid JSON: {message}"))
                .with_state(SqlState::BAD_COPY_FILE_FORMAT),
        }
    }
}

/// Reads `whilst decoding field 'a': column 'b' missing from schema` as `a.b`.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_suffix("' missing from schema")?;
    let (path, key) = rest.rsplit_once("column '")?;
    let mut name = String::new();
    for field in path.split("whilst decoding field '").skip(1) {
        name.push_str(field.split_once("': ").map_or(field, |(field, _)| field));
        name.push('.');
    }
    name.push_str(key);
    Some(name)
}

/// What Arrow's message about a value says, in our words: `column a.b: 'x' is no BIGINT`, and what
/// may be done about it.
fn misfit(schema: &Schema, message: &str) -> Option<(String, String)> {
    let mut rest = message.strip_prefix("Json error: ").unwrap_or(message);
    let mut path: Vec<&str> = Vec::new();
    while let Some(after) = rest.strip_prefix("whilst decoding field '") {
        let (field, inner) = after.split_once("': ")?;
        path.push(field);
        rest = inner.strip_prefix("Json error: ").unwrap_or(inner);
    }
    let mut data_type = schema.field_with_name(path.first()?).ok()?.data_type();
    for key in path.iter().skip(1) {
        data_type = inner_type(data_type, key)?;
    }
    let expected = rest.strip_prefix("expected ");
    let got = expected.and_then(|after| after.split_once(" got "));
    let parsed = rest.strip_prefix("failed to parse ");
    let parsed = parsed.and_then(|after| after.rsplit_once(" as "));
    let found = match (got, parsed) {
        (Some((_, found)), _) | (None, Some((found, _))) => found,
        (None, None) => rest,
    };
    let found = shortened(found.trim_matches('"'));
    let column = path.join(".");
    let key = path.first()?.replace('\'', "''");
    Some((
        format!(
            "column {column}: '{found}' is no {}",
            sql_type_name(data_type)
        ),
        format!(
            "types => {{'{key}': 'VARCHAR'}} reads the column as text; sample_size => -1 detects \
             types by all values; on_error and rescue go on without such values"
        ),
    ))
}

/// The type of what is called `key` in values of `data_type`, or in their items.
fn inner_type<'a>(data_type: &'a DataType, key: &str) -> Option<&'a DataType> {
    match data_type {
        DataType::List(item) => inner_type(item.data_type(), key),
        DataType::Struct(fields) => fields.find(key).map(|(_, field)| field.data_type()),
        _ => None,
    }
}
