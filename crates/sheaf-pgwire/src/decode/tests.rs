//! Parameters as PostgreSQL's clients send them.

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::Array;
use sheaf::arrow::datatypes::DataType;

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
}

/// The codes are PostgreSQL 18's.
#[test]
fn texts_that_are_no_values_have_postgres_codes() {
    for (source, scalar, code) in [
        ("x", Scalar::Int4, "22P02"),
        ("99999999999", Scalar::Int4, "22003"),
        ("-32769", Scalar::Int2, "22003"),
        ("4294967296", Scalar::Oid, "22003"),
        ("1e400", Scalar::Float8, "22003"),
        ("1e-400", Scalar::Float8, "22003"),
        ("1e39", Scalar::Float4, "22003"),
        ("maybe", Scalar::Bool, "22P02"),
        ("o", Scalar::Bool, "22P02"),
        ("1.2.3", Scalar::Numeric(None), "22P02"),
        ("1e", Scalar::Numeric(None), "22P02"),
        ("1e400", Scalar::Numeric(None), "22003"),
        ("", Scalar::Numeric(None), "22P02"),
        ("2020-13-01", Scalar::Date, "22008"),
        ("2023-02-29", Scalar::Date, "22008"),
        ("0000-01-01", Scalar::Date, "22008"),
        ("5874898-01-01", Scalar::Date, "22008"),
        ("4714-11-23 BC", Scalar::Date, "22008"),
        ("294277-01-01 00:00:00", Scalar::Timestamp, "22008"),
        ("2024-01-01 25:00:00", Scalar::Timestamp, "22008"),
        ("infinity", Scalar::Timestamp, "22008"),
        ("-infinity", Scalar::Date, "22008"),
        ("24:00:01", Scalar::Time, "22008"),
        ("soon", Scalar::Date, "22007"),
        (
            "2024-01-01 00:00:00 Middle/Earth",
            Scalar::TimestampTz,
            "22023",
        ),
        ("1 fortnight", Scalar::Interval, "22007"),
        ("", Scalar::Interval, "22007"),
        ("1 year 2", Scalar::Bool, "22P02"),
        ("9999999999 years", Scalar::Interval, "22015"),
        ("\\xf", Scalar::Bytea, "22P02"),
        ("2024-01-01 soon", Scalar::Date, "22007"),
        ("a0eebc999c0b4ef8bb6d6bb9bd380a1", Scalar::Uuid, "22P02"),
        ("a\0b", Scalar::Text, "22021"),
    ] {
        let error = from_text(source, scalar).unwrap_err();
        assert_eq!(error.state().code(), code, "{source}");
    }
}

/// What PostgreSQL 18 says of the same texts, as months, days and microseconds.
#[test]
fn intervals_are_read_in_every_form() {
    const HOUR: i64 = 3_600_000_000;
    for (source, months, days, micros) in [
        (
            "1 year 2 mons -3 days +04:05:06.7",
            14,
            -3,
            4 * HOUR + 306_700_000,
        ),
        (
            "-1 years -2 mons +3 days -04:05:06",
            -14,
            3,
            -4 * HOUR - 306_000_000,
        ),
        ("5 days 3", 0, 5, 3_000_000),
        ("5 days 03:00:00", 0, 5, 3 * HOUR),
        ("00:00:00", 0, 0, 0),
        ("-00:00:00.000001", 0, 0, -1),
        ("04:05", 0, 0, 4 * HOUR + 300_000_000),
        ("04:05.5", 0, 0, 245_500_000),
        ("1000000:00:00", 0, 0, 1_000_000 * HOUR),
        ("P1Y2M-3DT4H5M6.7S", 14, -3, 4 * HOUR + 306_700_000),
        ("P-1Y-2M3DT-4H-5M-6S", -14, 3, -4 * HOUR - 306_000_000),
        ("PT0S", 0, 0, 0),
        ("P2W", 0, 14, 0),
        ("P0001-02-03T04:05:06", 14, 3, 4 * HOUR + 306_000_000),
        (
            "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs ago",
            -14,
            -3,
            -4 * HOUR - 306_000_000,
        ),
        ("+1-2 -3 +4:05:06", 14, -3, 4 * HOUR + 306_000_000),
        ("1.5 years", 18, 0, 0),
        ("1.5 months", 1, 15, 0),
        ("1.5 days", 0, 1, 12 * HOUR),
        ("1.5 weeks", 0, 10, 12 * HOUR),
        ("-1.5 hours", 0, 0, -3 * HOUR / 2),
        ("1.5", 0, 0, 1_500_000),
        ("1 decade 2 centuries", 2_520, 0, 0),
        ("1day 2h 3ms", 0, 1, 2 * HOUR + 3_000),
    ] {
        let expected = interval::value(months, days, micros.into()).unwrap();
        assert_eq!(
            from_text(source, Scalar::Interval).unwrap(),
            expected,
            "{source}"
        );
    }
}

#[test]
fn numbers_with_exponents_are_exact() {
    let numeric = |source: &str| from_text(source, Scalar::Numeric(None)).unwrap();
    assert_eq!(
        numeric("1E+5"),
        ScalarValue::Decimal128(Some(100_000), 6, 0)
    );
    assert_eq!(numeric("-1.5e-3"), ScalarValue::Decimal128(Some(-15), 4, 4));
    assert_eq!(
        numeric("12.34e1"),
        ScalarValue::Decimal128(Some(1_234), 4, 1)
    );
    assert_eq!(numeric("0e1000"), ScalarValue::Decimal128(Some(0), 1, 0));
    assert_eq!(numeric("1e37").data_type(), DataType::Decimal128(38, 0));
    assert_eq!(numeric("1e75").data_type(), DataType::Decimal256(76, 0));
    assert_eq!(
        numeric("-Infinity"),
        ScalarValue::Float64(Some(f64::NEG_INFINITY))
    );
}

/// Day numbers: 0044-03-15 BC is 734,373 days before 1970-01-01 in the proleptic Gregorian calendar
/// (`SELECT '0044-03-15 BC'::date - '1970-01-01'::date`), 294276-12-31 the last of the timestamps.
#[test]
fn dates_and_times_are_read_as_they_are_written() {
    let days = |source: &str| from_text(source, Scalar::Date).unwrap();
    assert_eq!(days("0044-03-15 BC"), ScalarValue::Date32(Some(-735_160)));
    assert_eq!(
        days("5874897-12-31"),
        ScalarValue::Date32(Some(2_145_042_905))
    );
    assert_eq!(days("2024-02-29"), ScalarValue::Date32(Some(19_782)));
    let micros = |source: &str, scalar| match from_text(source, scalar).unwrap() {
        ScalarValue::TimestampMicrosecond(Some(micros), _)
        | ScalarValue::Time64Microsecond(Some(micros)) => micros,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        micros("1970-01-01T00:00:01.5Z", Scalar::TimestampTz),
        1_500_000
    );
    assert_eq!(micros("1970-01-01 02:00:00+0200", Scalar::TimestampTz), 0);
    assert_eq!(micros("1970-01-01 00:00:00 UTC", Scalar::TimestampTz), 0);
    assert_eq!(
        micros("1970-01-01 00:00:00-07:30", Scalar::TimestampTz),
        27_000_000_000
    );
    assert_eq!(micros("1970-01-01 00:00:00-07:30", Scalar::Timestamp), 0);
    assert_eq!(micros("1970-01-01", Scalar::Timestamp), 0);
    assert_eq!(micros("1970-01-01 00:00:00.0000005", Scalar::Timestamp), 1);
    assert_eq!(micros("24:00:00", Scalar::Time), 86_400_000_000);
    assert_eq!(micros("23:59:60", Scalar::Time), 86_400_000_000);
}

/// In Berlin the clocks show 02:30 not at all on 2024-03-31, and twice on 2024-10-27.
#[test]
fn hours_that_a_zone_has_twice_or_never_are_read_as_postgres_does() {
    let read = |source: &'static str| {
        let wire_type = WireType::Scalar(Scalar::TimestampTz);
        value(
            Some(source.into()),
            Format::Text,
            wire_type,
            "Europe/Berlin",
        )
        .unwrap()
    };
    let at = |source: &'static str| read(source);
    assert_eq!(at("2024-03-31 02:30:00"), at("2024-03-31 01:30:00+00"));
    assert_eq!(at("2024-10-27 02:30:00"), at("2024-10-27 01:30:00+00"));
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
        (b"{}", Scalar::Jsonb),
        (&[0, 0, 0, 0, 0, 0, 0, 1], Scalar::Oid),
    ] {
        let error = from_binary(source, scalar).unwrap_err();
        assert_eq!(error.state().code(), "22P03", "{source:?}");
    }
    assert_eq!(
        from_binary(b"\x01{}", Scalar::Jsonb).unwrap(),
        ScalarValue::Utf8(Some("{}".into()))
    );
    assert_eq!(
        from_binary(&[255, 255, 255, 255], Scalar::Oid).unwrap(),
        ScalarValue::Int64(Some(4_294_967_295))
    );
    // What PostgreSQL calls infinite, and what is beyond its calendar.
    for (source, scalar) in [
        (&i32::MAX.to_be_bytes()[..], Scalar::Date),
        (&i32::MIN.to_be_bytes(), Scalar::Date),
        (&2_147_483_000_i32.to_be_bytes(), Scalar::Date),
        (&i64::MAX.to_be_bytes(), Scalar::Timestamp),
        (&i64::MIN.to_be_bytes(), Scalar::TimestampTz),
        (&(i64::MAX - 1).to_be_bytes(), Scalar::Timestamp),
        (&86_400_000_001_i64.to_be_bytes(), Scalar::Time),
        (&(-1_i64).to_be_bytes(), Scalar::Time),
    ] {
        let error = from_binary(source, scalar).unwrap_err();
        assert_eq!(error.state().code(), "22008", "{source:?}");
    }
    assert_eq!(
        from_binary(b"a\0", Scalar::Text)
            .unwrap_err()
            .state()
            .code(),
        "22021"
    );
    assert_eq!(
        from_binary(&[255], Scalar::Text)
            .unwrap_err()
            .state()
            .code(),
        "22021"
    );
}

fn shape(list: ScalarValue) -> (DataType, usize) {
    let ScalarValue::List(list) = list else {
        panic!("no list");
    };
    (list.value(0).data_type().clone(), list.value(0).len())
}

#[test]
fn lists_are_read() {
    let list = array::text("{1, NULL ,\"3\"}", Scalar::Int4, "UTC").unwrap();
    let ScalarValue::List(list) = list else {
        panic!("no list");
    };
    assert_eq!((list.value(0).len(), list.value(0).null_count()), (3, 1));
    let quoted = array::text("{a b,\"c,\\\"d\",\"null\",\\NULL}", Scalar::Text, "UTC").unwrap();
    assert_eq!(quoted.to_string(), "[a b, c,\"d, null, NULL]");
    let nested = array::text("[0:1][1:2]={{1,2},{3,NULL}}", Scalar::Int4, "UTC").unwrap();
    let (data_type, length) = shape(nested);
    assert!(matches!(data_type, DataType::List(_)) && length == 2);
    assert_eq!(
        shape(array::text(" {} ", Scalar::Int4, "UTC").unwrap()).1,
        0
    );
    for broken in [
        "1",
        "{1,,2}",
        "{{1},2}",
        "{1,{2}}",
        "{{1},{2,3}}",
        "{\"a}",
        "{\"a\"b}",
        "{1,}",
        "{1",
        "{1}x",
        "{{{{{{{1}}}}}}}",
        "{a\"b\"}",
    ] {
        let error = array::text(broken, Scalar::Text, "UTC").unwrap_err();
        assert_eq!(error.state().code(), "22P02", "{broken}");
    }
}

/// The form as PostgreSQL's `array_send` writes it: dimensions, NULL or not, type, lengths and first
/// indices, elements behind their lengths.
#[test]
fn lists_are_read_from_bytes() {
    let list = |oid: u32, dimensions: &[i32], elements: &[Option<&[u8]>]| {
        let mut bytes = BytesMut::new();
        bytes.put_i32(i32::try_from(dimensions.len()).unwrap());
        bytes.put_i32(1);
        bytes.put_u32(oid);
        for length in dimensions {
            bytes.put_i32(*length);
            bytes.put_i32(1);
        }
        for element in elements {
            match element {
                Some(element) => {
                    bytes.put_i32(i32::try_from(element.len()).unwrap());
                    bytes.put_slice(element);
                }
                None => bytes.put_i32(-1),
            }
        }
        bytes.freeze()
    };
    // A varchar[] is a text[].
    let texts = list(1043, &[2], &[Some(b"a"), None]);
    let (data_type, length) = shape(array::binary(texts, Scalar::Text).unwrap());
    assert_eq!((data_type, length), (DataType::Utf8, 2));
    let (one, two) = (1_i32.to_be_bytes(), 2_i32.to_be_bytes());
    let nested = list(23, &[2, 1], &[Some(&one), Some(&two)]);
    let (data_type, length) = shape(array::binary(nested, Scalar::Int4).unwrap());
    assert!(matches!(data_type, DataType::List(_)) && length == 2);
    let state = |bytes| {
        let error = array::binary(bytes, Scalar::Int4).unwrap_err();
        error.state().code()
    };
    assert_eq!(state(list(25, &[1], &[Some(b"a")])), "42804");
    assert_eq!(
        state(list(23, &[i32::MAX, i32::MAX, i32::MAX, i32::MAX], &[])),
        "22P03"
    );
    assert_eq!(state(list(23, &[2], &[Some(&one)])), "22P03");
    assert_eq!(state(list(23, &[-1], &[])), "22P03");
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
    let list = array::text(
        "{0.12345678901234,NULL,123456789012345678901234567890123}",
        Scalar::Numeric(None),
        "UTC",
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
    assert!(array::text(&long, Scalar::Numeric(None), "UTC").is_err());
}
