//! JSON (one array of objects) and NDJSON (an object a line), streamed batch by batch.
//!
//! Numbers are JSON numbers, decimals with all their digits; NaN and infinities, which JSON lacks,
//! are null; dates, times and bytes are strings; lists are arrays, structs and maps objects. NULL
//! is written, so that every object has every column.

use std::fmt::Write as _;
use std::io::Write;

use sheaf::Result;
use sheaf::arrow::array::{Array, AsArray, OffsetSizeTrait, RecordBatch};
use sheaf::arrow::datatypes::{ArrowNativeType, DataType};

use super::value::{CellWriter, Column, DateTimeStyle, is_text};
use super::{ResultWriter, Summary};
use crate::output::Output;

/// Writes one result as JSON.
pub(crate) struct JsonWriter {
    output: Output,
    as_array: bool,
    rows: u64,
    buffer: String,
}

impl JsonWriter {
    /// Begins a result; `as_array`: one array over all rows, or else an object a line.
    pub(crate) fn new(output: Output, as_array: bool) -> Self {
        Self {
            output,
            as_array,
            rows: 0,
            buffer: String::new(),
        }
    }

    fn write_out(&mut self) -> Result<()> {
        self.output.write_all(self.buffer.as_bytes())?;
        self.output.flush()?;
        self.buffer.clear();
        Ok(())
    }
}

impl ResultWriter for JsonWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let columns: Vec<(String, CellWriter<'_>)> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (key(field.name()), value(column.as_ref())))
            .collect();
        for row in 0..batch.num_rows() {
            if self.as_array {
                self.buffer
                    .push_str(if self.rows == 0 { "[" } else { ",\n " });
            }
            write_object(&columns, row, &mut self.buffer);
            if !self.as_array {
                self.buffer.push('\n');
            }
            self.rows += 1;
            if self.buffer.len() >= super::BUFFER_BYTES_MAX {
                self.write_out()?;
            }
        }
        self.write_out()
    }

    fn finish(mut self: Box<Self>, _summary: &Summary) -> Result<()> {
        if self.as_array {
            self.buffer
                .push_str(if self.rows == 0 { "[]\n" } else { "]\n" });
        }
        self.write_out()
    }
}

fn key(name: &str) -> String {
    let mut out = String::new();
    write_string(name, &mut out);
    out.push(':');
    out
}

fn write_object(columns: &[(String, CellWriter<'_>)], row: usize, out: &mut String) {
    out.push('{');
    for (i, (key, value)) in columns.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(key);
        value(row, out);
    }
    out.push('}');
}

/// A writer of any row's value, NULL included.
fn value(array: &dyn Array) -> CellWriter<'_> {
    let nulls = array.logical_nulls();
    let write = value_not_null(array);
    Box::new(move |row, out| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.push_str("null");
        } else {
            write(row, out);
        }
    })
}

fn value_not_null(array: &dyn Array) -> CellWriter<'_> {
    match array.data_type() {
        DataType::Null => Box::new(|_, out| out.push_str("null")),
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            list(array.value_offsets(), array.values())
        }
        DataType::LargeList(_) => {
            let array = array.as_list::<i64>();
            list(array.value_offsets(), array.values())
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            let element = value(array.as_fixed_size_list().values());
            Box::new(move |row, out| write_array(&element, row * size, row * size + size, out))
        }
        DataType::Struct(_) => {
            let array = array.as_struct();
            let fields: Vec<_> = array
                .fields()
                .iter()
                .zip(array.columns())
                .map(|(field, column)| (key(field.name()), value(column.as_ref())))
                .collect();
            Box::new(move |row, out| write_object(&fields, row, out))
        }
        DataType::Map(_, _) => map(array),
        DataType::Dictionary(_, _) => dictionary(array),
        other => scalar(array, other),
    }
}

fn list<'a, O: OffsetSizeTrait>(offsets: &'a [O], values: &'a dyn Array) -> CellWriter<'a> {
    let element = value(values);
    Box::new(move |row, out| {
        write_array(
            &element,
            offsets[row].as_usize(),
            offsets[row + 1].as_usize(),
            out,
        );
    })
}

fn write_array(element: &CellWriter<'_>, start: usize, end: usize, out: &mut String) {
    out.push('[');
    for row in start..end {
        if row > start {
            out.push(',');
        }
        element(row, out);
    }
    out.push(']');
}

fn map(array: &dyn Array) -> CellWriter<'_> {
    let array = array.as_map();
    let keys = Column::new(array.keys().as_ref(), DateTimeStyle::Json);
    let values = value(array.values().as_ref());
    let offsets = array.value_offsets();
    Box::new(move |row, out| {
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        out.push('{');
        for entry in start..end {
            if entry > start {
                out.push(',');
            }
            let mut text = String::new();
            keys.write(entry, &mut text);
            write_string(&text, out);
            out.push(':');
            values(entry, out);
        }
        out.push('}');
    })
}

fn dictionary(array: &dyn Array) -> CellWriter<'_> {
    let Some(dictionary) = array
        .as_any_dictionary_opt()
        .filter(|d| !d.values().is_empty())
    else {
        return Box::new(|_, out| out.push_str("null"));
    };
    let keys = dictionary.normalized_keys();
    let values = value(dictionary.values().as_ref());
    Box::new(move |row, out| values(keys[row], out))
}

fn scalar<'a>(array: &'a dyn Array, data_type: &DataType) -> CellWriter<'a> {
    let column = Column::new(array, DateTimeStyle::Json);
    if data_type.is_floating() {
        return Box::new(move |row, out| {
            let start = out.len();
            column.write(row, out);
            if out.ends_with("NaN") || out.ends_with("Infinity") {
                out.truncate(start);
                out.push_str("null");
            }
        });
    }
    if data_type.is_numeric() || matches!(data_type, DataType::Boolean) {
        return Box::new(move |row, out| column.write(row, out));
    }
    // Texts are nearly always plain: they are written in place, and again only if they are not.
    let may_need_escapes = is_text(data_type);
    Box::new(move |row, out| {
        out.push('"');
        let start = out.len();
        column.write(row, out);
        if may_need_escapes || out[start..].contains(['"', '\\']) {
            let text = &out[start..];
            if text
                .bytes()
                .any(|b| b < 0x20 || b == b'"' || b == b'\\' || b == 0x7f)
            {
                let text = out.split_off(start);
                write_escaped(&text, out);
            }
        }
        out.push('"');
    })
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_escaped(text, out);
    out.push('"');
}

fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}
