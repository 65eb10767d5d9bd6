//! Records that are not what they should be: what becomes of them, and their way from the decoder,
//! which cannot wait, to who keeps them, who may.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::error::ArrowError;
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Batches;
use crate::formats::on_error::{ErrorOptions, OnError};
use crate::rejects::{Rejects, reject_schema};

/// Bytes that a rejected record counts for, besides its own.
pub(super) const REJECTED_BYTES: usize = 128;

/// Characters of a value that an error quotes.
const VALUE_CHARS_MAX: usize = 60;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its first byte in the file, counted in decompressed UTF-8.
    pub(crate) offset: u64,
    /// Its first line, from 1.
    pub(crate) line: u64,
}

/// What becomes of bad records, and how many of them there may be in all pieces together.
#[derive(Debug, Default)]
pub(crate) struct ErrorPolicy {
    on_error: OnError,
    errors_max: Option<u64>,
    count: AtomicU64,
}

/// How a bad record is gone on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Skip,
    Null,
    /// As a row of a quarantine, with what is wrong.
    Keep(String),
}

impl ErrorPolicy {
    pub(crate) fn new(options: &ErrorOptions) -> Self {
        Self {
            on_error: options.on_error,
            errors_max: options.errors_max,
            count: AtomicU64::new(0),
        }
    }

    /// Whether the first bad record ends the query.
    pub(super) fn fails(&self) -> bool {
        self.on_error == OnError::Fail
    }

    /// Counts `bad` and says how to go on, or makes an error of it.
    pub(super) fn decide(&self, bad: BadRecord) -> Result<Way, ArrowError> {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        let is_over = self.errors_max.is_some_and(|most| before >= most);
        match self.on_error {
            OnError::Skip if !is_over => Ok(Way::Skip),
            OnError::Null if !is_over => Ok(Way::Null),
            OnError::Quarantine if !is_over => Ok(Way::Keep(bad.message)),
            OnError::Fail => Err(bad.into()),
            OnError::Skip | OnError::Null | OnError::Quarantine => Err(BadRecord {
                over: self.errors_max,
                ..bad
            }
            .into()),
        }
    }
}

/// A record that is not what it should be.
#[derive(Debug)]
pub(super) struct BadRecord {
    /// Its line, as far as the piece knows.
    pub(super) line: u64,
    /// What is wrong with it.
    pub(super) message: String,
    /// The offending byte of the record, from 0, if there is one.
    pub(super) at: Option<usize>,
    pub(super) state: SqlState,
    /// What may be done about it.
    pub(super) hint: Option<String>,
    /// The limit of bad records that it is over.
    pub(super) over: Option<u64>,
}

impl BadRecord {
    pub(super) fn new(line: u64, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
            at: None,
            state: SqlState::BAD_COPY_FILE_FORMAT,
            hint: None,
            over: None,
        }
    }

    /// An error that names `place`, a file and perhaps a line.
    pub(super) fn at_place(self, place: &str) -> SheafError {
        let error = SheafError::data(format!("{place}: {}", self.message)).with_state(self.state);
        let error = match self.at {
            Some(at) => error.with_detail(format!("at byte {} of the record", at + 1)),
            None => error,
        };
        match (self.over, self.hint) {
            (Some(most), _) => {
                error.with_hint(format!("over max_errors => {most} records are bad"))
            }
            (None, Some(hint)) => error.with_hint(hint),
            (None, None) => error,
        }
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadRecord {}

impl From<BadRecord> for ArrowError {
    fn from(bad: BadRecord) -> Self {
        Self::ExternalError(Box::new(bad))
    }
}

/// As much of `value` as an error quotes.
pub(super) fn shortened(value: &str) -> String {
    let shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
    match shown.len() < value.len() {
        true => format!("{shown}…"),
        false => shown,
    }
}

/// A rejected record.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) place: Place,
    /// Its text; `None` if it was too long to be kept.
    pub(super) raw: Option<String>,
    pub(super) error: String,
}

impl Rejected {
    pub(super) fn new(place: Place, raw: Option<&[u8]>, error: String) -> Self {
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).trim_end().to_owned();
        Self {
            place,
            raw: raw.map(text),
            error,
        }
    }
}

/// Rejected records that nobody has taken yet; handed over with each batch.
pub(super) type Pending = Arc<Mutex<Vec<Rejected>>>;

/// `batches`, each of which goes on when the records rejected beside it are kept.
pub(super) fn keep_rejected(
    batches: Batches,
    path: Arc<str>,
    pending: Pending,
    rejects: Arc<dyn Rejects>,
) -> Batches {
    let kept = batches.then(move |batch| {
        let (path, pending, rejects) = (path.clone(), pending.clone(), rejects.clone());
        async move {
            let batch = batch?;
            let taken = std::mem::take(&mut *pending.lock());
            if !taken.is_empty() {
                rejects.add(&rows_of(&path, &taken)?).await?;
            }
            Ok(batch)
        }
    });
    kept.boxed()
}

fn rows_of(path: &str, rejected: &[Rejected]) -> Result<RecordBatch> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = || rejected.iter();
    let paths = StringViewArray::from_iter_values(rows().map(|_| path));
    let lines = Int64Array::from_iter_values(rows().map(|row| number(row.place.line)));
    let offsets = Int64Array::from_iter_values(rows().map(|row| number(row.place.offset)));
    let raws: StringViewArray = rows().map(|row| row.raw.as_deref()).collect();
    let errors = StringViewArray::from_iter_values(rows().map(|row| row.error.as_str()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(paths),
        Arc::new(lines),
        Arc::new(offsets),
        Arc::new(raws),
        Arc::new(errors),
    ];
    Ok(RecordBatch::try_new(reject_schema(), columns)?)
}
