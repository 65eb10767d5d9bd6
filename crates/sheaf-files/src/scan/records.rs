//! Chunks that hold whole records: the part of a file that belongs to a byte range.
//!
//! A record belongs to the range that holds its first byte. The first record of a range starts
//! behind the first record end at or after `start - 1`; its last one ends at the first record end
//! at or after `end - 1`. So neighbouring ranges agree without talking.
//!
//! With quotes, a range's start is guessed (see [`super::quotes`]). Every range knows its own state
//! at its end for certain, if its start was right, and makes the same guess that its neighbour
//! makes there; if the guess differs from what it knows, the scan fails rather than give wrong
//! rows. Since the first range starts at the file's start, all are right or one fails.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sheaf_base::{Result, SheafError};

use super::bytes::{Chunks, SourceFile};
use super::quotes::{QuoteTracker, Quoting, guess};

/// Bytes behind a range's start by which its state is guessed.
const GUESS_BYTES: usize = 64 * 1024;

/// Bytes fetched beyond a range's end, to find where its last record ends.
const LOOKAHEAD_BYTES: u64 = 64 * 1024;

/// The whole records of a part of a file.
pub(crate) struct Records {
    /// Where the first record starts, in stored bytes; 0 for whole files.
    pub(crate) start: u64,
    pub(crate) chunks: Chunks,
}

/// The records of `file` that start within `range`; of the whole file if there is none.
/// Compressed files have no ranges.
///
/// # Errors
/// Names the file if it cannot be read.
pub(crate) async fn records(
    file: &SourceFile,
    range: Option<Range<u64>>,
    quoting: Option<Quoting>,
) -> Result<Records> {
    let Some(range) = range.filter(|range| *range != (0..file.meta.size)) else {
        return Ok(Records {
            start: 0,
            chunks: file.whole().await?,
        });
    };
    let from = range.start.saturating_sub(1);
    let mut aligner = Aligner {
        reader: RangeReader::new(
            file.clone(),
            from..range.end.saturating_add(LOOKAHEAD_BYTES),
        ),
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

/// Reads from a place on, window by window: the planned one first, then small ones.
struct RangeReader {
    file: SourceFile,
    /// Offset of the next byte.
    position: u64,
    window_end: u64,
    chunks: Option<Chunks>,
}

impl RangeReader {
    fn new(file: SourceFile, window: Range<u64>) -> Self {
        let window_end = window.end.min(file.meta.size);
        Self {
            file,
            position: window.start,
            window_end,
            chunks: None,
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
            if let Some(chunk) = chunks.try_next().await? {
                self.position += chunk.len() as u64;
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
            match self.reader.next().await? {
                Some(chunk) if offset < self.end => window = chunk,
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
                None => return Ok(None),
            },
        };
        let chunk_end = self.reader.position;
        let chunk_start = chunk_end - chunk.len() as u64;
        if self.end >= self.reader.file.meta.size {
            return Ok(Some(chunk));
        }
        let last = self.end - 1;
        if chunk_end <= last {
            if let Some(tracker) = &mut self.tracker {
                tracker.advance(&chunk);
            }
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
        self.check_neighbour(chunk_start + length as u64).await?;
        Ok(Some(chunk.slice(..length)))
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
