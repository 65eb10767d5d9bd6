//! Rows as Arrow's arrays.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf_base::{Result, SheafError};

use crate::plan::OutColumn;
use crate::types::{self, Oid, arrow_field, types};
use crate::value::{Names, Row, Value, output};

/// The schema of rows with these columns.
pub(crate) fn schema_of(columns: &[OutColumn]) -> SchemaRef {
    let fields = columns.iter().map(|c| arrow_field(&c.name, c.type_of));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows as one batch.
///
/// # Errors
/// `Internal` if a value is not of its column's type.
pub(crate) fn batch(
    rows: &[Row],
    columns: &[OutColumn],
    schema: &SchemaRef,
    names: &dyn Names,
) -> Result<RecordBatch> {
    let arrays = columns.iter().zip(schema.fields()).enumerate();
    let arrays = arrays.map(|(index, (out, field))| {
        let values = rows
            .iter()
            .map(|row| row.get(index).unwrap_or(&Value::Null));
        let values: Vec<Value> = values
            .map(|value| shown(value, out.type_of, names))
            .collect();
        column(field, out.type_of, &values)
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        arrays,
        &options,
    )?)
}

/// What names an object is shown by its name; so are vectors and records.
fn shown(value: &Value, oid: Oid, names: &dyn Names) -> Value {
    let oid = types().base_of(oid);
    let is_text = matches!(*arrow_field("", oid).data_type(), DataType::Utf8);
    match value {
        Value::Text(_) | Value::Null => value.clone(),
        value if is_text => output(value, oid, names).into(),
        Value::Array(array) => {
            let element = types().element_of(oid).unwrap_or(types::TEXT);
            let elements = array.elements.iter();
            Value::array(elements.map(|e| shown(e, element, names)).collect())
        }
        value => value.clone(),
    }
}

/// Values as [`shown`].
pub(crate) fn shown_all(values: &[Value], oid: Oid, names: &dyn Names) -> Vec<Value> {
    values
        .iter()
        .map(|value| shown(value, oid, names))
        .collect()
}

fn wrong(field: &Field) -> SheafError {
    SheafError::internal(format!(
        "a value of column \"{}\" is no {}",
        field.name(),
        field.data_type()
    ))
}

/// The values as an array of `field`'s type.
///
/// # Errors
/// `Internal` if a value is not of that type.
pub(crate) fn column(field: &Field, oid: Oid, values: &[Value]) -> Result<ArrayRef> {
    let ints = || values.iter().map(Value::as_int);
    let floats = || {
        values.iter().map(|value| match value {
            Value::Float(number) => Some(*number),
            _ => None,
        })
    };
    let times = || {
        values.iter().map(|value| match value {
            Value::Time(micros) => Some(*micros),
            _ => None,
        })
    };
    let array: ArrayRef = match field.data_type() {
        DataType::Boolean => Arc::new(values.iter().map(Value::as_bool).collect::<BooleanArray>()),
        DataType::Int16 => {
            let numbers = ints().map(|n| n.and_then(|n| i16::try_from(n).ok()));
            Arc::new(numbers.collect::<Int16Array>())
        }
        DataType::Int32 => {
            let numbers = ints().map(|n| n.and_then(|n| i32::try_from(n).ok()));
            Arc::new(numbers.collect::<Int32Array>())
        }
        DataType::Int64 => Arc::new(ints().collect::<Int64Array>()),
        DataType::UInt32 => {
            let numbers = ints().map(|n| n.and_then(|n| u32::try_from(n).ok()));
            Arc::new(numbers.collect::<UInt32Array>())
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float of four bytes is asked for"
        )]
        DataType::Float32 => {
            let numbers = floats().map(|n| n.map(|n| n as f32));
            Arc::new(numbers.collect::<Float32Array>())
        }
        DataType::Float64 => Arc::new(floats().collect::<Float64Array>()),
        DataType::Utf8 => Arc::new(values.iter().map(Value::as_str).collect::<StringArray>()),
        DataType::Date32 => {
            const DAY: i64 = 86_400_000_000;
            let days = times().map(|t| t.and_then(|t| i32::try_from(t.div_euclid(DAY)).ok()));
            Arc::new(days.collect::<Date32Array>())
        }
        DataType::Timestamp(_, zone) => {
            let times = times().collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        DataType::List(element) => return lists(field, element, oid, values),
        _ => return Err(wrong(field)),
    };
    let nulls = values.iter().filter(|value| value.is_null()).count();
    match array.null_count() == nulls {
        true => Ok(array),
        false => Err(wrong(field)),
    }
}

fn lists(field: &Field, element: &Arc<Field>, oid: Oid, values: &[Value]) -> Result<ArrayRef> {
    let element_oid = types()
        .element_of(types().base_of(oid))
        .ok_or_else(|| wrong(field))?;
    let lists = || values.iter().map(Value::as_array);
    let lengths = lists().map(|list| list.map_or(0, |list| list.elements.len()));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = NullBuffer::from_iter(lists().map(|list| list.is_some()));
    let elements: Vec<Value> = lists()
        .flatten()
        .flat_map(|list| list.elements.iter().cloned())
        .collect();
    let elements = column(element, element_oid, &elements)?;
    let array = ListArray::try_new(Arc::clone(element), offsets, elements, Some(nulls))?;
    Ok(Arc::new(array))
}
