//! Values as JSON.

use serde_json::Value as Json;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Call;
use crate::database::Database;
use crate::types::{JSON, JSONB, Oid, TEXT, is_reference, types};
use crate::value::{Value, output};

/// A value as JSON.
pub(crate) fn json_of(value: &Value, type_of: Oid, database: &Database) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Int(number) if !is_reference(type_of) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Array(array) => {
            let element = types().element_of(type_of).unwrap_or(TEXT);
            let elements = array.elements.iter();
            elements.map(|e| json_of(e, element, database)).collect()
        }
        Value::Record(fields) => {
            let fields = fields.iter().enumerate();
            let fields = fields
                .map(|(index, field)| (format!("f{}", index + 1), json_of(field, TEXT, database)));
            Json::Object(fields.collect())
        }
        Value::Text(text) if matches!(type_of, JSON | JSONB) => {
            serde_json::from_str(text).unwrap_or(Json::Null)
        }
        other => output(other, type_of, database).map_or(Json::Null, Json::String),
    }
}

pub(super) fn value(call: &Call<'_>) -> Result<Value> {
    Ok(json_of(call.value(0), call.type_of(0), call.database)
        .to_string()
        .into())
}

pub(super) fn array(call: &Call<'_>) -> Result<Value> {
    let values = call.values.iter().enumerate();
    let values = values.map(|(i, value)| json_of(value, call.type_of(i), call.database));
    Ok(Json::Array(values.collect()).to_string().into())
}

/// An object of names and values in turn, in PostgreSQL's spacing.
pub(super) fn object(call: &Call<'_>) -> Result<Value> {
    let mut text = vec![];
    for index in (0..call.values.len()).step_by(2) {
        let name = output(call.value(index), call.type_of(index), call.database);
        let name = name.ok_or_else(|| {
            SheafError::user("null value not allowed for object key")
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
        })?;
        let value = json_of(
            call.value(index + 1),
            call.type_of(index + 1),
            call.database,
        );
        text.push(format!("{} : {value}", Json::from(name.as_str())));
    }
    Ok(format!("{{{}}}", text.join(", ")).into())
}
