//! Casts of single values.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::array_value_to_string;

use super::CastColumn;

/// The value after a cast, `NULL`, or `fault`.
fn cast(value: &str, target: &DataType) -> String {
    let mut column = CastColumn::new(target.clone());
    column.push(Some("null"));
    column.push(Some(value));
    column.push(None);
    let (array, faults) = column.finish().unwrap();
    assert_eq!(array.data_type(), target);
    assert!(array.is_null(0) && array.is_null(2));
    match faults.first() {
        Some(fault) => {
            assert!(fault.row == 1 && array.is_null(1));
            "fault".to_owned()
        }
        None if array.is_null(1) => "NULL".to_owned(),
        None => array_value_to_string(&array, 1).unwrap(),
    }
}

#[test]
fn values_become_what_sql_has() {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let fields = vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", list.clone(), true),
    ];
    let object = DataType::Struct(fields.into());
    for (value, target, wanted) in [
        ("12", &DataType::Int64, "12"),
        ("2.5", &DataType::Int64, "3"),
        ("1e3", &DataType::Int64, "1000"),
        ("9223372036854775808", &DataType::Int64, "fault"),
        ("\" 12 \"", &DataType::Int64, "12"),
        ("\"1.5\"", &DataType::Int64, "fault"),
        ("true", &DataType::Int64, "fault"),
        ("[1]", &DataType::Int64, "fault"),
        ("300", &DataType::UInt8, "fault"),
        ("-1", &DataType::UInt8, "fault"),
        ("255", &DataType::UInt8, "255"),
        ("0.1", &DataType::Float64, "0.1"),
        ("1e999", &DataType::Float64, "fault"),
        ("1e39", &DataType::Float32, "fault"),
        ("\"NaN\"", &DataType::Float64, "NaN"),
        ("false", &DataType::Boolean, "false"),
        ("\"Yes\"", &DataType::Boolean, "true"),
        ("1", &DataType::Boolean, "fault"),
        ("1.005", &DataType::Decimal128(5, 2), "1.01"),
        ("\"-7.1\"", &DataType::Decimal128(5, 2), "-7.10"),
        ("1000", &DataType::Decimal128(5, 2), "fault"),
        ("\"a\\nb\"", &DataType::Utf8View, "a\nb"),
        ("1.50", &DataType::Utf8View, "1.5"),
        (
            "{\"b\":1,\"a\":[ ]}",
            &DataType::Utf8View,
            "{\"a\":[],\"b\":1}",
        ),
        ("\"x\"", &DataType::Utf8, "x"),
        ("\"2024-02-29\"", &DataType::Date32, "2024-02-29"),
        ("\"2024-02-30\"", &DataType::Date32, "fault"),
        ("5", &DataType::Date32, "fault"),
        (
            "\"2024-02-29T12:34:56Z\"",
            &timestamp,
            "2024-02-29T12:34:56",
        ),
        ("[1,\"2\",null]", &list, "[1, 2, ]"),
        ("[]", &list, "[]"),
        ("[1,\"x\"]", &list, "fault"),
        ("{}", &list, "fault"),
        ("{\"b\":[1],\"c\":0}", &object, "{a: , b: [1]}"),
        ("{\"a\":{}}", &object, "fault"),
        ("[]", &object, "fault"),
    ] {
        assert_eq!(cast(value, target), wanted, "{value} as {target}");
    }
}
