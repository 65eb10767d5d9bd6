//! The columns of CSV files and the types of their values, from the first rows of each file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::csv_dialect::DELIMITERS;
use super::csv_records::{RecordReader, is_null};
use super::value_type::ValueType;
use super::{
    LOOKS_CONCURRENT_MAX, SAMPLE_BYTES_FIRST, SAMPLE_BYTES_FURTHER, SAMPLE_FILES_MAX, evenly,
};
use crate::formats::options::ReadOptions;
use crate::scan::bad_records::Place;
use crate::scan::bytes::SourceFile;
use crate::scan::csv::{CsvLayout, RawRecord, RecordSplitter, unique_names};
use crate::scan::records::skip_top_of;

/// Bytes of the files beyond [`SAMPLE_FILES_MAX`]; more if no row ends in them.
const SAMPLE_BYTES_MIN: usize = 8 * 1024;

/// Files of which more is looked at because they have columns that no earlier one has, or has values
/// in.
const EXTRA_SAMPLES_MAX: usize = 256;

/// Columns seen so far, in order, with the types of their values.
#[derive(Debug, Default)]
pub(super) struct Columns(pub(super) Vec<(String, ValueType)>);

/// What all files show together.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub(super) columns: Columns,
    pub(super) totals: Totals,
    /// The names in each file's header.
    pub(super) headers: HashMap<Path, Arc<[String]>>,
}

/// What was seen of rows.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Whether a quoted value holds a line break, or a record is long.
    pub(super) resists_cuts: bool,
}

/// What the first rows of one file show.
#[derive(Debug, Default)]
struct FileSample {
    /// Names of its columns; none if no record ends in what was looked at.
    names: Option<Vec<String>>,
    types: Vec<ValueType>,
    totals: Totals,
    /// Whether the file has more than was looked at.
    is_cut: bool,
}

/// Looks at the first rows of `files` at `places`, which are in order.
///
/// # Errors
/// Names the file that cannot be read.
pub(super) async fn sample_files(
    files: &[SourceFile],
    places: Vec<usize>,
    layout: &CsvLayout,
    options: &ReadOptions,
) -> Result<Sampled> {
    let closely: HashSet<usize> = evenly(files.len(), SAMPLE_FILES_MAX).into_iter().collect();
    let bytes_of = |place: usize| match place {
        0 => SAMPLE_BYTES_FIRST,
        place if closely.contains(&place) => SAMPLE_BYTES_FURTHER,
        _ => SAMPLE_BYTES_MIN,
    };
    let mut samples = futures::stream::iter(places)
        .map(|place| async move {
            let sample = sample_some(&files[place], layout, options, bytes_of(place)).await?;
            Ok::<_, SheafError>((place, sample))
        })
        .buffered(LOOKS_CONCURRENT_MAX);
    let mut sampled = Sampled::default();
    let mut distinct: HashSet<Arc<[String]>> = HashSet::new();
    let mut extra_left = EXTRA_SAMPLES_MAX;
    while let Some((place, mut sample)) = samples.try_next().await? {
        let file = &files[place];
        let has_news = || {
            sample
                .names
                .iter()
                .flatten()
                .any(|n| !sampled.columns.has_values(n))
        };
        if sample.is_cut && bytes_of(place) == SAMPLE_BYTES_MIN && extra_left > 0 && has_news() {
            extra_left -= 1;
            sample = sample_some(file, layout, options, SAMPLE_BYTES_FURTHER).await?;
        }
        if let (Some(names), None) = (&sample.names, options.csv.delimiter) {
            check_dialect(file, names, &sampled.columns, layout)?;
        }
        sampled.columns.join(&sample, layout);
        sampled.totals.rows += sample.totals.rows;
        sampled.totals.bytes += sample.totals.bytes;
        sampled.totals.resists_cuts |= sample.totals.resists_cuts;
        if let (true, Some(names)) = (layout.has_header, sample.names) {
            // Most headers are the same, and kept once.
            let names: Arc<[String]> = names.into();
            let known = distinct.get(&names).cloned();
            let names = known.unwrap_or_else(|| {
                distinct.insert(Arc::clone(&names));
                names
            });
            sampled.headers.insert(file.meta.location.clone(), names);
        }
    }
    Ok(sampled)
}

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

    /// Takes the columns of a file: by name, if its header counts, else by position.
    fn join(&mut self, sample: &FileSample, layout: &CsvLayout) {
        let is_by_name = layout.has_header && layout.is_by_name;
        let names = sample.names.iter().flatten();
        for (i, (name, value_type)) in names.zip(&sample.types).enumerate() {
            let place = match self.0.get(i) {
                // Most files have the same columns in the same order.
                Some((known, _)) if !is_by_name || known == name => i,
                _ => self.place(name),
            };
            let known = &mut self.0[place].1;
            *known = known.join(*value_type);
        }
    }
}

/// Checks that a file of one column among others of several is not of several columns, cut by
/// another delimiter.
fn check_dialect(
    file: &SourceFile,
    names: &[String],
    known: &Columns,
    layout: &CsvLayout,
) -> Result<()> {
    let ([name], 2..) = (names, known.0.len()) else {
        return Ok(());
    };
    let delimiter = DELIMITERS.iter().copied().map(char::from);
    let mut others = delimiter.filter(|other| *other != char::from(layout.delimiter));
    let Some(other) = others.find(|other| layout.has_header && name.contains(*other)) else {
        return Ok(());
    };
    let delimiter = char::from(layout.delimiter);
    Err(SheafError::data(format!(
        "{}: its columns seem to be separated by {other:?}, those of the files before it by \
         {delimiter:?}",
        file.path
    ))
    .with_state(SqlState::BAD_COPY_FILE_FORMAT)
    .with_hint(format!(
        "delim => '{}' takes them as they are; read_csv reads such a file by itself",
        layout.delimiter.escape_ascii()
    )))
}

/// Looks at the first `bytes_max` bytes, or at more if no row ends in them.
async fn sample_some(
    file: &SourceFile,
    layout: &CsvLayout,
    options: &ReadOptions,
    mut bytes_max: usize,
) -> Result<FileSample> {
    loop {
        let sample = sample_file(file, layout, options, bytes_max).await?;
        if sample.totals.rows > 0 || !sample.is_cut || bytes_max >= SAMPLE_BYTES_FIRST * 4 {
            return Ok(sample);
        }
        bytes_max = (bytes_max * 8).min(SAMPLE_BYTES_FIRST * 4);
    }
}

async fn sample_file(
    file: &SourceFile,
    layout: &CsvLayout,
    options: &ReadOptions,
    bytes_max: usize,
) -> Result<FileSample> {
    let reads_all = options.sample_rows == usize::MAX;
    let is_plain = file.is_plain();
    let chunks = match (reads_all, is_plain) {
        (false, true) => file.range(0..bytes_max as u64).await?,
        _ => file.whole().await?,
    };
    let mut chunks = skip_top_of(chunks, layout.skip);
    let mut rows = RowSampler {
        layout,
        sample: FileSample::default(),
        rows_left: options.sample_rows,
    };
    let mut reader = RecordReader::new(layout);
    // A record that is wrong says nothing of the next one.
    let mut records = options.goes_on().then(|| {
        let layout = CsvLayout {
            skip: 0,
            ..layout.clone()
        };
        RecordSplitter::new(&layout, Place { offset: 0, line: 1 })
    });
    let mut bytes = 0;
    let mut is_cut = !reads_all && is_plain && (bytes_max as u64) < file.meta.size;
    while let Some(chunk) = chunks.try_next().await? {
        let goes_on = match &mut records {
            None => reader.feed(&chunk, |values| rows.take(values)),
            Some(records) => {
                records.push(&chunk);
                records.split(false, u64::MAX, |record| {
                    Ok(rows.take_good(record, &mut reader))
                })?
            }
        };
        bytes += chunk.len();
        if !goes_on || (!reads_all && bytes >= bytes_max) {
            is_cut |= !goes_on || !is_plain;
            break;
        }
    }
    if rows.rows_left > 0 && !is_cut {
        if let Some(records) = &mut records {
            records.split(true, u64::MAX, |record| {
                Ok(rows.take_good(record, &mut reader))
            })?;
        }
        reader.finish(|values| rows.take(values));
    }
    let mut sample = rows.sample;
    sample.is_cut = is_cut;
    sample.totals.bytes = reader.consumed;
    sample.totals.resists_cuts = reader.resists_cuts;
    Ok(sample)
}

/// Takes the rows of one file.
struct RowSampler<'a> {
    layout: &'a CsvLayout,
    sample: FileSample,
    rows_left: usize,
}

impl RowSampler<'_> {
    /// Takes a record, if nothing is wrong with its quotes; false if no more are wanted.
    fn take_good(&mut self, record: RawRecord<'_>, reader: &mut RecordReader) -> bool {
        record.fault.is_some() || reader.feed(record.bytes, |values| self.take(values))
    }

    /// Takes a row; false if no more are wanted.
    fn take(&mut self, values: &[&str]) -> bool {
        if self.sample.names.is_none() {
            let cells = if self.layout.has_header {
                values.iter().map(|value| (*value).to_owned()).collect()
            } else {
                vec![String::new(); values.len()]
            };
            let names = unique_names(cells, &self.layout.names);
            self.sample.types = vec![ValueType::Null; names.len()];
            self.sample.names = Some(names);
            if self.layout.has_header {
                return true;
            }
        }
        for (value, known) in values.iter().zip(&mut self.sample.types) {
            if !is_null(self.layout, value) {
                *known = known.with(value, &self.layout.notation);
            }
        }
        self.sample.totals.rows += 1;
        self.rows_left -= 1;
        self.rows_left > 0
    }
}
