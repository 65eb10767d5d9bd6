//! JSON text in normal form out of what a Parquet file stores.
//!
//! The bytes may be anybody's. The library checks them by recursion, value by value: so what is nested too
//! deep, or refers to one value from many places, is found before, without recursion.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder, StructArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use parquet_variant::Variant;
use parquet_variant_compute::{VariantArray, unshred_variant};
use parquet_variant_json::VariantToJson;

use crate::json::normal::write_normal;
use crate::json::scan::DEPTH_MAX;
use crate::json::text::write_string;

/// The VARIANTs of a column that a Parquet file has, taken apart or not.
///
/// Dates, times and UUIDs become texts, binary values base64, doubles that are no numbers texts.
///
/// # Memory
/// Two copies of the values for a while.
/// # Errors
/// If the column is no VARIANT, or its bytes are damaged, nested too deep or overlapping.
pub fn from_parquet(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(stored) = column.as_struct_opt() else {
        return Err(damaged("the column is no struct"));
    };
    check_place(stored)?;
    let whole = unshred_variant(&VariantArray::try_new(stored)?)?;
    let mut texts = StringViewBuilder::with_capacity(whole.len());
    let (mut text, mut normal) = (String::new(), String::new());
    for row in 0..whole.len() {
        if whole.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        normal.clear();
        write_json(&whole.try_value(row)?, &mut text)?;
        write_normal(&text, &mut normal);
        texts.append_value(&normal);
    }
    Ok(Arc::new(texts.finish()))
}

fn write_json(value: &Variant<'_, '_>, out: &mut String) -> Result<(), ArrowError> {
    match value {
        Variant::Null => out.push_str("null"),
        Variant::BooleanTrue => out.push_str("true"),
        Variant::BooleanFalse => out.push_str("false"),
        Variant::Int8(whole) => write_number(whole, out),
        Variant::Int16(whole) => write_number(whole, out),
        Variant::Int32(whole) => write_number(whole, out),
        Variant::Int64(whole) => write_number(whole, out),
        Variant::Decimal4(decimal) => write_number(decimal, out),
        Variant::Decimal8(decimal) => write_number(decimal, out),
        Variant::Decimal16(decimal) => write_number(decimal, out),
        Variant::Float(float) if float.is_finite() => write_number(float, out),
        Variant::Double(double) if double.is_finite() => write_number(double, out),
        Variant::Float(float) => write_string(&float.to_string(), out),
        Variant::Double(double) => write_string(&double.to_string(), out),
        Variant::String(text) => write_string(text, out),
        Variant::ShortString(text) => write_string(text.as_str(), out),
        Variant::Date(date) => write_string(&date.to_string(), out),
        Variant::Time(time) => write_string(&time.to_string(), out),
        Variant::TimestampMicros(time) | Variant::TimestampNanos(time) => {
            write_string(&time.to_rfc3339(), out);
        }
        Variant::TimestampNtzMicros(time) | Variant::TimestampNtzNanos(time) => {
            write_string(&time.to_string(), out);
        }
        Variant::Uuid(uuid) => write_string(&uuid.to_string(), out),
        Variant::Binary(_) => {
            // In base64, as the library writes it.
            let mut json = Vec::new();
            value.to_json(&mut json)?;
            out.push_str(&String::from_utf8_lossy(&json));
        }
        Variant::Object(object) => {
            out.push('{');
            for (at, member) in object.iter_try().enumerate() {
                let (key, value) = member?;
                if at > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_json(&value, out)?;
            }
            out.push('}');
        }
        Variant::List(list) => {
            out.push('[');
            for (at, item) in list.iter_try().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(&item?, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn write_number(number: impl std::fmt::Display, out: &mut String) {
    // To a String: it cannot fail.
    let _ = write!(out, "{number}");
}

/// Checks the binary values of a place, and of the places below it.
fn check_place(place: &StructArray) -> Result<(), ArrowError> {
    if let Some(values) = place.column_by_name("value") {
        let values = cast(values, &DataType::BinaryView)?;
        values
            .as_binary_view()
            .iter()
            .flatten()
            .try_for_each(check)?;
    }
    match place.column_by_name("typed_value") {
        Some(typed) => check_typed(typed),
        None => Ok(()),
    }
}

fn check_typed(typed: &ArrayRef) -> Result<(), ArrowError> {
    match typed.data_type() {
        DataType::Struct(_) => {
            let places = typed.as_struct().columns().iter();
            places
                .filter_map(|place| place.as_struct_opt())
                .try_for_each(check_place)
        }
        DataType::List(_) => check_items(typed.as_list::<i32>().values()),
        DataType::LargeList(_) => check_items(typed.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => check_items(typed.as_fixed_size_list().values()),
        DataType::ListView(_) | DataType::LargeListView(_) => {
            Err(damaged("list views are not read here"))
        }
        _ => Ok(()),
    }
}

fn check_items(items: &ArrayRef) -> Result<(), ArrowError> {
    match items.as_struct_opt() {
        Some(place) => check_place(place),
        None => Err(damaged("an array's items are no structs")),
    }
}

/// Checks that a value is not nested too deep, and that it has no more parts than bytes, as one has
/// that refers to some of them twice.
fn check(value: &[u8]) -> Result<(), ArrowError> {
    let parts_max = value.len();
    let mut open = vec![(value, 0)];
    let mut parts = 0;
    while let Some((value, depth)) = open.pop() {
        let Some((&header, rest)) = value.split_first() else {
            return Err(damaged("a value has no bytes"));
        };
        let is_object = match header & 3 {
            2 => true,
            3 => false,
            _ => continue,
        };
        if depth >= DEPTH_MAX {
            return Err(damaged("values are nested too deep"));
        }
        let layout = Layout::read(header >> 2, is_object, rest)?;
        parts += layout.count;
        if parts > parts_max {
            return Err(damaged("parts of a value overlap"));
        }
        for at in 0..layout.count {
            open.push((layout.part(at)?, depth + 1));
        }
    }
    Ok(())
}

/// Where the parts of an object or array are.
struct Layout<'a> {
    count: usize,
    offsets: &'a [u8],
    offset_bytes: usize,
    values: &'a [u8],
}

impl<'a> Layout<'a> {
    fn read(header: u8, is_object: bool, rest: &'a [u8]) -> Result<Self, ArrowError> {
        let offset_bytes = usize::from(header & 3) + 1;
        let (id_bytes, is_large) = match is_object {
            true => (usize::from((header >> 2) & 3) + 1, header & 16 != 0),
            false => (0, header & 4 != 0),
        };
        let (count, rest) = number(rest, if is_large { 4 } else { 1 })?;
        let cut = || damaged("a value is cut off");
        let ids = count.checked_mul(id_bytes).ok_or_else(cut)?;
        let rest = rest.get(ids..).ok_or_else(cut)?;
        let offsets = count
            .checked_add(1)
            .and_then(|n| n.checked_mul(offset_bytes));
        let (offsets, values) = offsets
            .and_then(|bytes| rest.split_at_checked(bytes))
            .ok_or_else(cut)?;
        Ok(Self {
            count,
            offsets,
            offset_bytes,
            values,
        })
    }

    /// From where it begins; where it ends, it says itself.
    fn part(&self, at: usize) -> Result<&'a [u8], ArrowError> {
        let offset = self
            .offsets
            .get(at * self.offset_bytes..)
            .unwrap_or_default();
        let (offset, _) = number(offset, self.offset_bytes)?;
        let part = self.values.get(offset..).filter(|part| !part.is_empty());
        part.ok_or_else(|| damaged("a value is cut off"))
    }
}

/// A number of `bytes` bytes, the least first, and what is behind it.
fn number(from: &[u8], bytes: usize) -> Result<(usize, &[u8]), ArrowError> {
    let (number, rest) = from
        .split_at_checked(bytes)
        .ok_or_else(|| damaged("a value is cut off"))?;
    let number = number
        .iter()
        .rev()
        .fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
    Ok((number, rest))
}

fn damaged(what: &str) -> ArrowError {
    ArrowError::ParquetError(format!("a VARIANT is damaged: {what}"))
}
