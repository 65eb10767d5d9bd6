//! `list_any(list [, lambda x [, i]: …])` and `list_all(…)`: OR and AND over what the lambda gives, or
//! over the elements themselves.
//!
//! NULLs are as in SQL's OR and AND: `list_any` is true if anything is, else NULL if anything is NULL,
//! else false; `list_all` false if anything is, else NULL, else true. Of no elements `list_any` is
//! false and `list_all` true; of a NULL list both are NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::HigherOrderUDF;

use super::condition;
use super::over_elements::{Evaluated, OverElements};

pub(super) fn any() -> HigherOrderUDF {
    OverElements {
        name: "array_any_match",
        aliases: &["list_any", "array_any", "list_any_match", "any_match"],
        sentence: "Whether a lambda, or without one the element itself, is true for any element; \
                   false of no elements.",
        syntax: "list_any(list [, lambda x, i: …])",
        example: "SELECT list_any([1, 2, 3], lambda x: x > 2); -- true",
        has_plain_form: true,
        options_max: 0,
        result_type: boolean,
        combine: |call| matched(&call, true),
    }
    .function()
}

pub(super) fn all() -> HigherOrderUDF {
    OverElements {
        name: "array_all_match",
        aliases: &["list_all", "array_all", "list_all_match", "all_match"],
        sentence: "Whether a lambda, or without one the element itself, is true for all elements; \
                   true of no elements.",
        syntax: "list_all(list [, lambda x, i: …])",
        example: "SELECT list_all([1, 2, 3], lambda x: x > 2); -- false",
        has_plain_form: true,
        options_max: 0,
        result_type: boolean,
        combine: |call| matched(&call, false),
    }
    .function()
}

fn boolean(name: &'static str, _element: &FieldRef, outcome: &DataType) -> Result<DataType> {
    condition::is_boolean(name, outcome)?;
    Ok(DataType::Boolean)
}

/// `decisive` if any outcome is, NULL if any is NULL, else the opposite.
fn matched(call: &Evaluated<'_>, decisive: bool) -> Result<ArrayRef> {
    let outcomes = condition::values(&call.outcomes)?;
    let outcomes = outcomes.as_boolean();
    let offsets = call.lists.value_offsets();
    let results = (0..call.lists.len()).map(|list| {
        if call.lists.is_null(list) {
            return None;
        }
        let start = offsets[list].unsigned_abs() as usize;
        let end = offsets[list + 1].unsigned_abs() as usize;
        let mut has_null = false;
        for item in start..end {
            match outcomes.is_valid(item) {
                true if outcomes.value(item) == decisive => return Some(decisive),
                true => {}
                false => has_null = true,
            }
        }
        (!has_null).then_some(!decisive)
    });
    Ok(Arc::new(results.collect::<BooleanArray>()))
}
