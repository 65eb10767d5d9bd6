//! `strptime(text, format)`: stands for `to_timestamp(text, format)`.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::functions::datetime::to_timestamp;
use datafusion::logical_expr::{Expr, ScalarUDF, cast};

use crate::shorthand::Shorthand;

const RESULT: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

pub(super) fn function() -> ScalarUDF {
    Shorthand::new("strptime", 2, |_| Ok(RESULT), expand)
        .documented(
            "Time and Date Functions",
            "The time which a text says in a format.",
            "strptime('03.02.2026', '%d.%m.%Y')",
        )
        .build()
}

fn expand(arguments: Vec<Expr>, _types: &[DataType]) -> Result<Expr> {
    Ok(cast(
        to_timestamp(&ConfigOptions::default()).call(arguments),
        RESULT,
    ))
}
