//! Spelling of values against the table in `sql-tests/README.md`.

use std::sync::Arc;

use sheaf::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use sheaf::arrow::datatypes::{DataType, Field, Int64Type};
use sqllogictest::DefaultColumnType;

use super::{append_rows, column_type};

fn shown(array: ArrayRef) -> Vec<String> {
    let batch = RecordBatch::try_from_iter_with_nullable([("v", array, true)]).unwrap();
    let mut rows = Vec::new();
    append_rows(&batch, &mut rows).unwrap();
    rows.into_iter().flatten().collect()
}

#[test]
fn floats_are_shortest_and_switch_notation_as_postgresql_does() {
    let values = [
        260.0,
        0.1,
        411.5,
        1e15,
        1e14,
        1e-4,
        1e-5,
        -0.0,
        1.5e300,
        f64::NAN,
    ];
    let texts = shown(Arc::new(Float64Array::from(values.to_vec())));
    let expected = [
        "260",
        "0.1",
        "411.5",
        "1e+15",
        "100000000000000",
        "0.0001",
        "1e-05",
        "-0",
        "1.5e+300",
        "NaN",
    ];
    assert_eq!(texts, expected);
    let infinite = vec![f64::INFINITY, f64::NEG_INFINITY];
    assert_eq!(
        shown(Arc::new(Float64Array::from(infinite))),
        ["Infinity", "-Infinity"]
    );
}

#[test]
fn plain_values() {
    assert_eq!(
        shown(Arc::new(Int64Array::from(vec![Some(-7), None]))),
        ["-7", "NULL"]
    );
    assert_eq!(
        shown(Arc::new(BooleanArray::from(vec![true, false]))),
        ["true", "false"]
    );
    assert_eq!(
        shown(Arc::new(StringArray::from(vec!["", "a\tb\nc"]))),
        ["(empty)", "a\\tb\\nc"]
    );
    assert_eq!(
        shown(Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()]))),
        ["\\x00ff"]
    );
    let decimal = Decimal128Array::from(vec![1050])
        .with_precision_and_scale(12, 2)
        .unwrap();
    assert_eq!(shown(Arc::new(decimal)), ["10.50"]);
}

#[test]
fn dates_and_timestamps_are_iso() {
    assert_eq!(
        shown(Arc::new(Date32Array::from(vec![19_782]))),
        ["2024-02-29"]
    );
    let at = vec![1_709_210_096_000_000, 1_709_210_096_500_000];
    let plain = TimestampMicrosecondArray::from(at.clone());
    assert_eq!(
        shown(Arc::new(plain)),
        ["2024-02-29 12:34:56", "2024-02-29 12:34:56.5"]
    );
    let zoned = TimestampMicrosecondArray::from(at).with_timezone("+00:00");
    assert_eq!(shown(Arc::new(zoned))[0], "2024-02-29 12:34:56+00:00");
}

#[test]
fn nested_values() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        Some(vec![]),
        None,
    ]);
    assert_eq!(shown(Arc::new(list)), ["[1, NULL]", "[]", "NULL"]);
    let x: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let y: ArrayRef = Arc::new(Float64Array::from(vec![2.0]));
    let fields = [("x", DataType::Int32, x), ("y", DataType::Float64, y)];
    let point = StructArray::from(
        fields
            .map(|(n, t, a)| (Arc::new(Field::new(n, t, true)), a))
            .to_vec(),
    );
    assert_eq!(shown(Arc::new(point)), ["{x: 1, y: 2}"]);
}

#[test]
fn types_are_three_letters() {
    assert_eq!(column_type(&DataType::UInt8), DefaultColumnType::Integer);
    assert_eq!(
        column_type(&DataType::Decimal128(12, 2)),
        DefaultColumnType::FloatingPoint
    );
    assert_eq!(column_type(&DataType::Boolean), DefaultColumnType::Text);
}
