//! Guests that lie: each of them makes its query fail, and nothing else.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields};
use sheaf_base::error::SqlState;
use sheaf_base::{ErrorKind, Result};
use sheaf_udf::{Language, TableCall, TableInput};
use sheaf_wasm::Wasm;

use super::{Query, code, declare, expect_error, guest, scalar, schema};

/// What a guest of one text column does with the descriptor of its result before it returns.
///
/// In `body`, `$result` is its address; its own texts lie at 1024: `ab`, at 1032: bytes that are no text.
fn texts(body: &str, returns: &DataType) -> Result<ArrayRef> {
    let text = guest(
        4,
        &format!(
            r#"(data (i32.const 1024) "abcdefgh\ff\fe\c3\28abcdé€")
            (func (export "f_batch") (param $rows i32) (param $columns i32) (param $result i32)
              (result i32)
              {body}
              (i32.const 0))"#
        ),
    );
    let query = Query::large();
    let f = scalar(&text, "f", &[DataType::Utf8], returns)?;
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    f.call(&[values], 2, &query.context)
}

/// Stores `value` at `offset` in the result's descriptor.
fn set(offset: u32, value: i64) -> String {
    format!("(i32.store offset={offset} (local.get $result) (i32.const {value}))")
}

/// Stores the offset `value` of the text `number`.
fn set_offset(number: u32, value: i64) -> String {
    let at = number * 4;
    format!("(i32.store offset={at} (i32.load offset=24 (local.get $result)) (i32.const {value}))")
}

/// Rows only: the trial of CREATE FUNCTION, which has none, is left alone.
fn for_rows(body: &str) -> String {
    format!("(if (local.get $rows) (then {body}))")
}

fn lies(body: &str, returns: &DataType, parts: &[&str]) {
    let error = expect_error(texts(&for_rows(body), returns), parts);
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert_eq!(
        error.state(),
        SqlState::EXTERNAL_ROUTINE_PROTOCOL,
        "{error}"
    );
    assert!(
        error.message().starts_with("guest.wat, batch 1: "),
        "{error}"
    );
}

const TEXT: DataType = DataType::Utf8;

#[test]
fn a_true_result_is_believed() {
    let body = [
        set(16, 1024),
        set(20, 8),
        set_offset(1, 3),
        set_offset(2, 8),
    ]
    .concat();
    let result = texts(&for_rows(&body), &TEXT).unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["abc", "defgh"]));
    assert_eq!(&result, &expected);
}

#[test]
fn offsets_are_checked() {
    let base = [set(16, 1024), set(20, 8)].concat();
    let with = |first, second| [base.clone(), set_offset(1, first), set_offset(2, second)].concat();
    for returns in [
        DataType::Utf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeUtf8,
    ] {
        lies(&with(5, 3), &returns, &["offsets go down"]);
        lies(&with(5, 9), &returns, &["offsets go to 9, beyond the 8"]);
        lies(&with(-1, -1), &returns, &["beyond"]);
        lies(&with(-5, 3), &returns, &["offsets go down"]);
    }
    // From another beginning than 0 is true enough.
    let late = [
        base.clone(),
        set_offset(0, 1),
        set_offset(1, 2),
        set_offset(2, 3),
    ]
    .concat();
    let result = texts(&for_rows(&late), &TEXT).unwrap();
    let expected: ArrayRef = Arc::new(StringArray::from(vec!["b", "c"]));
    assert_eq!(&result, &expected);
}

#[test]
fn addresses_are_checked() {
    let fine = [
        set(16, 1024),
        set(20, 8),
        set_offset(1, 3),
        set_offset(2, 8),
    ]
    .concat();
    for address in [-1, -4, 0x7fff_ffff, 4 * 65536 - 4] {
        lies(
            &[fine.clone(), set(16, address)].concat(),
            &TEXT,
            &["at address"],
        );
        lies(
            &[fine.clone(), set(24, address)].concat(),
            &TEXT,
            &["at address"],
        );
    }
    lies(
        &[fine.clone(), set(12, -1)].concat(),
        &TEXT,
        &["2 bytes at address 4294967295"],
    );
    lies(
        &[fine.clone(), set(20, -1), set_offset(2, 0x7fff_ffff)].concat(),
        &TEXT,
        &["at address"],
    );
    lies(&set(16, -8), &DataType::Float64, &["16 bytes at address"]);
    lies(&set(16, -8), &DataType::Boolean, &[]);
}

#[test]
fn texts_are_text() {
    let with = |values, first, second| {
        let offsets = [set_offset(1, first), set_offset(2, second)].concat();
        [set(16, values), set(20, 8), offsets].concat()
    };
    for returns in [DataType::Utf8, DataType::Utf8View, DataType::LargeUtf8] {
        lies(&with(1032, 2, 4), &returns, &["no UTF-8"]);
        // Each byte is part of a text, but a value ends within a character: "abcd" and half of "é".
        lies(&with(1036, 5, 6), &returns, &["no UTF-8"]);
    }
    assert!(texts(&for_rows(&with(1032, 2, 4)), &DataType::Binary).is_ok());
}

#[test]
fn types_and_counts_are_checked() {
    lies(&set(0, 5), &TEXT, &["another type"]);
    lies(&set(4, 1), &TEXT, &["another type"]);
    lies(&set(8, 1), &TEXT, &["a column of 1 rows in place of 2"]);
    lies(
        &set(8, 0),
        &DataType::Int64,
        &["a column of 0 rows in place of 2"],
    );
    // DECIMAL(5, 2) has five digits.
    let large = "(i64.store (i32.load offset=16 (local.get $result)) (i64.const 100000))";
    lies(large, &DataType::Decimal128(5, 2), &["too many digits"]);
}

#[test]
fn lists_and_structures_are_checked() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    // Of two lists, the second of three numbers; the child says that it has `rows`, at `values`.
    let with = |rows: i64, values: i64| {
        let child = |offset: u32, value: i64| {
            format!(
                "(i32.store offset={offset} (i32.load offset=28 (local.get $result)) (i32.const {value}))"
            )
        };
        [
            set_offset(1, 0),
            set_offset(2, 3),
            child(8, rows),
            child(12, 0),
            child(16, values),
        ]
        .concat()
    };
    assert_eq!(texts(&for_rows(&with(3, 1024)), &list).unwrap().len(), 2);
    lies(&with(2, 1024), &list, &["offsets go to 3, beyond the 2"]);
    lies(&with(3, -4), &list, &["12 bytes at address"]);
    // More than there is room for, of which the lists speak of three.
    let result = texts(&for_rows(&with(-1, 1024)), &list).unwrap();
    assert_eq!(result.as_list::<i32>().values().len(), 3);
    lies(
        &[with(3, 1024), set(28, -32)].concat(),
        &list,
        &["at address"],
    );
    lies(
        &[with(3, 1024), set(28, 0)].concat(),
        &list,
        &["gave a wrong result"],
    );
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Int32, false),
    ]);
    let structure = DataType::Struct(fields);
    lies(&set(28, -32), &structure, &["at address"]);
    let null =
        "(i32.store8 (i32.load offset=44 (i32.load offset=28 (local.get $result))) (i32.const 0))";
    lies(null, &structure, &["NULL in b"]);
    // A list of itself goes no deeper than its type.
    let itself = "(i32.store offset=28 (local.get $result) (local.get $result))";
    lies(
        &[set_offset(2, 2), itself.to_owned()].concat(),
        &list,
        &["another type"],
    );
}

#[test]
fn a_message_may_be_anything() {
    let say = |at: i64| format!("(return (i32.const {at}))");
    let error = expect_error(
        texts(&for_rows(&say(1024)), &TEXT),
        &["guest.wat, batch 1: abcdefgh"],
    );
    assert_eq!(error.state(), SqlState::EXTERNAL_ROUTINE);
    for at in [-1, 4 * 65536 - 1, 0x7fff_ffff] {
        expect_error(texts(&for_rows(&say(at)), &TEXT), &["guest.wat, batch 1: "]);
    }
    // A long one is cut off.
    let fill = "(memory.fill (i32.const 65536) (i32.const 120) (i32.const 100000))";
    let error = expect_error(
        texts(&for_rows(&[fill, &say(65536)].concat()), &TEXT),
        &["xxx"],
    );
    assert!(error.message().len() < 5000);
    // In the trial it is CREATE FUNCTION that fails.
    expect_error(texts(&say(1024), &TEXT), &["guest.wat: abcdefgh"]);
}

#[test]
fn an_allocator_may_lie() {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    for (allocator, part) in [
        ("(i32.const 0)", "it has no"),
        ("(i32.const 8)", "no multiple of 16"),
        ("(i32.const -16)", "at address 4294967280"),
        ("(i32.const 131072)", "at address 131072"),
        ("(unreachable)", "trapped"),
    ] {
        let text = format!(
            r#"(module (memory (export "memory") 2)
              (func (export "sheaf_alloc") (param i32) (result i32) {allocator})
              (func (export "sheaf_free") (param i32 i32))
              (func (export "f_batch") (param i32 i32 i32) (result i32) (i32.const 0)))"#
        );
        expect_error(scalar(&text, "f", &[TEXT], &TEXT), &["guest.wat", part]);
    }
    // Memory that it uses itself, its own first page: its texts are lost, and nothing else is.
    let text = r#"(module (memory (export "memory") 2)
      (func (export "sheaf_alloc") (param i32) (result i32) (i32.const 16))
      (func (export "sheaf_free") (param i32 i32))
      (func (export "f_batch") (param i32 i32 i32) (result i32)
        (memory.fill (i32.const 0) (i32.const 255) (i32.const 131072)) (i32.const 0)))"#;
    expect_error(scalar(text, "f", &[TEXT], &TEXT), &["another type"]);
    let text = r#"(module (memory (export "memory") 2)
      (func (export "sheaf_alloc") (result i32) (i32.const 16))
      (func (export "f_batch") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    expect_error(
        scalar(text, "f", &[TEXT], &TEXT),
        &["its export sheaf_alloc takes or gives other"],
    );
    let text =
        r#"(module (func (export "f_batch") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    expect_error(
        scalar(text, "f", &[TEXT], &TEXT),
        &["it exports no function sheaf_alloc"],
    );
    let f = scalar(&guest(4, super::kinds::SAME), "same", &[TEXT], &TEXT).unwrap();
    assert!(f.call(&[values], 2, &Query::large().context).is_ok());
}

#[test]
fn states_may_not_be_of_any_size() {
    let declaration = declare("mean", &[DataType::Float64]);
    for bytes in ["0", "-1", "65537"] {
        let text = guest(4, super::kinds::MEAN).replace(
            "(i32.const 16))\n  (func $state",
            &format!("(i32.const {bytes}))\n  (func $state"),
        );
        let made = Wasm.aggregate(&code(&text), &declaration, &DataType::Float64);
        expect_error(made, &["the states of guest.wat#mean have"]);
    }
    let text = guest(4, super::kinds::MEAN).replace("mean_merge", "mean_merges");
    let made = Wasm.aggregate(&code(&text), &declaration, &DataType::Float64);
    expect_error(made, &["guest.wat has no function mean"]);
}

/// What a table function of one number leaves in its output, asked for once.
fn rows(body: &str) -> Result<usize> {
    let text = guest(
        4,
        &format!(
            r#"(func (export "f_push") (param i32 i32) (result i32) (i32.const 0))
            (func (export "f_next") (param $max i32) (param $result i32) (result i32)
              {body} (i32.const 0))"#
        ),
    );
    let declaration = declare("f", &[DataType::Int64]);
    let returns = schema(&[("n", DataType::Int64)]);
    let f = Wasm.table(&code(&text), &declaration, &returns)?;
    let arguments = schema(&[("a", DataType::Int64)]);
    let call = TableCall {
        values: vec![None],
        input: TableInput::Arguments(Arc::clone(&arguments)),
    };
    let query = Query::large();
    let mut running = f.open(&call, &query.context)?;
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    running.push(&RecordBatch::try_new(arguments, vec![column])?)?;
    Ok(running.next()?.map_or(0, |output| output.rows.num_rows()))
}

#[test]
fn rows_and_their_origins_are_checked() {
    let origin = |number: u32, row: i64| {
        let at = number * 4;
        format!("(i32.store offset={at} (i32.load offset=4 (local.get $result)) (i32.const {row}))")
    };
    assert_eq!(rows(&[set(0, 2), origin(1, 1)].concat()).unwrap(), 2);
    expect_error(rows(&set(0, 8193)), &["guest.wat, batch 1: ", "8193 rows"]);
    expect_error(rows(&set(0, -1)), &["4294967295 rows"]);
    expect_error(rows(&[set(0, 1), origin(0, 2)].concat()), &["row 2 of 2"]);
    expect_error(
        rows(&[set(0, 2), origin(0, 1)].concat()),
        &["row 0 of 2, after one from row 1"],
    );
    expect_error(
        rows(&[set(0, 2), set(4, -4)].concat()),
        &["8 bytes at address"],
    );
    expect_error(
        rows(&[set(0, 2), set(8, -4)].concat()),
        &["32 bytes at address"],
    );
    expect_error(rows(&[set(0, 2), set(8, 0)].concat()), &["another type"]);
}
