//! Record batches of your own as a table, and a scalar function written in Rust.
//!
//! `cargo run --example functions -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use sheaf::arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use sheaf::arrow::datatypes::{DataType, Float64Type};
use sheaf::datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use sheaf::{Result, Session};

fn main() -> Result<()> {
    let celsius = Arc::new(Float64Array::from(vec![-40.0, 0.0, 100.0])) as ArrayRef;
    let readings = RecordBatch::try_from_iter([("celsius", celsius)])?;

    let fahrenheit = create_udf(
        "fahrenheit",
        vec![DataType::Float64],
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(|arguments: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(arguments)?;
            let celsius = arrays[0].as_primitive::<Float64Type>();
            let converted: Float64Array = celsius.unary(|c| c * 9.0 / 5.0 + 32.0);
            Ok(ColumnarValue::Array(Arc::new(converted)))
        }),
    );

    sheaf::block_on(async {
        let session = Session::builder().build()?;
        session.register_batches("readings", vec![readings])?;
        session.register_function(fahrenheit)?;
        let table = session
            .sql("SELECT celsius, fahrenheit(celsius) AS f FROM readings ORDER BY celsius")
            .await?
            .rows()
            .await?;
        println!("{table}");
        assert!(table.to_string().contains("| 100.0   | 212.0 |"));
        Ok(())
    })
}
