//! Values as the expected rows of a test spell them.
//!
//! The table in `sql-tests/README.md` is the contract. Numbers in floating point and nested values
//! are written here; the rest is Arrow's display with fixed options.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use sheaf::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use sheaf::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use sheaf::arrow::util::display::{ArrayFormatter, FormatOptions};
use sheaf::uuid::{is_uuid, uuid_text};
use sheaf::{Result, SheafError};
use sqllogictest::DefaultColumnType;

/// How NULL is spelt.
pub(crate) const NULL: &str = "NULL";
/// How the empty text is spelt.
const EMPTY: &str = "(empty)";
/// Exponents from which floats are written in scientific notation, as PostgreSQL does.
const EXPONENT_MAX_F32: i32 = 6;
const EXPONENT_MAX_F64: i32 = 15;
/// Exponents below which floats are written in scientific notation, as PostgreSQL does.
const EXPONENT_MIN: i32 = -4;

/// Appends the rows of `batch` to `rows`, one text a value.
///
/// # Errors
/// `Internal` for a value that Arrow cannot display.
pub fn append_rows(batch: &RecordBatch, rows: &mut Vec<Vec<String>>) -> Result<()> {
    for row in 0..batch.num_rows() {
        let mut values = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            values.push(cell(&value_text(column, row)?));
        }
        rows.push(values);
    }
    Ok(())
}

/// The text of a value as a cell of a row.
pub(crate) fn cell(text: &str) -> String {
    match text.is_empty() {
        true => EMPTY.to_owned(),
        false => one_line(text),
    }
}

/// The column type that a test states for values of `data_type`; `Any` for decimals without a
/// fraction (the sum of a BIGINT is one), which a test may call whole numbers or decimals.
#[must_use]
pub fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        t if t.is_integer() => DefaultColumnType::Integer,
        DataType::Decimal128(_, 0) => DefaultColumnType::Any,
        t if t.is_floating() || t.is_decimal() => DefaultColumnType::FloatingPoint,
        DataType::Dictionary(_, value) => column_type(value),
        DataType::RunEndEncoded(_, values) => column_type(values.data_type()),
        _ => DefaultColumnType::Text,
    }
}

/// A number of 64 bits as tests show it.
pub(crate) fn float8_text(value: f64) -> String {
    float_text(value.to_string(), &format!("{value:e}"), EXPONENT_MAX_F64)
}

/// A number of 32 bits as tests show it.
pub(crate) fn float4_text(value: f32) -> String {
    float_text(value.to_string(), &format!("{value:e}"), EXPONENT_MAX_F32)
}

/// A float with the fewest digits that read back as the same number, in PostgreSQL's notation.
///
/// `plain` and `scientific` are Rust's two shortest spellings of it.
fn float_text(plain: String, scientific: &str, exponent_max: i32) -> String {
    match plain.as_str() {
        "inf" => return "Infinity".to_owned(),
        "-inf" => return "-Infinity".to_owned(),
        _ => {}
    }
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return plain;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (EXPONENT_MIN..exponent_max).contains(&exponent) {
        return plain;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn value_text(array: &ArrayRef, row: usize) -> Result<String> {
    if array.data_type() == &DataType::Null || array.is_null(row) {
        return Ok(NULL.to_owned());
    }
    let text = match array.data_type() {
        DataType::Float16 => float4_text(array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => float4_text(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => float8_text(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => list_text(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => list_text(&array.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => list_text(&array.as_fixed_size_list().value(row))?,
        DataType::ListView(_) => list_text(&array.as_list_view::<i32>().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let names = fields.iter().map(|field| field.name().clone());
            pairs_text(
                names
                    .map(Ok)
                    .zip(columns.iter().map(|column| value_text(column, row))),
            )?
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let [keys, values] = [entries.column(0), entries.column(1)];
            let places = 0..entries.len();
            pairs_text(places.map(|i| (value_text(keys, i), value_text(values, i))))?
        }
        uuid if is_uuid(uuid) => uuid_text(array.as_fixed_size_binary().value(row)),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => format!("\\x{}", displayed(array, row)?),
        DataType::Timestamp(_, _) | DataType::Time32(_) | DataType::Time64(_) => {
            without_trailing_zeros(&displayed(array, row)?)
        }
        _ => displayed(array, row)?,
    };
    Ok(text)
}

fn list_text(items: &ArrayRef) -> Result<String> {
    let items = (0..items.len())
        .map(|i| value_text(items, i))
        .collect::<Result<Vec<_>>>()?;
    Ok(format!("[{}]", items.join(", ")))
}

fn pairs_text(pairs: impl Iterator<Item = (Result<String>, Result<String>)>) -> Result<String> {
    let mut text = String::from("{");
    for (index, (name, value)) in pairs.enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(text, "{comma}{}: {}", name?, value?)
            .map_err(|e| SheafError::internal(e.to_string()))?;
    }
    text.push('}');
    Ok(text)
}

fn displayed(array: &ArrayRef, row: usize) -> Result<String> {
    let options = FormatOptions::default()
        .with_null(NULL)
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"))
        .with_time_format(Some("%H:%M:%S%.f"))
        .with_date_format(Some("%Y-%m-%d"));
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    Ok(formatter.value(row).to_string())
}

/// `12:34:56.500+00:00` as `12:34:56.5+00:00`.
fn without_trailing_zeros(time: &str) -> String {
    let Some((whole, rest)) = time.split_once('.') else {
        return time.to_owned();
    };
    let zone = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone);
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}{zone}"),
        fraction => format!("{whole}.{fraction}{zone}"),
    }
}

/// Rows are lines, so control characters of a value are shown as escapes.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
}
