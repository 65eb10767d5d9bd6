//! Errors of data name file and line.

use std::fmt::Write;
use std::io::Write as _;

use sheaf_base::error::ErrorKind;

use crate::tests::{Fixture, with_partition_size};

/// A CSV of `rows` rows whose row on line `bad` (from 1, header included) is `text`.
fn csv_with(rows: usize, bad: usize, text: &str) -> String {
    let mut csv = "id,amount\n".to_owned();
    for line in 2..=rows + 1 {
        if line == bad {
            writeln!(csv, "{text}").unwrap();
        } else {
            writeln!(csv, "{line},{}.5", line % 100).unwrap();
        }
    }
    csv
}

#[tokio::test]
async fn csv_values_name_line_column_and_value() {
    let fixture = Fixture::new();
    fixture.write("sales.csv", csv_with(60_000, 41_700, "7,abc"));
    let expected = "sales.csv:41700: column amount: 'abc' is no DOUBLE";
    for bytes in [1 << 40, 100_000] {
        let request = with_partition_size(fixture.request("sales.csv"), bytes);
        let error = fixture.error(&request).await;
        assert_eq!(fixture.short(&error), expected);
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error
                .hint()
                .unwrap()
                .contains("types => {'amount': 'VARCHAR'}")
        );
    }
    fixture.write("int.csv", csv_with(60_000, 50_000, "1.5,2"));
    let error = fixture.error(&fixture.request("int.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "int.csv:50000: column id: '1.5' is no BIGINT"
    );
}

#[tokio::test]
async fn csv_lines_count_line_breaks_in_values_and_blank_lines() {
    let fixture = Fixture::new();
    let mut csv = "id,amount\n1,\"a\nb\"\n\n\n".to_owned();
    csv.push_str(&"2,x\n".repeat(30_000));
    csv.push_str("oops,y\n");
    fixture.write("a.csv", &csv);
    let error = fixture.error(&fixture.request("a.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "a.csv:30006: column id: 'oops' is no BIGINT"
    );
}

#[tokio::test]
async fn csv_rows_of_another_width_and_encoding() {
    let fixture = Fixture::new();
    fixture.write("wide.csv", csv_with(30_000, 25_000, "1,2,3"));
    fixture.write("narrow.csv", csv_with(30_000, 25_000, "1"));
    let error = fixture.error(&fixture.request("wide.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "wide.csv:25000: expected 2 values, found 3"
    );
    let error = fixture.error(&fixture.request("narrow.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "narrow.csv:25000: expected 2 values, found 1"
    );
    let mut bytes = csv_with(30_000, 25_000, "1,2").into_bytes();
    let at = bytes.windows(5).position(|w| w == b"\n1,2\n").unwrap();
    bytes[at + 3] = 0xE9;
    fixture.write("latin.csv", bytes);
    let error = fixture.error(&fixture.request("latin.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "latin.csv:25000: column amount: the value is not UTF-8"
    );
}

#[tokio::test]
async fn csv_errors_in_dates_decimals_and_compressed_files() {
    let fixture = Fixture::new();
    let mut csv = "d,t\n".to_owned();
    csv.push_str(&"2026-01-02,2026-01-02 03:04:05\n".repeat(30_000));
    fixture.write("t.csv", format!("{csv}2026-01-02,noon\n"));
    let error = fixture.error(&fixture.request("t.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "t.csv:30002: column t: 'noon' is no TIMESTAMP"
    );
    let mut gzip = flate(format!("{csv}x,2026-01-02 03:04:05\n").as_bytes()).await;
    fixture.write("d.csv.gz", &gzip);
    let error = fixture.error(&fixture.request("d.csv.gz")).await;
    assert_eq!(
        fixture.short(&error),
        "d.csv.gz:30002: column d: 'x' is no DATE"
    );
    gzip.truncate(gzip.len() / 2);
    fixture.write("cut.csv.gz", &gzip);
    let error = fixture.error(&fixture.request("cut.csv.gz")).await;
    assert_eq!(
        fixture.short(&error),
        "cut.csv.gz: the file is truncated: its gzip data ends too early"
    );
}

async fn flate(bytes: &[u8]) -> Vec<u8> {
    use tokio::io::AsyncWriteExt;
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

fn json_with(rows: usize, bad: usize, text: &str) -> String {
    let mut json = String::new();
    for line in 1..=rows {
        if line == bad {
            writeln!(json, "{text}").unwrap();
        } else {
            writeln!(json, "{{\"id\": {line}, \"o\": {{\"amount\": {line}.5}}}}").unwrap();
        }
    }
    json
}

#[tokio::test]
async fn json_errors_name_the_line() {
    let fixture = Fixture::new();
    for (name, bad, expected) in [
        (
            "type.jsonl",
            r#"{"id": "abc"}"#,
            "type.jsonl:30000: column id: 'abc' is no BIGINT",
        ),
        (
            "nested.jsonl",
            r#"{"id": 1, "o": {"amount": [1]}}"#,
            "nested.jsonl:30000: column o.amount: '[1]' is no DOUBLE",
        ),
        (
            "syntax.jsonl",
            r#"{"id": tru}"#,
            "syntax.jsonl:30000: not valid JSON",
        ),
    ] {
        fixture.write(name, json_with(40_000, 30_000, bad));
        for bytes in [1 << 40, 100_000] {
            let request = with_partition_size(fixture.request(name), bytes);
            let error = fixture.error(&request).await;
            assert!(fixture.short(&error).starts_with(expected), "{error}");
        }
    }
    let mut cut = json_with(40_000, 0, "");
    cut.truncate(cut.len() - 10);
    fixture.write("cut.jsonl", cut);
    let error = fixture.error(&fixture.request("cut.jsonl")).await;
    assert!(
        fixture
            .short(&error)
            .starts_with("cut.jsonl:40000: the file ends within"),
        "{error}"
    );
    fixture.write("words.json", "hello world\n");
    let error = fixture.error(&fixture.request("words.json")).await;
    assert!(
        fixture
            .short(&error)
            .starts_with("words.json:1: not valid JSON"),
        "{error}"
    );
    fixture.write("numbers.json", "{\"a\":1}\n17\n");
    let error = fixture.error(&fixture.request("numbers.json")).await;
    assert_eq!(
        fixture.short(&error),
        "numbers.json:2: expected a JSON object, found 17"
    );
}

#[tokio::test]
async fn files_of_another_format_are_recognised() {
    let fixture = Fixture::new();
    fixture
        .write("csv.parquet", "a,b\n1,2\n3,4\n")
        .write("tiny.parquet", "PAR1");
    let error = fixture.error(&fixture.request("csv.parquet")).await;
    assert!(
        fixture.short(&error).starts_with("csv.parquet: "),
        "{error}"
    );
    assert!(
        error.hint().unwrap().contains("not Parquet"),
        "{:?}",
        error.hint()
    );
    let error = fixture.error(&fixture.request("tiny.parquet")).await;
    assert!(
        fixture.short(&error).starts_with("tiny.parquet: "),
        "{error}"
    );
    for (name, what) in [("x.arrow", "x.arrow: "), ("x.avro", "x.avro: ")] {
        fixture.write(name, "this is no such file");
        let error = fixture.error(&fixture.request(name)).await;
        assert!(fixture.short(&error).starts_with(what), "{error}");
    }
    fixture.write("p.csv", "PAR1rest of it");
    let error = fixture.error(&fixture.request("p.csv")).await;
    assert_eq!(fixture.short(&error), "p.csv is a Parquet file, not CSV");
    assert_eq!(error.hint(), Some("read_parquet reads it"));
    let gzip = flate(b"a,b\n1,2\n").await;
    fixture.write("z.csv", &gzip);
    let error = fixture.error(&fixture.request("z.csv")).await;
    assert_eq!(error.hint(), Some("compression => 'gzip' reads it"));
    let mut file = std::fs::File::create(fixture.path("not.csv.gz")).unwrap();
    file.write_all(b"a,b\n1,2\n").unwrap();
    let error = fixture.error(&fixture.request("not.csv.gz")).await;
    assert!(
        fixture
            .short(&error)
            .starts_with("not.csv.gz: not valid gzip data"),
        "{error}"
    );
}
