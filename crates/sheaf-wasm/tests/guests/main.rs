//! Functions in WebAssembly, called as the engine calls them: guests written as text here, in C and in
//! AssemblyScript; guests that work, and guests that lie, loop, grow and trap.
//!
//! What a guest should give is worked out by hand or computed in Rust.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod compiled;
mod hostile;
mod kinds;
mod limits;
mod plain;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use sheaf_base::{Result, SheafError};
use sheaf_udf::{
    CallContext, Code, Declaration, Language, Parameter, ParameterKind, ScalarFunction, Volatility,
};
use sheaf_wasm::Wasm;
use tokio_util::sync::CancellationToken;

/// A query with `bytes` of memory: its context, its memory, and what stops it.
struct Query {
    context: CallContext,
    memory: Arc<dyn MemoryPool>,
    stop: CancellationToken,
}

impl Query {
    fn new(bytes: usize) -> Self {
        let memory: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        let stop = CancellationToken::new();
        Self {
            context: CallContext::new(Arc::clone(&memory), stop.clone()),
            memory,
            stop,
        }
    }

    fn large() -> Self {
        Self::new(1 << 30)
    }
}

/// `text` as the code in the file `guest.wat`.
fn code(text: &str) -> Code {
    Code {
        bytes: Arc::from(text.as_bytes()),
        entry: None,
        file: Some("guest.wat".to_owned()),
    }
}

/// `name` with parameters `a`, `b`, … of these types.
fn declare(name: &str, types: &[DataType]) -> Declaration {
    let parameters = types
        .iter()
        .zip('a'..='z')
        .map(|(data_type, name)| Parameter {
            name: name.to_string(),
            kind: ParameterKind::Value(data_type.clone()),
            default: None,
        });
    Declaration {
        name: name.to_owned(),
        parameters: parameters.collect(),
        volatility: Volatility::Immutable,
        is_strict: false,
    }
}

fn scalar(
    text: &str,
    name: &str,
    types: &[DataType],
    returns: &DataType,
) -> Result<Arc<dyn ScalarFunction>> {
    Wasm.scalar(&code(text), &declare(name, types), returns)
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn doubles(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// Checks that `result` failed, and that the error says `parts` in its message.
#[track_caller]
fn expect_error<T>(result: Result<T>, parts: &[&str]) -> SheafError {
    let Err(error) = result else {
        panic!("it did not fail; the error should say {parts:?}");
    };
    for part in parts {
        assert!(
            error.message().contains(part),
            "{part:?} not in {:?}",
            error.message()
        );
    }
    error
}

/// A guest of many rows: a memory of so many pages, an allocator that gives what is after the first of
/// them in turn and never takes it back, and `body`.
fn guest(pages: u32, body: &str) -> String {
    format!(
        r#"(module
  (memory (export "memory") {pages})
  (global $next (mut i32) (i32.const 65536))
  (func $alloc (export "sheaf_alloc") (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.const -16)
      (i32.add (i32.const 15) (i32.add (local.get $at) (local.get $bytes)))))
    (block $fits
      (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (br_if $fits (i32.ne (i32.const -1) (memory.grow
        (i32.add (i32.const 1) (i32.shr_u (local.get $bytes) (i32.const 16))))))
      (return (i32.const 0)))
    (local.get $at))
  (func (export "sheaf_free") (param i32 i32))
  {body})"#
    )
}
