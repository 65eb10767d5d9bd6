//! JSON read value by value, so that what is wrong with one concerns that one alone.
//!
//! The decoders of bags find the values. Each is checked, and its keys are looked at, as it comes; a
//! batch of them is decoded at once by Arrow's reader. If that fails, the values are tried one by
//! one, and the members of those that fail: what does not fit is taken out.
//!
//! Memory: a block of the file, a value (at most `bag::RECORD_BYTES_MAX`), a batch (about
//! [`BATCH_BYTES_MAX`] and a value more).

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use sheaf_bags::json::Kind;
use sheaf_bags::json::members::visit_members;
use sheaf_bags::json::normal::normalize;
use sheaf_bags::json::select::text_of;
use sheaf_bags::json::text::{decode, unquoted, write_string};
use sheaf_base::Result;
use sheaf_base::error::SqlState;

use super::plain::{self, written_plainly};
use super::{JsonFormat, decoder_of, misfit, rewritten};
use crate::formats::options::JsonFormat as Arrangement;
use crate::scan::bad_records::{
    BadRecord, Pending, Place, REJECTED_BYTES, Rejected, Way, keep_rejected, shortened,
};
use crate::scan::bag::{BagExplain, Layout, LineDecoder, RecordSink, ValueDecoder, layout_of};
use crate::scan::records::marked_records;
use crate::scan::stream::{RecordDecoder, decode as decode_stream};
use crate::scan::{Batches, Piece};

/// Bytes of values after which a batch is handed on.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Opens a piece for the columns `projection`, in batches of at most `batch_rows` rows.
///
/// # Errors
/// Names the file if it cannot be read.
pub(super) async fn open(
    format: &JsonFormat,
    piece: Piece,
    projection: &[usize],
    batch_rows: usize,
) -> Result<Batches> {
    let is_lines = match format.arrangement {
        Arrangement::NewlineDelimited => true,
        Arrangement::Array | Arrangement::Unstructured => false,
        Arrangement::Auto if piece.range.is_some() => true,
        Arrangement::Auto => !matches!(layout_of(&piece.file).await?, Layout::JsonValues),
    };
    let parts = marked_records(&piece.file, piece.range.clone()).await?;
    let first_line = match format.rejects {
        Some(_) => 1 + format.lines.before(&piece, parts.start).await?,
        None => 1,
    };
    let sink = JsonSink::new(format, projection, batch_rows)?;
    let pending = Arc::clone(&sink.pending);
    let decoder: Box<dyn RecordDecoder> = match is_lines {
        true => Box::new(LineDecoder::new(sink, parts.start, first_line)),
        false => Box::new(ValueDecoder::new(sink, first_line)),
    };
    let path = Arc::clone(&piece.file.path);
    let explain = BagExplain {
        start: parts.start,
        first_line,
        piece,
        lines: Arc::clone(&format.lines),
    };
    let batches = decode_stream(parts.chunks, decoder, Arc::new(explain));
    Ok(match &format.rejects {
        Some(rejects) => keep_rejected(batches, path, pending, Arc::clone(rejects)),
        None => batches,
    })
}

/// A value of the batch under way.
struct Record {
    place: Place,
    /// Its text in the batch's.
    range: Range<usize>,
    /// What of it did not fit: an object whose brace is open, empty if all did.
    rescued: String,
}

/// Takes values and gives batches.
struct JsonSink {
    format: JsonFormat,
    /// The columns that files have.
    own: SchemaRef,
    /// Those of them that are decoded.
    decoded: SchemaRef,
    /// For each column wanted its place in `decoded`; beyond it, that of rescued values.
    places: Vec<usize>,
    /// Whether a key that is no column's is wrong.
    is_strict: bool,
    output: SchemaRef,
    batch_rows: usize,
    records: Vec<Record>,
    text: String,
    batch_bytes: usize,
    pending: Pending,
    has_rejected: bool,
}

impl JsonSink {
    fn new(format: &JsonFormat, projection: &[usize], batch_rows: usize) -> Result<Self> {
        let fields = format.file_schema.fields();
        let count = fields.len() - usize::from(format.rescues);
        let own: Vec<_> = fields.iter().take(count).cloned().collect();
        let own = Arc::new(Schema::new(own));
        let output = Arc::new(format.file_schema.project(projection)?);
        // Where a fault ends the query, only what it reads of a record can be one, as it is for who
        // reads strictly. Else which records are bad does not depend on what is read of them.
        let fails = format.policy.fails() && !format.rescues;
        let (decoded, places) = match fails {
            true => (Arc::clone(&output), (0..projection.len()).collect()),
            false => (Arc::clone(&own), projection.to_vec()),
        };
        Ok(Self {
            format: format.clone(),
            is_strict: format.is_strict && (!fails || projection.len() == count),
            own,
            decoded,
            places,
            output,
            batch_rows,
            records: Vec::new(),
            text: String::new(),
            batch_bytes: 0,
            pending: Pending::default(),
            has_rejected: false,
        })
    }

    fn push(&mut self, text: &str, place: Place, rescued: String) {
        let start = self.text.len();
        self.text.push_str(text);
        let range = start..self.text.len();
        self.text.push('\n');
        self.records.push(Record {
            place,
            range,
            rescued,
        });
    }

    /// What of the members of `text` the table has no column for, as an object whose brace is open,
    /// and the first key of it.
    fn unknown(&self, text: &str, line: u64) -> Result<(String, Option<String>), BadRecord> {
        let mut rescued = String::new();
        let mut first = None;
        let is_object = visit_members(text, |key, value| {
            if self.own.column_with_name(&key).is_none() {
                add_member(&mut rescued, &key, value);
                first.get_or_insert_with(|| key.into_owned());
            }
        });
        match is_object {
            Ok(true) => Ok((rescued, first)),
            Ok(false) => {
                let found = shortened(text.trim());
                Err(BadRecord::new(
                    line,
                    format!("expected a JSON object, found {found}"),
                ))
            }
            Err(fault) => Err(BadRecord {
                at: Some(fault.at),
                ..BadRecord::new(line, fault.to_string())
            }),
        }
    }

    /// Rejects a record, or lets it go on as `text`.
    fn go_on(
        &mut self,
        bad: BadRecord,
        place: Place,
        raw: Option<&[u8]>,
        text: &str,
    ) -> Result<(), ArrowError> {
        match self.format.policy.decide(bad)? {
            Way::Skip => {}
            Way::Null => self.push(text, place, String::new()),
            Way::Keep(error) => {
                self.pending.lock().push(Rejected::new(place, raw, error));
                self.has_rejected = true;
                self.batch_bytes += REJECTED_BYTES;
            }
        }
        Ok(())
    }

    /// Decodes `text`, `rows` values.
    fn decoded(&self, text: &str, rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut decoder = decoder_of(Arc::clone(&self.decoded), rows.max(1), false)?;
        let notation = &self.format.notation;
        let text = match notation.is_plain() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(written_plainly(text, self.decoded.fields(), notation)?),
        };
        decoder.decode(&rewritten(text.as_bytes(), &self.format.text_paths))?;
        let batch = decoder.flush()?;
        Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.decoded))))
    }

    /// Which of `records`, whose text is in `text`, do not fit. Several are tried at once, and halved
    /// if one of them does not: few that do not among many cost little.
    fn misfits(&self, text: &str, records: &[Record]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = vec![(0, records.len())];
        while let Some((start, end)) = open.pop() {
            let some = records.get(start..end).unwrap_or_default();
            let (Some(first), Some(last)) = (some.first(), some.last()) else {
                continue;
            };
            let part = text.get(first.range.start..last.range.end);
            if self.decoded(part.unwrap_or_default(), some.len()).is_ok() {
                continue;
            }
            if some.len() == 1 {
                found.push(start);
                continue;
            }
            let middle = start + some.len() / 2;
            open.push((middle, end));
            open.push((start, middle));
        }
        found
    }

    /// Takes what does not fit out of the batch.
    ///
    /// # Errors
    /// A [`BadRecord`], if the query is to fail then.
    fn take_out(&mut self) -> Result<(), ArrowError> {
        let text = std::mem::take(&mut self.text);
        let records = std::mem::take(&mut self.records);
        let misfits = self.misfits(&text, &records);
        let mut misfits = misfits.into_iter().peekable();
        for (i, mut record) in records.into_iter().enumerate() {
            let own = text.get(record.range).unwrap_or_default();
            if misfits.next_if_eq(&i).is_none() {
                self.push(own, record.place, record.rescued);
                continue;
            }
            let (fitting, error) = self.without_misfits(own, &mut record.rescued);
            match error {
                Some(error) if !self.format.rescues => {
                    let bad = self.unfit(record.place.line, &error);
                    self.go_on(bad, record.place, Some(own.as_bytes()), &fitting)?;
                }
                _ => self.push(&fitting, record.place, record.rescued),
            }
        }
        Ok(())
    }

    /// The members of an object that fit, and what is said of the first that does not. Those that do
    /// not are added to `rescued`.
    fn without_misfits(&self, text: &str, rescued: &mut String) -> (String, Option<ArrowError>) {
        let mut fitting = String::new();
        let mut unfit = None;
        // The value has been checked.
        let _ = visit_members(text, |key, value| {
            let mut member = String::new();
            add_member(&mut member, &key, value);
            member.push('}');
            match self.decoded(&member, 1) {
                Ok(_) => add_member(&mut fitting, &key, value),
                Err(error) => {
                    add_member(rescued, &key, value);
                    // Of a text what is written, not what was made of it.
                    unfit.get_or_insert_with(|| match Kind::of(value) {
                        Kind::String => plain::unfit(&key, &decode(unquoted(value))),
                        _ => error,
                    });
                }
            }
        });
        let fitting = match fitting.is_empty() {
            true => "{}".to_owned(),
            false => fitting + "}",
        };
        (fitting, unfit)
    }

    fn unfit(&self, line: u64, error: &ArrowError) -> BadRecord {
        match misfit(&self.own, &error.to_string()) {
            Some((message, hint)) => BadRecord {
                state: SqlState::INVALID_TEXT_REPRESENTATION,
                hint: Some(hint),
                ..BadRecord::new(line, message)
            },
            None => BadRecord::new(line, error.to_string()),
        }
    }
}

impl RecordSink for JsonSink {
    fn record(&mut self, bytes: &[u8], place: Place) -> Result<(), ArrowError> {
        self.batch_bytes += bytes.len();
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        let text = match text_of(bytes) {
            Ok(text) => text,
            Err(fault) => {
                let bad = BadRecord {
                    at: Some(fault.at),
                    ..BadRecord::new(place.line, fault.to_string())
                };
                return self.bad(bad, place, Some(bytes));
            }
        };
        match self.unknown(text, place.line) {
            Ok((rescued, _)) if self.format.rescues => self.push(text, place, rescued),
            Ok((_, Some(key))) if self.is_strict => {
                let bad = unknown_key(place.line, &key);
                self.go_on(bad, place, Some(bytes), text)?;
            }
            Ok(_) => self.push(text, place, String::new()),
            Err(bad) => self.bad(bad, place, Some(bytes))?,
        }
        Ok(())
    }

    fn bad(&mut self, bad: BadRecord, place: Place, raw: Option<&[u8]>) -> Result<(), ArrowError> {
        self.go_on(bad, place, raw, "{}")
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.batch_rows || self.batch_bytes >= BATCH_BYTES_MAX
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.batch_bytes = 0;
        if self.records.is_empty() && !self.has_rejected {
            return Ok(None);
        }
        let whole = self.decoded(&self.text, self.records.len());
        let batch = match whole {
            Ok(batch) => batch,
            Err(_) => {
                self.take_out()?;
                self.decoded(&self.text, self.records.len())?
            }
        };
        self.has_rejected = false;
        self.text = String::new();
        let records = std::mem::take(&mut self.records);
        let rows = batch.num_rows();
        let arrays = self
            .places
            .iter()
            .map(|place| match batch.columns().get(*place) {
                Some(array) => Arc::clone(array),
                None => rescued_column(&records),
            });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let output = Arc::clone(&self.output);
        RecordBatch::try_new_with_options(output, arrays.collect(), &options).map(Some)
    }
}

fn rescued_column(records: &[Record]) -> ArrayRef {
    let mut values = StringViewBuilder::with_capacity(records.len());
    let mut normal = String::new();
    for record in records {
        normal.clear();
        let object = format!("{}}}", record.rescued);
        match !record.rescued.is_empty() && normalize(&object, &mut normal).is_ok() {
            true => values.append_value(&normal),
            false => values.append_null(),
        }
    }
    Arc::new(values.finish())
}

/// Appends a member to an object whose brace is open, or not there yet.
fn add_member(object: &mut String, key: &str, value: &str) {
    object.push(if object.is_empty() { '{' } else { ',' });
    write_string(key, object);
    object.push(':');
    object.push_str(value);
}

fn unknown_key(line: u64, key: &str) -> BadRecord {
    let message = format!("column {key} is not in the values by which columns were detected");
    BadRecord {
        hint: Some(
            "rescue => true keeps such values in _rescued; sample_size => -1 detects columns by \
             all values"
                .to_owned(),
        ),
        ..BadRecord::new(line, message)
    }
}
