//! Texts.

use sheaf_base::Result;

use super::Call;
use crate::database::quote_name;
use crate::value::{Value, output};

pub(super) fn empty(_: &Call<'_>) -> Result<Value> {
    Ok(Value::text(""))
}

pub(super) fn quote_ident(call: &Call<'_>) -> Result<Value> {
    Ok(quote_name(call.text(0)).into())
}

/// A literal as SQL reads it.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

pub(super) fn quote_literal(call: &Call<'_>) -> Result<Value> {
    let text = output(call.value(0), call.type_of(0), call.database);
    Ok(text.map(|text| literal(&text)).into())
}

pub(super) fn quote_nullable(call: &Call<'_>) -> Result<Value> {
    let text = output(call.value(0), call.type_of(0), call.database);
    Ok(text
        .map_or_else(|| "NULL".to_owned(), |text| literal(&text))
        .into())
}

pub(super) fn concat(call: &Call<'_>) -> Result<Value> {
    let values = call.values.iter().enumerate();
    let texts = values.filter_map(|(i, value)| output(value, call.type_of(i), call.database));
    Ok(texts.collect::<String>().into())
}

pub(super) fn null_if(call: &Call<'_>) -> Result<Value> {
    let (value, other) = (call.value(0), call.value(1));
    Ok(match !value.is_null() && value == other {
        true => Value::Null,
        false => value.clone(),
    })
}
