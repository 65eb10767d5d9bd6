//! What guests may take: time, memory, stack, tables; and what they may import.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use sheaf_base::ErrorKind;
use sheaf_base::error::SqlState;
use sheaf_udf::{Code, Language};
use sheaf_wasm::Wasm;

use super::{Query, code, declare, doubles, expect_error, scalar};

const DOUBLE: DataType = DataType::Float64;

/// Loops for ever if it is called.
const FOREVER: &str = r#"(module (func (export "f") (param f64) (result f64)
    (loop $again (br $again)) (unreachable)))"#;

#[test]
fn an_endless_loop_ends_with_its_query() {
    let query = Query::large();
    let forever = scalar(FOREVER, "f", &[DOUBLE], &DOUBLE).unwrap();
    let stop = query.stop.clone();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        stop.cancel();
    });
    let begun = Instant::now();
    let stopped = forever.call(&[doubles(&[1.0])], 1, &query.context);
    let error = expect_error(stopped, &["the query was cancelled"]);
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    stopper.join().unwrap();
    // Another query goes on.
    let query = Query::large();
    let text = r#"(module (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    let fine = scalar(text, "f", &[DOUBLE], &DOUBLE).unwrap();
    assert!(fine.call(&[doubles(&[1.0])], 1, &query.context).is_ok());
}

#[test]
fn a_query_that_is_over_calls_nothing() {
    let query = Query::large();
    let forever = scalar(FOREVER, "f", &[DOUBLE], &DOUBLE).unwrap();
    query.stop.cancel();
    let error = expect_error(forever.call(&[doubles(&[1.0])], 1, &query.context), &[]);
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn memory_is_the_querys() {
    // Grows by 100 pages and fails if it may not.
    let text = r#"(module (memory (export "memory") 1)
        (func (export "f") (param f64) (result f64)
          (if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable)))
          (local.get 0)))"#;
    let query = Query::new(16 << 20);
    let grow = scalar(text, "f", &[DOUBLE], &DOUBLE).unwrap();
    grow.call(&[doubles(&[1.0, 1.0])], 2, &query.context)
        .unwrap();
    // The instance that waits keeps what it took: two memories of a page, and twice a hundred.
    assert!(
        query.memory.reserved() >= 200 * 65536,
        "{}",
        query.memory.reserved()
    );
    let refused = grow.call(&[doubles(&[1.0])], 1, &query.context);
    let error = expect_error(refused, &["guest.wat, batch 2"]);
    assert_eq!(error.kind(), ErrorKind::Resource, "{error}");
    // It was thrown away.
    assert_eq!(query.memory.reserved(), 0);
}

#[test]
fn what_a_query_kept_goes_with_it() {
    let text = r#"(module (memory (export "memory") 10)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    let Query {
        context, memory, ..
    } = Query::large();
    let fine = scalar(text, "f", &[DOUBLE], &DOUBLE).unwrap();
    fine.call(&[doubles(&[1.0])], 1, &context).unwrap();
    assert!(memory.reserved() >= 10 * 65536);
    drop(context);
    assert_eq!(memory.reserved(), 0);
}

#[test]
fn an_instance_that_does_not_fit_is_not_made() {
    let text = r#"(module (memory (export "memory") 1000)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    let large = scalar(text, "f", &[DOUBLE], &DOUBLE).unwrap();
    let query = Query::new(1 << 20);
    let error = expect_error(
        large.call(&[doubles(&[1.0])], 1, &query.context),
        &["guest.wat"],
    );
    assert_eq!(error.kind(), ErrorKind::Resource, "{error}");
    assert_eq!(query.memory.reserved(), 0);
    let text = r#"(module (memory (export "memory") 65536)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    expect_error(
        scalar(text, "f", &[DOUBLE], &DOUBLE),
        &["guest.wat", "of memory"],
    );
}

#[test]
fn recursion_and_tables_have_ends() {
    let query = Query::large();
    let text = r#"(module
        (table $t 1 funcref)
        (func $f (export "f") (param i64) (result i64) (i64.add (i64.const 1) (call $f (local.get 0))))
        (func (export "g") (param i64) (result i64)
          (i64.extend_i32_s (table.grow $t (ref.null func) (i32.const 100000000)))))"#;
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let deep = scalar(text, "f", &[DataType::Int64], &DataType::Int64).unwrap();
    let failed = deep.call(&[Arc::clone(&values)], 1, &query.context);
    expect_error(failed, &["nested too deeply"]);
    let grow = scalar(text, "g", &[DataType::Int64], &DataType::Int64).unwrap();
    let result = grow.call(&[values], 1, &query.context).unwrap();
    let refused: ArrayRef = Arc::new(Int64Array::from(vec![-1]));
    assert_eq!(&result, &refused);
    let text = r#"(module (table 1000000 funcref)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    expect_error(scalar(text, "f", &[DOUBLE], &DOUBLE), &["guest.wat"]);
}

#[test]
fn a_module_reaches_nothing_outside() {
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_write"
          (func (param i32 i32 i32 i32) (result i32)))
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    let error = expect_error(
        scalar(text, "f", &[DOUBLE], &DOUBLE),
        &["guest.wat imports wasi_snapshot_preview1.fd_write"],
    );
    assert_eq!(error.state(), SqlState::INVALID_FUNCTION_DEFINITION);
    // The right name with another type.
    let text = r#"(module (import "env" "abort" (func))
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    expect_error(
        scalar(text, "f", &[DOUBLE], &DOUBLE),
        &["guest.wat cannot be linked"],
    );
    for feature in [
        r#"(module (memory i64 1))"#,
        r#"(module (memory 1 2 shared))"#,
        r#"(module (memory 1) (memory 1))"#,
    ] {
        expect_error(
            scalar(feature, "f", &[], &DOUBLE),
            &["guest.wat is no WebAssembly module"],
        );
    }
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    for bytes in [
        &b""[..],
        b"(module",
        b"\0asm",
        b"\0asm\x01\0\0\0\xff\xff\xff\xff\x7f",
        b"\x7fELF\x02\x01\x01\0\0\0",
        b"\0asm\x0d\0\x01\0",
        "(module ε".as_bytes(),
        b"\xff\xfe(module)",
    ] {
        let code = Code {
            bytes: Arc::from(bytes),
            ..code("")
        };
        let made = Wasm.scalar(&code, &declare("f", &[]), &DOUBLE);
        let error = expect_error(made, &["guest.wat"]);
        assert_ne!(error.kind(), ErrorKind::Internal, "{bytes:?}");
    }
    let deep = format!("(module (func {}", "(block ".repeat(100_000));
    expect_error(scalar(&deep, "f", &[], &DOUBLE), &["guest.wat"]);
    let heavy = format!("(module (; {} ;))", " ".repeat(17 << 20));
    let error = expect_error(scalar(&heavy, "f", &[], &DOUBLE), &["guest.wat has"]);
    assert_eq!(error.state(), SqlState::PROGRAM_LIMIT);
}

#[test]
fn a_start_function_is_held_to_the_same() {
    let text = r#"(module (func $start (unreachable)) (start $start)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    expect_error(
        scalar(text, "f", &[DOUBLE], &DOUBLE),
        &["guest.wat", "trapped"],
    );
    let text = r#"(module (func $start (loop $again (br $again))) (start $start)
        (func (export "f") (param f64) (result f64) (local.get 0)))"#;
    expect_error(
        scalar(text, "f", &[DOUBLE], &DOUBLE),
        &["took longer than 5 seconds"],
    );
}

#[test]
fn an_abort_is_told_in_its_own_words() {
    // "no!" in UTF-16 at 16, after its length in bytes, as AssemblyScript lays texts out.
    let text = r#"(module
        (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 12) "\06\00\00\00n\00o\00!\00")
        (func (export "f") (param f64) (result f64)
          (call $abort (i32.const 16) (i32.const 0) (i32.const 3) (i32.const 9)) (unreachable)))"#;
    let query = Query::large();
    let aborts = scalar(text, "f", &[DOUBLE], &DOUBLE).unwrap();
    let failed = aborts.call(&[doubles(&[2.5])], 1, &query.context);
    let error = expect_error(failed, &["guest.wat, batch 1: no!"]);
    assert_eq!(error.detail(), Some("called with a = 2.5"));
    for address in ["-1", "3", "0", "65535"] {
        let text = text.replace("(i32.const 16)", &format!("(i32.const {address})"));
        let aborts = scalar(&text, "f", &[DOUBLE], &DOUBLE).unwrap();
        let failed = aborts.call(&[doubles(&[2.5])], 1, &query.context);
        expect_error(failed, &["it aborted"]);
    }
}
