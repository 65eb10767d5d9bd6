//! Values as JSON, written in PostgreSQL's spacing.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Call;
use crate::database::Database;
use crate::made::{Sink, Text};
use crate::types::{JSON, JSONB, Oid, TEXT, is_reference, types};
use crate::value::{Value, output, write};

/// Writes a text in quotes.
fn write_quoted(text: &str, sink: &mut Text<'_>) -> Result<()> {
    sink.put("\"")?;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        sink.put(text.get(start..at).unwrap_or_default())?;
        match escaped {
            "" => sink.put(&format!("\\u{byte:04x}"))?,
            escaped => sink.put(escaped)?,
        }
        start = at + 1;
    }
    sink.put(text.get(start..).unwrap_or_default())?;
    sink.put("\"")
}

/// Writes a value as JSON.
///
/// # Errors
/// `Resource` if the text becomes too large.
pub(super) fn write_json(
    value: &Value,
    type_of: Oid,
    database: &Database,
    sink: &mut Text<'_>,
) -> Result<()> {
    match value {
        Value::Null => sink.put("null"),
        Value::Bool(is) => sink.put(if *is { "true" } else { "false" }),
        Value::Float(number) if !number.is_finite() => {
            let text = output(value, type_of, database).unwrap_or_default();
            write_quoted(&text, sink)
        }
        Value::Int(_) if is_reference(type_of) => {
            let text = output(value, type_of, database).unwrap_or_default();
            write_quoted(&text, sink)
        }
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => {
            write(value, type_of, database, sink).map(|_| ())
        }
        Value::Array(array) => {
            let element = types().element_of(type_of).unwrap_or(TEXT);
            sink.put("[")?;
            for (index, value) in array.elements.iter().enumerate() {
                sink.put(if index > 0 { "," } else { "" })?;
                write_json(value, element, database, sink)?;
            }
            sink.put("]")
        }
        Value::Record(fields) => {
            sink.put("{")?;
            for (index, field) in fields.iter().enumerate() {
                let between = if index > 0 { "," } else { "" };
                sink.put(&format!("{between}\"f{}\":", index + 1))?;
                write_json(field, TEXT, database, sink)?;
            }
            sink.put("}")
        }
        Value::Text(text) if matches!(type_of, JSON | JSONB) => sink.put(text),
        Value::Text(text) => write_quoted(text, sink),
        Value::Time(_) => {
            let text = output(value, type_of, database).unwrap_or_default();
            let text = text.replacen(' ', "T", 1);
            let zone = if text.ends_with("+00") { ":00" } else { "" };
            write_quoted(&(text + zone), sink)
        }
    }
}

impl Call<'_> {
    fn write_json(&self, index: usize, text: &mut Text<'_>) -> Result<()> {
        write_json(self.value(index), self.type_of(index), self.database, text)
    }
}

pub(super) fn value(call: &Call<'_>) -> Result<Value> {
    let mut text = Text::new(call.memory);
    call.write_json(0, &mut text)?;
    text.into_value()
}

pub(super) fn array(call: &Call<'_>) -> Result<Value> {
    let mut text = Text::new(call.memory);
    text.put("[")?;
    for index in 0..call.values.len() {
        text.put(if index > 0 { ", " } else { "" })?;
        call.write_json(index, &mut text)?;
    }
    text.put("]")?;
    text.into_value()
}

/// An object of names and values in turn.
pub(super) fn object(call: &Call<'_>) -> Result<Value> {
    let mut text = Text::new(call.memory);
    text.put("{")?;
    for index in (0..call.values.len()).step_by(2) {
        text.put(if index > 0 { ", " } else { "" })?;
        write_name(
            call.value(index),
            call.type_of(index),
            call.database,
            &mut text,
        )?;
        call.write_json(index + 1, &mut text)?;
    }
    text.put("}")?;
    text.into_value()
}

/// Writes the name of a field, and what stands between it and the field.
///
/// # Errors
/// `UserInput` (22023) if it is NULL.
pub(super) fn write_name(
    name: &Value,
    type_of: Oid,
    database: &Database,
    text: &mut Text<'_>,
) -> Result<()> {
    let shown = output(name, type_of, database).ok_or_else(|| {
        SheafError::user("null value not allowed for object key")
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
    })?;
    write_quoted(&shown, text)?;
    text.put(" : ")
}
