//! CSV pieces: columns found by name in each file's header, values parsed by Arrow's reader.

mod explain;
mod lenient;
mod utf8;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Decoder;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use futures::StreamExt;
use object_store::path::Path;
use regex::Regex;
use sheaf_base::Result;

use self::explain::CsvExplain;
use self::lenient::RECORD_BYTES_MAX;
pub(crate) use self::lenient::{RawRecord, RecordSplitter, RecordStarts};
use self::utf8::Utf8Check;
use super::bad_records::ErrorPolicy;
use super::bytes::SourceFile;
use super::known_columns::KnownColumns;
use super::quotes::Quoting;
use super::records::{Records, records, records_between, skip_top};
use super::stream::{RecordDecoder, decode};
use super::{Batches, Piece, RecordFormat};
use crate::notation::Notation;
use crate::rejects::Rejects;

/// Bytes of a file within which its header must end.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Bytes after which a batch is handed on, be its rows as few as they are.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes first read to find a header.
const HEADER_BYTES: usize = 16 * 1024;

/// How the CSV files of a table are written: given by the user or detected by `infer`.
#[derive(Debug, Clone)]
pub(crate) struct CsvLayout {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) has_header: bool,
    /// Whether columns are found by the header's names rather than by position.
    pub(crate) is_by_name: bool,
    /// Names by position that replace those of the header.
    pub(crate) names: Vec<String>,
    /// Lines to skip at the top of each file.
    pub(crate) skip: usize,
    pub(crate) null_padding: bool,
    /// How values are written; the empty text means NULL, too.
    pub(crate) notation: Notation,
    /// Headers already read, by location.
    pub(crate) headers: Arc<HashMap<Path, Arc<[String]>>>,
}

/// The CSV files of one table.
#[derive(Debug, Clone)]
pub(crate) struct CsvFormat {
    pub(crate) layout: CsvLayout,
    /// Columns of the table that come from files.
    pub(crate) file_schema: SchemaRef,
    /// Whether the last of them is that of rescued values.
    pub(crate) rescues: bool,
    /// What the header of a file that nobody looked at may have.
    pub(crate) known: Option<Arc<KnownColumns>>,
    /// Whether files are read value by value, going on from what is wrong, rather than by Arrow.
    pub(crate) is_lenient: bool,
    pub(crate) policy: Arc<ErrorPolicy>,
    pub(crate) rejects: Option<Arc<dyn Rejects>>,
    /// Whether values hold line breaks, or records are long, so that where pieces begin must not be
    /// guessed.
    pub(crate) has_long_records: bool,
    /// Where the pieces of files begin.
    pub(crate) starts: Arc<RecordStarts>,
}

impl CsvLayout {
    /// How records end, when quoted values may hold line breaks.
    pub(crate) fn quoting(&self) -> Option<Quoting> {
        let (escape, delimiter) = (self.escape, self.delimiter);
        self.quote.map(|quote| Quoting {
            quote,
            escape,
            delimiter,
            has_comments: self.comment.is_some(),
        })
    }

    /// What the texts that mean NULL look like; `None` if only the empty text does.
    fn null_pattern(&self) -> Option<Regex> {
        let texts = self.notation.nulls.iter().map(|text| regex::escape(text));
        let texts: Vec<String> = texts.collect();
        let pattern = (!texts.is_empty()).then(|| format!("^(?:{})?$", texts.join("|")));
        pattern.and_then(|pattern| Regex::new(&pattern).ok())
    }

    /// A reader of records that follows the layout.
    pub(crate) fn record_reader(&self) -> csv_core::Reader {
        let mut builder = csv_core::ReaderBuilder::new();
        builder
            .delimiter(self.delimiter)
            .escape(self.escape)
            .comment(self.comment);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder.build()
    }

    /// The names of the columns of `file`, made unique; from its header.
    ///
    /// # Errors
    /// Names the file if it cannot be read, or has no end of line within [`HEADER_BYTES_MAX`].
    pub(crate) async fn header_of(&self, file: &SourceFile) -> Result<Arc<[String]>> {
        if let Some(header) = self.headers.get(&file.meta.location) {
            return Ok(Arc::clone(header));
        }
        let mut bytes_max = HEADER_BYTES;
        loop {
            let prefix = file.prefix(bytes_max).await?;
            let body = skip_top(&prefix.bytes, self.skip);
            let mut records = crate::infer::csv_records(self, body, prefix.is_whole, 1);
            if let Some(record) = records.pop() {
                return Ok(unique_names(record, &self.names).into());
            }
            if prefix.is_whole || bytes_max >= HEADER_BYTES_MAX {
                return Ok(Arc::from([]));
            }
            bytes_max *= 8;
        }
    }
}

/// The names of a header's cells, without the blanks around them: empty ones get `column3`, repeated
/// ones `name_1`; `given` names replace them by position.
pub(crate) fn unique_names(cells: Vec<String>, given: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    for (i, cell) in cells.into_iter().enumerate() {
        let cell = given.get(i).cloned().unwrap_or(cell);
        let base = match cell.trim() {
            "" => format!("column{i}"),
            name => name.to_owned(),
        };
        let mut name = base.clone();
        let mut repeat = 1;
        while names.contains(&name) {
            name = format!("{base}_{repeat}");
            repeat += 1;
        }
        names.push(name);
    }
    names
}

impl CsvFormat {
    /// The column of rescued values.
    fn rescued_column(&self) -> Option<usize> {
        let last = self.file_schema.fields().len().checked_sub(1);
        last.filter(|_| self.rescues)
    }

    /// Columns of the table that files have.
    fn own_fields(&self) -> &[FieldRef] {
        let fields = self.file_schema.fields();
        let count = self.rescued_column().unwrap_or(fields.len());
        fields.get(..count).unwrap_or_default()
    }

    /// The file's columns in its own order, with the table's types where the table has them.
    fn physical_fields(&self, names: Option<&[String]>) -> Vec<Field> {
        let Some(names) = names else {
            let own = self.own_fields().iter();
            return own.map(|field| field.as_ref().clone()).collect();
        };
        let text = |name: &String| Field::new(name, DataType::Utf8, true);
        let mut fields: Vec<Field> = names.iter().map(text).collect();
        for field in self.own_fields() {
            if let Some(place) = place_of(names, field.name()) {
                fields[place] = fields[place]
                    .clone()
                    .with_data_type(field.data_type().clone());
            }
        }
        fields
    }

    /// The records of a piece: what begins in its range.
    async fn records_of(&self, piece: &Piece) -> Result<Records> {
        let (file, layout) = (&piece.file, &self.layout);
        match &piece.range {
            Some(range) if self.has_long_records => {
                let start = self.starts.at(file, layout, range.start).await?.offset;
                let end = match range.end >= file.meta.size {
                    true => file.meta.size,
                    false => self.starts.at(file, layout, range.end).await?.offset,
                };
                records_between(file, start..end, layout.quoting()).await
            }
            range => records(file, range.clone(), layout.quoting(), layout.skip).await,
        }
    }

    fn builder(&self, schema: SchemaRef, piece: &Piece) -> ReaderBuilder {
        let layout = &self.layout;
        let starts_file = piece.range.as_ref().is_none_or(|range| range.start == 0);
        let mut builder = ReaderBuilder::new(schema)
            .with_header(layout.has_header && starts_file)
            .with_delimiter(layout.delimiter)
            .with_truncated_rows(layout.null_padding);
        // Arrow's reader always quotes; a byte that cannot occur in UTF-8 turns it off.
        builder = builder.with_quote(layout.quote.unwrap_or(0xFF));
        if let Some(escape) = layout.escape {
            builder = builder.with_escape(escape);
        }
        if let Some(comment) = layout.comment {
            builder = builder.with_comment(comment);
        }
        if let Some(pattern) = layout.null_pattern() {
            builder = builder.with_null_regex(pattern);
        }
        builder
    }
}

/// Where the column called `name` is among `names`: by its very name, else in another case, since
/// declared names come in lower case.
pub(crate) fn place_of(names: &[String], name: &str) -> Option<usize> {
    let exact = names.iter().position(|known| known == name);
    exact.or_else(|| {
        names
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
    })
}

/// A file's columns, and where the wanted ones of the table are among them.
#[derive(Debug)]
struct FileColumns {
    physical: SchemaRef,
    /// Indices into `physical` of what is read.
    read: Vec<usize>,
    /// For each wanted column its place in `read`; `None` if the file lacks it.
    wanted: Vec<Option<usize>>,
    output: SchemaRef,
    /// Which of the wanted columns is that of rescued values.
    rescued: Option<usize>,
}

impl FileColumns {
    fn of(format: &CsvFormat, header: Option<&[String]>, projection: &[usize]) -> Result<Self> {
        let physical = Arc::new(Schema::new(format.physical_fields(header)));
        let output = Arc::new(format.file_schema.project(projection)?);
        let rescued = format.rescued_column();
        let mut read = Vec::with_capacity(projection.len());
        let mut wanted = Vec::with_capacity(projection.len());
        for (field, position) in output.fields().iter().zip(projection) {
            let place = match header {
                _ if rescued == Some(*position) => None,
                Some(names) => place_of(names, field.name()),
                None => Some(*position),
            };
            wanted.push(place.map(|place| {
                read.push(place);
                read.len() - 1
            }));
        }
        Ok(Self {
            physical,
            read,
            wanted,
            output,
            rescued: projection
                .iter()
                .position(|column| rescued == Some(*column)),
        })
    }

    /// The file's columns as Arrow's reader is to read them.
    fn read_by_arrow(&self) -> SchemaRef {
        let fields = self
            .physical
            .fields()
            .iter()
            .map(|field| match is_decimal(field) {
                true => Field::new(field.name(), DataType::Utf8View, true),
                false => field.as_ref().clone(),
            });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The wanted columns: each one's place in `physical`, and whether it is that of rescued values.
    fn outputs(&self) -> impl Iterator<Item = (Option<usize>, &Field, bool)> {
        let places = self.wanted.iter().map(|wanted| {
            let place = wanted.and_then(|at| self.read.get(at));
            place.copied()
        });
        let fields = self.output.fields().iter().enumerate();
        places
            .zip(fields)
            .map(|(place, (i, field))| (place, field.as_ref(), self.rescued == Some(i)))
    }
}

#[async_trait]
impl RecordFormat for CsvFormat {
    fn name(&self) -> &'static str {
        "csv"
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        let layout = &self.layout;
        let header = match layout.has_header && layout.is_by_name {
            true => Some(layout.header_of(&piece.file).await?),
            false => None,
        };
        if header.as_ref().is_some_and(|names| names.is_empty()) {
            return Ok(futures::stream::empty().boxed());
        }
        if let (Some(known), Some(names), false) = (&self.known, &header, self.rescues) {
            known.check(&piece.file.path, names.iter().map(String::as_str))?;
        }
        let columns = Arc::new(FileColumns::of(self, header.as_deref(), &projection)?);
        if self.is_lenient {
            return lenient::open(self, piece, columns, batch_rows).await;
        }
        let parts = self.records_of(&piece).await?;
        let decoder = self
            .builder(columns.read_by_arrow(), &piece)
            .with_projection(columns.read.clone())
            .with_batch_size(batch_rows)
            .build_decoder();
        let decoder = CsvDecoder {
            decoder,
            utf8: Utf8Check::default(),
            columns: Arc::clone(&columns),
            batch_bytes: 0,
            record_bytes: 0,
            is_complete: false,
        };
        let explain = CsvExplain {
            format: self.clone(),
            columns,
            piece,
        };
        Ok(decode(parts.chunks, Box::new(decoder), Arc::new(explain)))
    }
}

/// Arrow's reader, bounded.
struct CsvDecoder {
    decoder: Decoder,
    utf8: Utf8Check,
    columns: Arc<FileColumns>,
    /// Bytes of the batch under way, and of its last record so far.
    batch_bytes: usize,
    record_bytes: usize,
    /// Whether the batch has enough bytes and ends with a record.
    is_complete: bool,
}

impl RecordDecoder for CsvDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        // A batch of many bytes ends with the next record, which ends with a line.
        let is_large = self.batch_bytes >= BATCH_BYTES_MAX;
        let end = is_large.then(|| memchr::memchr(b'\n', bytes)).flatten();
        let part = end.map_or(bytes, |end| &bytes[..=end]);
        let room = self.decoder.capacity();
        let taken = self.decoder.decode(part)?;
        if !self.utf8.takes(&part[..taken]) {
            return Err(ArrowError::CsvError("the file is not UTF-8".to_owned()));
        }
        let has_record = self.decoder.capacity() < room;
        self.batch_bytes += taken;
        self.record_bytes = if has_record {
            0
        } else {
            self.record_bytes + taken
        };
        self.is_complete = has_record && end.is_some() && taken == part.len() && is_one_line(part);
        if self.record_bytes > RECORD_BYTES_MAX {
            let message = "a record has too many bytes".to_owned();
            return Err(ArrowError::CsvError(message));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.batch_bytes = 0;
        self.is_complete = false;
        let Some(batch) = self.decoder.flush()? else {
            return Ok(None);
        };
        let rows = batch.num_rows();
        let arrays = self.columns.wanted.iter().zip(self.columns.output.fields());
        let arrays = arrays.map(|(place, field)| match place {
            Some(place) if is_decimal(field) => {
                lenient::values_of(batch.column(*place), field.data_type())
            }
            Some(place) => Ok(Arc::clone(batch.column(*place))),
            None => Ok(new_null_array(field.data_type(), rows)),
        });
        let arrays = arrays.collect::<Result<_, ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let output = Arc::clone(&self.columns.output);
        RecordBatch::try_new_with_options(output, arrays, &options).map(Some)
    }

    fn is_full(&self) -> bool {
        self.decoder.capacity() == 0 || self.is_complete
    }
}

/// Whether no line end but the last is in `bytes`: then a record that ends within them ends there.
fn is_one_line(bytes: &[u8]) -> bool {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    memchr::memchr2(b'\n', b'\r', line).is_none()
}

/// Whether a column is of decimals, which Arrow's reader cuts off where SQL rounds: it reads them as
/// texts.
fn is_decimal(field: &Field) -> bool {
    field.data_type().is_decimal()
}
