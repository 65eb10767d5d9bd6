//! `list_sort(list, lambda x [, i]: … [, 'DESC' [, 'NULLS LAST']])`: the elements in the order of what
//! the lambda gives, equal ones in the order they had. As in the form without a lambda, NULLs come
//! first unless it is said otherwise. A NULL list stays NULL.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, HigherOrderUDF};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::over_elements::{Evaluated, OverElements};

pub(super) fn function() -> HigherOrderUDF {
    OverElements {
        name: "list_sort_by",
        aliases: &["array_sort_by"],
        sentence: "The elements in the order of what a lambda gives; written list_sort.",
        syntax: "list_sort(list, lambda x, i: … [, 'ASC' | 'DESC' [, 'NULLS FIRST' | 'NULLS LAST']])",
        example: "SELECT list_sort(['ccc', 'a', 'bb'], lambda x: length(x)); -- [a, bb, ccc]",
        has_plain_form: false,
        options_max: 2,
        result_type: |_, element, _| Ok(DataType::List(Arc::clone(element))),
        combine: sorted,
    }
    .function()
}

fn sorted(call: Evaluated<'_>) -> Result<ArrayRef> {
    let options = sort_options(call.options)?;
    let key = SortField::new_with_options(call.outcomes.data_type().clone(), options);
    let keys = RowConverter::new(vec![key])?.convert_columns(&[call.outcomes])?;
    let (element, offsets, values, nulls) = call.lists.into_parts();
    let mut order: Vec<u32> = (0..).take(values.len()).collect();
    for ends in offsets.windows(2) {
        let list: Range<usize> = ends[0].unsigned_abs() as usize..ends[1].unsigned_abs() as usize;
        order[list].sort_by(|a, b| keys.row(*a as usize).cmp(&keys.row(*b as usize)));
    }
    let values = take(&values, &UInt32Array::from(order), None)?;
    Ok(Arc::new(ListArray::try_new(
        element, offsets, values, nulls,
    )?))
}

fn sort_options(written: &[ColumnarValue]) -> Result<SortOptions> {
    let mut options = SortOptions {
        descending: false,
        nulls_first: true,
    };
    for (index, option) in written.iter().enumerate() {
        let text = match option {
            ColumnarValue::Scalar(value) => value.try_as_str().flatten().map(str::to_uppercase),
            ColumnarValue::Array(values) => {
                let first = ScalarValue::try_from_array(values, 0).ok();
                first.and_then(|value| value.try_as_str().flatten().map(str::to_uppercase))
            }
        };
        match (index, text.as_deref().map(str::trim)) {
            (0, Some("ASC")) => options.descending = false,
            (0, Some("DESC")) => options.descending = true,
            (1, Some("NULLS FIRST")) => options.nulls_first = true,
            (1, Some("NULLS LAST")) => options.nulls_first = false,
            _ => {
                return Err(SheafError::user(
                    "list_sort takes 'ASC' or 'DESC', then 'NULLS FIRST' or 'NULLS LAST'",
                )
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
                .into());
            }
        }
    }
    Ok(options)
}
