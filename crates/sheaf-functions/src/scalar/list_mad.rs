//! `list_mad(list)`: the median of the distances of numbers from their median; what `mad(x)` is over a
//! group's values.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, ScalarUDF};

use crate::kernel::Kernel;

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(function()));

/// The call of it.
pub(crate) fn call(list: Expr) -> Expr {
    FUNCTION.call(vec![list])
}

pub(super) fn function() -> ScalarUDF {
    let numbers = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
    Kernel::new(
        "list_mad",
        &[&[numbers]],
        |_| Ok(DataType::Float64),
        compute,
    )
    .documented(
        "Array Functions",
        "The median of the distances of numbers from their median.",
        "list_mad(list)",
        "SELECT list_mad([1, 2, 4, 9]); -- 1.5",
    )
    .build()
}

fn compute(arrays: &[ArrayRef], _count: usize, _type: &DataType) -> Result<ArrayRef> {
    let lists = arrays[0].as_list::<i32>();
    let found = lists.iter().map(|numbers| {
        let numbers = numbers?;
        let mut numbers: Vec<f64> = numbers
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .collect();
        let middle = median(&mut numbers)?;
        numbers
            .iter_mut()
            .for_each(|number| *number = (*number - middle).abs());
        median(&mut numbers)
    });
    Ok(Arc::new(found.collect::<Float64Array>()))
}

fn median(numbers: &mut [f64]) -> Option<f64> {
    let last = numbers.len().checked_sub(1)?;
    numbers.sort_unstable_by(f64::total_cmp);
    let (low, high) = (numbers[last / 2], numbers[numbers.len() / 2]);
    Some(low + (high - low) / 2.0)
}
