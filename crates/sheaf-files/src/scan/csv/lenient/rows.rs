//! Rows out of records: values of the columns' types, and what becomes of those that are none.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringViewBuilder, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use csv_core::ReadRecordResult;
use sheaf_bags::json::normal::normalize;
use sheaf_bags::json::text::write_string;
use sheaf_base::error::SqlState;
use sheaf_base::sql_type_name;

use super::columns::{Column, column_of};
use super::records::{RECORD_BYTES_MAX, RawRecord, RecordFault};
use crate::infer::is_null;
use crate::scan::bad_records::{
    BadRecord, ErrorPolicy, Pending, REJECTED_BYTES, Rejected, Way, shortened,
};
use crate::scan::csv::{CsvFormat, CsvLayout, FileColumns};

/// Bytes of records after which a batch is handed on.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Values that one record may have.
const RECORD_VALUES_MAX: usize = 1024 * 1024;

/// A column of the file.
struct FileColumn {
    name: String,
    data_type: DataType,
    /// `None` if its values are not looked at.
    values: Option<Box<dyn Column>>,
    /// Whether the table has it.
    is_known: bool,
}

/// The values that did not fit, row by row, as VARIANTs.
struct Rescued {
    values: StringViewBuilder,
    /// Those of the row under way: an object whose brace is open.
    row: String,
    normal: String,
}

/// Takes records and gives batches.
pub(super) struct Rows {
    layout: CsvLayout,
    file_columns: Arc<FileColumns>,
    columns: Vec<FileColumn>,
    rescued: Option<Rescued>,
    policy: Arc<ErrorPolicy>,
    reader: csv_core::Reader,
    /// The record under way without quotes, and where its values end.
    output: Vec<u8>,
    ends: Vec<usize>,
    /// Which rows are kept, and how many are not.
    kept: Vec<bool>,
    dropped: usize,
    batch_rows: usize,
    batch_bytes: usize,
    pending: Pending,
    has_rejected: bool,
    /// Whether the next row is the header.
    is_header: bool,
}

impl Rows {
    /// For a file that has `columns`; `is_header` says whether a header comes first.
    ///
    /// # Errors
    /// If a column is of a type that texts do not have.
    pub(super) fn new(
        format: &CsvFormat,
        file_columns: Arc<FileColumns>,
        policy: Arc<ErrorPolicy>,
        batch_rows: usize,
        is_header: bool,
    ) -> Result<Self, ArrowError> {
        let notation = Arc::new(format.layout.notation.clone());
        let read = |place: usize| file_columns.read.contains(&place);
        let fields = file_columns.physical.fields().iter().enumerate();
        let columns = fields.map(|(place, field)| {
            // What becomes of a record does not depend on the columns that a query asks for. Of
            // texts there is nothing to check but their encoding.
            let goes_on = !policy.fails() || format.rescues;
            let is_checked = goes_on && !field.data_type().is_string();
            let values = match read(place) || is_checked {
                true => Some(column_of(field.data_type(), &notation)?),
                false => None,
            };
            Ok::<_, ArrowError>(FileColumn {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                values,
                is_known: format.file_schema.fields().iter().any(|known| {
                    known.name() == field.name() || known.name().eq_ignore_ascii_case(field.name())
                }),
            })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self {
            layout: format.layout.clone(),
            columns,
            rescued: format.rescues.then(|| Rescued {
                values: StringViewBuilder::new(),
                row: String::new(),
                normal: String::new(),
            }),
            policy,
            reader: reader_of_records(&format.layout),
            output: Vec::new(),
            ends: vec![0; 64],
            kept: Vec::new(),
            dropped: 0,
            batch_rows,
            batch_bytes: 0,
            pending: Pending::default(),
            has_rejected: false,
            is_header,
            file_columns,
        })
    }

    /// Where rejected records wait for who keeps them.
    pub(super) fn pending(&self) -> Pending {
        Arc::clone(&self.pending)
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A [`BadRecord`], if it is none and the query is to fail then.
    pub(super) fn record(&mut self, record: RawRecord<'_>) -> Result<(), ArrowError> {
        self.batch_bytes += record.bytes.len();
        if let Some(fault) = record.fault {
            if std::mem::take(&mut self.is_header) {
                return Ok(());
            }
            self.columns.iter_mut().for_each(FileColumn::push_null);
            return self.bad(broken(record.place.line, fault), record);
        }
        // Without its end a record leaves the reader where the next one begins.
        let bytes = record.bytes;
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        // A carriage return alone ends a row, too.
        while let Some(values) = self.next_row(&mut bytes) {
            self.row(values, record)?;
        }
        // A long record's memory is given back.
        if self.output.len() > BATCH_BYTES_MAX {
            self.output = Vec::new();
        }
        Ok(())
    }

    /// The number of values of the next row in `bytes`, which move on behind it. Where the values
    /// end is in `ends`, of the first [`RECORD_VALUES_MAX`].
    fn next_row(&mut self, bytes: &mut &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let (mut written, mut values, mut beyond) = (0, 0, 0);
        loop {
            let (result, read, more, ends) = self.reader.read_record(
                bytes,
                self.output.get_mut(written..)?,
                self.ends.get_mut(values..)?,
            );
            *bytes = bytes.get(read..)?;
            written += more;
            values += ends;
            match result {
                ReadRecordResult::Record => return Some(values + beyond),
                // Only line ends were left, behind which it would read no more.
                ReadRecordResult::End => {
                    self.reader = reader_of_records(&self.layout);
                    return None;
                }
                // Asked once more with nothing, the reader ends the row.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2 + 64, 0),
                ReadRecordResult::OutputEndsFull if values >= RECORD_VALUES_MAX => {
                    beyond += 1;
                    values -= 1;
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// Takes a row of `count` values.
    fn row(&mut self, count: usize, record: RawRecord<'_>) -> Result<(), ArrowError> {
        if std::mem::take(&mut self.is_header) {
            return Ok(());
        }
        let expected = self.columns.len();
        let line = record.place.line;
        let is_short = count < expected && !self.layout.null_padding;
        let is_long = count > expected && (self.rescued.is_none() || count > RECORD_VALUES_MAX);
        let mut bad = (is_short || is_long).then(|| miscounted(line, expected, count));
        let mut start = 0;
        for place in 0..expected.max(count.min(RECORD_VALUES_MAX)) {
            let value = match place < count {
                true => {
                    let end = self.ends.get(place).copied().unwrap_or(start);
                    let value = self.output.get(start..end).unwrap_or_default();
                    start = end;
                    Some(value)
                }
                false => None,
            };
            let fault = match self.columns.get_mut(place) {
                Some(column) => column.take(value, &self.layout, self.rescued.as_mut()),
                None => {
                    let value = value.unwrap_or_default();
                    if let Some(rescued) = &mut self.rescued
                        && !value.is_empty()
                    {
                        rescued.add(&format!("column{place}"), &String::from_utf8_lossy(value));
                    }
                    None
                }
            };
            if let (None, Some(fault), Some(column)) = (&bad, fault, self.columns.get(place)) {
                bad = Some(column.bad(line, &fault));
            }
        }
        match bad {
            Some(bad) => self.bad(bad, record),
            None => {
                self.end_row(true);
                Ok(())
            }
        }
    }

    /// Goes on from a bad record, whose row is already in the columns.
    fn bad(&mut self, bad: BadRecord, record: RawRecord<'_>) -> Result<(), ArrowError> {
        match self.policy.decide(bad)? {
            Way::Null => self.end_row(true),
            Way::Skip => self.end_row(false),
            Way::Keep(error) => {
                let raw = (record.fault != Some(RecordFault::TooLong)).then_some(record.bytes);
                let rejected = Rejected::new(record.place, raw, error);
                self.pending.lock().push(rejected);
                self.has_rejected = true;
                self.batch_bytes += REJECTED_BYTES;
                self.end_row(false);
            }
        }
        Ok(())
    }

    fn end_row(&mut self, is_kept: bool) {
        self.kept.push(is_kept);
        self.dropped += usize::from(!is_kept);
        if let Some(rescued) = &mut self.rescued {
            rescued.end_row();
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= self.batch_rows || self.batch_bytes >= BATCH_BYTES_MAX
    }

    /// The rows so far; none if there are none and no record was rejected.
    ///
    /// # Errors
    /// Those of Arrow.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.batch_bytes = 0;
        let rows = self.kept.len();
        let has_rejected = std::mem::take(&mut self.has_rejected);
        if rows == 0 && !has_rejected {
            return Ok(None);
        }
        let mut arrays: Vec<Option<ArrayRef>> = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            arrays.push(column.values.as_mut().map(|v| v.finish()).transpose()?);
        }
        let rescued: Option<ArrayRef> = match &mut self.rescued {
            Some(rescued) => Some(Arc::new(rescued.values.finish())),
            None => None,
        };
        let outputs = self.file_columns.outputs();
        let outputs = outputs.map(|(place, field, is_rescue)| {
            let array = match (is_rescue, place) {
                (true, _) => rescued.clone(),
                (false, Some(place)) => arrays.get(place).cloned().flatten(),
                (false, None) => None,
            };
            array.unwrap_or_else(|| new_null_array(field.data_type(), rows))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.file_columns.output);
        let batch = RecordBatch::try_new_with_options(schema, outputs.collect(), &options)?;
        let kept = BooleanArray::from(std::mem::take(&mut self.kept));
        match std::mem::take(&mut self.dropped) {
            0 => Ok(Some(batch)),
            _ => filter_record_batch(&batch, &kept).map(Some),
        }
    }
}

/// What is wrong with a value.
enum ValueFault {
    NotUtf8,
    Unfit(String),
}

impl FileColumn {
    fn push_null(&mut self) {
        if let Some(values) = &mut self.values {
            values.push_null();
        }
    }

    /// Takes a value, `None` if the row lacks it. One that does not fit becomes NULL; it is told,
    /// unless it is rescued.
    fn take(
        &mut self,
        value: Option<&[u8]>,
        layout: &CsvLayout,
        rescued: Option<&mut Rescued>,
    ) -> Option<ValueFault> {
        let text = value.map(std::str::from_utf8).transpose();
        let text = text.map(|text| text.filter(|text| !is_null(layout, text)));
        let fits = match (&text, &mut self.values) {
            (Ok(None), Some(values)) => {
                values.push_null();
                true
            }
            (Ok(Some(text)), Some(values)) => values.push(text),
            (Ok(None), None) => true,
            (Ok(Some(_)), None) => self.is_known || rescued.is_none(),
            (Err(_), _) => false,
        };
        if fits {
            return None;
        }
        self.push_null();
        let shown = String::from_utf8_lossy(value.unwrap_or_default());
        match (rescued, text) {
            (Some(rescued), _) => {
                rescued.add(&self.name, &shown);
                None
            }
            (None, Err(_)) => Some(ValueFault::NotUtf8),
            (None, Ok(_)) => Some(ValueFault::Unfit(shortened(&shown))),
        }
    }

    fn bad(&self, line: u64, fault: &ValueFault) -> BadRecord {
        let name = &self.name;
        match fault {
            ValueFault::NotUtf8 => BadRecord {
                hint: Some("encoding => 'latin1', … reads other encodings".to_owned()),
                ..BadRecord::new(line, format!("column {name}: the value is not UTF-8"))
            },
            ValueFault::Unfit(value) => {
                let type_name = sql_type_name(&self.data_type);
                let message = format!("column {name}: '{value}' is no {type_name}");
                let (key, value) = (name.replace('\'', "''"), value.replace('\'', "''"));
                BadRecord {
                    state: SqlState::INVALID_TEXT_REPRESENTATION,
                    hint: Some(format!(
                        "types => {{'{key}': 'VARCHAR'}} reads the column as text; nullstr => \
                         '{value}' reads such values as NULL; sample_size => -1 detects types by \
                         all rows; on_error and rescue go on without such values"
                    )),
                    ..BadRecord::new(line, message)
                }
            }
        }
    }
}

impl Rescued {
    fn add(&mut self, name: &str, value: &str) {
        self.row.push(if self.row.is_empty() { '{' } else { ',' });
        write_string(name, &mut self.row);
        self.row.push(':');
        write_string(value, &mut self.row);
    }

    fn end_row(&mut self) {
        if self.row.is_empty() {
            self.values.append_null();
            return;
        }
        self.row.push('}');
        self.normal.clear();
        match normalize(&self.row, &mut self.normal) {
            Ok(()) => self.values.append_value(&self.normal),
            Err(_) => self.values.append_null(),
        }
        self.row.clear();
    }
}

fn miscounted(line: u64, expected: usize, found: usize) -> BadRecord {
    BadRecord {
        hint: Some(
            "null_padding => true fills short rows with NULL; check delim and quote too; on_error \
             goes on without such rows"
                .to_owned(),
        ),
        ..BadRecord::new(line, format!("expected {expected} values, found {found}"))
    }
}

/// A reader that takes no first bytes for a mark: records may come from anywhere.
fn reader_of_records(layout: &CsvLayout) -> csv_core::Reader {
    let mut reader = layout.record_reader();
    reader.read_record(b"\n", &mut [0], &mut [0]);
    reader
}

/// A record that no values can be read of.
fn broken(line: u64, fault: RecordFault) -> BadRecord {
    let message = match fault {
        RecordFault::Unclosed => "the quoted value that begins here never ends".to_owned(),
        RecordFault::Stray => "text follows the quote that closes a value".to_owned(),
        RecordFault::TooLong => format!("the record has over {} MB", RECORD_BYTES_MAX >> 20),
    };
    BadRecord {
        hint: Some(
            "a quote within a quoted value is doubled, or escaped if escape is given; quote => '' \
             takes quotes as text"
                .to_owned(),
        ),
        ..BadRecord::new(line, message)
    }
}
