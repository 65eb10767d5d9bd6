//! Rows a second through one worker: `x * 2 + y` over two DOUBLEs in every form, by the size of batches.
//!
//! `cargo run --release -p sheaf-python --example throughput -- /path/to/python`

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::DataType::Float64;
use datafusion::execution::memory_pool::UnboundedMemoryPool;
use sheaf_base::Result;
use sheaf_python::{Python, PythonOptions};
use sheaf_udf::{CallContext, Code, Declaration, Language};
use tokio_util::sync::CancellationToken;

const FORMS: &[(&str, &str)] = &[
    (
        "pyarrow",
        "import pyarrow.compute as pc\ndef f(x, y): return pc.add(pc.multiply(x, 2.0), y)",
    ),
    (
        "numpy",
        "import numpy as np\ndef f(x: np.ndarray, y): return x * 2 + y",
    ),
    (
        "pandas",
        "import pandas as pd\ndef f(x: pd.Series, y): return x * 2 + y",
    ),
    ("rows", "def f(x: float, y): return x * 2 + y"),
];

/// How long each case is measured.
const TIME: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let executable = std::env::args().nth(1);
    let python = Python::new(PythonOptions {
        executable: executable.unwrap_or_else(|| "python3".to_owned()),
        workers_max: 1,
        ..PythonOptions::default()
    });
    let memory = Arc::new(UnboundedMemoryPool::default());
    let context = CallContext::new(memory, CancellationToken::new());
    for (form, text) in FORMS {
        let code = Code {
            bytes: text.as_bytes().into(),
            entry: None,
            file: None,
        };
        let declaration = Declaration::new("f")
            .value("x", Float64)
            .value("y", Float64);
        let function = python.scalar(&code, &declaration, &Float64)?;
        for rows in [8192, 65_536, 1_048_576] {
            let numbers = (0..rows).map(f64::from);
            let column: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers));
            let arguments = [Arc::clone(&column), column];
            let rows = arguments[0].len();
            function.call(&arguments, rows, &context)?;
            let (start, mut calls) = (Instant::now(), 0_u32);
            while start.elapsed() < TIME {
                function.call(&arguments, rows, &context)?;
                calls += 1;
            }
            let seconds = start.elapsed().as_secs_f64() / f64::from(calls);
            let millions = f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) / seconds / 1e6;
            println!("{form:8} {rows:8} rows a batch: {millions:6.1} M rows/s");
        }
    }
    Ok(())
}
