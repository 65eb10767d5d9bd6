//! VARIANTs to Parquet's form and back, and bytes that are none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, StringViewArray, StructArray};
use arrow::datatypes::{DataType, Field, Int64Type};

use super::{Shape, from_parquet, parquet_field, to_parquet};
use crate::json::normal::normalized;

fn there_and_back(values: &[Option<&str>], shape: Option<&Shape>) -> Vec<Option<String>> {
    let values: StringViewArray = values.iter().copied().collect();
    let stored = to_parquet(&values, shape).unwrap();
    assert_eq!(stored.data_type(), parquet_field("", shape).data_type());
    let back = from_parquet(&stored).unwrap();
    let back = back.as_string_view().iter();
    back.map(|value| value.map(str::to_owned)).collect()
}

#[test]
fn values_come_back_whatever_their_shape() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let texts = [
        r#"{"a":1,"b":{"c":true,"d":[1,{"e":null}]},"s":"é\n"}"#,
        r#"{"a":true,"b":{"c":0}}"#,
        r#"{"a":1.5,"b":7,"s":null}"#,
        r#"{"a":9007199254740993}"#,
        r#"{"a":12345678901234567890.123456789}"#,
        r#"{"x":{}}"#,
        "{}",
        "[]",
        "null",
        "\"text\"",
        "-0.000012",
        "1.5e+300",
        deep.as_str(),
    ];
    let normal: Vec<String> = texts.iter().map(|text| normalized(text).unwrap()).collect();
    let mut values: Vec<Option<&str>> = normal.iter().map(|text| Some(text.as_str())).collect();
    values.push(None);
    let object = |fields: &[(&str, Shape)]| {
        let fields = fields.iter().cloned();
        Shape::Object(
            fields
                .map(|(name, shape)| (name.to_owned(), shape))
                .collect(),
        )
    };
    for shape in [
        None,
        Some(Shape::Boolean),
        Some(Shape::Whole),
        Some(Shape::Double),
        Some(Shape::Text),
        Some(object(&[("a", Shape::Whole)])),
        Some(object(&[("a", Shape::Double), ("s", Shape::Text)])),
        Some(object(&[
            ("a", Shape::Boolean),
            ("b", object(&[("c", Shape::Boolean)])),
        ])),
    ] {
        let back = there_and_back(&values, shape.as_ref());
        let back: Vec<Option<&str>> = back.iter().map(Option::as_deref).collect();
        assert_eq!(back, values, "{shape:?}");
    }
}

#[test]
fn fields_that_most_objects_have_get_columns() {
    let rows: StringViewArray = (0..100)
        .map(|n| {
            let rare = if n == 7 { r#","rare":1"# } else { "" };
            let mixed = if n % 2 == 0 { "1" } else { "\"x\"" };
            let number = if n == 50 {
                "\"none\"".to_owned()
            } else {
                n.to_string()
            };
            let text =
                format!(r#"{{"at":{{"x":{n}.5}},"id":{number},"mixed":{mixed}{rare},"ok":true}}"#);
            Some(normalized(&text).unwrap())
        })
        .collect();
    let shape = Shape::of(&rows).unwrap().unwrap();
    let at = Shape::Object(vec![("x".to_owned(), Shape::Double)]);
    let wanted = [("at", at), ("id", Shape::Whole), ("ok", Shape::Boolean)];
    let wanted = wanted.map(|(name, shape)| (name.to_owned(), shape));
    assert_eq!(shape, Shape::Object(wanted.to_vec()));
    let stored = to_parquet(&rows, Some(&shape)).unwrap();
    // The column has what fits, and NULL for the one text.
    let typed = stored.as_struct().column_by_name("typed_value").unwrap();
    let id = typed.as_struct().column_by_name("id").unwrap().as_struct();
    let id = id
        .column_by_name("typed_value")
        .unwrap()
        .as_primitive::<Int64Type>();
    assert_eq!(
        (id.value(49), id.is_null(50), id.null_count()),
        (49, true, 1)
    );
}

/// A column of one value with these bytes.
fn column_of(value: &[u8]) -> ArrayRef {
    let binary = |name: &str, bytes: &[u8]| {
        let field = Field::new(name, DataType::BinaryView, false);
        let array = BinaryViewArray::from(vec![bytes]);
        (Arc::new(field), Arc::new(array) as ArrayRef)
    };
    // No names: version 1, no strings.
    let parts = vec![binary("metadata", &[1, 0, 0]), binary("value", value)];
    Arc::new(StructArray::from(parts))
}

#[test]
fn hostile_bytes_are_errors() {
    // An array of one item with a length of one byte: header, count 1, offsets 0 and the rest.
    let mut deep = vec![12, 5];
    for _ in 0..200_000 {
        let length = u32::try_from(deep.len()).unwrap().to_le_bytes();
        let mut outer = vec![0b0000_1111, 1, 0, 0, 0, 0];
        outer.extend_from_slice(&length);
        outer.append(&mut deep);
        deep = outer;
        if deep.len() > 20_000 {
            break;
        }
    }
    let error = from_parquet(&column_of(&deep)).unwrap_err().to_string();
    assert!(error.contains("nested too deep"), "{error}");
    // Two items that are one and the same value, thirty levels deep: 2^30 parts.
    let mut shared = vec![12, 5];
    for _ in 0..30 {
        let length = u16::try_from(shared.len()).unwrap().to_le_bytes();
        let mut outer = vec![0b0000_0111, 2, 0, 0, 0, 0];
        outer.extend_from_slice(&length);
        outer.append(&mut shared);
        shared = outer;
    }
    let error = from_parquet(&column_of(&shared)).unwrap_err().to_string();
    assert!(error.contains("overlap"), "{error}");
    for cut in [
        &[][..],
        &[2],
        &[3],
        &[3, 9],
        &[2, 1, 0],
        &[255, 255, 255, 255],
        &[0b0111, 1, 0, 0, 9],
    ] {
        assert!(from_parquet(&column_of(cut)).is_err(), "{cut:?}");
    }
}
