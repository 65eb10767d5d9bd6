//! `list_filter(list, lambda x [, i]: …)`: the elements for which the lambda is true; not those for
//! which it is NULL. A NULL list stays NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{filter, prep_null_mask_filter};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::HigherOrderUDF;

use super::condition;
use super::over_elements::{Evaluated, OverElements};

pub(super) fn function() -> HigherOrderUDF {
    OverElements {
        name: "array_filter",
        aliases: &["list_filter"],
        sentence: "The elements for which a lambda is true. Its second parameter, if it has one, is \
                   the position from 1.",
        syntax: "list_filter(list, lambda x, i: …)",
        example: "SELECT list_filter([5, 6, 7], lambda x, i: x > 5 AND i < 3); -- [6]",
        has_plain_form: false,
        options_max: 0,
        result_type: same_list,
        combine: filtered,
    }
    .function()
}

fn same_list(name: &'static str, element: &FieldRef, outcome: &DataType) -> Result<DataType> {
    condition::is_boolean(name, outcome)?;
    Ok(DataType::List(Arc::clone(element)))
}

fn filtered(call: Evaluated<'_>) -> Result<ArrayRef> {
    let kept = condition::values(&call.outcomes)?;
    let kept: BooleanArray = match kept.null_count() {
        0 => kept.as_boolean().clone(),
        _ => prep_null_mask_filter(kept.as_boolean()),
    };
    let (element, offsets, values, nulls) = call.lists.into_parts();
    let lengths = offsets.windows(2).map(|ends| {
        let (start, end) = (
            ends[0].unsigned_abs() as usize,
            ends[1].unsigned_abs() as usize,
        );
        kept.values().slice(start, end - start).count_set_bits()
    });
    let offsets = OffsetBuffer::from_lengths(lengths);
    let list = ListArray::try_new(element, offsets, filter(&values, &kept)?, nulls)?;
    Ok(Arc::new(list))
}
