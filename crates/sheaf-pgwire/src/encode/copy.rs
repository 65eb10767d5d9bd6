//! Rows of COPY, in PostgreSQL's three formats: text, CSV and binary; each row is a message.
//!
//! Source: the page "COPY" of PostgreSQL's documentation, section "File Formats", and what PostgreSQL
//! 18 sends.

use bytes::{BufMut, BytesMut};
use sheaf::Result;
use sheaf::arrow::array::RecordBatch;

use super::{Rows, Style};
use crate::message::backend;
use crate::message::frontend::Format;

/// What a binary file begins with: the signature, no flags, no extension of the header.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with, in the place of a row's number of values.
const BINARY_TRAILER: i16 = -1;

/// How the rows of a COPY are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyStyle {
    pub(crate) format: CopyFormat,
    /// Stands between the values of a row.
    pub(crate) delimiter: u8,
    /// Stands for NULL.
    pub(crate) null: String,
    /// The names that the first line has, if it has any.
    pub(crate) header: Option<Vec<String>>,
    pub(crate) column_count: usize,
}

/// The format of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    Text,
    Csv {
        quote: u8,
        /// Stands before a quote within quotes, and before itself.
        escape: u8,
        /// The columns whose values are quoted always.
        forced: Vec<bool>,
    },
    Binary,
}

impl CopyStyle {
    /// The format in which the values are written.
    pub(crate) fn value_format(&self) -> Format {
        match self.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text | CopyFormat::Csv { .. } => Format::Text,
        }
    }

    /// Appends what stands before the first row, within its message in the binary format, else as
    /// one of its own.
    pub(crate) fn begin(&self, out: &mut BytesMut) {
        let Some(names) = &self.header else {
            return;
        };
        backend::message(out, b'd', |out| {
            for (index, name) in names.iter().enumerate() {
                self.put_delimiter(index, out);
                let start = out.len();
                out.put_slice(name.as_bytes());
                self.mask(index, start, false, out);
            }
            out.put_u8(b'\n');
        });
    }

    /// Appends what stands behind the last row; `is_first` if there was none.
    pub(crate) fn end(&self, is_first: bool, out: &mut BytesMut) {
        if self.format == CopyFormat::Binary {
            backend::message(out, b'd', |out| {
                if is_first {
                    out.put_slice(BINARY_HEADER);
                }
                out.put_i16(BINARY_TRAILER);
            });
        }
    }

    fn put_delimiter(&self, index: usize, out: &mut BytesMut) {
        if index > 0 {
            out.put_u8(self.delimiter);
        }
    }

    /// Escapes or quotes the value of column `index`, which has been written from `start` on.
    fn mask(&self, index: usize, start: usize, may_force: bool, out: &mut BytesMut) {
        match &self.format {
            CopyFormat::Text => self.escape(start, out),
            CopyFormat::Csv {
                quote,
                escape,
                forced,
            } => {
                let is_forced = may_force && forced.get(index).is_some_and(|forced| *forced);
                let value = &out[start..];
                let is_special = |byte: &u8| [self.delimiter, *quote, b'\n', b'\r'].contains(byte);
                if is_forced
                    || value == self.null.as_bytes()
                    // Alone on a line it was the end of the data once.
                    || (self.column_count == 1 && value == b"\\.")
                    || value.iter().any(is_special)
                {
                    put_quoted(start, *quote, *escape, out);
                }
            }
            CopyFormat::Binary => {}
        }
    }

    /// Puts a backslash before what has a meaning in the text format.
    fn escape(&self, start: usize, out: &mut BytesMut) {
        let letter = |byte: u8| match byte {
            0x08 => Some(b'b'),
            b'\t' => Some(b't'),
            b'\n' => Some(b'n'),
            0x0b => Some(b'v'),
            0x0c => Some(b'f'),
            b'\r' => Some(b'r'),
            b'\\' => Some(b'\\'),
            byte if byte == self.delimiter => Some(byte),
            _ => None,
        };
        if out[start..].iter().all(|byte| letter(*byte).is_none()) {
            return;
        }
        for byte in out.split_off(start) {
            match letter(byte) {
                Some(letter) => out.put_slice(&[b'\\', letter]),
                None => out.put_u8(byte),
            }
        }
    }
}

fn put_quoted(start: usize, quote: u8, escape: u8, out: &mut BytesMut) {
    let value = out.split_off(start);
    out.put_u8(quote);
    for byte in value {
        if byte == quote || byte == escape {
            out.put_u8(escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(quote);
}

/// A batch of rows, ready to be written as the data of a COPY.
pub(crate) struct CopyRows<'s> {
    rows: Rows,
    style: &'s CopyStyle,
}

impl<'s> CopyRows<'s> {
    /// Prepares `batch`.
    ///
    /// # Errors
    /// As [`Rows::new`].
    pub(crate) fn new(batch: &RecordBatch, copy: &'s CopyStyle, style: Style) -> Result<Self> {
        let rows = Rows::new(batch, &[copy.value_format()], style)?;
        Ok(Self { rows, style: copy })
    }

    /// Appends the message of one row, nothing if a value cannot be sent; `is_first` if it is the
    /// first of all.
    ///
    /// # Errors
    /// `Data` if PostgreSQL has no such value.
    pub(crate) fn write(&self, row: usize, is_first: bool, out: &mut BytesMut) -> Result<()> {
        let before = out.len();
        let start = backend::begin(out, b'd');
        let written = match self.style.format {
            CopyFormat::Binary => {
                if is_first {
                    out.put_slice(BINARY_HEADER);
                }
                self.rows.write_values(row, out)
            }
            CopyFormat::Text | CopyFormat::Csv { .. } => self.write_line(row, out),
        };
        match written {
            Ok(()) => backend::finish(out, start),
            Err(_) => out.truncate(before),
        }
        written
    }

    fn write_line(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        for (index, column) in self.rows.columns.iter().enumerate() {
            self.style.put_delimiter(index, out);
            if column.is_null(row) {
                out.put_slice(self.style.null.as_bytes());
                continue;
            }
            let start = out.len();
            (column.write)(row, out)?;
            self.style.mask(index, start, true, out);
        }
        out.put_u8(b'\n');
        Ok(())
    }
}
