//! Texts.

use sheaf_base::Result;

use super::Call;
use crate::made::{Sink, Text};
use crate::names::quote_name;
use crate::value::{Value, output};

pub(super) fn empty(_: &Call<'_>) -> Result<Value> {
    Ok(Value::text(""))
}

pub(super) fn quote_ident(call: &Call<'_>) -> Result<Value> {
    Ok(quote_name(call.text(0)).into())
}

/// Writes a literal as SQL reads it.
fn write_literal(text: &str, sink: &mut Text<'_>) -> Result<()> {
    sink.put(if text.contains('\\') { "E'" } else { "'" })?;
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\'']) {
        let (before, found) = rest.split_at(at);
        sink.put(before)?;
        sink.put(if found.starts_with('\'') {
            "''"
        } else {
            "\\\\"
        })?;
        rest = found.get(1..).unwrap_or_default();
    }
    sink.put(rest)?;
    sink.put("'")
}

pub(super) fn quote_literal(call: &Call<'_>) -> Result<Value> {
    let mut text = Text::new(call.memory);
    match call.value(0) {
        Value::Null => return Ok(Value::Null),
        Value::Text(value) => write_literal(value, &mut text)?,
        value => {
            call.memory.hold(value.bytes().saturating_mul(3))?;
            let value = output(value, call.type_of(0), call.database).unwrap_or_default();
            write_literal(&value, &mut text)?;
        }
    }
    text.into_value()
}

pub(super) fn quote_nullable(call: &Call<'_>) -> Result<Value> {
    match call.value(0) {
        Value::Null => Ok(Value::text("NULL")),
        _ => quote_literal(call),
    }
}

pub(super) fn concat(call: &Call<'_>) -> Result<Value> {
    let mut text = Text::new(call.memory);
    for index in 0..call.values.len() {
        call.write(index, &mut text)?;
    }
    text.into_value()
}

pub(super) fn null_if(call: &Call<'_>) -> Result<Value> {
    let (value, other) = (call.value(0), call.value(1));
    Ok(match !value.is_null() && value == other {
        true => Value::Null,
        false => value.clone(),
    })
}
