//! The bytes that encoders write, against the formats' own rules.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, Schema};
use parking_lot::Mutex;

use super::*;

/// A `Write` whose bytes can be looked at.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn encoded(encoding: &Encoding, batch: &RecordBatch) -> String {
    let sink = Sink::default();
    let mut writer = row_writer(encoding, &batch.schema(), Box::new(sink.clone())).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let bytes = sink.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

fn sample() -> RecordBatch {
    let text: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a,b"),
        Some("say \"hi\"\n"),
        Some(""),
        None,
    ]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-3), None]));
    RecordBatch::try_from_iter([("t", text), ("n x", number)]).unwrap()
}

#[test]
fn csv_quotes_what_needs_it_and_keeps_null_from_empty() {
    let text = encoded(&Encoding::Csv(CsvEncoding::default()), &sample());
    assert_eq!(
        text,
        "t,n x\n\"a,b\",1\n\"say \"\"hi\"\"\n\",\n\"\",-3\n,\n"
    );
}

#[test]
fn csv_follows_its_options() {
    let options = CsvEncoding {
        header: false,
        delimiter: ';',
        quote: Some('\''),
        escape: Some('\\'),
        null: "NULL".to_owned(),
        force_quote: true,
        ..CsvEncoding::default()
    };
    let quotes: ArrayRef = Arc::new(StringArray::from(vec![Some("it's"), None, Some("NULL")]));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
    let batch = RecordBatch::try_from_iter([("q", quotes), ("f", flags)]).unwrap();
    let text = encoded(&Encoding::Csv(options), &batch);
    assert_eq!(text, "'it\\'s';'true'\nNULL;'false'\n'NULL';'true'\n");
}

#[test]
fn csv_writes_times_as_postgres_and_lists_as_text() {
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
        Some(1_767_225_600_000_000), // 2026-01-01
        Some(1_767_225_600_500_000),
    ]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None]),
        None,
    ]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN]));
    let batch = RecordBatch::try_from_iter([("at", times), ("l", lists), ("f", floats)]).unwrap();
    assert_eq!(
        encoded(&Encoding::Csv(CsvEncoding::default()), &batch),
        "at,l,f\n2026-01-01 00:00:00,\"[1, NULL]\",1.5\n2026-01-01 00:00:00.500,,NaN\n"
    );
}

#[test]
fn csv_of_one_column_has_no_empty_line() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    assert_eq!(
        encoded(&Encoding::Csv(CsvEncoding::default()), &batch),
        "n\n\"\"\n1\n"
    );
}

#[test]
fn json_writes_lines_or_one_array() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    assert_eq!(
        encoded(&Encoding::Json(JsonEncoding::default()), &batch),
        "{\"n\":1}\n{\"n\":null}\n"
    );
    let array = Encoding::Json(JsonEncoding {
        is_array: true,
        ..JsonEncoding::default()
    });
    assert_eq!(encoded(&array, &batch), "[{\"n\":1},{\"n\":null}]\n");
    assert_eq!(encoded(&array, &batch.slice(0, 0)), "[]\n");
}

#[test]
fn names_that_are_twice_are_refused_where_they_would_collide() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let field = |name| arrow::datatypes::Field::new(name, column.data_type().clone(), true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field("a"), field("a")]));
    for format in ["json", "parquet"] {
        let encoding = write_format(format).unwrap().encoding();
        let error = row_writer(&encoding, &schema, Box::new(std::io::sink()))
            .err()
            .unwrap();
        assert_eq!(error.message(), "two columns are called \"a\"");
    }
    let csv = write_format("csv").unwrap().encoding();
    assert!(row_writer(&csv, &schema, Box::new(std::io::sink())).is_ok());
}

#[test]
fn formats_are_found_by_every_name_and_slips_are_hinted() {
    for (name, found) in [("CSV", "csv"), ("ndjson", "json"), ("feather", "arrow")] {
        assert_eq!(write_format(name).unwrap().name, found);
    }
    assert_eq!(
        write_format("parqet").unwrap_err().hint(),
        Some("did you mean parquet?")
    );
    assert!(
        write_format("xlsx")
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("arrow")
    );
}
