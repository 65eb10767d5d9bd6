//! Where records end up: checked, asked for what the query wants, gathered into batches.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use sheaf_bags::extract::{Extract, Extraction};
use sheaf_bags::json::select::text_of;
use sheaf_bags::logs::LineFormat;

use super::super::bad_records::{
    BadRecord, ErrorPolicy, Pending, Place, REJECTED_BYTES, Rejected, Way,
};
use super::split::RecordSink;
use super::{BATCH_BYTES_MAX, BagColumn};

/// A column of the batches.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output {
    /// That of an extract.
    Extract(usize),
    Offset,
    Line,
}

impl Output {
    /// What is to be extracted for the columns `wanted`, and where each of them comes from.
    pub(super) fn of(wanted: &[&BagColumn]) -> (Vec<Extract>, Vec<Self>) {
        let mut extracts: Vec<Extract> = Vec::new();
        let outputs = wanted.iter().map(|column| match column {
            BagColumn::Offset => Self::Offset,
            BagColumn::Line => Self::Line,
            BagColumn::Extract(extract) => {
                extracts.push(extract.clone());
                Self::Extract(extracts.len() - 1)
            }
        });
        let outputs = outputs.collect();
        (extracts, outputs)
    }
}

/// How the bytes of a record become JSON.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` for JSON itself.
    pub(super) line_format: Option<Arc<LineFormat>>,
    /// Whether bytes that are not UTF-8 are replaced.
    pub(super) is_lossy: bool,
}

/// Takes records and gives batches.
#[derive(Debug)]
pub(super) struct Sink {
    schema: SchemaRef,
    outputs: Vec<Output>,
    reader: Reader,
    policy: Arc<ErrorPolicy>,
    extraction: Extraction,
    /// A line of a log as JSON.
    json: String,
    offsets: Vec<i64>,
    lines: Vec<i64>,
    batch_rows: usize,
    batch_bytes: usize,
    pending: Pending,
    /// Whether there are records in `pending` since the last batch.
    has_rejected: bool,
}

impl Sink {
    pub(super) fn new(
        schema: SchemaRef,
        extracts: &[Extract],
        outputs: Vec<Output>,
        reader: Reader,
        policy: Arc<ErrorPolicy>,
        batch_rows: usize,
    ) -> Self {
        Self {
            schema,
            outputs,
            reader,
            policy,
            extraction: Extraction::new(extracts),
            json: String::new(),
            offsets: Vec::new(),
            lines: Vec::new(),
            batch_rows,
            batch_bytes: 0,
            pending: Pending::default(),
            has_rejected: false,
        }
    }

    /// Where rejected records wait for who keeps them.
    pub(super) fn pending(&self) -> Pending {
        Arc::clone(&self.pending)
    }

    fn placed(&mut self, place: Place) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for output in &self.outputs {
            match output {
                Output::Offset => self.offsets.push(number(place.offset)),
                Output::Line => self.lines.push(number(place.line)),
                Output::Extract(_) => {}
            }
        }
    }

    /// Reads a record; false if there is none, only space.
    fn read(&mut self, bytes: &[u8], line: u64) -> Result<bool, BadRecord> {
        let bad = |message: String, at: Option<usize>| BadRecord {
            at,
            ..BadRecord::new(line, message)
        };
        let keeps_blank = match &self.reader.line_format {
            Some(format) => format.keeps_blank_lines(),
            None => false,
        };
        if !keeps_blank && bytes.trim_ascii().is_empty() {
            return Ok(false);
        }
        let text = match self.reader.is_lossy {
            true => String::from_utf8_lossy(bytes),
            false => {
                let text =
                    text_of(bytes).map_err(|fault| bad(fault.to_string(), Some(fault.at)))?;
                Cow::Borrowed(text)
            }
        };
        match &self.reader.line_format {
            None => self
                .extraction
                .push(&text)
                .map_err(|fault| bad(fault.to_string(), Some(fault.at)))?,
            Some(format) => {
                self.json.clear();
                let text = text.strip_suffix('\r').unwrap_or(&text);
                format
                    .write(text, &mut self.json)
                    .map_err(|message| bad(message, None))?;
                // What a format writes is JSON.
                self.extraction
                    .push(&self.json)
                    .map_err(|fault| bad(fault.to_string(), None))?;
            }
        }
        Ok(true)
    }
}

impl RecordSink for Sink {
    fn record(&mut self, bytes: &[u8], place: Place) -> Result<(), ArrowError> {
        self.batch_bytes += bytes.len();
        match self.read(bytes, place.line) {
            Ok(true) => self.placed(place),
            Ok(false) => {}
            Err(bad) => self.bad(bad, place, Some(bytes))?,
        }
        Ok(())
    }

    fn bad(&mut self, bad: BadRecord, place: Place, raw: Option<&[u8]>) -> Result<(), ArrowError> {
        match self.policy.decide(bad)? {
            Way::Skip => {}
            Way::Keep(error) => {
                self.pending.lock().push(Rejected::new(place, raw, error));
                self.has_rejected = true;
                self.batch_bytes += REJECTED_BYTES;
            }
            Way::Null => {
                self.extraction.push_null();
                self.placed(place);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.extraction.rows() >= self.batch_rows || self.batch_bytes >= BATCH_BYTES_MAX
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.batch_bytes = 0;
        let rows = self.extraction.rows();
        // Rejected records go on with a batch, if need be an empty one.
        if rows == 0 && !std::mem::take(&mut self.has_rejected) {
            return Ok(None);
        }
        self.has_rejected = false;
        let extracted = self.extraction.finish()?;
        let offsets: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.offsets)));
        let lines: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.lines)));
        let arrays = self.outputs.iter().map(|output| match output {
            Output::Extract(extract) => Arc::clone(&extracted[*extract]),
            Output::Offset => Arc::clone(&offsets),
            Output::Line => Arc::clone(&lines),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, arrays.collect(), &options).map(Some)
    }
}
