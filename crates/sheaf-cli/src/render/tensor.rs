//! Tensors as text: their shape, and the elements in row-major order as far as people read them.

use std::fmt::Write;

use sheaf::arrow::array::{Array, AsArray};
use sheaf::arrow::datatypes::{DataType, Int32Type};

use super::value::{CellWriter, Column, DateTimeStyle};

/// Elements that are shown; `array_to_cells` and JSON show all of them.
const ELEMENTS_MAX: usize = 16;

/// Whether a column of structs is one of tensors: `data` and `shape`, as Arrow's extension type has them.
pub(super) fn is_tensor(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else {
        return false;
    };
    matches!(fields.as_ref(), [data, shape]
        if data.name() == "data" && matches!(data.data_type(), DataType::List(_))
            && shape.name() == "shape" && matches!(shape.data_type(),
                DataType::FixedSizeList(item, _) if *item.data_type() == DataType::Int32))
}

/// `(2, 3): 0.5, 1.0, 1.5, …`
pub(super) fn writer(array: &dyn Array, style: DateTimeStyle) -> CellWriter<'_> {
    let parts = array.as_struct();
    let lists = parts.column(0).as_list::<i32>();
    let shapes = parts.column(1).as_fixed_size_list();
    let elements = Column::new(lists.values().as_ref(), style);
    Box::new(move |row, out| {
        let shape = shapes.value(row);
        out.push('(');
        for (axis, length) in shape
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .enumerate()
        {
            let separator = if axis > 0 { ", " } else { "" };
            let _ = write!(out, "{separator}{length}");
        }
        out.push_str("):");
        let offsets = lists.value_offsets();
        let first = usize::try_from(offsets[row]).unwrap_or(0);
        let count = usize::try_from(lists.value_length(row)).unwrap_or(0);
        for number in 0..count.min(ELEMENTS_MAX) {
            out.push_str(if number > 0 { ", " } else { " " });
            elements.write(first + number, out);
        }
        if count > ELEMENTS_MAX {
            out.push_str(", …");
        }
    })
}
