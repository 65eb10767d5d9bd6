//! Whole records out of chunks of bytes: one a line ([`LineDecoder`]), or JSON values that end where
//! they end ([`ValueDecoder`]).

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use memchr::{memchr, memchr_iter, memchr2};

use super::super::bad_records::{BadRecord, Place};
use super::super::stream::RecordDecoder;
use super::RECORD_BYTES_MAX;

/// What some programs write at the start of UTF-8 files.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Takes records and gives batches.
pub(in crate::scan) trait RecordSink: Send {
    /// Takes a record.
    ///
    /// # Errors
    /// A [`BadRecord`], if it is none and the query is to fail then.
    fn record(&mut self, bytes: &[u8], place: Place) -> Result<(), ArrowError>;

    /// Goes on from a bad record, of which `raw` is here.
    ///
    /// # Errors
    /// The record, if the query is to fail.
    fn bad(&mut self, bad: BadRecord, place: Place, raw: Option<&[u8]>) -> Result<(), ArrowError>;

    /// Whether a batch is full.
    fn is_full(&self) -> bool;

    /// The rows so far; none if there are none and no record was rejected.
    ///
    /// # Errors
    /// Those of Arrow; a [`BadRecord`] that is only found now, if the query is to fail.
    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError>;
}

/// Counts where a decoder is.
#[derive(Debug)]
struct Position {
    offset: u64,
    line: u64,
}

impl Position {
    fn place(&self) -> Place {
        Place {
            offset: self.offset,
            line: self.line,
        }
    }

    fn bad(&self, message: impl Into<String>) -> BadRecord {
        BadRecord::new(self.line, message)
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.line += memchr_iter(b'\n', bytes).count() as u64;
    }
}

fn mark_length(position: &Position, bytes: &[u8]) -> usize {
    match position.offset == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
        true => BYTE_ORDER_MARK.len(),
        false => 0,
    }
}

fn too_long() -> String {
    let megabytes = RECORD_BYTES_MAX >> 20;
    format!("the record has over {megabytes} MB")
}

/// Records that are lines.
#[derive(Debug)]
pub(in crate::scan) struct LineDecoder<S> {
    sink: S,
    /// Where the line under way begins.
    position: Position,
    /// What is here of a line whose end is not.
    partial: Vec<u8>,
    /// Bytes of a line that is too long, which is passed over.
    dropped_bytes: u64,
}

impl<S: RecordSink> LineDecoder<S> {
    pub(in crate::scan) fn new(sink: S, start: u64, first_line: u64) -> Self {
        Self {
            sink,
            position: Position {
                offset: start,
                line: first_line,
            },
            partial: Vec::new(),
            dropped_bytes: 0,
        }
    }

    /// Ends the line under way with `bytes`, behind which is a line break of `break_bytes`.
    fn end_line(&mut self, bytes: &[u8], break_bytes: u64) -> Result<(), ArrowError> {
        let place = self.position.place();
        let mut length = bytes.len() as u64 + break_bytes;
        if self.dropped_bytes > 0 {
            length += std::mem::take(&mut self.dropped_bytes);
            let bad = self.position.bad(too_long());
            self.sink.bad(bad, place, None)?;
        } else if self.partial.is_empty() {
            self.sink.record(bytes, place)?;
        } else {
            length += self.partial.len() as u64;
            self.partial.extend_from_slice(bytes);
            let mut line = std::mem::take(&mut self.partial);
            self.sink.record(&line, place)?;
            line.clear();
            // A long line's memory is given back.
            if line.capacity() <= super::BATCH_BYTES_MAX {
                self.partial = line;
            }
        }
        self.position.offset += length;
        self.position.line += 1;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropped_bytes > 0 || self.partial.len() + bytes.len() > RECORD_BYTES_MAX {
            self.dropped_bytes += (self.partial.len() + bytes.len()) as u64;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }
}

impl<S: RecordSink> RecordDecoder for LineDecoder<S> {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        if bytes.is_empty() {
            if !self.partial.is_empty() || self.dropped_bytes > 0 {
                self.end_line(&[], 0)?;
            }
            return Ok(0);
        }
        let mut at = mark_length(&self.position, bytes);
        if self.partial.is_empty() {
            self.position.offset += at as u64;
        } else {
            at = 0;
        }
        while at < bytes.len() && !self.sink.is_full() {
            match memchr(b'\n', &bytes[at..]) {
                Some(length) => {
                    self.end_line(&bytes[at..at + length], 1)?;
                    at += length + 1;
                }
                None => {
                    self.keep(&bytes[at..]);
                    return Ok(bytes.len());
                }
            }
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.sink.flush()
    }

    fn is_full(&self) -> bool {
        self.sink.is_full()
    }
}

/// Where a decoder of values is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before everything.
    Start,
    /// Where a value may begin; in an array it must, unless `]` closes an empty one.
    Value { is_first: bool },
    /// In an array, behind a value.
    Comma,
    /// In a value.
    Within,
    /// Behind an array.
    End,
    /// Behind what should not be there; the rest of the file is passed over.
    Over,
}

/// JSON values, in one array or one after another.
#[derive(Debug)]
pub(in crate::scan) struct ValueDecoder<S> {
    sink: S,
    state: State,
    is_array: bool,
    /// Where the next byte is.
    position: Position,
    /// Where the value under way begins.
    start: Place,
    value: Value,
    /// What is here of a value whose end is not.
    partial: Vec<u8>,
}

/// A value under way.
#[derive(Debug, Default)]
struct Value {
    /// Objects and arrays that are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// A number or word, which ends where something else begins.
    is_word: bool,
}

impl Value {
    fn begin(first: u8) -> Self {
        Self {
            depth: 0,
            in_string: false,
            is_escaped: false,
            is_word: !matches!(first, b'{' | b'[' | b'"'),
        }
    }

    /// Where the value ends in `bytes`, which go on with it; `None` if it does not.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                at += self.string_end(&bytes[at..])?;
                self.in_string = false;
                if self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            let byte = bytes[at];
            let ends_word = matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"');
            if self.is_word && (ends_word || byte.is_ascii_whitespace()) {
                return Some(at);
            }
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Where a text ends that is under way.
    fn string_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if std::mem::take(&mut self.is_escaped) {
            at = 1;
        }
        while at < bytes.len() {
            match memchr2(b'"', b'\\', &bytes[at..]) {
                None => return None,
                Some(found) if bytes[at + found] == b'"' => return Some(at + found + 1),
                Some(found) => at += found + 2,
            }
        }
        self.is_escaped = at > bytes.len();
        None
    }
}

impl<S: RecordSink> ValueDecoder<S> {
    pub(in crate::scan) fn new(sink: S, first_line: u64) -> Self {
        let position = Position {
            offset: 0,
            line: first_line,
        };
        Self {
            sink,
            state: State::Start,
            is_array: false,
            start: position.place(),
            position,
            value: Value::default(),
            partial: Vec::new(),
        }
    }

    /// Moves over a byte between values; false if a value begins with it.
    fn between(&mut self, byte: u8) -> Result<bool, ArrowError> {
        if byte.is_ascii_whitespace() {
            return Ok(true);
        }
        let expected = match (self.state, byte) {
            (State::Start, b'[') => {
                self.is_array = true;
                self.state = State::Value { is_first: true };
                return Ok(true);
            }
            (State::Value { is_first: true }, b']') if self.is_array => {
                self.state = State::End;
                return Ok(true);
            }
            (State::Comma, b',') => {
                self.state = State::Value { is_first: false };
                return Ok(true);
            }
            (State::Comma, b']') => {
                self.state = State::End;
                return Ok(true);
            }
            (State::Start | State::Value { .. }, b'}' | b']' | b',' | b':') => "a value",
            (State::Comma, _) => "',' or ']'",
            (State::End, _) => {
                self.state = State::Over;
                "the end of the file"
            }
            (State::Over, _) => return Ok(true),
            _ => return Ok(false),
        };
        let found = match byte.is_ascii_graphic() {
            true => format!("'{}'", char::from(byte)),
            false => format!("byte 0x{byte:02x}"),
        };
        let bad = self
            .position
            .bad(format!("expected {expected}, found {found}"));
        let place = self.position.place();
        self.sink.bad(bad, place, Some(&[byte]))?;
        // What may begin a value is taken for one whose comma is missing.
        let begins = self.state == State::Comma && !matches!(byte, b'}' | b':');
        Ok(!begins)
    }

    fn within(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        let end = self.value.end(bytes);
        let taken = &bytes[..end.unwrap_or(bytes.len())];
        self.position.skip(taken);
        if self.partial.len() + taken.len() > RECORD_BYTES_MAX {
            // Where the value ends cannot be known without reading on without a bound.
            return Err(BadRecord::new(self.start.line, too_long()).into());
        }
        match end {
            None => self.partial.extend_from_slice(taken),
            Some(_) => {
                self.state = match self.is_array {
                    true => State::Comma,
                    false => State::Value { is_first: false },
                };
                if self.partial.is_empty() {
                    self.sink.record(taken, self.start)?;
                } else {
                    self.partial.extend_from_slice(taken);
                    let value = std::mem::take(&mut self.partial);
                    self.sink.record(&value, self.start)?;
                }
            }
        }
        Ok(taken.len())
    }

    /// The file ends here.
    fn end(&mut self) -> Result<(), ArrowError> {
        let state = std::mem::replace(&mut self.state, State::End);
        let message = match state {
            State::Within if self.value.is_word => {
                let value = std::mem::take(&mut self.partial);
                self.sink.record(&value, self.start)?;
                if !self.is_array {
                    return Ok(());
                }
                "expected ',' or ']', found the end of the file"
            }
            State::Within => {
                let raw = std::mem::take(&mut self.partial);
                let bad = BadRecord::new(self.start.line, "the file ends within a value");
                return self.sink.bad(bad, self.start, Some(&raw));
            }
            State::Comma => "expected ',' or ']', found the end of the file",
            State::Value { .. } if self.is_array => "expected a value, found the end of the file",
            State::Start | State::Value { .. } | State::End | State::Over => return Ok(()),
        };
        let bad = self.position.bad(message);
        let place = self.position.place();
        self.sink.bad(bad, place, None)
    }
}

impl<S: RecordSink> RecordDecoder for ValueDecoder<S> {
    fn decode(&mut self, bytes: &[u8]) -> Result<usize, ArrowError> {
        if bytes.is_empty() {
            self.end()?;
            return Ok(0);
        }
        let mut at = mark_length(&self.position, bytes);
        self.position.offset += at as u64;
        while at < bytes.len() && !self.sink.is_full() {
            if self.state == State::Within {
                at += self.within(&bytes[at..])?;
                continue;
            }
            if self.between(bytes[at])? {
                self.position.skip(&bytes[at..=at]);
                at += 1;
                continue;
            }
            self.start = self.position.place();
            self.value = Value::begin(bytes[at]);
            self.state = State::Within;
        }
        Ok(at)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        self.sink.flush()
    }

    fn is_full(&self) -> bool {
        self.sink.is_full()
    }
}
