//! Functions in Python, called as the engine calls them: every kind and form, and what hostile ones do.
//!
//! They need an interpreter with pyarrow, NumPy and pandas: that of SHEAF_PYTHON_EXECUTABLE, else the one
//! that `cargo xtask test` has made in the target directory, else `python3`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail by panicking"
)]

mod aggregates;
mod hostile;
mod queries;
mod scalars;
mod tables;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use sheaf_base::Result;
use sheaf_python::{Python, PythonOptions};
use sheaf_udf::{
    AggregateFunction, CallContext, Code, Declaration, Language, Parameter, ParameterKind,
    ScalarFunction, TableFunction, Volatility,
};
use tokio_util::sync::CancellationToken;

/// The interpreter of the tests.
fn interpreter() -> String {
    if let Some(given) = std::env::var_os("SHEAF_PYTHON_EXECUTABLE") {
        return given.to_string_lossy().into_owned();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let made = program
        .ancestors()
        .nth(3)
        .map(|target| target.join("python/functions/bin/python"))
        .filter(|python| python.exists());
    made.unwrap_or_else(|| PathBuf::from("python3"))
        .display()
        .to_string()
}

fn options() -> PythonOptions {
    PythonOptions {
        executable: interpreter(),
        workers_max: 2,
        memory_bytes_max: 2_000_000_000,
        call_timeout: None,
    }
}

fn python() -> Python {
    Python::new(options())
}

/// A query of its own, with memory of its own.
fn query() -> CallContext {
    query_with(1_000_000_000, CancellationToken::new())
}

fn query_with(bytes: usize, stop: CancellationToken) -> CallContext {
    let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
    CallContext::new(memory, stop)
}

fn code(text: &str) -> Code {
    Code {
        bytes: text.as_bytes().into(),
        entry: None,
        file: None,
    }
}

fn declaration(parameters: &[(&str, ParameterKind)]) -> Declaration {
    Declaration {
        name: "f".to_owned(),
        parameters: parameters
            .iter()
            .map(|(name, kind)| Parameter {
                name: (*name).to_owned(),
                kind: kind.clone(),
                default: None,
            })
            .collect(),
        volatility: Volatility::Immutable,
        is_strict: false,
    }
}

/// Parameters of these types, called a, b, …
fn values(types: &[DataType]) -> Vec<(&'static str, ParameterKind)> {
    let names = ["a", "b", "c", "d"];
    names
        .into_iter()
        .zip(types)
        .map(|(name, data_type)| (name, ParameterKind::Value(data_type.clone())))
        .collect()
}

fn scalar(
    python: &Python,
    text: &str,
    types: &[DataType],
    returns: DataType,
) -> Result<Arc<dyn ScalarFunction>> {
    python.scalar(&code(text), &declaration(&values(types)), &returns)
}

fn aggregate(
    python: &Python,
    text: &str,
    types: &[DataType],
    returns: DataType,
) -> Result<Arc<dyn AggregateFunction>> {
    python.aggregate(&code(text), &declaration(&values(types)), &returns)
}

fn table(
    python: &Python,
    text: &str,
    parameters: &[(&str, ParameterKind)],
    returns: &[(&str, DataType)],
) -> Result<Arc<dyn TableFunction>> {
    python.table(&code(text), &declaration(parameters), &columns(returns))
}

fn columns(columns: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn integers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}
