//! Functions over plain values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int8Array, Int64Array,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int8Type};
use sheaf_base::error::SqlState;

use super::{Query, code, declare, doubles, expect_error, scalar};
use sheaf_udf::{Code, Language};
use sheaf_wasm::Wasm;

/// `x * 2 + y`.
const SCORE: &str = r#"(module (func (export "score") (param f64 f64) (result f64)
    (f64.add (f64.mul (local.get 0) (f64.const 2)) (local.get 1))))"#;

const DOUBLE: DataType = DataType::Float64;

#[test]
fn a_plain_function_is_called_for_each_row() {
    let query = Query::large();
    let score = scalar(SCORE, "score", &[DOUBLE, DOUBLE], &DOUBLE).unwrap();
    for rows in [0, 1, 8192, 20_000] {
        let x: Vec<f64> = (0..rows).map(f64::from).collect();
        let y: Vec<f64> = (0..rows).map(|row| f64::from(row) / 4.0).collect();
        let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x * 2.0 + y).collect();
        let result = score
            .call(&[doubles(&x), doubles(&y)], x.len(), &query.context)
            .unwrap();
        assert_eq!(result.as_primitive::<Float64Type>().values(), &expected[..]);
    }
}

#[test]
fn null_gives_null_and_is_not_seen() {
    let query = Query::large();
    let text = r#"(module (func (export "inverse") (param i64) (result i64)
        (i64.div_s (i64.const 12) (local.get 0))))"#;
    let inverse = scalar(text, "inverse", &[DataType::Int64], &DataType::Int64).unwrap();
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(-4), None]));
    let result = inverse.call(&[values], 4, &query.context).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(4), None, Some(-3), None]));
    assert_eq!(&result, &expected);
}

#[test]
fn every_plain_type_arrives_and_returns() {
    let query = Query::large();
    let text = r#"(module
        (func (export "isneg") (param i32) (result i32) (i32.and (local.get 0) (i32.const -128)))
        (func (export "not") (param i32) (result i32) (i32.eqz (local.get 0)))
        (func (export "tomorrow") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))"#;
    let bytes: ArrayRef = Arc::new(Int8Array::from(vec![-128, -1, 0, 1, 127]));
    // 256 is true too, though its lowest byte is 0.
    let negative = scalar(text, "isneg", &[DataType::Int8], &DataType::Boolean).unwrap();
    let result = negative
        .call(&[Arc::clone(&bytes)], 5, &query.context)
        .unwrap();
    assert_eq!(
        result.as_boolean(),
        &BooleanArray::from(vec![true, true, false, false, false])
    );
    let same = scalar(text, "tomorrow", &[DataType::Int8], &DataType::Int8).unwrap();
    let result = same.call(&[bytes], 5, &query.context).unwrap();
    assert_eq!(
        result.as_primitive::<Int8Type>().values(),
        &[-127, 0, 1, 2, -128]
    );
    let not = scalar(text, "not", &[DataType::Boolean], &DataType::Boolean).unwrap();
    let values: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    let result = not.call(&[values], 2, &query.context).unwrap();
    assert_eq!(result.as_boolean(), &BooleanArray::from(vec![false, true]));
    let tomorrow = scalar(text, "tomorrow", &[DataType::Date32], &DataType::Date32).unwrap();
    let values: ArrayRef = Arc::new(Date32Array::from(vec![-1, 19_999]));
    let result = tomorrow.call(&[values], 2, &query.context).unwrap();
    assert_eq!(result.as_primitive::<Date32Type>().values(), &[0, 20_000]);
}

#[test]
fn a_function_without_parameters_gives_a_value_a_row() {
    let query = Query::large();
    let text = r#"(module (func (export "one") (result f64) (f64.const 1)))"#;
    let one = scalar(text, "one", &[], &DOUBLE).unwrap();
    let result = one.call(&[], 3, &query.context).unwrap();
    assert_eq!(
        result.as_primitive::<Float64Type>().values(),
        &[1.0, 1.0, 1.0]
    );
}

#[test]
fn a_slice_of_a_column_is_its_rows() {
    let query = Query::large();
    let score = scalar(SCORE, "score", &[DOUBLE, DOUBLE], &DOUBLE).unwrap();
    let x = Float64Array::from(vec![Some(9.0), Some(1.0), None, Some(3.0), Some(9.0)]).slice(1, 3);
    let y = doubles(&[9.0, 9.0, 9.0, 0.5, 0.25, 0.125]).slice(3, 3);
    let result = score.call(&[Arc::new(x), y], 3, &query.context).unwrap();
    let expected: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.5), None, Some(6.125)]));
    assert_eq!(&result, &expected);
}

#[test]
fn what_is_declared_has_to_be_what_is_exported() {
    let lacks = scalar(SCORE, "scores", &[DOUBLE], &DOUBLE);
    let error = expect_error(lacks, &["guest.wat has no function scores"]);
    assert_eq!(error.detail(), Some("it exports score"));
    assert_eq!(error.state(), SqlState::UNDEFINED_FUNCTION);
    let other = scalar(SCORE, "score", &[DOUBLE, DataType::Int64], &DOUBLE);
    expect_error(
        other,
        &[
            "score is (f64, f64) -> f64 in guest.wat",
            "declared is (f64, i64) -> f64",
        ],
    );
    let text = scalar(SCORE, "score", &[DataType::Utf8, DOUBLE], &DOUBLE);
    expect_error(text, &["plain values have numbers"]);
    let unknown = DataType::Duration(arrow::datatypes::TimeUnit::Second);
    expect_error(
        scalar(SCORE, "score", &[unknown.clone(), DOUBLE], &DOUBLE),
        &["plain values"],
    );
}

#[test]
fn an_entry_names_the_export() {
    let code = Code {
        entry: Some("score".to_owned()),
        ..code(SCORE)
    };
    assert!(
        Wasm.scalar(&code, &declare("s", &[DOUBLE, DOUBLE]), &DOUBLE)
            .is_ok()
    );
    // A name that would be text of the loop around the function.
    let odd = "a\" (func (unreachable))";
    let text = r#"(module (func (export "a\22 (func (unreachable))") (result f64) (f64.const 7)))"#;
    let odd = scalar(text, odd, &[], &DOUBLE).unwrap();
    let result = odd.call(&[], 1, &Query::large().context).unwrap();
    assert_eq!(result.as_primitive::<Float64Type>().values(), &[7.0]);
}

#[test]
fn a_trap_names_file_batch_and_arguments() {
    let query = Query::large();
    let text = r#"(module (func $divide (export "divide") (param i64 i64) (result i64)
        (i64.div_s (local.get 0) (local.get 1))))"#;
    let types = [DataType::Int64, DataType::Int64];
    let divide = scalar(text, "divide", &types, &DataType::Int64).unwrap();
    let (seven, zero): (ArrayRef, ArrayRef) = (
        Arc::new(Int64Array::from(vec![7, 8, 9])),
        Arc::new(Int64Array::from(vec![1, 2, 0])),
    );
    let fine = Arc::clone(&seven);
    divide
        .call(&[Arc::clone(&seven), fine], 3, &query.context)
        .unwrap();
    let failed = divide.call(&[Arc::clone(&seven), zero], 3, &query.context);
    let error = expect_error(
        failed,
        &["guest.wat, batch 2: ", "division of an integer by zero"],
    );
    assert_eq!(error.detail(), Some("called with a = 9, b = 0; in divide"));
    assert_eq!(error.state(), SqlState::EXTERNAL_ROUTINE);
    // The next call has an instance that works.
    let fine = divide.call(&[Arc::clone(&seven), seven], 3, &query.context);
    assert!(fine.is_ok());
}

#[test]
fn many_threads_call_one_function() {
    let query = Query::large();
    let score = scalar(SCORE, "score", &[DOUBLE, DOUBLE], &DOUBLE).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (score, context) = (&score, &query.context);
            scope.spawn(move || {
                let x = doubles(&vec![f64::from(thread); 1000]);
                for _ in 0..50 {
                    let result = score.call(&[Arc::clone(&x), Arc::clone(&x)], 1000, context);
                    let result = result.unwrap();
                    let values = result.as_primitive::<Float64Type>().values();
                    assert!(values.iter().all(|value| *value == 3.0 * f64::from(thread)));
                }
            });
        }
    });
}
