//! Records that are not what they should be: what becomes of them, and how errors name them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::error::ArrowError;
use async_trait::async_trait;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::super::Piece;
use super::super::stream::Explain;
use super::lines::LineCounts;
use crate::formats::bag::OnError;

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
    pub(crate) fn new(on_error: OnError, errors_max: Option<u64>) -> Self {
        Self {
            on_error,
            errors_max,
            count: AtomicU64::new(0),
        }
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
    /// The limit of bad records that it is over.
    pub(super) over: Option<u64>,
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

/// Puts file and line on a bad record.
pub(super) struct BagExplain {
    pub(super) piece: Piece,
    /// Where the piece's first record starts.
    pub(super) start: u64,
    /// What the piece took the number of its first line to be; 1 if it did not ask.
    pub(super) first_line: u64,
    pub(super) lines: Arc<LineCounts>,
}

#[async_trait]
impl Explain for BagExplain {
    async fn explain(&self, error: ArrowError, _rows_before: u64) -> SheafError {
        let bad = match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<BadRecord>() {
                Ok(bad) => bad,
                Err(other) => return SheafError::from(ArrowError::ExternalError(other)),
            },
            other => return SheafError::from(other).with_context(&self.piece.file.path),
        };
        let path = &self.piece.file.path;
        let place = match self.lines.before(&self.piece, self.start).await {
            Ok(before) => format!("{path}:{}", before + 1 + bad.line - self.first_line),
            Err(_) => path.to_string(),
        };
        let mut error = SheafError::data(format!("{place}: {}", bad.message))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT);
        if let Some(at) = bad.at {
            error = error.with_detail(format!("at byte {} of the record", at + 1));
        }
        match bad.over {
            Some(most) => error.with_hint(format!("over max_errors => {most} records are bad")),
            None if bad.message.starts_with("not UTF-8") => error.with_hint(
                "encoding => 'latin1', … reads other encodings, 'utf-8-lossy' puts \u{fffd} in \
                 place of such bytes",
            ),
            None => error
                .with_hint("on_error => 'skip' leaves such records out, 'null' makes them NULL, 'quarantine' keeps them in a table"),
        }
    }
}
