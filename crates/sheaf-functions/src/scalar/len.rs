//! `len(x)`: the length of a text in characters, of a list or a map in elements.

use arrow::datatypes::DataType;
use datafusion::common::{Result, utils::take_function_args};
use datafusion::functions::unicode::expr_fn::character_length;
use datafusion::functions_nested::expr_fn::{array_length, cardinality};
use datafusion::logical_expr::{Expr, ScalarUDF, cast};

use crate::shorthand::Shorthand;

pub(super) fn function() -> ScalarUDF {
    Shorthand::new("len", 1, |_| Ok(DataType::Int64), expand)
        .documented(
            "String Functions",
            "The length of a text in characters, of a list or a map in elements.",
            "len(text_or_list)",
        )
        .build()
}

fn expand(arguments: Vec<Expr>, types: &[DataType]) -> Result<Expr> {
    let [argument] = take_function_args("len", arguments)?;
    let length = match &types[0] {
        // An empty list has no first dimension, yet a length.
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let length = cast(array_length(argument.clone()), DataType::Int64);
            return datafusion::logical_expr::when(argument.is_not_null(), coalesce_zero(length))
                .end();
        }
        DataType::Map(..) => cardinality(argument),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => character_length(argument),
        _ => character_length(cast(argument, DataType::Utf8)),
    };
    Ok(cast(length, DataType::Int64))
}

fn coalesce_zero(length: Expr) -> Expr {
    datafusion::functions::core::expr_fn::coalesce(vec![
        length,
        datafusion::logical_expr::lit(0_i64),
    ])
}
