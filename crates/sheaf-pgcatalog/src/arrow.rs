//! Rows as Arrow's arrays.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::cast::out_of_range;
use crate::plan::OutColumn;
use crate::run::bytes_of;
use crate::types::{self, NUMERIC, Oid, arrow_field, arrow_field_of, types};
use crate::value::{Names, Row, Value, output};

/// The schema of rows with these columns.
pub(crate) fn schema_of(columns: &[OutColumn]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|c| arrow_field_of(&c.name, c.type_of, c.scale));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows of one batch.
const BATCH_ROWS: usize = 8_192;
/// Bytes of rows, as values, after which a batch ends.
const BATCH_BYTES: usize = 16 << 20;

/// How many of the rows, from the first on, make a batch; their bytes.
pub(crate) fn batch_span(rows: &[Row]) -> (usize, usize) {
    let mut bytes = 0;
    for (count, row) in rows.iter().take(BATCH_ROWS).enumerate() {
        let more = bytes_of(row);
        if count > 0 && bytes + more > BATCH_BYTES {
            return (count, bytes);
        }
        bytes += more;
    }
    (rows.len().min(BATCH_ROWS), bytes)
}

/// The rows as batches of few rows and bytes.
///
/// # Errors
/// As [`batch`].
pub(crate) fn batches(
    mut rows: &[Row],
    columns: &[OutColumn],
    schema: &SchemaRef,
    names: &dyn Names,
) -> Result<Vec<RecordBatch>> {
    let mut made = vec![];
    while !rows.is_empty() {
        let (first, rest) = rows.split_at(batch_span(rows).0);
        made.push(batch(first, columns, schema, names)?);
        rows = rest;
    }
    Ok(made)
}

/// The rows as one batch.
///
/// # Errors
/// `Internal` if a value is not of its column's type; `Resource` (54000) if its texts are larger than
/// Arrow's offsets reach.
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

/// Refuses what Arrow's offsets of 32 bits do not reach.
fn check_offsets(lengths: impl Iterator<Item = usize>) -> Result<()> {
    let total = lengths.fold(0, usize::saturating_add);
    match i32::try_from(total) {
        Ok(_) => Ok(()),
        Err(_) => Err(
            SheafError::resource("texts or lists of one row have more than 2 GiB")
                .with_state(SqlState::PROGRAM_LIMIT),
        ),
    }
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
        DataType::Decimal128(precision, scale) => {
            return decimals(field, *precision, *scale, values);
        }
        DataType::Utf8 => {
            let texts = || values.iter().map(Value::as_str);
            check_offsets(texts().map(|text| text.map_or(0, str::len)))?;
            Arc::new(texts().collect::<StringArray>())
        }
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

/// Numbers with so many digits behind the point; further ones are rounded.
fn decimals(field: &Field, precision: u8, scale: i8, values: &[Value]) -> Result<ArrayRef> {
    let digits = u32::try_from(scale).map_err(|_| wrong(field))?;
    let units = values.iter().map(|value| match value {
        Value::Null => Ok(None),
        Value::Numeric(number) => match number.units_at(digits) {
            Some(units) => Ok(Some(units)),
            None => Err(out_of_range(NUMERIC)),
        },
        _ => Err(wrong(field)),
    });
    let units = units.collect::<Result<Decimal128Array>>()?;
    let array = units.with_precision_and_scale(precision, scale)?;
    array
        .validate_decimal_precision(precision)
        .map_err(|_| out_of_range(NUMERIC))?;
    Ok(Arc::new(array))
}

fn lists(field: &Field, element: &Arc<Field>, oid: Oid, values: &[Value]) -> Result<ArrayRef> {
    let element_oid = types()
        .element_of(types().base_of(oid))
        .ok_or_else(|| wrong(field))?;
    let lists = || values.iter().map(Value::as_array);
    let lengths = lists().map(|list| list.map_or(0, |list| list.elements.len()));
    check_offsets(lengths.clone())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TEXT;

    struct NoNames;

    impl Names for NoNames {
        fn name_of(&self, _type_of: Oid, oid: Oid) -> String {
            oid.to_string()
        }
    }

    #[test]
    fn batches_have_few_rows_and_bytes() {
        let columns = [OutColumn::new("x", TEXT)];
        let counts = |count: usize, bytes: usize| {
            let rows = vec![vec![Value::text("x".repeat(bytes))]; count];
            let batches = batches(&rows, &columns, &schema_of(&columns), &NoNames).unwrap();
            batches
                .iter()
                .map(RecordBatch::num_rows)
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(20_000, 1), [8_192, 8_192, 3_616]);
        assert_eq!(counts(5, 7 << 20), [2, 2, 1]);
        assert_eq!(counts(2, 20 << 20), [1, 1]);
    }

    /// 2,200 times a megabyte, of which there is one.
    #[test]
    fn what_offsets_do_not_reach_is_refused() {
        let text = Value::text("x".repeat(1 << 20));
        let column_of =
            |type_of: Oid, values: &[Value]| column(&arrow_field("x", type_of), type_of, values);
        let list = Value::array(vec![text; 2_200]);
        let error = column_of(1009, &[list]).unwrap_err();
        assert_eq!(error.state().code(), "54000");
    }
}
