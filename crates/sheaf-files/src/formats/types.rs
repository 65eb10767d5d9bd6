//! Type names in options (`types => {'zip': 'VARCHAR'}`) as Arrow types.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, TimeUnit};
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

/// SQL names without parameters, in upper case; texts are replaced by the session's text type.
const NAMES: &[(&str, DataType)] = &[
    ("BOOLEAN", DataType::Boolean),
    ("BOOL", DataType::Boolean),
    ("TINYINT", DataType::Int8),
    ("SMALLINT", DataType::Int16),
    ("INT2", DataType::Int16),
    ("INTEGER", DataType::Int32),
    ("INT", DataType::Int32),
    ("INT4", DataType::Int32),
    ("BIGINT", DataType::Int64),
    ("INT8", DataType::Int64),
    ("UTINYINT", DataType::UInt8),
    ("USMALLINT", DataType::UInt16),
    ("UINTEGER", DataType::UInt32),
    ("UBIGINT", DataType::UInt64),
    ("REAL", DataType::Float32),
    ("FLOAT4", DataType::Float32),
    ("FLOAT", DataType::Float32),
    ("DOUBLE", DataType::Float64),
    ("DOUBLE PRECISION", DataType::Float64),
    ("FLOAT8", DataType::Float64),
    ("DATE", DataType::Date32),
    ("TIME", DataType::Time64(TimeUnit::Microsecond)),
    (
        "TIMESTAMP",
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ),
    ("DATETIME", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("VARCHAR", DataType::Utf8),
    ("TEXT", DataType::Utf8),
    ("STRING", DataType::Utf8),
    ("CHAR", DataType::Utf8),
];

/// The type that `name` stands for; texts become `text_type`.
///
/// # Errors
/// `UserInput` if there is no such type.
pub(crate) fn parse_type(name: &str, text_type: &DataType) -> Result<DataType> {
    let upper = name.trim().to_ascii_uppercase();
    if let Some(item) = upper.strip_suffix("[]") {
        let item = Field::new("item", parse_type(item, text_type)?, true);
        return Ok(DataType::List(Arc::new(item)));
    }
    if matches!(upper.as_str(), "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE") {
        return Ok(DataType::Timestamp(
            TimeUnit::Microsecond,
            Some("+00:00".into()),
        ));
    }
    let (base, arguments) = match upper.split_once('(') {
        Some((base, rest)) => (base.trim(), Some(rest.trim_end_matches(')'))),
        None => (upper.as_str(), None),
    };
    if matches!(base, "DECIMAL" | "NUMERIC") {
        return parse_decimal(name, arguments.unwrap_or("18,3"));
    }
    match NAMES.iter().find(|(known, _)| *known == base) {
        Some((_, DataType::Utf8)) => Ok(text_type.clone()),
        Some((_, data_type)) => Ok(data_type.clone()),
        None => Err(unknown_type(name)),
    }
}

fn parse_decimal(name: &str, arguments: &str) -> Result<DataType> {
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    match (precision.trim().parse::<u8>(), scale.trim().parse::<i8>()) {
        (Ok(precision @ 1..=DECIMAL128_MAX_PRECISION), Ok(scale)) if scale >= 0 => {
            Ok(DataType::Decimal128(precision, scale))
        }
        _ => Err(unknown_type(name)),
    }
}

fn unknown_type(name: &str) -> SheafError {
    let error = SheafError::user(format!("there is no type \"{name}\""))
        .with_state(SqlState::UNDEFINED_OBJECT);
    match nearest(name, NAMES.iter().map(|(known, _)| *known)) {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => error.with_hint("types are BIGINT, DOUBLE, VARCHAR, DATE, TIMESTAMP, …"),
    }
}
