//! Values as text: one writer per column, built once per batch.
//!
//! Every text format (boxes, delimited, Markdown, and JSON's strings) shows values through this
//! file, so that they never disagree: floats in the shortest form that reads back to the same
//! number, decimals exactly, dates and times in ISO 8601, bytes as `\x…`, nested values as
//! DuckDB writes them (`[1, 2]`, `{'a': 1}`, `{k=v}`). NULL is the caller's to show at the top
//! level; inside nested values it is written `NULL`.

use std::fmt::Write;

use sheaf::arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, GenericListViewArray, OffsetSizeTrait,
    PrimitiveArray,
};
use sheaf::arrow::buffer::NullBuffer;
use sheaf::arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type,
    Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use sheaf::arrow::util::display::{ArrayFormatter, FormatOptions};

use sheaf::uuid::{is_uuid, write_uuid};

use super::temporal;
use super::tensor::is_tensor;

/// Writes the text of one row's value, which is not NULL, to the end of a string.
pub(crate) type CellWriter<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// Between date and time: a space, as SQL prints it, or `T`, as JSON readers expect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateTimeStyle {
    /// `2026-01-02 03:04:05+00`.
    Sql,
    /// `2026-01-02T03:04:05+00:00`.
    Json,
}

/// A column of a batch, ready to give its values as text.
pub(crate) struct Column<'a> {
    nulls: Option<NullBuffer>,
    write: CellWriter<'a>,
}

impl<'a> Column<'a> {
    /// Prepares `array`; the cost is that of one look at its type.
    pub(crate) fn new(array: &'a dyn Array, style: DateTimeStyle) -> Self {
        Self {
            nulls: array.logical_nulls(),
            write: writer(array, style),
        }
    }

    /// Whether the value in `row` is NULL (also NULL behind a dictionary key or a run).
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value in `row`; nothing if it is NULL.
    pub(crate) fn write(&self, row: usize, out: &mut String) {
        if !self.is_null(row) {
            (self.write)(row, out);
        }
    }
}

/// Whether values of this type stand to the right of their column.
pub(crate) fn is_numeric(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_numeric(value),
        DataType::RunEndEncoded(_, values) => is_numeric(values.data_type()),
        other => other.is_numeric(),
    }
}

/// Whether values of this type are texts.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        DataType::RunEndEncoded(_, values) => is_text(values.data_type()),
        _ => false,
    }
}

fn writer<'a>(array: &'a dyn Array, style: DateTimeStyle) -> CellWriter<'a> {
    match array.data_type() {
        DataType::Null => Box::new(|_, _| ()),
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| out.push_str(if values.value(row) { "true" } else { "false" }))
        }
        DataType::Int8 => integer::<Int8Type>(array),
        DataType::Int16 => integer::<Int16Type>(array),
        DataType::Int32 => integer::<Int32Type>(array),
        DataType::Int64 => integer::<Int64Type>(array),
        DataType::UInt8 => integer::<UInt8Type>(array),
        DataType::UInt16 => integer::<UInt16Type>(array),
        DataType::UInt32 => integer::<UInt32Type>(array),
        DataType::UInt64 => integer::<UInt64Type>(array),
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>();
            Box::new(move |row, out| write_float(values.value(row).to_f32(), out))
        }
        DataType::Float32 => float::<Float32Type>(array),
        DataType::Float64 => float::<Float64Type>(array),
        DataType::Decimal32(_, _) => decimal::<Decimal32Type>(array),
        DataType::Decimal64(_, _) => decimal::<Decimal64Type>(array),
        DataType::Decimal128(_, _) => decimal::<Decimal128Type>(array),
        DataType::Decimal256(_, _) => decimal::<Decimal256Type>(array),
        DataType::Date32 => temporal::date::<Date32Type>(array),
        DataType::Date64 => temporal::date::<Date64Type>(array),
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, _)
        | DataType::Duration(_)
        | DataType::Interval(_) => temporal::writer(array, style),
        _ => text_bytes_or_nested(array, style),
    }
}

fn text_bytes_or_nested<'a>(array: &'a dyn Array, style: DateTimeStyle) -> CellWriter<'a> {
    match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        uuid if is_uuid(uuid) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| {
                let _ = write_uuid(values.value(row), out);
            })
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::List(_) => list(array.as_list::<i32>(), style),
        DataType::LargeList(_) => list(array.as_list::<i64>(), style),
        DataType::ListView(_) => list_view(array.as_list_view::<i32>(), style),
        DataType::LargeListView(_) => list_view(array.as_list_view::<i64>(), style),
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            let element = Element::new(array.as_fixed_size_list().values(), style);
            Box::new(move |row, out| element.write_list(row * size, row * size + size, out))
        }
        tensor if is_tensor(tensor) => super::tensor::writer(array, style),
        DataType::Struct(_) => structure(array, style),
        DataType::Map(_, _) => map(array, style),
        DataType::Dictionary(_, _) => dictionary(array, style),
        _ => engine_text(array),
    }
}

fn integer<T>(array: &dyn Array) -> CellWriter<'_>
where
    T: ArrowPrimitiveType,
    T::Native: std::fmt::Display,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let _ = write!(out, "{}", values.value(row));
    })
}

fn float<T>(array: &dyn Array) -> CellWriter<'_>
where
    T: ArrowPrimitiveType,
    T::Native: std::fmt::Debug,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write_float(values.value(row), out))
}

/// The shortest digits that read back to the same number; always with a point or an exponent, so
/// that a float can be told from an integer.
fn write_float(value: impl std::fmt::Debug, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{value:?}");
    if out.ends_with("inf") {
        let negative = out[start..].starts_with('-');
        out.truncate(start);
        out.push_str(if negative { "-Infinity" } else { "Infinity" });
    }
}

fn decimal<T: DecimalType>(array: &dyn Array) -> CellWriter<'_> {
    let values: &PrimitiveArray<T> = array.as_primitive::<T>();
    Box::new(move |row, out| out.push_str(&values.value_as_string(row)))
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// The values inside a nested one: texts are quoted where they would be misread, NULL is `NULL`.
struct Element<'a> {
    column: Column<'a>,
    is_text: bool,
}

impl<'a> Element<'a> {
    fn new(array: &'a ArrayRef, style: DateTimeStyle) -> Self {
        Self {
            column: Column::new(array.as_ref(), style),
            is_text: is_text(array.data_type()),
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        if self.column.is_null(row) {
            out.push_str("NULL");
            return;
        }
        let start = out.len();
        self.column.write(row, out);
        if self.is_text && needs_quotes(&out[start..]) {
            let text = out.split_off(start);
            write_quoted(&text, out);
        }
    }

    fn write_list(&self, start: usize, end: usize, out: &mut String) {
        out.push('[');
        for row in start..end {
            if row > start {
                out.push_str(", ");
            }
            self.write(row, out);
        }
        out.push(']');
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace)
        || text.contains(['[', ']', '{', '}', '(', ')', ',', '=', ':', '\'', '"', '\\'])
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>, style: DateTimeStyle) -> CellWriter<'_> {
    let element = Element::new(array.values(), style);
    let offsets = array.value_offsets();
    Box::new(move |row, out| {
        element.write_list(offsets[row].as_usize(), offsets[row + 1].as_usize(), out);
    })
}

fn list_view<O: OffsetSizeTrait>(
    array: &GenericListViewArray<O>,
    style: DateTimeStyle,
) -> CellWriter<'_> {
    let element = Element::new(array.values(), style);
    Box::new(move |row, out| {
        let start = array.value_offsets()[row].as_usize();
        element.write_list(start, start + array.value_sizes()[row].as_usize(), out);
    })
}

fn structure(array: &dyn Array, style: DateTimeStyle) -> CellWriter<'_> {
    let array = array.as_struct();
    let fields: Vec<(String, Element<'_>)> = array
        .fields()
        .iter()
        .zip(array.columns())
        .map(|(field, column)| {
            let mut name = String::new();
            write_quoted(field.name(), &mut name);
            (name, Element::new(column, style))
        })
        .collect();
    Box::new(move |row, out| {
        out.push('{');
        for (i, (name, element)) in fields.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let _ = write!(out, "{separator}{name}: ");
            element.write(row, out);
        }
        out.push('}');
    })
}

fn map(array: &dyn Array, style: DateTimeStyle) -> CellWriter<'_> {
    let array = array.as_map();
    let keys = Element::new(array.keys(), style);
    let values = Element::new(array.values(), style);
    let offsets = array.value_offsets();
    Box::new(move |row, out| {
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        out.push('{');
        for entry in start..end {
            if entry > start {
                out.push_str(", ");
            }
            keys.write(entry, out);
            out.push('=');
            values.write(entry, out);
        }
        out.push('}');
    })
}

fn dictionary(array: &dyn Array, style: DateTimeStyle) -> CellWriter<'_> {
    let Some(dictionary) = array
        .as_any_dictionary_opt()
        .filter(|d| !d.values().is_empty())
    else {
        return Box::new(|_, _| ()); // no values: every row is NULL
    };
    let keys = dictionary.normalized_keys();
    let values = Column::new(dictionary.values().as_ref(), style);
    Box::new(move |row, out| values.write(keys[row], out))
}

/// Types that have no writer of ours (unions, run-end encoding): Arrow's own display.
fn engine_text(array: &dyn Array) -> CellWriter<'_> {
    static OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
    match ArrayFormatter::try_new(array, &OPTIONS) {
        Ok(formatter) => Box::new(move |row, out| {
            let _ = write!(out, "{}", formatter.value(row));
        }),
        Err(_) => Box::new(|_, out| out.push('?')),
    }
}
