//! Chunks that hold whole records: the part of a file that belongs to a byte range.
//!
//! A record belongs to the range that holds its first byte. The first record of a range starts
//! behind the first record end at or after `start - 1`; its last one ends at the first record end
//! at or after `end - 1`. So neighbouring ranges agree without talking.
//!
//! With quotes, a range's start is guessed (see [`super::quotes`]). Every range knows its own state
//! at its end for certain, if its start was right, and makes the same guess that its neighbour
//! makes there; if the guess differs from what it knows, the scan fails rather than give wrong
//! rows. Since the first range starts at the file's start, all are right or one fails. Where line
//! breaks in values are known of, nothing is guessed: see `csv::lenient::starts`.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::bytes::{Chunks, SourceFile};
use super::quotes::{QuoteFault, QuoteTracker, Quoting, guess};

/// Bytes behind a range's start by which its state is guessed.
const GUESS_BYTES: usize = 64 * 1024;

/// A file with a record of more bytes is not split: where a guess sees no quote it cannot be right
/// about a long quoted value.
pub(crate) const LONG_RECORD_BYTES: usize = GUESS_BYTES / 2;

/// Bytes fetched beyond a range's end, to find where its last record ends.
const LOOKAHEAD_BYTES: u64 = 64 * 1024;

/// Bytes beyond a range in which the end of a record that covers it is looked for.
const RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What some programs write at the start of UTF-8 files.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The whole records of a part of a file.
pub(crate) struct Records {
    /// Where the first record starts, in stored bytes; 0 for whole files.
    pub(crate) start: u64,
    pub(crate) chunks: Chunks,
}

/// The records of `file` that start within `range`; of the whole file if there is none. A byte
/// order mark and the first `lines_skipped` lines are left out. Compressed files, and those with
/// lines to skip, have no ranges.
///
/// # Errors
/// Names the file if it cannot be read; the chunks name file and line of a quote that never closes.
pub(crate) async fn records(
    file: &SourceFile,
    range: Option<Range<u64>>,
    quoting: Option<Quoting>,
    lines_skipped: usize,
) -> Result<Records> {
    let Some(range) = range.filter(|range| *range != (0..file.meta.size)) else {
        let chunks = skip_top_of(file.whole().await?, lines_skipped);
        return Ok(Records {
            start: 0,
            chunks: match quoting {
                Some(quoting) => watch_quotes(chunks, file.clone(), quoting, 0, lines_skipped),
                None => chunks,
            },
        });
    };
    aligned(file, range, quoting, false).await
}

/// The bytes `range` of `file`, at whose ends records begin for certain.
///
/// # Errors
/// Names the file if it cannot be read; the chunks name file and line of a wrong quote.
pub(crate) async fn records_between(
    file: &SourceFile,
    range: Range<u64>,
    quoting: Option<Quoting>,
) -> Result<Records> {
    let start = range.start;
    let chunks = file.range(range).await?;
    let chunks = match start {
        0 => skip_top_of(chunks, 0),
        _ => chunks,
    };
    Ok(Records {
        start,
        chunks: match quoting {
            Some(quoting) => watch_quotes(chunks, file.clone(), quoting, start, 0),
            None => chunks,
        },
    })
}

/// Like [`records`] without quotes and lines to skip, but a byte order mark is left in, so that
/// bytes can be counted.
///
/// # Errors
/// Names the file if it cannot be read.
pub(crate) async fn marked_records(
    file: &SourceFile,
    range: Option<Range<u64>>,
) -> Result<Records> {
    match range.filter(|range| *range != (0..file.meta.size)) {
        Some(range) => aligned(file, range, None, true).await,
        None => Ok(Records {
            start: 0,
            chunks: file.whole().await?,
        }),
    }
}

/// The bytes of `file` from `start` on, a byte order mark among them: those up to `end` at once,
/// further ones little by little.
pub(crate) fn chunks_from(file: &SourceFile, start: u64, end: u64) -> Chunks {
    let window = start..end.saturating_add(LOOKAHEAD_BYTES).max(start);
    let reader = RangeReader {
        keeps_mark: true,
        ..RangeReader::new(file.clone(), window)
    };
    let chunks = futures::stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|chunk| (chunk, reader)))
    });
    chunks.boxed()
}

/// The records of a part of `file`.
async fn aligned(
    file: &SourceFile,
    range: Range<u64>,
    quoting: Option<Quoting>,
    keeps_mark: bool,
) -> Result<Records> {
    let from = range.start.saturating_sub(1);
    let window = from..range.end.saturating_add(LOOKAHEAD_BYTES);
    let mut aligner = Aligner {
        reader: RangeReader {
            keeps_mark,
            ..RangeReader::new(file.clone(), window)
        },
        end: range.end,
        tracker: quoting.map(QuoteTracker::new),
        pending: None,
        is_done: false,
    };
    let mut start = range.start;
    if range.start > 0 {
        start = aligner.find_start(quoting).await?;
        if aligner.is_done && start < file.meta.size {
            aligner.check_neighbour(start).await?;
        }
    }
    let chunks = futures::stream::try_unfold(aligner, |mut aligner| async move {
        Ok(aligner.next().await?.map(|chunk| (chunk, aligner)))
    });
    Ok(Records {
        start,
        chunks: chunks.boxed(),
    })
}

/// What follows a byte order mark and `lines` lines.
pub(crate) fn skip_top(bytes: &[u8], lines: usize) -> &[u8] {
    let mut body = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    for _ in 0..lines {
        body = memchr::memchr(b'\n', body).map_or(&[], |at| &body[at + 1..]);
    }
    body
}

/// `chunks` of a file from its start, without a byte order mark and `lines` lines.
pub(crate) fn skip_top_of(chunks: Chunks, mut lines: usize) -> Chunks {
    let mut is_first = true;
    let stripped = chunks.map(move |chunk| {
        let mut chunk: Bytes = chunk?;
        if is_first && chunk.starts_with(BYTE_ORDER_MARK) {
            chunk = chunk.slice(BYTE_ORDER_MARK.len()..);
        }
        is_first &= chunk.is_empty();
        while lines > 0 && !chunk.is_empty() {
            match memchr::memchr(b'\n', &chunk) {
                Some(at) => {
                    chunk = chunk.slice(at + 1..);
                    lines -= 1;
                }
                None => chunk = Bytes::new(),
            }
        }
        Ok(chunk)
    });
    stripped.boxed()
}

/// `chunks` of a file from byte `start`, where a record begins, which fail where a quote is wrong.
fn watch_quotes(
    chunks: Chunks,
    file: SourceFile,
    quoting: Quoting,
    start: u64,
    lines_skipped: usize,
) -> Chunks {
    let mut tracker = QuoteTracker::new(quoting);
    tracker.seek(start);
    let watched = (chunks, tracker, file);
    let watched = futures::stream::try_unfold(watched, move |state| async move {
        let (mut chunks, mut tracker, file) = state;
        let chunk = chunks.try_next().await?;
        let fault = match &chunk {
            Some(chunk) => {
                tracker.advance(chunk);
                tracker.stray()
            }
            None => tracker.fault_at_end(),
        };
        match fault {
            None => Ok(chunk.map(|chunk| (chunk, (chunks, tracker, file)))),
            Some(fault) => {
                let before = skip_top_of(file.whole().await?, lines_skipped);
                let error = quote_error(&file, fault, before, lines_skipped as u64);
                Err(error.await?)
            }
        }
    });
    watched.boxed()
}

/// Names file and line of `fault`, whose offset counts from the start of `before`; there are
/// `lines_before` more lines before that.
async fn quote_error(
    file: &SourceFile,
    fault: QuoteFault,
    mut before: Chunks,
    lines_before: u64,
) -> Result<SheafError> {
    let (QuoteFault::Unclosed(offset) | QuoteFault::Stray(offset)) = fault;
    let mut left = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut line = 1 + lines_before;
    while left > 0
        && let Some(chunk) = before.try_next().await?
    {
        let counted = &chunk[..chunk.len().min(left)];
        line += memchr::memchr_iter(b'\n', counted).count() as u64;
        left -= counted.len();
    }
    let what = match fault {
        QuoteFault::Unclosed(_) => "the quoted value that begins here never ends",
        QuoteFault::Stray(_) => "text follows the quote that closes a value",
    };
    Ok(SheafError::data(format!("{}:{line}: {what}", file.path))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint(
            "a quote within a quoted value is doubled, or escaped if escape is given; \
                 quote => '' takes quotes as text",
        ))
}

/// Reads from a place on, window by window: the planned one first, then small ones.
struct RangeReader {
    file: SourceFile,
    /// Offset of the next byte.
    position: u64,
    window_end: u64,
    chunks: Option<Chunks>,
    /// Whether a byte order mark is left in.
    keeps_mark: bool,
}

impl RangeReader {
    fn new(file: SourceFile, window: Range<u64>) -> Self {
        let window_end = window.end.min(file.meta.size);
        Self {
            file,
            position: window.start,
            window_end,
            chunks: None,
            keeps_mark: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let chunks = match &mut self.chunks {
                Some(chunks) => chunks,
                None => {
                    let window = self.position..self.window_end;
                    self.chunks.insert(self.file.range(window).await?)
                }
            };
            if let Some(mut chunk) = chunks.try_next().await? {
                let is_first = self.position == 0 && !self.keeps_mark;
                self.position += chunk.len() as u64;
                if is_first && chunk.starts_with(BYTE_ORDER_MARK) {
                    chunk = chunk.slice(BYTE_ORDER_MARK.len()..);
                }
                return Ok(Some(chunk));
            }
            if self.position < self.window_end || self.position >= self.file.meta.size {
                return Ok(None);
            }
            self.window_end = (self.position + LOOKAHEAD_BYTES).min(self.file.meta.size);
            self.chunks = None;
        }
    }
}

struct Aligner {
    reader: RangeReader,
    end: u64,
    tracker: Option<QuoteTracker>,
    /// Bytes already read that come next.
    pending: Option<Bytes>,
    is_done: bool,
}

impl Aligner {
    /// Moves to the first record's start and gives its offset.
    async fn find_start(&mut self, quoting: Option<Quoting>) -> Result<u64> {
        let mut offset = self.reader.position;
        let mut window = match quoting {
            Some(_) => self.read_at_least(GUESS_BYTES).await?,
            None => self.reader.next().await?.unwrap_or_default(),
        };
        let mut state =
            quoting.map(|quoting| guess(&window[..window.len().min(GUESS_BYTES)], quoting));
        loop {
            let found = match &mut state {
                Some(state) => state.find_record_end(&window),
                None => memchr::memchr(b'\n', &window),
            };
            if let Some(at) = found {
                let start = offset + at as u64 + 1;
                self.is_done = start >= self.end;
                self.pending = Some(window.slice(at + 1..));
                return Ok(start);
            }
            offset += window.len() as u64;
            // With quotes the search goes on beyond the range: the next one's guess is checked against
            // what is found.
            let search_end = match quoting {
                Some(_) => self.end.saturating_add(RECORD_BYTES_MAX),
                None => self.end,
            };
            match self.reader.next().await? {
                Some(chunk) if offset < search_end => window = chunk,
                _ => {
                    self.is_done = true;
                    return Ok(offset);
                }
            }
        }
    }

    async fn read_at_least(&mut self, bytes: usize) -> Result<Bytes> {
        let first = self.reader.next().await?.unwrap_or_default();
        if first.len() >= bytes {
            return Ok(first);
        }
        let mut window = first.to_vec();
        while window.len() < bytes {
            match self.reader.next().await? {
                Some(chunk) => window.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(Bytes::from(window))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done {
            return Ok(None);
        }
        let chunk = match self.pending.take() {
            Some(pending) if !pending.is_empty() => pending,
            _ => match self.reader.next().await? {
                Some(chunk) => chunk,
                None => {
                    self.check_quotes(true).await?;
                    return Ok(None);
                }
            },
        };
        let chunk_end = self.reader.position;
        let chunk_start = chunk_end - chunk.len() as u64;
        if let Some(tracker) = &mut self.tracker {
            tracker.seek(chunk_start);
        }
        let is_last = self.end >= self.reader.file.meta.size;
        let last = if is_last { u64::MAX } else { self.end - 1 };
        if chunk_end <= last {
            if let Some(tracker) = &mut self.tracker {
                tracker.advance(&chunk);
            }
            self.check_quotes(false).await?;
            return Ok(Some(chunk));
        }
        let inner = usize::try_from(last.saturating_sub(chunk_start)).unwrap_or(0);
        let found = match &mut self.tracker {
            Some(tracker) => {
                tracker.advance(&chunk[..inner]);
                tracker.find_record_end(&chunk[inner..])
            }
            None => memchr::memchr(b'\n', &chunk[inner..]),
        };
        let Some(found) = found else {
            return Ok(Some(chunk));
        };
        let length = inner + found + 1;
        self.is_done = true;
        self.check_quotes(false).await?;
        self.check_neighbour(chunk_start + length as u64).await?;
        Ok(Some(chunk.slice(..length)))
    }

    /// Fails if a quote of the range was wrong.
    async fn check_quotes(&mut self, is_at_end: bool) -> Result<()> {
        let Some(tracker) = &self.tracker else {
            return Ok(());
        };
        let fault = if is_at_end {
            tracker.fault_at_end()
        } else {
            tracker.stray()
        };
        match fault {
            None => Ok(()),
            Some(fault) => {
                let file = &self.reader.file;
                Err(quote_error(file, fault, file.range(0..self.end).await?, 0).await?)
            }
        }
    }

    /// Makes the guess of the range that starts at our end, and fails if it is not `true_start`.
    async fn check_neighbour(&mut self, true_start: u64) -> Result<()> {
        let Some(tracker) = &self.tracker else {
            return Ok(());
        };
        let file = &self.reader.file;
        let mut neighbour = Aligner {
            reader: RangeReader::new(file.clone(), self.end - 1..self.end + LOOKAHEAD_BYTES),
            end: u64::MAX,
            tracker: None,
            pending: None,
            is_done: false,
        };
        if neighbour.find_start(Some(tracker.quoting())).await? == true_start {
            return Ok(());
        }
        Err(SheafError::data(format!(
            "{}: a quoted value with line breaks crosses byte {}, where the file was split",
            file.path, self.end
        ))
        .with_hint("read it in one piece: newlines_in_values => true"))
    }
}
