//! Parameters as PostgreSQL's clients send them.

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::Array;

use super::*;

fn from_text(source: &str, scalar: Scalar) -> Result<ScalarValue> {
    value(
        Some(source.to_owned().into()),
        Format::Text,
        WireType::Scalar(scalar),
        "UTC",
    )
}

fn from_binary(source: &[u8], scalar: Scalar) -> Result<ScalarValue> {
    value(
        Some(source.to_vec().into()),
        Format::Binary,
        WireType::Scalar(scalar),
        "UTC",
    )
}

#[test]
fn texts_are_values() {
    assert_eq!(
        from_text(" 12 ", Scalar::Int4).unwrap(),
        ScalarValue::Int32(Some(12))
    );
    assert_eq!(
        from_text("on", Scalar::Bool).unwrap(),
        ScalarValue::Boolean(Some(true))
    );
    assert_eq!(
        from_text("-1.50", Scalar::Numeric(None)).unwrap(),
        ScalarValue::Decimal128(Some(-150), 3, 2)
    );
    assert_eq!(
        from_text("0.05", Scalar::Numeric(None)).unwrap(),
        ScalarValue::Decimal128(Some(5), 2, 2)
    );
    assert_eq!(
        from_text("\\x00ff", Scalar::Bytea).unwrap(),
        ScalarValue::Binary(Some(vec![0, 255]))
    );
    assert_eq!(
        from_text("a\\\\b\\001", Scalar::Bytea).unwrap(),
        ScalarValue::Binary(Some(b"a\\b\x01".to_vec()))
    );
    // 1970-01-11 is day 10.
    assert_eq!(
        from_text("1970-01-11", Scalar::Date).unwrap(),
        ScalarValue::Date32(Some(10))
    );
    for (source, scalar) in [
        ("x", Scalar::Int4),
        ("99999999999", Scalar::Int4),
        ("maybe", Scalar::Bool),
        ("1.2.3", Scalar::Numeric(None)),
        ("", Scalar::Numeric(None)),
        ("2020-13-01", Scalar::Date),
        ("\\xf", Scalar::Bytea),
    ] {
        let error = from_text(source, scalar).unwrap_err();
        assert_eq!(error.state().code(), "22P02", "{source}");
    }
}

#[test]
fn bytes_are_values() {
    assert_eq!(
        from_binary(&[0, 0, 1, 0], Scalar::Int4).unwrap(),
        ScalarValue::Int32(Some(256))
    );
    assert_eq!(
        from_binary(&[0, 0, 0, 0], Scalar::Date).unwrap(),
        ScalarValue::Date32(Some(10_957))
    );
    // -12345.678 is the digits 1, 2345, 6780 with the first of weight 1.
    let mut numeric = BytesMut::new();
    for part in [3, 1, 0x4000, 3, 1, 2345, 6780] {
        numeric.put_u16(part);
    }
    assert_eq!(
        from_binary(&numeric, Scalar::Numeric(None)).unwrap(),
        ScalarValue::Decimal128(Some(-12_345_678), 8, 3)
    );
    for (source, scalar) in [
        (&[0_u8, 0, 0][..], Scalar::Int4),
        (&[0, 0, 0, 0, 0], Scalar::Int4),
        (&[0, 1, 0, 0, 0, 0, 0, 0, 255, 255], Scalar::Numeric(None)),
        (&[255, 255, 0, 0, 0, 0, 0, 0], Scalar::Numeric(None)),
    ] {
        let error = from_binary(source, scalar).unwrap_err();
        assert_eq!(error.state().code(), "22P03", "{source:?}");
    }
    assert_eq!(
        from_binary(&[255], Scalar::Text)
            .unwrap_err()
            .state()
            .code(),
        "22021"
    );
}

#[test]
fn lists_are_read() {
    let items = split_items("1, NULL ,\"a,\\\"b\",\"null\"").unwrap();
    let item = |text: &str| Some(text.to_owned());
    assert_eq!(items, [item("1"), None, item("a,\"b"), item("null")]);
    for broken in ["1,,2", "{1}", "\"a", "\"a\"b", "1,"] {
        assert!(split_items(broken).is_none(), "{broken}");
    }
    let list = array_text("{1,NULL,3}", Scalar::Int4).unwrap();
    let ScalarValue::List(list) = list else {
        panic!("no list");
    };
    assert_eq!((list.value(0).len(), list.value(0).null_count()), (3, 1));
}

/// Kathmandu is 5:45 ahead of UTC.
#[test]
fn times_without_a_zone_are_the_sessions() {
    let read = |source: &'static str, zone| {
        let wire_type = WireType::Scalar(Scalar::TimestampTz);
        let value = value(Some(source.into()), Format::Text, wire_type, zone).unwrap();
        let ScalarValue::TimestampMicrosecond(Some(micros), _) = value else {
            panic!("{value:?}");
        };
        micros / 60_000_000
    };
    assert_eq!(read("1970-01-01 06:45:00", "Asia/Kathmandu"), 75);
    assert_eq!(read("1970-01-01 06:45:00", "UTC"), 405);
    assert_eq!(read("1970-01-01 06:45:00+00", "Asia/Kathmandu"), 405);
}

#[test]
fn lists_of_exact_numbers_lose_no_digit() {
    let list = array_text(
        "{0.12345678901234,NULL,123456789012345678901234567890123}",
        Scalar::Numeric(None),
    );
    let ScalarValue::List(list) = list.unwrap() else {
        panic!("no list");
    };
    // 33 digits before the point and 14 behind.
    assert_eq!(list.value(0).data_type(), &DataType::Decimal256(47, 14));
    let items: Vec<_> = (0..3)
        .map(|row| ScalarValue::try_from_array(&list.value(0), row).unwrap())
        .collect();
    assert_eq!(
        items[0].cast_to(&DataType::Utf8).unwrap().to_string(),
        "0.12345678901234"
    );
    assert!(items[1].is_null());
    let long = format!("{{0.{}1,{}}}", "0".repeat(40), "9".repeat(40));
    assert!(array_text(&long, Scalar::Numeric(None)).is_err());
}
