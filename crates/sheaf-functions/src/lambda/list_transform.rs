//! `list_transform(list, lambda x [, i]: …)`: each element by the lambda. A NULL list stays NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::HigherOrderUDF;

use super::over_elements::{Evaluated, OverElements};

pub(super) fn function() -> HigherOrderUDF {
    OverElements {
        name: "array_transform",
        aliases: &["list_transform", "list_apply", "array_apply", "apply"],
        sentence: "Each element by a lambda, whose second parameter, if it has one, is the position \
                   from 1.",
        syntax: "list_transform(list, lambda x, i: …)",
        example: "SELECT list_transform([10, 20], lambda x, i: x + i); -- [11, 22]",
        has_plain_form: false,
        options_max: 0,
        result_type: |_, _, outcome| {
            let element = Field::new_list_field(outcome.clone(), true);
            Ok(DataType::List(Arc::new(element)))
        },
        combine: transformed,
    }
    .function()
}

fn transformed(call: Evaluated<'_>) -> Result<ArrayRef> {
    let DataType::List(element) = call.result.data_type() else {
        return exec_err!("a transformed list is a list");
    };
    let (_, offsets, _, nulls) = call.lists.into_parts();
    let list = ListArray::try_new(Arc::clone(element), offsets, call.outcomes, nulls)?;
    Ok(Arc::new(list))
}
