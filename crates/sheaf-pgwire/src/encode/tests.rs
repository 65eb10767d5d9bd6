//! Values on the wire. What is expected is what PostgreSQL 18 gives for the same value: its `…out`
//! text, and the bytes of its `…_send` functions.

use std::sync::Arc;

use bytes::BytesMut;
use sheaf::arrow::array::*;
use sheaf::arrow::buffer::OffsetBuffer;
use sheaf::arrow::datatypes::*;

use super::*;

/// The values of a column as they are sent; `None` is NULL.
fn try_send(
    field: Field,
    array: ArrayRef,
    format: Format,
    zone: &str,
) -> Result<Vec<Option<Vec<u8>>>> {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
    let zone = zone.parse().unwrap();
    let rows = Rows::new(&batch, &[format], Style { zone })?;
    let mut sent = vec![];
    for row in 0..batch.num_rows() {
        let mut out = BytesMut::new();
        rows.write(row, &mut out)?;
        assert_eq!(out[0], b'D');
        assert_eq!(
            out[1..5],
            u32::try_from(out.len() - 1).unwrap().to_be_bytes()
        );
        assert_eq!(out[5..7], [0, 1], "columns");
        let length = i32::from_be_bytes(out[7..11].try_into().unwrap());
        sent.push((length >= 0).then(|| out[11..].to_vec()));
        assert_eq!(out.len() - 11, usize::try_from(length.max(0)).unwrap());
    }
    Ok(sent)
}

fn column(array: &ArrayRef) -> Field {
    Field::new("c", array.data_type().clone(), true)
}

fn texts_in(zone: &str, array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let sent = try_send(column(&array), array, Format::Text, zone).unwrap();
    let text = |value: Option<Vec<u8>>| match value {
        Some(bytes) => String::from_utf8(bytes).unwrap(),
        None => "<NULL>".to_owned(),
    };
    sent.into_iter().map(text).collect()
}

fn texts(array: impl Array + 'static) -> Vec<String> {
    texts_in("UTC", array)
}

fn hexes(array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let sent = try_send(column(&array), array, Format::Binary, "UTC").unwrap();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect();
    sent.into_iter()
        .map(|value| value.map_or("<NULL>".to_owned(), hex))
        .collect()
}

#[test]
fn integers_are_widened() {
    assert_eq!(
        texts(Int8Array::from(vec![Some(-128), None])),
        ["-128", "<NULL>"]
    );
    assert_eq!(
        hexes(Int8Array::from(vec![Some(-2), None])),
        ["fffe", "<NULL>"]
    );
    assert_eq!(hexes(UInt8Array::from(vec![255])), ["00ff"]);
    assert_eq!(hexes(UInt16Array::from(vec![65535])), ["0000ffff"]);
    assert_eq!(
        hexes(UInt32Array::from(vec![u32::MAX])),
        ["00000000ffffffff"]
    );
    assert_eq!(
        texts(UInt64Array::from(vec![u64::MAX])),
        ["18446744073709551615"]
    );
    assert_eq!(texts(BooleanArray::from(vec![true, false])), ["t", "f"]);
    assert_eq!(hexes(BooleanArray::from(vec![true, false])), ["01", "00"]);
}

#[test]
fn floats_are_short_and_read_back() {
    let values = vec![
        1e14,
        1e15,
        123456789012345678.0,
        0.0001,
        0.00001,
        -0.0,
        0.1,
        1e300,
        100.0,
        5e-324,
        1.5,
        -1234.5625,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    assert_eq!(
        texts(Float64Array::from(values)),
        [
            "100000000000000",
            "1e+15",
            "1.2345678901234568e+17",
            "0.0001",
            "1e-05",
            "-0",
            "0.1",
            "1e+300",
            "100",
            "5e-324",
            "1.5",
            "-1234.5625",
            "NaN",
            "Infinity",
            "-Infinity",
        ]
    );
    assert_eq!(
        texts(Float32Array::from(vec![
            1e5, 1e6, 1234567.0, 0.1, 1e-5, 16777216.0
        ])),
        [
            "100000",
            "1e+06",
            "1.234567e+06",
            "0.1",
            "1e-05",
            "1.6777216e+07"
        ]
    );
    assert_eq!(hexes(Float64Array::from(vec![1.5])), ["3ff8000000000000"]);
}

#[test]
fn numerics_have_all_their_digits() {
    let exact = |value: &str, precision, scale| {
        let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
        cast(&text, &DataType::Decimal256(precision, scale))
            .unwrap()
            .as_primitive::<Decimal256Type>()
            .clone()
    };
    for (value, scale, sent) in [
        ("0", 0, "0000000000000000"),
        ("-12345.678", 3, "0003000140000003000109291a7c"),
        ("100000000000000000000", 0, "00010005000000000001"),
        ("0.00010", 5, "0001ffff000000050001"),
        ("10000", 0, "00010001000000000001"),
        ("99999999.99", 2, "0003000100000002270f270f26ac"),
        ("-0.5", 1, "0001ffff400000011388"),
        (
            "123456789012345678901234567890.123456789",
            9,
            "000b000700000009000c0d801ed204d2162e23340d801ed204d2162e2328",
        ),
        ("1.000", 3, "00010000000000030001"),
    ] {
        assert_eq!(hexes(exact(value, 76, scale)), [sent], "{value}");
        assert_eq!(texts(exact(value, 76, scale)), [value]);
    }
    let whole = "9".repeat(76);
    assert_eq!(texts(exact(&whole, 76, 0)), [whole.as_str()]);
    let money = Decimal128Array::from(vec![Some(-150), None])
        .with_precision_and_scale(12, 2)
        .unwrap();
    assert_eq!(texts(money), ["-1.50", "<NULL>"]);
}

#[test]
fn dates_and_times_are_postgres_own() {
    // Days from 1970-01-01 of the dates PostgreSQL prints so.
    let days = vec![0, -735_160, 3_789_391, -2_440_588, 2_145_042_905];
    assert_eq!(
        texts(Date32Array::from(days)),
        [
            "1970-01-01",
            "0044-03-15 BC",
            "12345-01-01",
            "4714-11-24 BC",
            "5874897-12-31"
        ]
    );
    assert_eq!(
        hexes(Date32Array::from(vec![10_956])),
        ["ffffffff"],
        "1999-12-31"
    );
    assert_eq!(
        texts(Time64NanosecondArray::from(vec![
            1_500_000_000,
            86_400_000_000_000
        ])),
        ["00:00:01.5", "24:00:00"]
    );
    let second = TimestampMillisecondArray::from(vec![946_684_801_000]);
    assert_eq!(hexes(second), ["00000000000f4240"], "2000-01-01 00:00:01");
    // 0001-01-01 BC is day -719,528.
    let early = TimestampMicrosecondArray::from(vec![-719_528 * 86_400_000_000 + 1]);
    assert_eq!(texts(early), ["0001-01-01 00:00:00.000001 BC"]);
    let late = TimestampMillisecondArray::from(vec![9_224_318_015_999_999]);
    assert_eq!(texts(late), ["294276-12-31 23:59:59.999"]);
    let nanos = TimestampNanosecondArray::from(vec![-1]);
    assert_eq!(
        texts(nanos),
        ["1969-12-31 23:59:59.999999"],
        "cut off towards the past"
    );
}

#[test]
fn times_with_zone_are_shown_in_the_sessions() {
    // 1800-01-01 and 2024-07-01, UTC.
    let moments =
        TimestampSecondArray::from(vec![-5_364_662_400, 1_719_792_000]).with_timezone("UTC");
    assert_eq!(
        texts_in("Europe/Berlin", moments.clone()),
        ["1800-01-01 00:53:28+00:53:28", "2024-07-01 02:00:00+02"]
    );
    assert_eq!(
        texts_in("Asia/Kolkata", moments.clone())[1],
        "2024-07-01 05:30:00+05:30"
    );
    assert_eq!(texts(moments)[0], "1800-01-01 00:00:00+00");
}

#[test]
fn what_postgres_does_not_have_is_an_error() {
    let refuse = |array: ArrayRef| {
        for format in [Format::Text, Format::Binary] {
            let error = try_send(column(&array), Arc::clone(&array), format, "UTC").unwrap_err();
            assert_eq!(error.state().code(), "22008", "{array:?}");
        }
    };
    refuse(Arc::new(Date32Array::from(vec![2_145_042_906])));
    refuse(Arc::new(Date32Array::from(vec![i32::MIN])));
    refuse(Arc::new(TimestampSecondArray::from(vec![i64::MAX])));
    refuse(Arc::new(TimestampSecondArray::from(vec![
        9_224_318_016_000,
    ])));
    refuse(Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN])));
    refuse(Arc::new(Time64MicrosecondArray::from(vec![86_400_000_001])));
    refuse(Arc::new(Time32SecondArray::from(vec![-1])));
    refuse(Arc::new(DurationSecondArray::from(vec![i64::MAX])));
}

#[test]
fn intervals_have_signs_as_postgres_writes_them() {
    let interval =
        |months, days, micros: i64| IntervalMonthDayNano::new(months, days, micros * 1_000);
    let second = 1_000_000;
    let values = vec![
        interval(14, -3, (4 * 3600 + 5 * 60 + 6) * second + 789_000),
        interval(-1, 1, -second),
        interval(0, 0, 0),
        interval(14, 0, 0),
        interval(-14, -1, 0),
        interval(0, 1, 0),
        interval(0, -1, 3600 * second),
    ];
    assert_eq!(
        texts(IntervalMonthDayNanoArray::from(values)),
        [
            "1 year 2 mons -3 days +04:05:06.789",
            "-1 mons +1 day -00:00:01",
            "00:00:00",
            "1 year 2 mons",
            "-1 years -2 mons -1 days",
            "1 day",
            "-1 days +01:00:00",
        ]
    );
    let value = IntervalMonthDayNanoArray::from(vec![interval(14, 3, 14_706 * second)]);
    // 14,706,000,000 µs is 0x36c8bc080.
    assert_eq!(hexes(value), ["000000036c8bc080000000030000000e"]);
    assert_eq!(
        texts(DurationSecondArray::from(vec![90_000])),
        ["1 day 01:00:00"]
    );
}

#[test]
fn texts_and_bytes() {
    assert_eq!(
        texts(StringViewArray::from(vec![Some("a"), None])),
        ["a", "<NULL>"]
    );
    assert_eq!(texts(LargeStringArray::from(vec!["é"])), ["é"]);
    assert_eq!(
        texts(BinaryViewArray::from(vec![&[0_u8, 255][..]])),
        ["\\x00ff"]
    );
    assert_eq!(hexes(BinaryArray::from(vec![&[0_u8, 255][..]])), ["00ff"]);
    let keys = Int8Array::from(vec![Some(1), None, Some(0)]);
    let values = Arc::new(StringArray::from(vec!["x", "y"]));
    assert_eq!(
        texts(DictionaryArray::new(keys, values)),
        ["y", "<NULL>", "x"]
    );
    assert_eq!(texts(NullArray::new(2)), ["<NULL>", "<NULL>"]);
    let field = Field::new("u", DataType::FixedSizeBinary(16), true);
    let bytes: Vec<u8> = (0..16).map(|n| n * 17).collect();
    let array = Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap());
    let sent = try_send(field, array, Format::Text, "UTC").unwrap();
    assert_eq!(
        sent[0].as_deref(),
        Some(&b"00112233-4455-6677-8899-aabbccddeeff"[..])
    );
}

fn nested(outer: &[i32], inner: &[i32], values: Vec<i32>) -> ListArray {
    let offsets = |offsets: &[i32]| OffsetBuffer::new(offsets.to_vec().into());
    let item = |t: &DataType| Arc::new(Field::new_list_field(t.clone(), true));
    let values: ArrayRef = Arc::new(Int32Array::from(values));
    let rows = ListArray::new(item(values.data_type()), offsets(inner), values, None);
    ListArray::new(item(rows.data_type()), offsets(outer), Arc::new(rows), None)
}

#[test]
fn lists_are_arrays() {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for text in ["a b", "c", "null", "", "x\"y", "back\\slash", "{"] {
        lists.values().append_value(text);
    }
    lists.values().append_null();
    lists.append(true);
    lists.append(true);
    lists.append(false);
    assert_eq!(
        texts(lists.finish()),
        [
            "{\"a b\",c,\"null\",\"\",\"x\\\"y\",\"back\\\\slash\",\"{\",NULL}",
            "{}",
            "<NULL>"
        ]
    );
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.values().append_value("a");
    lists.values().append_null();
    lists.append(true);
    assert_eq!(
        hexes(lists.finish()),
        ["00000001000000010000001900000002000000010000000161ffffffff"]
    );
    let square = nested(&[0, 2], &[0, 2, 4], vec![1, 2, 3, 4]);
    assert_eq!(texts(square.clone()), ["{{1,2},{3,4}}"]);
    assert_eq!(
        hexes(square),
        [
            "000000020000000000000017000000020000000100000002000000010000000400000001000000040000\
          000200000004000000030000000400000004"
        ]
    );
    assert_eq!(
        hexes(nested(&[0, 0], &[0], vec![])),
        ["000000000000000000000017"]
    );
    let ragged: ArrayRef = Arc::new(nested(&[0, 2], &[0, 1, 3], vec![1, 2, 3]));
    let error = try_send(column(&ragged), ragged, Format::Text, "UTC").unwrap_err();
    assert_eq!(error.state().code(), "2202E");
}

#[test]
fn records_are_json() {
    let fields = vec![
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8, true),
        Field::new("f", DataType::Float64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Second, None), true),
        Field::new("l", DataType::new_list(DataType::Boolean, true), true),
    ];
    let mut list = ListBuilder::new(BooleanBuilder::new());
    list.values().append_value(true);
    list.values().append_null();
    list.append(true);
    list.append(false);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None])),
        Arc::new(StringArray::from(vec!["a\"\n\u{1}", "é"])),
        Arc::new(Float64Array::from(vec![f64::INFINITY, 0.5])),
        Arc::new(TimestampSecondArray::from(vec![0, 1])),
        Arc::new(list.finish()),
    ];
    let records = StructArray::new(fields.into(), columns, None);
    let expected = [
        "{\"n\":1,\"t\":\"a\\\"\\n\\u0001\",\"f\":null,\"at\":\"1970-01-01T00:00:00\",\"l\":[true,null]}",
        "{\"n\":null,\"t\":\"é\",\"f\":0.5,\"at\":\"1970-01-01T00:00:01\",\"l\":null}",
    ];
    assert_eq!(texts(records), expected);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).unwrap();
    assert_eq!(texts(map.finish()), ["{\"k\":7}"]);
}

#[test]
fn a_row_that_cannot_be_sent_leaves_nothing() {
    let array: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MAX]));
    let schema = Arc::new(Schema::new(vec![column(&array), column(&array)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(&array), array]).unwrap();
    let zone = "UTC".parse().unwrap();
    let rows = Rows::new(&batch, &[], Style { zone }).unwrap();
    let mut out = BytesMut::new();
    rows.write(0, &mut out).unwrap();
    let whole = out.clone();
    rows.write(1, &mut out).unwrap_err();
    assert_eq!(out, whole);
}
