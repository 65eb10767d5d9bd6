//! `mod(a, b)`: the remainder `a % b`.

use arrow::datatypes::DataType;
use datafusion::common::{Result, utils::take_function_args};
use datafusion::logical_expr::{Expr, ScalarUDF, Signature, Volatility};

use crate::shorthand::Shorthand;

pub(super) fn function() -> ScalarUDF {
    Shorthand::new("mod", 2, |types| Ok(types[0].clone()), expand)
        .with_signature(Signature::numeric(2, Volatility::Immutable))
        .documented(
            "Math Functions",
            "The remainder of a division, of the dividend's sign.",
            "mod(dividend, divisor)",
        )
        .build()
}

fn expand(arguments: Vec<Expr>, _types: &[DataType]) -> Result<Expr> {
    let [dividend, divisor] = take_function_args("mod", arguments)?;
    Ok(dividend % divisor)
}
