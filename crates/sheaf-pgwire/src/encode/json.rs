//! Records as JSON: structs and maps are objects, lists arrays, VARIANTs what they are; numbers with
//! all their digits, NaN and infinities (which JSON lacks) null, dates and times as ISO 8601.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use sheaf::Result;
use sheaf::arrow::array::{Array, ArrayRef, AsArray};
use sheaf::arrow::buffer::NullBuffer;
use sheaf::arrow::compute::cast;
use sheaf::arrow::datatypes::{ArrowNativeType, DataType, Field};

use super::array::extent_of;
use super::{Style, Write, plain, text};
use crate::types::{Scalar, WireType, element_of, is_json_text, wire_type};

/// A writer of the JSON of `array`'s values.
///
/// # Errors
/// `Internal` if no writer knows a type within.
pub(super) fn writer(field: &Field, array: &ArrayRef, style: Style) -> Result<Write> {
    if is_json_text(field) {
        return text::writer(array, Scalar::Json, style);
    }
    match array.data_type() {
        DataType::Struct(_) => object(array, style),
        DataType::Map(..) => map(array, style),
        DataType::Union(..) => {
            let array = cast(array, &DataType::Utf8)?;
            writer(&field.clone().with_data_type(DataType::Utf8), &array, style)
        }
        _ => match element_of(array.data_type()) {
            Some(element) => list(array, &element.clone(), style),
            None => scalar(field, array, style),
        },
    }
}

/// A value within a record.
struct Item {
    nulls: Option<NullBuffer>,
    write: Write,
}

impl Item {
    fn new(field: &Field, array: &ArrayRef, style: Style) -> Result<Self> {
        let (field, array) = plain(field, array)?;
        Ok(Self {
            nulls: array.logical_nulls(),
            write: writer(&field, &array, style)?,
        })
    }

    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.put_slice(b"null");
            return Ok(());
        }
        (self.write)(row, out)
    }
}

fn object(array: &ArrayRef, style: Style) -> Result<Write> {
    let array = array.as_struct();
    let members = array.fields().iter().zip(array.columns());
    let members = members
        .map(|(field, column)| {
            let mut key = BytesMut::new();
            put_string(field.name(), &mut key);
            key.put_u8(b':');
            Ok((key, Item::new(field, column, style)?))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |row, out| {
        out.put_u8(b'{');
        for (index, (key, item)) in members.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            out.put_slice(key);
            item.write(row, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }))
}

fn map(array: &ArrayRef, style: Style) -> Result<Write> {
    let array = array.as_map().clone();
    let DataType::Struct(entries) = array.entries().data_type().clone() else {
        return Err(super::unknown_type(array.data_type()));
    };
    let [key_field, value_field] = &entries[..] else {
        return Err(super::unknown_type(array.data_type()));
    };
    let (key_field, keys) = plain(key_field, array.keys())?;
    let WireType::Scalar(key_type) = wire_type(&key_field) else {
        return Err(super::unknown_type(array.data_type()));
    };
    let keys = match key_type {
        Scalar::Json => writer(&key_field, &keys, style)?,
        other => text::writer(&keys, other, style)?,
    };
    let values = Item::new(value_field, array.values(), style)?;
    Ok(Box::new(move |row, out| {
        let offsets = array.value_offsets();
        let entries = offsets[row].as_usize()..offsets[row + 1].as_usize();
        out.put_u8(b'{');
        for (index, entry) in entries.enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            let start = out.len();
            keys(entry, out)?;
            let key = out.split_off(start);
            put_string(&String::from_utf8_lossy(&key), out);
            out.put_u8(b':');
            values.write(entry, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }))
}

fn list(array: &ArrayRef, element: &Field, style: Style) -> Result<Write> {
    let (extent, values) = extent_of(array)?;
    let item = Item::new(element, &values, style)?;
    Ok(Box::new(move |row, out| {
        out.put_u8(b'[');
        for (index, element) in extent(row).enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            item.write(element, out)?;
        }
        out.put_u8(b']');
        Ok(())
    }))
}

fn scalar(field: &Field, array: &ArrayRef, style: Style) -> Result<Write> {
    let WireType::Scalar(kind) = wire_type(field) else {
        return Err(super::unknown_type(field.data_type()));
    };
    let value = match kind {
        Scalar::Timestamp | Scalar::TimestampTz => text::temporal(array, kind, b'T', style)?,
        other => text::writer(array, other, style)?,
    };
    Ok(match kind {
        Scalar::Bool => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| {
                let _ = write!(out, "{}", values.value(row));
                Ok(())
            })
        }
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Numeric(_) => value,
        Scalar::Float4 | Scalar::Float8 => Box::new(move |row, out| {
            let start = out.len();
            value(row, out)?;
            // NaN, Infinity, -Infinity.
            if out.ends_with(b"N") || out.ends_with(b"y") {
                out.truncate(start);
                out.put_slice(b"null");
            }
            Ok(())
        }),
        _ => Box::new(move |row, out| {
            let start = out.len();
            value(row, out)?;
            let text = out.split_off(start);
            put_string(&String::from_utf8_lossy(&text), out);
            Ok(())
        }),
    })
}

fn put_string(text: &str, out: &mut BytesMut) {
    out.put_u8(b'"');
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)),
            c => out.write_char(c),
        };
    }
    out.put_u8(b'"');
}
