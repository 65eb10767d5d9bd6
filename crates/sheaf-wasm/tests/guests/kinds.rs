//! Functions over columns of every type, aggregates, and functions that give rows.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int32Type, Int64Type, TimeUnit};
use sheaf_udf::{
    AggregateFunction, Declaration, Language, Parameter, ParameterKind, TableCall, TableFunction,
    TableInput,
};
use sheaf_wasm::{OUTPUT_ROWS_MAX, Wasm};

use super::{Query, code, declare, doubles, guest, scalar, schema};

const DOUBLE: DataType = DataType::Float64;

/// Gives back what it is given: whatever the type, the result is the column of the argument.
pub(super) const SAME: &str = r#"(func (export "same_batch") (param i32 i32 i32) (result i32)
    (memory.copy (i32.add (local.get 2) (i32.const 8)) (i32.add (local.get 1) (i32.const 8))
      (i32.const 24))
    (i32.const 0))"#;

/// The mean of numbers that may be NULL: a sum and a count.
pub(super) const MEAN: &str = r#"
  (func (export "mean_state_bytes") (result i32) (i32.const 16))
  (func $state (param $states i32) (param $groups i32) (param $row i32) (result i32)
    (i32.add (local.get $states) (i32.shl
      (i32.load (i32.add (local.get $groups) (i32.shl (local.get $row) (i32.const 2))))
      (i32.const 4))))
  (func $add (param $state i32) (param $sum f64) (param $count i64)
    (f64.store (local.get $state) (f64.add (f64.load (local.get $state)) (local.get $sum)))
    (i64.store offset=8 (local.get $state)
      (i64.add (i64.load offset=8 (local.get $state)) (local.get $count))))
  (func (export "mean_update") (param $states i32) (param $groups i32) (param $rows i32)
      (param $columns i32) (result i32)
    (local $row i32) (local $valid i32)
    (local.set $valid (i32.load offset=12 (local.get $columns)))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $row) (local.get $rows)))
      (if (if (result i32) (local.get $valid)
          (then (i32.load8_u (i32.add (local.get $valid) (local.get $row)))) (else (i32.const 1)))
        (then (call $add (call $state (local.get $states) (local.get $groups) (local.get $row))
          (f64.load (i32.add (i32.load offset=16 (local.get $columns))
            (i32.shl (local.get $row) (i32.const 3))))
          (i64.const 1))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.const 0))
  (func (export "mean_merge") (param $states i32) (param $groups i32) (param $rows i32)
      (param $others i32) (result i32)
    (local $row i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $row) (local.get $rows)))
      (call $add (call $state (local.get $states) (local.get $groups) (local.get $row))
        (f64.load (local.get $others)) (i64.load offset=8 (local.get $others)))
      (local.set $others (i32.add (local.get $others) (i32.const 16)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.const 0))
  (func (export "mean_finish") (param $states i32) (param $rows i32) (param $result i32)
      (result i32)
    (local $row i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $row) (local.get $rows)))
      (i32.store8 (i32.add (i32.load offset=12 (local.get $result)) (local.get $row))
        (i64.ne (i64.const 0) (i64.load offset=8 (local.get $states))))
      (f64.store (i32.add (i32.load offset=16 (local.get $result))
          (i32.shl (local.get $row) (i32.const 3)))
        (f64.div (f64.load (local.get $states))
          (f64.convert_i64_s (i64.load offset=8 (local.get $states)))))
      (local.set $states (i32.add (local.get $states) (i32.const 16)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.const 0))"#;

/// `upto(n)`: the numbers from 1 to n, for each n that it is given.
pub(super) const UPTO: &str = r#"
  (global $rows (mut i32) (i32.const 0))
  (global $values (mut i32) (i32.const 0))
  (global $row (mut i32) (i32.const 0))
  (global $number (mut i64) (i64.const 0))
  (func (export "upto_push") (param $rows i32) (param $columns i32) (result i32)
    (global.set $rows (local.get $rows))
    (global.set $values (i32.load offset=16 (local.get $columns)))
    (global.set $row (i32.const 0))
    (global.set $number (i64.const 0))
    (i32.const 0))
  (func (export "upto_next") (param $max i32) (param $output i32) (result i32)
    (local $count i32) (local $origin i32) (local $to i32)
    (local.set $origin (i32.load offset=4 (local.get $output)))
    (local.set $to (i32.load offset=16 (i32.load offset=8 (local.get $output))))
    (block $end (loop $next
      (br_if $end (i32.ge_u (global.get $row) (global.get $rows)))
      (if (i64.ge_s (global.get $number) (i64.load
          (i32.add (global.get $values) (i32.shl (global.get $row) (i32.const 3)))))
        (then
          (global.set $row (i32.add (global.get $row) (i32.const 1)))
          (global.set $number (i64.const 0))
          (br $next)))
      (br_if $end (i32.eq (local.get $count) (local.get $max)))
      (global.set $number (i64.add (global.get $number) (i64.const 1)))
      (i64.store (i32.add (local.get $to) (i32.shl (local.get $count) (i32.const 3)))
        (global.get $number))
      (i32.store (i32.add (local.get $origin) (i32.shl (local.get $count) (i32.const 2)))
        (global.get $row))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $next)))
    (i32.store (local.get $output) (local.get $count))
    (i32.const 0))"#;

fn roundtrip(array: &ArrayRef) {
    let query = Query::large();
    let data_type = array.data_type();
    let same = scalar(
        &guest(2, SAME),
        "same",
        std::slice::from_ref(data_type),
        data_type,
    )
    .unwrap();
    for (start, rows) in [
        (0, array.len()),
        (1, array.len() - 1),
        (array.len() - 1, 1),
        (0, 0),
    ] {
        let part = array.slice(start, rows);
        let result = same
            .call(&[Arc::clone(&part)], rows, &query.context)
            .unwrap();
        assert_eq!(&result, &part, "{data_type} from {start}, {rows} rows");
    }
}

#[test]
fn every_type_comes_back_as_it_went() {
    let texts = vec![
        Some("a"),
        None,
        Some(""),
        Some("größer als 12 Bytes sind auch Texte"),
    ];
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"\xff\0"), None, Some(b"")];
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![
            Some(true),
            None,
            Some(false),
            Some(true),
        ])),
        Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        Arc::new(UInt8Array::from(vec![0, 255])),
        Arc::new(UInt16Array::from(vec![0, u16::MAX])),
        Arc::new(UInt32Array::from(vec![0, u32::MAX])),
        Arc::new(UInt64Array::from(vec![0, u64::MAX])),
        Arc::new(Float32Array::from(vec![
            Some(1.5),
            None,
            Some(f32::NEG_INFINITY),
        ])),
        Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::MAX)])),
        Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)])),
        Arc::new(Time64MicrosecondArray::from(vec![Some(1), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![
            Some(-1),
            None,
            Some(1 << 50),
        ])),
        Arc::new(TimestampNanosecondArray::from(vec![1, 2]).with_timezone("UTC")),
        Arc::new(
            Decimal128Array::from(vec![Some(-12_345), None, Some(99_999)])
                .with_precision_and_scale(5, 2)
                .unwrap(),
        ),
        Arc::new(StringArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts.clone())),
        Arc::new(StringViewArray::from(texts)),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(LargeBinaryArray::from(bytes.clone())),
        Arc::new(BinaryViewArray::from(bytes)),
    ];
    for array in &arrays {
        roundtrip(array);
    }
}

#[test]
fn lists_and_structures_come_back_as_they_went() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![
        Some(1),
        None,
        Some(3),
        Some(4),
        Some(5),
    ]));
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let list = ListArray::new(
        Arc::clone(&item),
        OffsetBuffer::from_lengths([2, 0, 0, 3]),
        values,
        Some(nulls.clone()),
    );
    let list: ArrayRef = Arc::new(list);
    roundtrip(&list);
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![
        Some("a"),
        None,
        Some("c"),
        Some("d"),
    ]));
    let fields = Fields::from(vec![
        Field::new("name", DataType::Utf8View, true),
        Field::new("numbers", DataType::List(item), true),
    ]);
    let structure: ArrayRef = Arc::new(StructArray::new(fields, vec![names, list], Some(nulls)));
    roundtrip(&structure);
    let item = Arc::new(Field::new("item", structure.data_type().clone(), true));
    let nested = ListArray::new(item, OffsetBuffer::from_lengths([1, 3]), structure, None);
    roundtrip(&(Arc::new(nested) as ArrayRef));
}

fn mean() -> Arc<dyn AggregateFunction> {
    let declaration = declare("mean", &[DOUBLE]);
    Wasm.aggregate(&code(&guest(2, MEAN)), &declaration, &DOUBLE)
        .unwrap()
}

#[test]
fn an_aggregate_adds_merges_and_finishes() {
    let query = Query::large();
    let mean = mean();
    assert_eq!(mean.state_types(), [DataType::FixedSizeBinary(16)]);
    let mut left = mean.groups(&query.context).unwrap();
    assert_eq!(left.bytes(), 0);
    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        Some(10.0),
        None,
        Some(3.0),
    ]));
    left.update(&[values], &[0, 2, 1, 0], 4).unwrap();
    let mut right = mean.groups(&query.context).unwrap();
    right.update(&[doubles(&[5.0, 20.0])], &[1, 0], 2).unwrap();
    let states = right.take_states(2).unwrap();
    assert_eq!(states[0].len(), 2);
    assert_eq!(right.bytes(), 0);
    left.merge(&states, &[0, 2], 4).unwrap();
    assert!(left.bytes() >= 65536);
    // 1 + 3 + 20 over 3; none; 10 + 5 over 2; none.
    let first = left.take_results(1).unwrap();
    assert_eq!(first.as_primitive::<Float64Type>().values(), &[8.0]);
    left.update(&[doubles(&[2.0])], &[2], 3).unwrap();
    let rest = left.take_results(3).unwrap();
    let expected: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(7.5), Some(2.0)]));
    assert_eq!(&rest, &expected);
    drop((left, right));
    assert_eq!(query.memory.reserved(), 0);
}

#[test]
fn an_aggregate_has_many_groups() {
    let query = Query::large();
    let mut groups = mean().groups(&query.context).unwrap();
    let mut known = 0;
    for batch in 0..20_usize {
        let group_of_row: Vec<usize> = (0..8192)
            .map(|row| (row * 7 + batch * 5000) % 100_000)
            .collect();
        known = known.max(group_of_row.iter().max().map_or(0, |most| most + 1));
        let values: Vec<f64> = group_of_row.iter().map(|group| *group as f64).collect();
        groups
            .update(&[doubles(&values)], &group_of_row, known)
            .unwrap();
    }
    let mut number = 0.0;
    while known > 0 {
        let count = known.min(30_000);
        for mean in groups
            .take_results(count)
            .unwrap()
            .as_primitive::<Float64Type>()
        {
            assert!(
                mean.is_none_or(|mean| mean == number),
                "{mean:?} of {number}"
            );
            number += 1.0;
        }
        known -= count;
    }
    assert_eq!(groups.bytes(), 0);
}

fn upto() -> Arc<dyn TableFunction> {
    let declaration = declare("upto", &[DataType::Int64]);
    let returns = schema(&[("n", DataType::Int64)]);
    Wasm.table(&code(&guest(4, UPTO)), &declaration, &returns)
        .unwrap()
}

#[test]
fn a_function_of_rows_gives_rows_and_where_they_come_from() {
    let query = Query::large();
    let arguments = schema(&[("n", DataType::Int64)]);
    let call = TableCall {
        values: vec![None],
        input: TableInput::Arguments(Arc::clone(&arguments)),
    };
    let mut running = upto().open(&call, &query.context).unwrap();
    let many = OUTPUT_ROWS_MAX as i64 * 2 + 10;
    for values in [vec![2, 0, 3], vec![], vec![0], vec![many, 1]] {
        let expected: Vec<(u32, i64)> = (0..)
            .zip(&values)
            .flat_map(|(row, upto)| (1..=*upto).map(move |number| (row, number)))
            .collect();
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        let batch = RecordBatch::try_new(Arc::clone(&arguments), vec![column]).unwrap();
        running.push(&batch).unwrap();
        let mut got = Vec::new();
        while let Some(output) = running.next().unwrap() {
            let origin = output.origin.unwrap();
            let numbers = output.rows.column(0).as_primitive::<Int64Type>();
            got.extend(
                origin
                    .values()
                    .iter()
                    .copied()
                    .zip(numbers.values().iter().copied()),
            );
        }
        assert_eq!(got, expected);
    }
    running.finish().unwrap();
    assert!(running.next().unwrap().is_none());
    drop(running);
    assert_eq!(query.memory.reserved(), 0);
}

#[test]
fn a_function_over_a_relation_is_opened_with_its_constants() {
    // Sums a column times a constant, and gives one row at the end.
    let text = guest(
        4,
        r#"
      (global $factor (mut i32) (i32.const 0))
      (global $sum (mut i32) (i32.const 0))
      (global $given (mut i32) (i32.const 1))
      (func (export "total_open") (param $columns i32) (result i32)
        (global.set $factor (i32.load (i32.load offset=16 (local.get $columns))))
        (i32.const 0))
      (func (export "total_push") (param $rows i32) (param $columns i32) (result i32)
        (local $at i32)
        (local.set $at (i32.load offset=16 (local.get $columns)))
        (block $end (loop $next
          (br_if $end (i32.eqz (local.get $rows)))
          (global.set $sum (i32.add (global.get $sum)
            (i32.mul (global.get $factor) (i32.load (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
          (br $next)))
        (i32.const 0))
      (func (export "total_finish") (result i32) (global.set $given (i32.const 0)) (i32.const 0))
      (func (export "total_next") (param $max i32) (param $output i32) (result i32)
        (if (i32.eqz (global.get $given)) (then
          (i32.store (i32.load offset=16 (i32.load offset=8 (local.get $output))) (global.get $sum))
          (i32.store (local.get $output) (i32.const 1))
          (global.set $given (i32.const 1))))
        (i32.const 0))"#,
    );
    let parameter = |name: &str, kind| Parameter {
        name: name.to_owned(),
        kind,
        default: None,
    };
    let declaration = Declaration {
        parameters: vec![
            parameter("factor", ParameterKind::Value(DataType::Int32)),
            parameter("input", ParameterKind::Relation(None)),
        ],
        ..declare("total", &[])
    };
    let returns = schema(&[("sum", DataType::Int32)]);
    let total = Wasm.table(&code(&text), &declaration, &returns).unwrap();
    let relation = schema(&[("v", DataType::Int32)]);
    let call = TableCall {
        values: vec![Some(datafusion::common::ScalarValue::Int32(Some(10))), None],
        input: TableInput::Relation(Arc::clone(&relation)),
    };
    assert_eq!(total.columns(&call).unwrap(), returns);
    let query = Query::large();
    let mut running = total.open(&call, &query.context).unwrap();
    for values in [vec![1, 2], vec![], vec![3]] {
        let column: ArrayRef = Arc::new(Int32Array::from(values));
        let batch = RecordBatch::try_new(Arc::clone(&relation), vec![column]).unwrap();
        running.push(&batch).unwrap();
        assert!(running.next().unwrap().is_none());
    }
    running.finish().unwrap();
    let output = running.next().unwrap().unwrap();
    assert!(output.origin.is_none());
    assert_eq!(
        output.rows.column(0).as_primitive::<Int32Type>().values(),
        &[60]
    );
    assert!(running.next().unwrap().is_none());
}

#[test]
fn a_type_without_a_form_is_refused() {
    let duration = DataType::Duration(TimeUnit::Second);
    let error = super::expect_error(
        scalar(
            &guest(2, SAME),
            "same",
            std::slice::from_ref(&duration),
            &duration,
        ),
        &["cannot have values of type"],
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("TEXT")));
}
