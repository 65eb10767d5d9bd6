//! CSV read value by value, so that what is wrong with a record concerns that record alone.
//!
//! The way of a piece: chunks of bytes → records ([`records`], from where [`starts`] says that the
//! piece's first one begins) → values of the columns' types ([`rows`], [`columns`]) → batches, and
//! beside them what was rejected. Files without options that need this are read by Arrow's reader,
//! which is faster and stops at the first fault; this one then tells where that is
//! (`super::explain`).

mod columns;
mod decimals;
mod records;
mod rows;
mod starts;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use async_trait::async_trait;
use sheaf_base::{Result, SheafError};

pub(super) use self::columns::values_of;
pub(super) use self::records::RECORD_BYTES_MAX;
pub(crate) use self::records::{RawRecord, RecordSplitter};
use self::rows::Rows;
pub(crate) use self::starts::RecordStarts;
use super::{CsvFormat, FileColumns};
use crate::scan::bad_records::{BadRecord, ErrorPolicy, keep_rejected};
use crate::scan::records::chunks_from;
use crate::scan::stream::{Explain, RecordDecoder, decode};
use crate::scan::{Batches, Piece};

/// Opens a piece for `columns`, in batches of at most `batch_rows` rows.
///
/// # Errors
/// Names the file if it cannot be read.
pub(super) async fn open(
    format: &CsvFormat,
    piece: Piece,
    columns: Arc<FileColumns>,
    batch_rows: usize,
) -> Result<Batches> {
    let policy = Arc::clone(&format.policy);
    open_with(format, piece, columns, policy, batch_rows).await
}

/// The first bad record of a piece, as an error; `None` if all are good.
pub(super) async fn first_fault(
    format: &CsvFormat,
    piece: Piece,
    columns: Arc<FileColumns>,
) -> Option<SheafError> {
    use futures::StreamExt;

    /// Rows that are looked at together.
    const BATCH_ROWS: usize = 1_024;
    let policy = Arc::new(ErrorPolicy::default());
    let format = CsvFormat {
        rejects: None,
        ..format.clone()
    };
    let mut batches = open_with(&format, piece, columns, policy, BATCH_ROWS)
        .await
        .ok()?;
    while let Some(batch) = batches.next().await {
        if let Err(error) = batch {
            return Some(error);
        }
        // So that a cancelled query ends here, too.
        tokio::task::consume_budget().await;
    }
    None
}

async fn open_with(
    format: &CsvFormat,
    piece: Piece,
    columns: Arc<FileColumns>,
    policy: Arc<ErrorPolicy>,
    batch_rows: usize,
) -> Result<Batches> {
    let file = &piece.file;
    let whole = 0..file.meta.size;
    let range = piece.range.clone().filter(|range| *range != whole);
    let (from, end) = range.map_or((0, u64::MAX), |range| (range.start, range.end));
    let start = format.starts.at(file, &format.layout, from).await?;
    let chunks = match (from, end) {
        (0, u64::MAX) => file.whole().await?,
        _ => chunks_from(file, start.offset, end),
    };
    let is_header = format.layout.has_header && start.offset == 0;
    let rows = Rows::new(format, columns, policy, batch_rows, is_header)?;
    let pending = rows.pending();
    let decoder = LenientDecoder {
        splitter: RecordSplitter::new(&format.layout, start),
        rows,
        end,
        is_over: false,
        has_more: false,
    };
    let path = Arc::clone(&file.path);
    let explain = Arc::new(LenientExplain(Arc::clone(&path)));
    let batches = decode(chunks, Box::new(decoder), explain);
    Ok(match &format.rejects {
        Some(rejects) => keep_rejected(batches, path, pending, Arc::clone(rejects)),
        None => batches,
    })
}

struct LenientDecoder {
    splitter: RecordSplitter,
    rows: Rows,
    /// Records that begin here, or later, are another piece's.
    end: u64,
    is_over: bool,
    /// Whether there are records in the splitter that a full batch left there.
    has_more: bool,
}

impl LenientDecoder {
    /// Takes the records that are here, until a batch is full.
    fn take(&mut self, is_last: bool) -> Result<(), ArrowError> {
        let rows = &mut self.rows;
        let has_all = self.splitter.split(is_last, self.end, |record| {
            rows.record(record)?;
            Ok(!rows.is_full())
        })?;
        self.is_over = self.splitter.place().offset >= self.end;
        self.has_more = !has_all && !self.is_over;
        Ok(())
    }
}

impl RecordDecoder for LenientDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        if self.is_over {
            return Ok(bytes.len());
        }
        let is_last = bytes.is_empty();
        if self.has_more {
            self.take(is_last)?;
            if self.has_more || is_last {
                return Ok(0);
            }
        }
        self.splitter.push(bytes);
        self.take(is_last)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.rows.flush()
    }

    fn is_full(&self) -> bool {
        self.rows.is_full() || self.has_more
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Puts the file on a bad record, which knows its line.
struct LenientExplain(Arc<str>);

#[async_trait]
impl Explain for LenientExplain {
    async fn explain(&self, error: ArrowError, _rows_before: u64) -> SheafError {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<BadRecord>() {
                Ok(bad) => {
                    let place = format!("{}:{}", self.0, bad.line);
                    bad.at_place(&place)
                }
                Err(other) => SheafError::from(ArrowError::ExternalError(other)),
            },
            other => SheafError::from(other).with_context(&self.0),
        }
    }
}
