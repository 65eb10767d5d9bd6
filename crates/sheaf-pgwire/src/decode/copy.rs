//! Rows of COPY from a client, cut out of its data as that comes: text, CSV and binary.
//!
//! What is held is what has come and not been cut: less than a row, of at most [`ROW_BYTES_MAX`], and
//! the message that came last.
//!
//! Source: the page "COPY" of PostgreSQL's documentation, section "File Formats".

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};
use sheaf::{Result, SheafError, SqlState};

/// Bytes that one row may have.
const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a binary file begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Flags of a binary file that a reader has to know; there are none.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// How the data is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyShape {
    pub(crate) format: CopyInput,
    pub(crate) header: Header,
    /// The names of the columns that a row has.
    pub(crate) columns: Vec<String>,
}

/// The format of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyInput {
    Text {
        delimiter: u8,
        null: Vec<u8>,
    },
    Csv {
        delimiter: u8,
        null: Vec<u8>,
        quote: u8,
        escape: u8,
        /// Columns in which a quoted NULL is NULL.
        force_null: Vec<bool>,
        /// Columns in which nothing is NULL.
        force_not_null: Vec<bool>,
    },
    Binary,
}

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    Row,
    Names,
    /// They have to be those of the columns.
    CheckedNames,
}

/// A row: the text or bytes of each value; `None` is NULL.
pub(crate) type CopyRow = Vec<Option<Bytes>>;

/// Data that comes in pieces.
pub(crate) struct CopyReader {
    shape: CopyShape,
    data: BytesMut,
    /// Bytes that were looked at without finding the end of the row.
    seen: usize,
    is_quoted: bool,
    /// The row of the binary format that is being read.
    row: BinaryRow,
    /// Whether the header has been read.
    has_begun: bool,
    has_ended: bool,
    /// Lines that were read, or rows of the binary format.
    pub(crate) line: u64,
    /// Rows that were read.
    pub(crate) rows: u64,
}

/// What has come of a row of the binary format.
#[derive(Default)]
struct BinaryRow {
    has_begun: bool,
    values: CopyRow,
    /// Of those.
    bytes: usize,
}

impl CopyReader {
    pub(crate) fn new(shape: CopyShape) -> Self {
        let has_begun = shape.header == Header::Row && shape.format != CopyInput::Binary;
        Self {
            shape,
            data: BytesMut::new(),
            seen: 0,
            is_quoted: false,
            row: BinaryRow::default(),
            has_begun,
            has_ended: false,
            line: 0,
            rows: 0,
        }
    }

    /// Takes a piece of the data.
    ///
    /// # Errors
    /// `Resource` (54000) if a row is too long.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.has_ended {
            return Ok(());
        }
        if self.held_bytes() + piece.len() > ROW_BYTES_MAX {
            let message = format!("a row of COPY has more than {ROW_BYTES_MAX} bytes");
            return Err(SheafError::resource(message).with_state(SqlState::PROGRAM_LIMIT));
        }
        self.data.extend_from_slice(piece);
        Ok(())
    }

    /// Bytes that have come and are of no row yet.
    pub(crate) fn held_bytes(&self) -> usize {
        self.data.len() + self.row.bytes
    }

    /// The next row, if it is there; behind `is_last` nothing comes.
    ///
    /// # Errors
    /// `Data` (22P04) if the data is not in its format.
    pub(crate) fn next(&mut self, is_last: bool) -> Result<Option<CopyRow>> {
        if self.shape.format == CopyInput::Binary {
            return self.next_binary(is_last);
        }
        loop {
            let Some(line) = self.next_line(is_last)? else {
                return Ok(None);
            };
            self.line += 1;
            let is_text = matches!(self.shape.format, CopyInput::Text { .. });
            if is_text && &line[..] == b"\\." {
                self.has_ended = true;
                self.data.clear();
                return Ok(None);
            }
            if !self.has_begun {
                self.has_begun = true;
                self.check_header(&line)?;
                continue;
            }
            self.rows += 1;
            return self.values(&line).map(Some);
        }
    }

    /// The next line without its end.
    fn next_line(&mut self, is_last: bool) -> Result<Option<Bytes>> {
        let (quote, escape) = match &self.shape.format {
            CopyInput::Csv { quote, escape, .. } => (Some(*quote), *escape),
            _ => (None, b'\\'),
        };
        let mut at = self.seen;
        while let Some(&byte) = self.data.get(at) {
            let is_escape = match quote {
                Some(quote) => self.is_quoted && byte == escape && escape != quote,
                None => byte == escape,
            };
            if is_escape {
                if at + 1 == self.data.len() && !is_last {
                    break;
                }
                at += 2;
                continue;
            }
            if Some(byte) == quote {
                self.is_quoted = !self.is_quoted;
            } else if byte == b'\n' && !self.is_quoted {
                let mut line = self.data.split_to(at);
                self.data.advance(1);
                self.seen = 0;
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                return Ok(Some(line.freeze()));
            }
            at += 1;
        }
        self.seen = at.min(self.data.len());
        if !is_last || self.data.is_empty() {
            return Ok(None);
        }
        if self.is_quoted {
            return Err(bad("unterminated CSV quoted field"));
        }
        self.seen = 0;
        Ok(Some(self.data.split().freeze()))
    }

    fn check_header(&self, line: &Bytes) -> Result<()> {
        if self.shape.header != Header::CheckedNames {
            return Ok(());
        }
        let names = self.values(line)?;
        for (index, (found, wanted)) in names.iter().zip(&self.shape.columns).enumerate() {
            if found.as_deref() != Some(wanted.as_bytes()) {
                let found = String::from_utf8_lossy(found.as_deref().unwrap_or_default());
                return Err(bad(format!(
                    "column name mismatch in header line field {}: got \"{found}\", expected \"{wanted}\"",
                    index + 1
                )));
            }
        }
        Ok(())
    }

    /// The values of a line, one for each column.
    fn values(&self, line: &Bytes) -> Result<CopyRow> {
        let values = match &self.shape.format {
            CopyInput::Text { delimiter, null } => text_values(line, *delimiter, null)?,
            CopyInput::Csv { .. } => self.csv_values(line)?,
            CopyInput::Binary => vec![],
        };
        match self.shape.columns.get(values.len()) {
            Some(missing) => Err(bad(format!("missing data for column \"{missing}\""))),
            None if values.len() > self.shape.columns.len() => {
                Err(bad("extra data after last expected column"))
            }
            None => Ok(values),
        }
    }

    fn csv_values(&self, line: &Bytes) -> Result<CopyRow> {
        let CopyInput::Csv {
            delimiter,
            null,
            quote,
            escape,
            force_null,
            force_not_null,
        } = &self.shape.format
        else {
            return Ok(vec![]);
        };
        let mut values = vec![];
        let mut at = 0;
        loop {
            let mut value = Vec::new();
            let (mut is_quoted, mut was_quoted) = (false, false);
            loop {
                let Some(&byte) = line.get(at) else {
                    if is_quoted {
                        return Err(bad("unterminated CSV quoted field"));
                    }
                    break;
                };
                let next = line.get(at + 1);
                if !is_quoted && byte == *delimiter {
                    break;
                } else if is_quoted
                    && byte == *escape
                    && next.is_some_and(|next| *next == *quote || *next == *escape)
                {
                    value.extend(next);
                    at += 2;
                    continue;
                } else if byte == *quote {
                    is_quoted = !is_quoted;
                    was_quoted = true;
                } else {
                    value.push(byte);
                }
                at += 1;
            }
            let is_forced = |list: &[bool]| list.get(values.len()).is_some_and(|forced| *forced);
            let may_be_null = match was_quoted {
                true => is_forced(force_null),
                false => !is_forced(force_not_null),
            };
            let is_null = may_be_null && value == *null;
            values.push((!is_null).then(|| value.into()));
            if at >= line.len() {
                return Ok(values);
            }
            at += 1;
        }
    }

    fn next_binary(&mut self, is_last: bool) -> Result<Option<CopyRow>> {
        if self.has_ended {
            return Ok(None);
        }
        let mut rest = &self.data[..];
        if !self.has_begun {
            let Some(begun) = binary_header(&mut rest)? else {
                return incomplete(is_last);
            };
            let length = self.data.len() - rest.len();
            self.data.advance(length);
            self.has_begun = begun;
            rest = &self.data[..];
        }
        if !self.row.has_begun {
            let Some(count) = take(&mut rest, 2) else {
                return incomplete(is_last);
            };
            let count = i16::from_be_bytes([count[0], count[1]]);
            self.data.advance(2);
            if count == -1 {
                self.has_ended = true;
                self.data.clear();
                return Ok(None);
            }
            let wanted = self.shape.columns.len();
            if usize::try_from(count) != Ok(wanted) {
                return Err(bad(format!(
                    "row field count is {count}, expected {wanted}"
                )));
            }
            self.row.has_begun = true;
        }
        while self.row.values.len() < self.shape.columns.len() {
            let Some(value) = self.next_value()? else {
                return incomplete(is_last);
            };
            self.row.bytes += value.as_ref().map_or(0, Bytes::len);
            self.row.values.push(value);
        }
        self.line += 1;
        self.rows += 1;
        Ok(Some(std::mem::take(&mut self.row).values))
    }

    /// The next value of a binary row, if all of it is there.
    fn next_value(&mut self) -> Result<Option<Option<Bytes>>> {
        let mut rest = &self.data[..];
        let Some(length) = take(&mut rest, 4) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        if length == -1 {
            self.data.advance(4);
            return Ok(Some(None));
        }
        let length = usize::try_from(length).map_err(|_| bad("invalid field size"))?;
        let value = take(&mut rest, length).map(Bytes::copy_from_slice);
        if value.is_some() {
            self.data.advance(4 + length);
        }
        Ok(value.map(Some))
    }
}

/// More has to come, unless nothing does.
fn incomplete(is_last: bool) -> Result<Option<CopyRow>> {
    match is_last {
        true => Err(bad("unexpected EOF in COPY data")),
        false => Ok(None),
    }
}

/// Reads the header; whether it was all there.
fn binary_header(rest: &mut &[u8]) -> Result<Option<bool>> {
    let mut header = *rest;
    let Some(signature) = take(&mut header, SIGNATURE.len()) else {
        return Ok(None);
    };
    if signature != SIGNATURE {
        return Err(bad("COPY file signature not recognized"));
    }
    let Some(fields) = take(&mut header, 8) else {
        return Ok(None);
    };
    let flags = u32::from_be_bytes([fields[0], fields[1], fields[2], fields[3]]);
    if flags & CRITICAL_FLAGS != 0 {
        return Err(bad("unrecognized critical flags in COPY file header"));
    }
    let extension = u32::from_be_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let extension = usize::try_from(extension).unwrap_or(usize::MAX);
    Ok(take(&mut header, extension).map(|_| {
        *rest = header;
        true
    }))
}

fn take<'d>(rest: &mut &'d [u8], count: usize) -> Option<&'d [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn text_values(line: &[u8], delimiter: u8, null: &[u8]) -> Result<CopyRow> {
    let mut values = vec![];
    let mut rest = line;
    loop {
        let mut end = 0;
        while let Some(&byte) = rest.get(end) {
            match byte {
                b'\\' => end += 2,
                byte if byte == delimiter => break,
                _ => end += 1,
            }
        }
        let end = end.min(rest.len());
        let (value, after) = rest.split_at(end);
        values.push(match value == null {
            true => None,
            false => Some(unescaped(value).into()),
        });
        match after.split_first() {
            Some((_, after)) => rest = after,
            None => return Ok(values),
        }
    }
}

/// A value of the text format without its backslashes.
fn unescaped(value: &[u8]) -> Vec<u8> {
    if !value.contains(&b'\\') {
        return value.to_vec();
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let Some((&escaped, after)) = rest.split_first().filter(|_| byte == b'\\') else {
            plain.push(byte);
            continue;
        };
        rest = after;
        let digits = |rest: &[u8], most: usize, radix: u32| {
            let are = rest.iter().take(most);
            are.take_while(|digit| char::from(**digit).is_digit(radix))
                .count()
        };
        plain.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'0'..=b'7' => {
                let count = digits(rest, 2, 8);
                let value = number(&rest[..count], u32::from(escaped - b'0'), 8);
                rest = &rest[count..];
                value
            }
            b'x' if digits(rest, 2, 16) > 0 => {
                let count = digits(rest, 2, 16);
                let value = number(&rest[..count], 0, 16);
                rest = &rest[count..];
                value
            }
            other => other,
        });
    }
    plain
}

/// The low byte of a number that goes on with `digits`.
fn number(digits: &[u8], first: u32, radix: u32) -> u8 {
    let all = digits.iter().fold(first, |value, digit| {
        value * radix + char::from(*digit).to_digit(radix).unwrap_or(0)
    });
    u8::try_from(all & 0xff).unwrap_or(0)
}

fn bad(message: impl Into<String>) -> SheafError {
    SheafError::data(message).with_state(SqlState::BAD_COPY_FILE_FORMAT)
}
