//! Columns of SQL types out of JSON values.
//!
//! What becomes what:
//! - JSON `null` is NULL of any type;
//! - numbers become numbers: whole ones by rounding half away from zero, exact decimals likewise;
//!   a number that the type cannot hold is a fault;
//! - texts become what SQL reads in them: numbers, booleans, dates, timestamps, …;
//! - to a text, a text becomes itself, without quotes; anything else its JSON;
//! - arrays become lists, objects structs: item by item, member by member; members that are not
//!   there are NULL.
//!
//! Anything else is a fault: a strict cast makes an error of it, `try_cast` NULL.

mod nested;
mod plain;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringViewBuilder};
use arrow::compute::can_cast_types;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::json::Kind;
use crate::json::normal::write_normal;
use crate::json::text::{decode, unquoted};

pub(crate) use plain::{boolean, double, integer};

/// Characters of a value that errors show.
const EXCERPT_CHARACTERS_MAX: usize = 80;

/// A value that its column's type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastFault {
    /// The row, from 0.
    pub row: usize,
    /// The value, cut if it is long.
    pub value: String,
}

/// A column that is being made of JSON values.
#[derive(Debug)]
pub struct CastColumn {
    target: DataType,
    builder: Builder,
    faults: Vec<CastFault>,
    rows: usize,
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Text(StringViewBuilder),
    /// Types that are made column by column; the values' texts until then.
    Other(Vec<Option<Box<str>>>),
}

/// Whether there is a cast from VARIANT to `target`.
#[must_use]
pub fn is_castable(target: &DataType) -> bool {
    match target {
        DataType::List(item) | DataType::LargeList(item) => is_castable(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_castable(field.data_type())),
        other => can_cast_types(&DataType::Utf8View, other),
    }
}

impl CastColumn {
    /// An empty column of type `target`.
    #[must_use]
    pub fn new(target: DataType) -> Self {
        let builder = match target {
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::Float64 => Builder::Float64(Float64Builder::new()),
            DataType::Utf8View => Builder::Text(StringViewBuilder::new()),
            _ => Builder::Other(Vec::new()),
        };
        Self {
            target,
            builder,
            faults: Vec::new(),
            rows: 0,
        }
    }

    /// Appends a checked JSON value; NULL if there is none.
    pub fn push(&mut self, value: Option<&str>) {
        let value = value.filter(|value| *value != "null");
        let is_fault = match (&mut self.builder, value) {
            (Builder::Boolean(builder), value) => {
                append(value, boolean, |v| builder.append_option(v))
            }
            (Builder::Int64(builder), value) => {
                append(value, integer, |v| builder.append_option(v))
            }
            (Builder::Float64(builder), value) => {
                append(value, double, |v| builder.append_option(v))
            }
            (Builder::Text(builder), None) => {
                builder.append_null();
                false
            }
            (Builder::Text(builder), Some(value)) => {
                append_text(value, builder);
                false
            }
            (Builder::Other(values), value) => {
                values.push(value.map(Into::into));
                false
            }
        };
        if let (true, Some(value)) = (is_fault, value) {
            self.faults.push(CastFault {
                row: self.rows,
                value: excerpt(value),
            });
        }
        self.rows += 1;
    }

    /// The column so far, and its faults, where it is NULL; then it is empty again.
    ///
    /// # Errors
    /// Those of Arrow, if lists have too many items.
    pub fn finish(&mut self) -> Result<(ArrayRef, Vec<CastFault>), ArrowError> {
        self.rows = 0;
        let faults = std::mem::take(&mut self.faults);
        let array: ArrayRef = match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Other(values) => {
                let values = std::mem::take(values);
                let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
                return cast_values(&values, &self.target);
            }
        };
        Ok((array, faults))
    }
}

/// Converts a value and appends it; true if it could not be converted.
fn append<T>(
    value: Option<&str>,
    convert: impl Fn(&str) -> Option<T>,
    append: impl FnOnce(Option<T>),
) -> bool {
    let converted = value.map(convert);
    let is_fault = matches!(converted, Some(None));
    append(converted.flatten());
    is_fault
}

fn append_text(value: &str, builder: &mut StringViewBuilder) {
    match Kind::of(value) {
        Kind::String => builder.append_value(decode(unquoted(value))),
        Kind::Boolean | Kind::Null => builder.append_value(value),
        Kind::Number | Kind::Array | Kind::Object => {
            let mut normal = String::with_capacity(value.len());
            write_normal(value, &mut normal);
            builder.append_value(normal);
        }
    }
}

/// The text that SQL reads in a value.
fn text_of(value: &str) -> String {
    match Kind::of(value) {
        Kind::String => decode(unquoted(value)).into_owned(),
        _ => {
            let mut normal = String::with_capacity(value.len());
            write_normal(value, &mut normal);
            normal
        }
    }
}

fn excerpt(value: &str) -> String {
    match value.char_indices().nth(EXCERPT_CHARACTERS_MAX) {
        None => value.to_owned(),
        Some((at, _)) => format!("{}…", value.get(..at).unwrap_or_default()),
    }
}

/// Makes a column of type `target` of checked JSON values.
fn cast_values(
    values: &[Option<&str>],
    target: &DataType,
) -> Result<(ArrayRef, Vec<CastFault>), ArrowError> {
    match target {
        DataType::Boolean | DataType::Int64 | DataType::Float64 | DataType::Utf8View => {
            let mut column = CastColumn::new(target.clone());
            values.iter().for_each(|value| column.push(*value));
            column.finish()
        }
        DataType::List(item) => nested::lists::<i32>(values, item),
        DataType::LargeList(item) => nested::lists::<i64>(values, item),
        DataType::Struct(fields) => nested::structs(values, fields),
        other => plain::column(values, other),
    }
}
