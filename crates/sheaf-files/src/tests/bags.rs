//! Bags: the same records, offsets and lines, however files are cut; errors that name the line.

use std::fmt::Write;

use crate::tests::{Fixture, text, with_partition_size};
use crate::{OptionValue, ReadRequest};

fn bag(fixture: &Fixture, name: &str) -> ReadRequest {
    let mut request = fixture.request(name).with_format("bag");
    request.offsets = true;
    request.line_numbers = true;
    request
}

/// A byte order mark, values over one line each, blank lines, both line ends, faults, a character of
/// several bytes, no line end at the end.
const LINES: &str =
    "\u{feff}{\"a\":1}\n\n{\"a\":}\r\n{\"b\":\"é水\"}\n  \n[1,2]\r\n{\"a\": 3 }\nx\n\"end\"";

const ALL: &str = "SELECT rec, _offset, _line FROM t ORDER BY _offset";

#[tokio::test]
async fn records_lines_and_offsets_are_the_same_in_pieces_of_any_size() {
    let fixture = Fixture::new();
    fixture.write("x.jsonl", LINES);
    let request = bag(&fixture, "x.jsonl").with_option("on_error", text("null"));
    // Told from the file: offsets by looking for the lines, numbers by counting them.
    let mut offset = 3;
    let mut wanted = Vec::new();
    let shown = [
        Some("{\"a\":1}"),
        None,
        Some("-"),
        Some("{\"b\":\"é水\"}"),
        None,
        Some("[1,2]"),
        Some("{\"a\":3}"),
        Some("-"),
        Some("\"end\""),
    ];
    for (number, (line, shown)) in LINES[3..].split('\n').zip(shown).enumerate() {
        if let Some(shown) = shown {
            wanted.push(format!("{shown}|{offset}|{}", number + 1));
        }
        offset += line.len() + 1;
    }
    for bytes in 1..=LINES.len() as u64 + 1 {
        let request = with_partition_size(request.clone(), bytes);
        let rows = fixture.rows(&request, ALL).await.unwrap();
        assert_eq!(rows, wanted, "pieces of {bytes} bytes");
    }
}

#[tokio::test]
async fn errors_name_file_and_line_in_pieces_of_any_size() {
    let fixture = Fixture::new();
    let mut lines = String::new();
    for n in 1..=20 {
        match n {
            17 => lines.push_str("{\"n\": }\n"),
            n => writeln!(lines, "{{\"n\": {n}}}").unwrap(),
        }
    }
    fixture.write("x.jsonl", &lines);
    for bytes in 1..=lines.len() as u64 + 1 {
        let request = with_partition_size(fixture.request("x.jsonl").with_format("bag"), bytes);
        let error = fixture.error(&request).await;
        let message = fixture.short(&error);
        assert_eq!(
            message, "x.jsonl:17: expected a value, found '}'",
            "{bytes}"
        );
    }
}

#[tokio::test]
async fn bad_records_are_counted_over_all_pieces() {
    let fixture = Fixture::new();
    fixture.write("x.jsonl", "{\n1\n".repeat(50));
    let request = with_partition_size(bag(&fixture, "x.jsonl"), 10);
    let request = request.with_option("on_error", text("skip"));
    let with_limit = |most| {
        request
            .clone()
            .with_option("max_errors", OptionValue::Number(most))
    };
    let rows = fixture.rows(&with_limit(50.0), ALL).await.unwrap();
    assert_eq!(rows.len(), 50);
    let error = fixture.error(&with_limit(49.0)).await;
    assert_eq!(error.hint(), Some("over max_errors => 49 records are bad"));
}

#[tokio::test]
async fn files_tell_what_their_records_are() {
    let fixture = Fixture::new();
    fixture
        .write("lines.json", "{\"a\":1}\n{\"a\":2}\n")
        .write("array.json", "[1, 2]")
        .write("pretty.json", "{\n\"a\": 1\n}\n{\n}")
        .write("plain.txt", "[2026] started\n{x\n")
        .write("records.txt", "{\"a\":1}\n")
        .write("other", "[ {\"a\":1} ]");
    for (name, wanted) in [
        ("lines.json", vec!["{\"a\":1}", "{\"a\":2}"]),
        ("array.json", vec!["1", "2"]),
        ("pretty.json", vec!["{\"a\":1}", "{}"]),
        ("plain.txt", vec!["\"[2026] started\"", "\"{x\""]),
        ("records.txt", vec!["{\"a\":1}"]),
        ("other", vec!["{\"a\":1}"]),
    ] {
        let request = bag(&fixture, name);
        let rows = fixture
            .rows(&request, "SELECT rec FROM t ORDER BY _offset")
            .await;
        assert_eq!(rows.unwrap(), wanted, "{name}");
    }
}
