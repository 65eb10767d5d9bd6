//! CSV pieces: columns found by name in each file's header, values parsed by Arrow's reader.

mod explain;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Decoder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use futures::StreamExt;
use object_store::path::Path;
use regex::Regex;
use sheaf_base::Result;

use self::explain::CsvExplain;
use super::bytes::SourceFile;
use super::known_columns::KnownColumns;
use super::quotes::Quoting;
use super::records::{records, skip_top};
use super::stream::{RecordDecoder, decode};
use super::{Batches, Piece, RecordFormat};

/// Bytes of a file within which its header must end.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

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
    /// Texts that mean NULL, beside the empty text.
    pub(crate) nulls: Vec<String>,
    pub(crate) null_padding: bool,
    /// Headers already read, by location.
    pub(crate) headers: Arc<HashMap<Path, Arc<[String]>>>,
}

/// The CSV files of one table.
#[derive(Debug)]
pub(crate) struct CsvFormat {
    pub(crate) layout: CsvLayout,
    /// Columns of the table that come from files.
    pub(crate) file_schema: SchemaRef,
    /// What the header of a file that nobody looked at may have.
    known: Option<Arc<KnownColumns>>,
    null_pattern: Option<Regex>,
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
    pub(crate) fn new(
        layout: CsvLayout,
        file_schema: SchemaRef,
        known: Option<Arc<KnownColumns>>,
    ) -> Self {
        let null_pattern = (!layout.nulls.is_empty()).then(|| {
            let texts: Vec<String> = layout
                .nulls
                .iter()
                .map(|text| regex::escape(text))
                .collect();
            Regex::new(&format!("^(?:{})?$", texts.join("|"))).ok()
        });
        Self {
            layout,
            file_schema,
            known,
            null_pattern: null_pattern.flatten(),
        }
    }

    /// The file's columns in its own order, with the table's types where the table has them.
    fn physical_fields(&self, names: Option<&[String]>) -> Vec<Field> {
        let Some(names) = names else {
            let own = self.file_schema.fields().iter();
            return own.map(|field| field.as_ref().clone()).collect();
        };
        let text = |name: &String| Field::new(name, DataType::Utf8, true);
        let mut fields: Vec<Field> = names.iter().map(text).collect();
        for field in self.file_schema.fields() {
            if let Some(place) = place_of(names, field.name()) {
                fields[place] = fields[place]
                    .clone()
                    .with_data_type(field.data_type().clone());
            }
        }
        fields
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
        if let Some(pattern) = &self.null_pattern {
            builder = builder.with_null_regex(pattern.clone());
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
struct Columns {
    physical: SchemaRef,
    /// Indices into `physical` of what is read.
    read: Vec<usize>,
    /// For each wanted column its place in `read`; `None` if the file lacks it.
    wanted: Vec<Option<usize>>,
    output: SchemaRef,
}

fn columns_of(
    format: &CsvFormat,
    header: Option<&[String]>,
    projection: &[usize],
) -> Result<Columns> {
    let physical = Arc::new(Schema::new(format.physical_fields(header)));
    let output = Arc::new(format.file_schema.project(projection)?);
    let mut read = Vec::with_capacity(projection.len());
    let mut wanted = Vec::with_capacity(projection.len());
    for (field, position) in output.fields().iter().zip(projection) {
        let place = match header {
            Some(names) => place_of(names, field.name()),
            None => Some(*position),
        };
        wanted.push(place.map(|place| {
            read.push(place);
            read.len() - 1
        }));
    }
    Ok(Columns {
        physical,
        read,
        wanted,
        output,
    })
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
        if let (Some(known), Some(names)) = (&self.known, &header) {
            known.check(&piece.file.path, names.iter().map(String::as_str))?;
        }
        let columns = Arc::new(columns_of(self, header.as_deref(), &projection)?);
        let (file, range) = (&piece.file, piece.range.clone());
        let parts = records(file, range, layout.quoting(), layout.skip).await?;
        let decoder = self
            .builder(Arc::clone(&columns.physical), &piece)
            .with_projection(columns.read.clone())
            .with_batch_size(batch_rows)
            .build_decoder();
        let decoder = CsvDecoder {
            decoder,
            columns: Arc::clone(&columns),
        };
        let explain = CsvExplain {
            layout: layout.clone(),
            columns,
            piece,
            first_record: parts.start,
        };
        Ok(decode(parts.chunks, Box::new(decoder), Arc::new(explain)))
    }
}

struct CsvDecoder {
    decoder: Decoder,
    columns: Arc<Columns>,
}

impl RecordDecoder for CsvDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        self.decoder.decode(bytes)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(batch) = self.decoder.flush()? else {
            return Ok(None);
        };
        let rows = batch.num_rows();
        let arrays = self.columns.wanted.iter().zip(self.columns.output.fields());
        let arrays = arrays
            .map(|(place, field)| match place {
                Some(place) => Arc::clone(batch.column(*place)),
                None => new_null_array(field.data_type(), rows),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let output = Arc::clone(&self.columns.output);
        RecordBatch::try_new_with_options(output, arrays, &options).map(Some)
    }

    fn is_full(&self) -> bool {
        self.decoder.capacity() == 0
    }
}
