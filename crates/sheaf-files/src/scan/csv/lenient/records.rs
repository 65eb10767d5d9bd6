//! Records out of chunks of bytes, whatever is wrong with their quotes.
//!
//! A record ends at the first line break outside quotes. Where quotes are wrong (text follows the
//! one that closes a value, or a value never closes), nobody knows what was meant: the record ends
//! at the end of its first line, and the next one begins there. So where a record ends depends on
//! nothing but where it begins, and all pieces of a file agree.
//!
//! Memory: a record (at most [`RECORD_BYTES_MAX`]) and a chunk.

use arrow::error::ArrowError;
use memchr::{memchr, memchr_iter};

use crate::scan::bad_records::Place;
use crate::scan::csv::CsvLayout;
use crate::scan::quotes::{QuoteFault, QuoteTracker, Quoting};

/// Bytes that one record may have.
pub(in crate::scan::csv) const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What some programs write at the start of UTF-8 files.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a record before its values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordFault {
    /// The value that opens in it never closes.
    Unclosed,
    /// Text follows the quote that closes a value.
    Stray,
    /// It has more bytes than a record may have, and is not here.
    TooLong,
}

/// A record, with its line break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawRecord<'a> {
    pub(crate) place: Place,
    pub(crate) bytes: &'a [u8],
    pub(crate) fault: Option<RecordFault>,
}

/// Splits chunks into records. Comments and blank lines are none.
#[derive(Debug)]
pub(crate) struct RecordSplitter {
    quoting: Option<Quoting>,
    comment: Option<u8>,
    /// Lines at the top of the file that are still to be skipped.
    lines_left: usize,
    /// Bytes from the start of the record under way on, behind those before `at`.
    buffer: Vec<u8>,
    at: usize,
    /// The quotes of the record under way, and how many of its bytes they are of.
    tracker: Option<QuoteTracker>,
    seen: usize,
    /// Bytes of a record that is too long, which is passed over.
    dropped_bytes: u64,
    /// Where the record under way begins.
    place: Place,
    is_start: bool,
    /// Bytes of a byte order mark, which belongs to the first record.
    mark_bytes: u64,
}

impl RecordSplitter {
    /// For records from `place` on, where one begins.
    pub(crate) fn new(layout: &CsvLayout, place: Place) -> Self {
        let is_start = place.offset == 0;
        Self {
            quoting: layout.quoting().map(|quoting| Quoting {
                // Comments are taken off before.
                has_comments: false,
                ..quoting
            }),
            comment: layout.comment,
            lines_left: if is_start { layout.skip } else { 0 },
            buffer: Vec::new(),
            at: 0,
            tracker: None,
            seen: 0,
            dropped_bytes: 0,
            place,
            is_start,
            mark_bytes: 0,
        }
    }

    /// Where the next record begins.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Takes further bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        if self.is_start && !bytes.is_empty() {
            self.is_start = false;
            if let Some(body) = bytes.strip_prefix(BYTE_ORDER_MARK) {
                bytes = body;
                self.mark_bytes = BYTE_ORDER_MARK.len() as u64;
            }
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        // A long record's memory is given back.
        if self.buffer.is_empty() && self.buffer.capacity() > RECORD_BYTES_MAX / 8 {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Calls `visit` with the records that are here and begin before `end`, until it returns false;
    /// says whether it went through all that is here. `is_last`: no more bytes will come.
    ///
    /// # Errors
    /// Those of `visit`.
    pub(crate) fn split(
        &mut self,
        is_last: bool,
        end: u64,
        mut visit: impl FnMut(RawRecord<'_>) -> Result<bool, ArrowError>,
    ) -> Result<bool, ArrowError> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if rest.is_empty() && self.dropped_bytes == 0 {
                return Ok(true);
            }
            if self.place.offset >= end {
                return Ok(false);
            }
            let Some((length, fault)) = self.next(is_last) else {
                return Ok(true);
            };
            let bytes = self.buffer.get(self.at..self.at + length);
            let bytes = bytes.unwrap_or_default();
            let record = RawRecord {
                place: self.place,
                bytes: if self.dropped_bytes > 0 { &[] } else { bytes },
                fault,
            };
            let is_none = fault.is_none() && is_no_record(bytes, self.comment);
            let is_skipped = self.lines_left > 0;
            let goes_on = is_none || is_skipped || visit(record)?;
            self.place.offset += length as u64
                + std::mem::take(&mut self.dropped_bytes)
                + std::mem::take(&mut self.mark_bytes);
            self.place.line += memchr_iter(b'\n', bytes).count() as u64;
            self.at += length;
            self.lines_left = self.lines_left.saturating_sub(1);
            self.tracker = None;
            self.seen = 0;
            if !goes_on {
                return Ok(false);
            }
        }
    }

    /// The length of the record that begins at `at`, and what is wrong with it; `None` if its end
    /// is not here.
    fn next(&mut self, is_last: bool) -> Option<(usize, Option<RecordFault>)> {
        let bytes = self.buffer.get(self.at..).unwrap_or_default();
        let line = || memchr(b'\n', bytes).map(|at| at + 1);
        let line_or_rest = || line().or(is_last.then_some(bytes.len()));
        if self.dropped_bytes > 0 {
            let Some(length) = line_or_rest() else {
                self.drop_rest();
                return None;
            };
            return Some((length, Some(RecordFault::TooLong)));
        }
        let is_comment = self.comment.is_some() && bytes.first().copied() == self.comment;
        let quoting = self.quoting.filter(|_| !is_comment && self.lines_left == 0);
        let found = match quoting {
            None => line_or_rest().map(|length| (length, None)),
            Some(quoting) => {
                let tracker = self
                    .tracker
                    .get_or_insert_with(|| QuoteTracker::new(quoting));
                let more = bytes.get(self.seen..).unwrap_or_default();
                let end = tracker.find_record_end(more).map(|at| self.seen + at + 1);
                self.seen = bytes.len();
                let fault = match (tracker.stray(), end, is_last) {
                    (Some(_), _, _) => Some(RecordFault::Stray),
                    (None, None, true) => tracker.fault_at_end().map(fault_of),
                    (None, None, false) if bytes.len() > RECORD_BYTES_MAX => {
                        Some(RecordFault::Unclosed)
                    }
                    _ => None,
                };
                match fault {
                    Some(_) => line_or_rest().map(|length| (length, fault)),
                    None => end
                        .or(is_last.then_some(bytes.len()))
                        .map(|length| (length, None)),
                }
            }
        };
        if found.is_none() && bytes.len() > RECORD_BYTES_MAX {
            self.drop_rest();
        }
        found
    }

    /// Drops what is here of a record that is too long.
    fn drop_rest(&mut self) {
        self.dropped_bytes += (self.buffer.len() - self.at) as u64;
        self.buffer = Vec::new();
        self.at = 0;
    }
}

fn fault_of(fault: QuoteFault) -> RecordFault {
    match fault {
        QuoteFault::Unclosed(_) => RecordFault::Unclosed,
        QuoteFault::Stray(_) => RecordFault::Stray,
    }
}

/// Whether a line is blank or a comment.
fn is_no_record(bytes: &[u8], comment: Option<u8>) -> bool {
    let is_blank = bytes.iter().all(|byte| matches!(byte, b'\n' | b'\r'));
    is_blank || (comment.is_some() && bytes.first().copied() == comment)
}
