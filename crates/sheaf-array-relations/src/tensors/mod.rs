//! Chunks as values in rows: columns of tensors, what schemas say of their array, and their functions.
//!
//! A column of tensors is a struct of `data` (a list of elements in row-major order) and `shape`, which
//! Arrow's canonical extension type `arrow.variable_shape_tensor` tells from others.

mod aggregates;
mod scalars;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, FixedSizeListArray, Int32Array, ListArray, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use serde_json::{Value, json};
use sheaf_arrays::{AXES_MAX, Context, DType, Grid, Hold, Tensor};
use sheaf_base::{EXTENSION_KEY, Result, SheafError, TENSOR_EXTENSION};

/// The key of a field's metadata that describes its extension type, as Arrow has it.
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// What a schema of chunks says of their array, in JSON: `shape`, `chunks` (lengths along each axis),
/// `dtype`, `dims` (the names of the axes) and `fill`.
pub const ARRAY_METADATA: &str = "sheaf.array";

/// The functions of tensors, to be registered.
#[must_use]
pub fn tensor_functions() -> (Vec<ScalarUDF>, Vec<AggregateUDF>) {
    (scalars::functions(), aggregates::functions())
}

fn element_field(dtype: DType) -> FieldRef {
    Arc::new(Field::new("item", dtype.arrow_type(), false))
}

fn length_field() -> FieldRef {
    Arc::new(Field::new("item", DataType::Int32, false))
}

fn parts(dtype: DType, rank: usize) -> Fields {
    let rank = i32::try_from(rank).unwrap_or(i32::MAX);
    Fields::from(vec![
        Field::new("data", DataType::List(element_field(dtype)), false),
        Field::new(
            "shape",
            DataType::FixedSizeList(length_field(), rank),
            false,
        ),
    ])
}

/// A column of chunks of `grid`.
pub(crate) fn tensor_field(name: &str, grid: &Grid) -> Field {
    let data_type = DataType::Struct(parts(grid.dtype(), grid.rank()));
    let names: Option<Vec<String>> = grid.names().into_iter().collect();
    let metadata = match names.filter(|names| !names.is_empty()) {
        Some(names) => json!({ "dim_names": names }),
        None => json!({}),
    };
    Field::new(name, data_type, false).with_metadata(HashMap::from([
        (EXTENSION_KEY.to_owned(), TENSOR_EXTENSION.to_owned()),
        (EXTENSION_METADATA.to_owned(), metadata.to_string()),
    ]))
}

/// A column of one chunk, and what is held for it.
pub(crate) fn tensor_column(
    tensor: Tensor,
    rank: usize,
    context: &Context,
) -> Result<(ArrayRef, Option<Arc<Hold>>)> {
    let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
    let too_large = || {
        SheafError::unsupported(format!(
            "a chunk of {} elements does not fit into a row",
            shape.iter().product::<usize>()
        ))
        .with_hint("take smaller chunks: array_rechunk")
    };
    let (elements, hold) = tensor.into_arrow_held(context)?;
    let count = i32::try_from(elements.len()).map_err(|_| too_large())?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, count]));
    let data = ListArray::try_new(element_field(dtype), offsets, elements, None)?;
    let lengths = shape
        .iter()
        .map(|&length| i32::try_from(length).map_err(|_| too_large()));
    let lengths = Int32Array::from(lengths.collect::<Result<Vec<i32>>>()?);
    let size = i32::try_from(rank).unwrap_or(i32::MAX);
    let lengths =
        FixedSizeListArray::try_new_with_length(length_field(), size, Arc::new(lengths), None, 1)?;
    let columns: Vec<ArrayRef> = vec![Arc::new(data), Arc::new(lengths)];
    let column = StructArray::try_new(parts(dtype, rank), columns, None)?;
    Ok((Arc::new(column), hold))
}

/// The type of the elements of a column of tensors, and the number of their axes.
pub(crate) fn tensor_type(data_type: &DataType) -> Option<(DType, usize)> {
    let DataType::Struct(fields) = data_type else {
        return None;
    };
    match fields.as_ref() {
        [data, shape] if data.name() == "data" && shape.name() == "shape" => {
            let DataType::List(item) = data.data_type() else {
                return None;
            };
            let DataType::FixedSizeList(length, rank) = shape.data_type() else {
                return None;
            };
            let rank = usize::try_from(*rank)
                .ok()
                .filter(|rank| *rank <= AXES_MAX)?;
            let dtype = DType::of_arrow(item.data_type()).ok()?;
            (*length.data_type() == DataType::Int32).then_some((dtype, rank))
        }
        _ => None,
    }
}

/// What a schema says of an array with this grid.
pub(crate) fn array_metadata(grid: &Grid) -> Result<HashMap<String, String>> {
    let text = json!({
        "shape": grid.shape(),
        "chunks": grid.all_sizes(),
        "dtype": grid.dtype().name(),
        "dims": grid.names(),
    });
    let text = serde_json::to_string(&text).map_err(|e| SheafError::internal(e.to_string()))?;
    Ok(HashMap::from([(ARRAY_METADATA.to_owned(), text)]))
}

/// The grid of the array whose chunks have this description in their schema.
///
/// # Errors
/// `Data` if it is none.
pub fn grid_of(metadata: &str) -> Result<Grid> {
    let wrong = || {
        SheafError::data(format!(
            "{ARRAY_METADATA} does not describe an array: {metadata}"
        ))
    };
    let described: Value = serde_json::from_str(metadata).map_err(|_| wrong())?;
    let sizes: Vec<Vec<u64>> =
        serde_json::from_value(described["chunks"].clone()).map_err(|_| wrong())?;
    let names: Vec<Option<String>> =
        serde_json::from_value(described["dims"].clone()).map_err(|_| wrong())?;
    let dtype: DType = described["dtype"].as_str().ok_or_else(wrong)?.parse()?;
    Grid::irregular(&sizes, dtype)?.with_names(names)
}
