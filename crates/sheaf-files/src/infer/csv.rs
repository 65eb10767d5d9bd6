//! Columns and types of CSV files, from their first rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use csv_core::ReadRecordResult;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use super::csv_dialect::{Beginning, detect_header, detect_layout};
use super::value_type::ValueType;
use super::{
    LOOKS_CONCURRENT_MAX, SAMPLE_BYTES_FIRST, SAMPLE_BYTES_FURTHER, SAMPLE_FILES_MAX, evenly,
};
use crate::formats::options::ReadOptions;
use crate::scan::bytes::SourceFile;
use crate::scan::csv::{CsvLayout, place_of, unique_names};
use crate::scan::records::{LONG_RECORD_BYTES, skip_top, skip_top_of};

/// Bytes by which delimiter and header are told.
const DIALECT_BYTES: usize = 128 * 1024;

/// Bytes of one record, and values in it, beyond which a file is no CSV.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Files sampled beyond the first because they have columns that no earlier one has, or has values
/// in.
const EXTRA_SAMPLES_MAX: usize = 256;

/// What was found out about the CSV files of a table.
#[derive(Debug)]
pub(crate) struct CsvSample {
    pub(crate) layout: CsvLayout,
    pub(crate) file_schema: SchemaRef,
    /// Whether a quoted value holds a line break, or a record is long: then files must not be split.
    pub(crate) resists_cuts: bool,
    /// Decompressed bytes of a row, on average; 0 if no row was seen.
    pub(crate) bytes_per_row: f64,
}

/// Infers layout and columns of `files`, those looked at: from all headers, and the rows of some.
///
/// # Errors
/// Names the file that cannot be read, or has no columns; `UserInput` for options that name
/// columns which are not there.
pub(crate) async fn infer_csv(
    files: &[SourceFile],
    options: &ReadOptions,
    declared: Option<&SchemaRef>,
    text_type: &DataType,
) -> Result<CsvSample> {
    let Some(first) = files.first() else {
        return Err(SheafError::internal("no file to infer from"));
    };
    let prefix = first.prefix(DIALECT_BYTES).await?;
    let beginning = Beginning {
        body: skip_top(&prefix.bytes, options.csv.skip),
        is_whole: prefix.is_whole,
        name: &first.path,
        is_only_file: files.len() == 1,
    };
    let mut layout = detect_layout(&options.csv, beginning);
    let body = skip_top(&prefix.bytes, layout.skip);
    let records = csv_records(&layout, body, prefix.is_whole, usize::MAX);
    let given = given_columns(options, declared);
    if options.csv.header.is_none() {
        layout.has_header = match &given {
            Some(columns) => first_row_names(records.first(), columns),
            None => detect_header(&layout, &records),
        };
    }
    // Declared names that the header lacks stand for columns by position, as in COPY.
    if let (Some(declared), Some(header)) = (&given, records.first()) {
        let header = unique_names(header.clone(), &[]);
        let is_there = |name: &String| place_of(&header, name).is_some();
        layout.is_by_name &= declared.fields().iter().all(|field| is_there(field.name()));
    }
    let mut sampling = Sampling {
        layout: &layout,
        options,
        columns: Columns::default(),
        totals: Totals::default(),
        headers: Headers::default(),
    };
    let sampled = evenly(files.len(), SAMPLE_FILES_MAX);
    for i in &sampled {
        let bytes_max = if *i == 0 {
            SAMPLE_BYTES_FIRST
        } else {
            SAMPLE_BYTES_FURTHER
        };
        sampling.sample(&files[*i], bytes_max).await?;
    }
    if layout.has_header && layout.is_by_name && given.is_none() {
        let sampled: HashSet<usize> = sampled.into_iter().collect();
        let others = (0..files.len()).filter(|i| !sampled.contains(i)).collect();
        sampling.look_at(files, others).await?;
    }
    let Sampling {
        columns,
        totals,
        headers,
        ..
    } = sampling;
    layout.headers = Arc::new(headers.by_location);
    let file_schema = match given {
        Some(schema) => schema,
        None if columns.0.is_empty() => return Err(no_columns(&first.path)),
        None => columns.schema(options, text_type)?,
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let bytes_per_row = totals.bytes as f64 / totals.rows.max(1) as f64;
    Ok(CsvSample {
        layout,
        file_schema,
        resists_cuts: totals.resists_cuts,
        bytes_per_row: if totals.rows == 0 { 0.0 } else { bytes_per_row },
    })
}

/// The columns that the user declared, by a schema or by `columns`.
fn given_columns(options: &ReadOptions, declared: Option<&SchemaRef>) -> Option<SchemaRef> {
    if let Some(schema) = declared {
        return Some(Arc::clone(schema));
    }
    let columns = &options.csv.columns;
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(name, data_type.clone(), true));
    (!columns.is_empty()).then(|| Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// Whether a first row consists of names of the given columns.
fn first_row_names(first: Option<&Vec<String>>, given: &SchemaRef) -> bool {
    let is_name = |cell: &String| {
        given
            .fields()
            .iter()
            .any(|f| f.name().eq_ignore_ascii_case(cell))
    };
    first.is_some_and(|cells| cells.iter().any(is_name))
}

fn no_columns(path: &str) -> SheafError {
    SheafError::data(format!("{path} has no rows, so its columns are not known"))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("say them: read_csv('…', columns => {'a': 'BIGINT', 'b': 'VARCHAR'})")
}

/// Columns seen so far, in order, with the types of their values.
#[derive(Debug, Default)]
struct Columns(Vec<(String, ValueType)>);

impl Columns {
    /// Whether there is a column called `name`, of which values were seen.
    fn has_values(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, value_type)| known == name && *value_type != ValueType::Null)
    }

    /// The place of the column called `name`, made if new.
    fn place(&mut self, name: &str) -> usize {
        match self.0.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                self.0.push((name.to_owned(), ValueType::Null));
                self.0.len() - 1
            }
        }
    }

    fn schema(&self, options: &ReadOptions, text_type: &DataType) -> Result<SchemaRef> {
        for (name, _) in &options.types {
            if !self.0.iter().any(|(known, _)| known == name) {
                return Err(unknown_column(
                    name,
                    self.0.iter().map(|(known, _)| known.as_str()),
                ));
            }
        }
        let fields = self.0.iter().map(|(name, value_type)| {
            let given = options.types.iter().find(|(known, _)| known == name);
            let data_type = match given {
                Some((_, data_type)) => data_type.clone(),
                None if options.csv.all_varchar => text_type.clone(),
                None => value_type.data_type(text_type),
            };
            Field::new(name, data_type, true)
        });
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

pub(super) fn unknown_column<'a>(
    name: &str,
    columns: impl Iterator<Item = &'a str> + Clone,
) -> SheafError {
    let error = SheafError::user(format!(
        "types names column \"{name}\", which the files lack"
    ))
    .with_state(SqlState::UNDEFINED_COLUMN);
    match nearest(name, columns) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}

/// The headers of files. Most are the same, and kept once.
#[derive(Debug, Default)]
struct Headers {
    by_location: HashMap<Path, Arc<[String]>>,
    distinct: HashSet<Arc<[String]>>,
}

impl Headers {
    fn insert(&mut self, file: &SourceFile, names: Arc<[String]>) {
        let names = match self.distinct.get(&names) {
            Some(known) => Arc::clone(known),
            None => {
                self.distinct.insert(Arc::clone(&names));
                names
            }
        };
        self.by_location.insert(file.meta.location.clone(), names);
    }
}

/// What is known while files are sampled.
struct Sampling<'a> {
    layout: &'a CsvLayout,
    options: &'a ReadOptions,
    columns: Columns,
    totals: Totals,
    headers: Headers,
}

impl Sampling<'_> {
    /// Takes a file's first rows.
    async fn sample(&mut self, file: &SourceFile, bytes_max: usize) -> Result<()> {
        let (columns, totals) = (&mut self.columns, &mut self.totals);
        let names =
            sample_file(file, self.layout, self.options, bytes_max, columns, totals).await?;
        if self.layout.has_header {
            self.headers.insert(file, names);
        }
        Ok(())
    }

    /// Takes the headers of `files` at `places`, and the first rows of those that have something new.
    async fn look_at(&mut self, files: &[SourceFile], places: Vec<usize>) -> Result<()> {
        let layout = self.layout;
        let mut looked_at = futures::stream::iter(places)
            .map(|i| async move { Ok::<_, SheafError>((i, layout.header_of(&files[i]).await?)) })
            .buffered(LOOKS_CONCURRENT_MAX);
        let mut extra_left = EXTRA_SAMPLES_MAX;
        while let Some((i, names)) = looked_at.try_next().await? {
            let file = &files[i];
            let has_news = names.iter().any(|name| !self.columns.has_values(name));
            self.headers.insert(file, Arc::clone(&names));
            if has_news && extra_left > 0 {
                extra_left -= 1;
                self.sample(file, SAMPLE_BYTES_FURTHER).await?;
            } else if has_news {
                for name in names.iter() {
                    self.columns.place(name);
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Totals {
    rows: u64,
    bytes: u64,
    resists_cuts: bool,
}

/// Reads the first rows of a file into `columns`; gives the names of the file's columns.
async fn sample_file(
    file: &SourceFile,
    layout: &CsvLayout,
    options: &ReadOptions,
    bytes_max: usize,
    columns: &mut Columns,
    totals: &mut Totals,
) -> Result<Arc<[String]>> {
    let reads_all = options.sample_rows == usize::MAX;
    let is_plain = file.compression == crate::formats::Compression::None;
    let chunks = match (reads_all, is_plain) {
        (false, true) => file.range(0..bytes_max as u64).await?,
        _ => file.whole().await?,
    };
    let mut chunks = skip_top_of(chunks, layout.skip);
    let mut rows = RowSampler {
        layout,
        names: None,
        places: Vec::new(),
        columns,
        totals,
        rows_left: options.sample_rows,
    };
    let mut splitter = RecordSplitter::new(layout);
    let mut bytes = 0;
    let mut is_cut = !reads_all && is_plain && (bytes_max as u64) < file.meta.size;
    while let Some(chunk) = chunks.try_next().await? {
        splitter.feed(&chunk, |values| rows.take(values));
        bytes += chunk.len();
        if rows.rows_left == 0 || (!reads_all && bytes >= bytes_max) {
            is_cut |= !is_plain;
            break;
        }
    }
    if rows.rows_left > 0 && !is_cut {
        splitter.finish(|values| rows.take(values));
    }
    let names = rows.names.take().unwrap_or_default();
    totals.bytes += splitter.consumed;
    totals.resists_cuts |= splitter.resists_cuts;
    Ok(names.into())
}

/// Takes the rows of one file.
struct RowSampler<'a> {
    layout: &'a CsvLayout,
    names: Option<Vec<String>>,
    /// For each value of a row its place in `columns`.
    places: Vec<usize>,
    columns: &'a mut Columns,
    totals: &'a mut Totals,
    rows_left: usize,
}

impl RowSampler<'_> {
    /// Takes a row; false if no more are wanted.
    fn take(&mut self, values: &[&str]) -> bool {
        if self.names.is_none() {
            let cells = if self.layout.has_header {
                values.iter().map(|value| (*value).to_owned()).collect()
            } else {
                vec![String::new(); values.len()]
            };
            let names = unique_names(cells, &self.layout.names);
            let by_name = self.layout.has_header && self.layout.is_by_name;
            self.places = names
                .iter()
                .enumerate()
                .map(|(i, name)| match by_name || i >= self.columns.0.len() {
                    true => self.columns.place(name),
                    false => i,
                })
                .collect();
            self.names = Some(names);
            if self.layout.has_header {
                return true;
            }
        }
        for (value, place) in values.iter().zip(&self.places) {
            if !is_null(self.layout, value) {
                let known = &mut self.columns.0[*place].1;
                *known = known.with(value);
            }
        }
        self.totals.rows += 1;
        self.rows_left -= 1;
        self.rows_left > 0
    }
}

/// Whether `value` is read as NULL.
pub(super) fn is_null(layout: &CsvLayout, value: &str) -> bool {
    value.is_empty() || layout.nulls.iter().any(|null| null == value)
}

/// The first records of `body`, `rows_max` at most; a record that the end cuts off only if
/// `is_whole`.
pub(crate) fn csv_records(
    layout: &CsvLayout,
    body: &[u8],
    is_whole: bool,
    rows_max: usize,
) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut splitter = RecordSplitter::new(layout);
    let mut take = |values: &[&str]| {
        records.push(values.iter().map(|value| (*value).to_owned()).collect());
        records.len() < rows_max
    };
    if splitter.feed(body, &mut take) && is_whole {
        splitter.finish(take);
    }
    records
}

/// Splits chunks into records of unquoted values.
struct RecordSplitter {
    reader: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    values: usize,
    /// Bytes of complete records.
    consumed: u64,
    resists_cuts: bool,
}

impl RecordSplitter {
    fn new(layout: &CsvLayout) -> Self {
        Self {
            reader: layout.record_reader(),
            output: vec![0; 16 * 1024],
            ends: vec![0; 256],
            written: 0,
            values: 0,
            consumed: 0,
            resists_cuts: false,
        }
    }

    /// Takes bytes and visits each record that ends in them; false once `visit` wants no more, or
    /// a record is larger than [`RECORD_BYTES_MAX`].
    fn feed(&mut self, bytes: &[u8], mut visit: impl FnMut(&[&str]) -> bool) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            let before = at;
            let goes_on = self.step(bytes, &mut at, &mut visit);
            self.consumed += (at - before) as u64;
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Visits the record that the end of the input ends.
    fn finish(&mut self, mut visit: impl FnMut(&[&str]) -> bool) {
        let mut at = 0;
        self.step(&[], &mut at, &mut visit);
    }

    fn step(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        visit: &mut impl FnMut(&[&str]) -> bool,
    ) -> bool {
        let (result, read, written, ends) = self.reader.read_record(
            &bytes[*at..],
            &mut self.output[self.written..],
            &mut self.ends[self.values..],
        );
        *at += read;
        self.written += written;
        self.values += ends;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => true,
            ReadRecordResult::OutputFull => {
                self.output.resize(self.output.len() * 2, 0);
                self.output.len() <= RECORD_BYTES_MAX
            }
            ReadRecordResult::OutputEndsFull => {
                self.ends.resize(self.ends.len() * 2, 0);
                self.ends.len() <= RECORD_BYTES_MAX
            }
            ReadRecordResult::Record => {
                let kept = &self.output[..self.written];
                let is_long = self.written > LONG_RECORD_BYTES;
                self.resists_cuts |= is_long || memchr::memchr2(b'\n', b'\r', kept).is_some();
                let text = String::from_utf8_lossy(kept);
                let goes_on = match text {
                    std::borrow::Cow::Borrowed(text) => {
                        visit(&values_of(text, &self.ends[..self.values]))
                    }
                    // Broken UTF-8 moves offsets; the reader will say where it is.
                    std::borrow::Cow::Owned(_) => true,
                };
                self.written = 0;
                self.values = 0;
                goes_on
            }
        }
    }
}

fn values_of<'a>(text: &'a str, ends: &[usize]) -> Vec<&'a str> {
    let mut start = 0;
    let values = ends.iter().map(|end| {
        let value = text.get(start..*end).unwrap_or_default();
        start = *end;
        value
    });
    values.collect()
}
