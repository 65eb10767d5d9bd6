//! What clients are sent: each function appends one message to the output.

use bytes::{BufMut, BytesMut};
use sheaf::SheafError;

use super::frontend::Format;
use crate::errors::{Severity, fields};
use crate::types::WireColumn;

/// What ReadyForQuery says of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Idle,
    InBlock,
    Failed,
}

/// Messages that say all by their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    ParseComplete,
    BindComplete,
    CloseComplete,
    EmptyQuery,
    NoData,
    PortalSuspended,
    /// All data of a COPY was sent.
    CopyDone,
}

/// Appends a message of type `tag`, whose length is known when `content` has written it.
pub(crate) fn message(out: &mut BytesMut, tag: u8, content: impl FnOnce(&mut BytesMut)) {
    let start = begin(out, tag);
    content(out);
    finish(out, start);
}

/// Starts a message; gives what [`finish`] wants.
pub(crate) fn begin(out: &mut BytesMut, tag: u8) -> usize {
    out.put_u8(tag);
    out.put_i32(0);
    out.len() - 4
}

/// Ends the message that [`begin`] has started: its length counts itself.
pub(crate) fn finish(out: &mut BytesMut, start: usize) {
    let length = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a text and its zero byte; a zero byte within would end it early, and is left out.
fn put_string(out: &mut BytesMut, text: &str) {
    match text.contains('\0') {
        true => out.put_slice(text.replace('\0', "").as_bytes()),
        false => out.put_slice(text.as_bytes()),
    }
    out.put_u8(0);
}

fn count(length: usize) -> i16 {
    // A count of 65,535 is legal, and is read back as unsigned.
    u16::try_from(length).unwrap_or(u16::MAX).cast_signed()
}

pub(crate) fn plain(out: &mut BytesMut, kind: Plain) {
    let tag = match kind {
        Plain::ParseComplete => b'1',
        Plain::BindComplete => b'2',
        Plain::CloseComplete => b'3',
        Plain::EmptyQuery => b'I',
        Plain::NoData => b'n',
        Plain::PortalSuspended => b's',
        Plain::CopyDone => b'c',
    };
    message(out, tag, |_| ());
}

/// Authentication: `code` says what, `data` goes with it.
pub(crate) fn authentication(out: &mut BytesMut, code: i32, data: &[u8]) {
    message(out, b'R', |out| {
        out.put_i32(code);
        out.put_slice(data);
    });
}

pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    message(out, b'S', |out| {
        put_string(out, name);
        put_string(out, value);
    });
}

pub(crate) fn key_data(out: &mut BytesMut, process: i32, secret: i32) {
    message(out, b'K', |out| {
        out.put_i32(process);
        out.put_i32(secret);
    });
}

/// Tells a client that asked for more that this is protocol 3.0, and which options are unknown.
pub(crate) fn negotiate_version(out: &mut BytesMut, unknown: &[String]) {
    message(out, b'v', |out| {
        out.put_i32(3 << 16);
        out.put_i32(i32::from(count(unknown.len())));
        unknown.iter().for_each(|option| put_string(out, option));
    });
}

pub(crate) fn ready(out: &mut BytesMut, status: Status) {
    message(out, b'Z', |out| {
        out.put_u8(match status {
            Status::Idle => b'I',
            Status::InBlock => b'T',
            Status::Failed => b'E',
        });
    });
}

/// An error, or with [`Severity::Warning`] a notice; `sql` is the text its place is in.
pub(crate) fn error(out: &mut BytesMut, error: &SheafError, severity: Severity, sql: Option<&str>) {
    let tag = match severity {
        Severity::Error | Severity::Fatal => b'E',
        Severity::Warning => b'N',
    };
    message(out, tag, |out| {
        for (letter, text) in fields(error, severity, sql) {
            out.put_u8(letter);
            put_string(out, &text);
        }
        out.put_u8(0);
    });
}

pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    message(out, b'C', |out| put_string(out, tag));
}

/// COPY from the server begins: `columns` of this format follow.
pub(crate) fn copy_out(out: &mut BytesMut, format: Format, columns: usize) {
    copy_begin(out, b'H', format, columns);
}

/// COPY from the client begins: it may send `columns` of this format.
pub(crate) fn copy_in(out: &mut BytesMut, format: Format, columns: usize) {
    copy_begin(out, b'G', format, columns);
}

fn copy_begin(out: &mut BytesMut, tag: u8, format: Format, columns: usize) {
    message(out, tag, |out| {
        out.put_u8(u8::from(format == Format::Binary));
        out.put_i16(count(columns));
        (0..columns).for_each(|_| out.put_i16(format.code()));
    });
}

pub(crate) fn parameter_description(out: &mut BytesMut, types: &[u32]) {
    message(out, b't', |out| {
        out.put_i16(count(types.len()));
        types.iter().for_each(|oid| out.put_u32(*oid));
    });
}

/// The columns of a result; `formats` as in Bind.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[WireColumn], formats: &[Format]) {
    message(out, b'T', |out| {
        out.put_i16(count(columns.len()));
        for (index, column) in columns.iter().enumerate() {
            put_string(out, &column.name);
            out.put_i32(0); // no table
            out.put_i16(0); // and none of its columns
            out.put_u32(column.wire_type.oid());
            out.put_i16(column.wire_type.size());
            out.put_i32(column.wire_type.modifier());
            out.put_i16(Format::of(formats, index).unwrap_or(Format::Text).code());
        }
    });
}
