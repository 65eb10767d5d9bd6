//! Results as text, against boxes and lines drawn by hand.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sheaf::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    DurationMillisecondArray, Float32Array, Float64Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, ListArray, MapBuilder, NullArray, RecordBatch, StringArray,
    StringBuilder, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use sheaf::arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano};

use super::excerpt::Excerpt;
use super::*;

/// An output that can be looked at.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn display(format: Format) -> Display {
    Display {
        format,
        expanded: Expanded::Off,
        null_text: "NULL".to_owned(),
        rows_max: 40,
        width: None,
        footer: format == Format::Box,
        timing: false,
    }
}

fn written(display: &Display, batches: &[RecordBatch], width: Option<usize>) -> Vec<u8> {
    let bytes = Bytes::default();
    let output = Output::new("the test", Box::new(bytes.clone()), false);
    let target = Target {
        output,
        pager: None,
        width,
        paint: Paint::NONE,
    };
    let mut writer = writer(display, &batches[0].schema(), target).unwrap();
    for batch in batches {
        writer.write_batch(batch).unwrap();
    }
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    writer
        .finish(&Summary {
            rows,
            ..Summary::default()
        })
        .unwrap();
    let bytes = bytes.0.lock().unwrap();
    bytes.clone()
}

fn text_of(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written(&display(format), batches, None)).unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn fruit() -> RecordBatch {
    batch(vec![
        (
            "name",
            Arc::new(StringArray::from(vec![
                Some("apple"),
                Some("桃"),
                None,
                Some(""),
            ])),
        ),
        (
            "pieces",
            Arc::new(Int64Array::from(vec![Some(3), Some(12), Some(-1), None])),
        ),
        (
            "kg",
            Arc::new(Float64Array::from(vec![0.5, 1.0, 1e300, f64::NAN])),
        ),
    ])
}

/// The text of the only value of a column.
fn value(column: ArrayRef) -> String {
    let batch = batch(vec![("v", column)]);
    let text = text_of(Format::Tsv, &[batch]);
    text.lines().nth(1).unwrap().trim_matches('"').to_owned()
}

#[test]
fn a_box_shows_names_types_and_values() {
    let expected = "\
┌─────────┬────────┬────────┐
│ name    │ pieces │     kg │
│ varchar │ bigint │ double │
├─────────┼────────┼────────┤
│ apple   │      3 │    0.5 │
│ 桃      │     12 │    1.0 │
│ NULL    │     -1 │  1e300 │
│         │   NULL │    NaN │
└─────────┴────────┴────────┘
4 rows
";
    assert_eq!(text_of(Format::Box, &[fruit()]), expected);
}

#[test]
fn a_box_elides_the_middle_rows() {
    let numbers = |from: i64, to: i64| {
        batch(vec![(
            "a_long_enough_name_for_the_note",
            Arc::new(Int64Array::from_iter_values(from..to)),
        )])
    };
    let display = Display {
        rows_max: 5,
        ..display(Format::Box)
    };
    let batches = [numbers(0, 4), numbers(4, 1_000), numbers(1_000, 1_001)];
    let expected = "\
┌─────────────────────────────────┐
│ a_long_enough_name_for_the_note │
│                          bigint │
├─────────────────────────────────┤
│                               0 │
│                               1 │
│                               2 │
│        … 996 more rows …        │
│                             999 │
│                            1000 │
└─────────────────────────────────┘
1,001 rows (5 shown)
";
    assert_eq!(
        String::from_utf8(written(&display, &batches, None)).unwrap(),
        expected
    );
}

#[test]
fn a_box_fits_the_terminal() {
    let long = "a text that is much longer than its column may be";
    let columns = batch(vec![
        ("first", Arc::new(StringArray::from(vec![long]))),
        ("number", Arc::new(Int64Array::from(vec![1_234_567_890]))),
    ]);
    let expected = "\
┌─────────────────┬────────────┐
│ first           │     number │
│ varchar         │     bigint │
├─────────────────┼────────────┤
│ a text that is… │ 1234567890 │
└─────────────────┴────────────┘
1 row
";
    let text = String::from_utf8(written(&display(Format::Box), &[columns], Some(32))).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn a_box_elides_the_middle_columns() {
    let names: Vec<String> = (1..=9).map(|i| format!("column_{i}")).collect();
    let columns = names
        .iter()
        .map(|name| {
            (
                name.as_str(),
                Arc::new(Int64Array::from(vec![1])) as ArrayRef,
            )
        })
        .collect();
    let expected = "\
┌──────────┬──────────┬───┬──────────┐
│ column_1 │ column_2 │ … │ column_9 │
│   bigint │   bigint │ … │   bigint │
├──────────┼──────────┼───┼──────────┤
│        1 │        1 │ … │        1 │
└──────────┴──────────┴───┴──────────┘
… 6 more columns …
1 row
";
    let text =
        String::from_utf8(written(&display(Format::Box), &[batch(columns)], Some(45))).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn control_characters_cannot_break_a_box() {
    let texts = StringArray::from(vec!["a\nb\tc", "\x1b[31m", "\u{202e}x"]);
    let expected = "\
┌───────────┐
│ v         │
│ varchar   │
├───────────┤
│ a\\nb\\tc   │
│ \\x1b[31m  │
│ \\u{202e}x │
└───────────┘
3 rows
";
    assert_eq!(
        text_of(Format::Box, &[batch(vec![("v", Arc::new(texts))])]),
        expected
    );
}

#[test]
fn the_expanded_display_lists_values() {
    let display = Display {
        expanded: Expanded::On,
        ..display(Format::Box)
    };
    let rows = fruit().slice(0, 1);
    let expected = "\
─[ record 1 ]─────────
name   │ apple
pieces │ 3
kg     │ 0.5
1 row
";
    assert_eq!(
        String::from_utf8(written(&display, &[rows], None)).unwrap(),
        expected
    );
}

#[test]
fn results_without_rows_have_their_header() {
    let empty = fruit().slice(0, 0);
    let expected = "\
┌─────────┬────────┬────────┐
│ name    │ pieces │     kg │
│ varchar │ bigint │ double │
├─────────┼────────┼────────┤
└─────────┴────────┴────────┘
0 rows
";
    assert_eq!(text_of(Format::Box, std::slice::from_ref(&empty)), expected);
    assert_eq!(
        text_of(Format::Csv, std::slice::from_ref(&empty)),
        "name,pieces,kg\n"
    );
    assert_eq!(text_of(Format::Json, std::slice::from_ref(&empty)), "[]\n");
    assert_eq!(text_of(Format::Ndjson, &[empty]), "");
}

#[test]
fn csv_quotes_what_needs_it_and_tells_null_from_empty() {
    let texts = StringArray::from(vec![
        Some("a,b"),
        Some("say \"x\""),
        Some("two\nlines"),
        Some(""),
        None,
    ]);
    let columns = batch(vec![
        ("a,b", Arc::new(texts)),
        ("n", Arc::new(Int32Array::from(vec![1; 5]))),
    ]);
    let expected = "\"a,b\",n\n\"a,b\",1\n\"say \"\"x\"\"\",1\n\"two\nlines\",1\n\"\",1\n,1\n";
    assert_eq!(
        text_of(Format::Csv, std::slice::from_ref(&columns)),
        expected
    );
    let tsv = text_of(Format::Tsv, &[columns]);
    assert!(tsv.starts_with("a,b\tn\na,b\t1\n"), "{tsv}");
}

#[test]
fn json_keeps_types_and_nulls() {
    let expected = "[{\"name\":\"apple\",\"pieces\":3,\"kg\":0.5},\n \
        {\"name\":\"桃\",\"pieces\":12,\"kg\":1.0},\n \
        {\"name\":null,\"pieces\":-1,\"kg\":1e300},\n \
        {\"name\":\"\",\"pieces\":null,\"kg\":null}]\n";
    assert_eq!(
        text_of(Format::Json, &[fruit().slice(0, 2), fruit().slice(2, 2)]),
        expected
    );
    let texts = batch(vec![(
        "t",
        Arc::new(StringArray::from(vec!["a\"b\\c\nd\u{1}"])),
    )]);
    assert_eq!(
        text_of(Format::Ndjson, &[texts]),
        "{\"t\":\"a\\\"b\\\\c\\nd\\u0001\"}\n"
    );
    let nested = batch(vec![
        ("l", Arc::new(list())),
        ("s", Arc::new(structure())),
        (
            "d",
            Arc::new(
                Decimal128Array::from(vec![12_345])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")),
        ),
    ]);
    assert_eq!(
        text_of(Format::Ndjson, &[nested]),
        "{\"l\":[1,null,3],\"s\":{\"a\":7,\"b c\":\"x, y\"},\"d\":123.45,\
         \"at\":\"1970-01-01T00:00:00+00:00\"}\n"
    );
}

#[test]
fn markdown_aligns_and_escapes() {
    let columns = batch(vec![
        (
            "a|b",
            Arc::new(StringArray::from(vec![
                Some("x|y"),
                None,
                Some("two\nlines"),
            ])),
        ),
        ("n", Arc::new(Int64Array::from(vec![1, 22, 333]))),
    ]);
    let expected = "\
| a\\|b         |   n |
| ------------ | --: |
| x\\|y         |   1 |
| NULL         |  22 |
| two<br>lines | 333 |
";
    assert_eq!(text_of(Format::Markdown, &[columns]), expected);
}

#[test]
fn columnar_files_hold_every_row() {
    let display_of = |format| display(format);
    let parquet = written(&display_of(Format::Parquet), &[fruit(), fruit()], None);
    assert_eq!(&parquet[..4], b"PAR1");
    assert_eq!(&parquet[parquet.len() - 4..], b"PAR1");
    let arrow = written(&display_of(Format::Arrow), &[fruit(), fruit()], None);
    let reader = sheaf::arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(arrow), None);
    let rows: usize = reader.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 8);
}

fn list() -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)])])
}

fn structure() -> StructArray {
    StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![7])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b c", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x, y"])) as ArrayRef,
        ),
    ])
}

#[test]
fn numbers_are_exact_and_short() {
    assert_eq!(
        value(Arc::new(Float64Array::from(vec![0.1 + 0.2]))),
        "0.30000000000000004"
    );
    assert_eq!(value(Arc::new(Float32Array::from(vec![0.1]))), "0.1");
    assert_eq!(
        value(Arc::new(Float64Array::from(vec![f64::NEG_INFINITY]))),
        "-Infinity"
    );
    assert_eq!(value(Arc::new(Float64Array::from(vec![-0.0]))), "-0.0");
    let decimal = Decimal128Array::from(vec![-5])
        .with_precision_and_scale(38, 3)
        .unwrap();
    assert_eq!(value(Arc::new(decimal)), "-0.005");
    assert_eq!(value(Arc::new(BooleanArray::from(vec![true]))), "true");
    assert_eq!(
        value(Arc::new(BinaryArray::from(vec![&[0_u8, 255, 16][..]]))),
        "\\x00ff10"
    );
}

#[test]
fn times_are_iso_8601() {
    // 2026-01-02 is day 20,455 since 1970-01-01: 56 years of 365 days, 14 leap days, one more day.
    assert_eq!(
        value(Arc::new(Date32Array::from(vec![20_455]))),
        "2026-01-02"
    );
    let clock = (3 * 3_600 + 4 * 60 + 5) * 1_000_000 + 60_000;
    assert_eq!(
        value(Arc::new(Time64MicrosecondArray::from(vec![clock]))),
        "03:04:05.06"
    );
    let at = 20_455 * 86_400 * 1_000_000 + clock;
    let stamp = TimestampMicrosecondArray::from(vec![at]);
    assert_eq!(value(Arc::new(stamp.clone())), "2026-01-02 03:04:05.06");
    let zoned = stamp.clone().with_timezone("+05:30");
    assert_eq!(value(Arc::new(zoned)), "2026-01-02 08:34:05.06+05:30");
    assert_eq!(
        value(Arc::new(stamp.with_timezone("UTC"))),
        "2026-01-02 03:04:05.06+00"
    );
    assert_eq!(
        value(Arc::new(TimestampNanosecondArray::from(vec![1]))),
        "1970-01-01 00:00:00.000000001"
    );
    assert_eq!(
        value(Arc::new(DurationMillisecondArray::from(vec![90_061_500]))),
        "1 day 01:01:01.5"
    );
    let interval = IntervalMonthDayNano::new(14, -3, 0);
    assert_eq!(
        value(Arc::new(IntervalMonthDayNanoArray::from(vec![interval]))),
        "1 year 2 mons -3 days"
    );
    let none = IntervalMonthDayNano::new(0, 0, 0);
    assert_eq!(
        value(Arc::new(IntervalMonthDayNanoArray::from(vec![none]))),
        "00:00:00"
    );
}

#[test]
fn nested_values_read_as_literals() {
    assert_eq!(value(Arc::new(list())), "[1, NULL, 3]");
    assert_eq!(value(Arc::new(structure())), "{'a': 7, 'b c': 'x, y'}");
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.keys().append_value("none");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(value(Arc::new(map.finish())), "{k=v, none=NULL}");
    let words: DictionaryArray<Int32Type> = ["b", "a"].into_iter().collect();
    assert_eq!(value(Arc::new(words)), "b");
    assert_eq!(value(Arc::new(NullArray::new(1))), "");
}

#[test]
fn excerpts_keep_both_ends_of_many_batches() {
    let mut excerpt = Excerpt::new(4);
    for start in 0..10 {
        let numbers = Int64Array::from_iter_values(start * 3..start * 3 + 3);
        excerpt.add(&batch(vec![("n", Arc::new(numbers))]));
    }
    let kept: Vec<&str> = excerpt
        .head
        .iter()
        .chain(&excerpt.tail)
        .map(|row| row[0].as_deref().unwrap())
        .collect();
    assert_eq!(kept, ["0", "1", "28", "29"]);
    assert_eq!(excerpt.rows_elided(), 26);
}
