//! JSON: arrangements, inference, nested values.

use crate::OptionValue;
use crate::scan::json_values::{ArrayUnwrapper, ValueSplitter};
use crate::tests::{Fixture, text, types};

fn split(is_array: Option<bool>, text: &str) -> Vec<(u64, String)> {
    // Byte by byte, the hardest way to be cut.
    let mut splitter = ValueSplitter::new(is_array, 1);
    let mut values = Vec::new();
    for byte in text.bytes() {
        splitter.feed(&[byte], |value| {
            values.push((
                value.line,
                String::from_utf8_lossy(value.bytes).into_owned(),
            ));
            true
        });
    }
    values.extend(
        splitter
            .rest()
            .map(|v| (v.line, String::from_utf8_lossy(v.bytes).into_owned())),
    );
    values
}

#[test]
fn values_are_found_in_every_arrangement() {
    let two = |first: &str, second: &str, line: u64| {
        vec![(1, first.to_owned()), (line, second.to_owned())]
    };
    assert_eq!(
        split(None, "{\"a\":1}\n{\"a\":\"}\\\"\"}\n"),
        two(r#"{"a":1}"#, r#"{"a":"}\""}"#, 2)
    );
    assert_eq!(
        split(None, "[{\"a\":[1]},\n\n {}]"),
        two(r#"{"a":[1]}"#, "{}", 3)
    );
    assert_eq!(split(Some(false), "[1] [2]"), two("[1]", "[2]", 1));
    assert_eq!(split(None, "1\n\"x\"\n"), two("1", "\"x\"", 2));
    assert_eq!(split(None, "{}\n{\"a\":"), two("{}", "{\"a\":", 2));
    let mut unwrapper = ArrayUnwrapper::default();
    let unwrapped = unwrapper.unwrap(br#"[{"a,[":[1,2]},{"b":"]"}]"#);
    assert_eq!(
        String::from_utf8_lossy(&unwrapped).trim(),
        r#"{"a,[":[1,2]} {"b":"]"}"#
    );
}

#[tokio::test]
async fn arrangements_are_detected() {
    let fixture = Fixture::new();
    fixture
        .write(
            "lines.jsonl",
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n",
        )
        .write("cut.ndjson", "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\",\"a\":2}")
        .write(
            "array.json",
            "[{\"a\":1,\"b\":\"x\"},\n {\"a\":2,\"b\":\"y\"}]\n",
        )
        .write(
            "pretty.json",
            "{\n \"a\": 1,\n \"b\": \"x\"\n}\n{\n \"a\": 2, \"b\": \"y\"}\n",
        )
        .write(
            "bom.json",
            "\u{feff}[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]",
        );
    for name in [
        "lines.jsonl",
        "cut.ndjson",
        "array.json",
        "pretty.json",
        "bom.json",
        "*.json*",
    ] {
        let rows = fixture
            .select(name, "SELECT DISTINCT a, b FROM t ORDER BY a")
            .await;
        assert_eq!(rows, ["1|x", "2|y"], "{name}");
    }
    assert_eq!(
        fixture.select("*json*", "SELECT count(*) FROM t").await,
        ["10"]
    );
}

#[tokio::test]
async fn columns_keep_their_order_and_widen() {
    let fixture = Fixture::new();
    fixture.write(
        "a.jsonl",
        r#"{"z": 1, "a": null, "t": "2026-01-02T03:04:05", "l": [1, 2], "o": {"x": 1}, "m": 1}
{"z": 2.5, "a": true, "t": "2026-01-02", "l": [], "o": {"y": "v"}, "m": "one", "n": "7"}
"#,
    );
    let columns = fixture.columns(&fixture.request("a.jsonl")).await;
    assert_eq!(
        columns,
        [
            "z DOUBLE",
            "a BOOLEAN",
            "t TIMESTAMP",
            "l BIGINT[]",
            "o STRUCT(x BIGINT, y VARCHAR)",
            "m VARCHAR",
            "n VARCHAR"
        ]
    );
    let rows = fixture
        .select("a.jsonl", "SELECT z, m, l, o['y'], n FROM t ORDER BY z")
        .await;
    assert_eq!(rows, ["1.0|1|[1, 2]|-|-", "2.5|one|[]|v|7"]);
    let request = fixture
        .request("a.jsonl")
        .with_option("types", types(&[("z", "VARCHAR")]));
    let rows = fixture
        .rows(&request, "SELECT z FROM t ORDER BY z")
        .await
        .unwrap();
    assert_eq!(rows, ["1", "2.5"]);
}

#[tokio::test]
async fn values_that_do_not_go_together_become_text() {
    let fixture = Fixture::new();
    fixture.write(
        "m.jsonl",
        "{\"v\": {\"a\": [1, \"x\"]}}\n{\"v\": 5}\n{\"v\": \"s\"}\n{\"w\": 1}\n",
    );
    let rows = fixture.select("m.jsonl", "SELECT v FROM t").await;
    assert_eq!(rows, [r#"{"a": [1, "x"]}"#, "5", "s", "-"]);
}

#[tokio::test]
async fn nested_values_that_do_not_go_together_become_text_where_they_stand() {
    let fixture = Fixture::new();
    let first = r#"{"o": {"k": 1, "l": [1, "a"]}, "n": 1}"#;
    let second = r#"{"o": {"k": {"x": "q\\"}, "l": [{"y": 2}]}, "n": 2}"#;
    fixture.write("m.jsonl", format!("{first}\n{second}\n"));
    let columns = fixture.columns(&fixture.request("m.jsonl")).await;
    assert_eq!(columns, ["o STRUCT(k VARCHAR, l VARCHAR[])", "n BIGINT"]);
    let rows = fixture
        .select("m.jsonl", "SELECT o['k'], o['l'] FROM t ORDER BY n")
        .await;
    assert_eq!(rows, ["1|[1, a]", r#"{"x": "q\\"}|[{"y": 2}]"#]);
    let request = fixture
        .request("m.jsonl")
        .with_option("types", types(&[("o", "VARCHAR")]));
    let rows = fixture
        .rows(&request, "SELECT o FROM t ORDER BY n LIMIT 1")
        .await
        .unwrap();
    assert_eq!(rows, [r#"{"k": 1, "l": [1, "a"]}"#]);
}

#[tokio::test]
async fn formats_that_the_user_gives_are_taken() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "[{\"a\":1}]");
    let request = fixture.request("a.txt").with_format("json");
    let request = request.with_option("format", text("array"));
    assert_eq!(
        fixture.rows(&request, "SELECT a FROM t").await.unwrap(),
        ["1"]
    );
}

#[tokio::test]
async fn a_key_beyond_the_sample_fails_where_it_would_be_lost() {
    let fixture = Fixture::new();
    let many = "{\"a\": 1}\n".repeat(20_480);
    fixture.write("late.jsonl", format!("{many}{{\"a\": 2, \"b\": 3}}\n"));
    let request = fixture.request("late.jsonl");
    let error = fixture.error(&request).await;
    assert_eq!(
        fixture.short(&error),
        "late.jsonl:20481: column \"b\" is not in the values by which columns were detected"
    );
    // Nothing is lost by who asks for other columns, or looks at all values.
    let rows = fixture.select("late.jsonl", "SELECT count(*) FROM t").await;
    assert_eq!(rows, ["20481"]);
    let all = request.with_option("sample_size", OptionValue::Number(-1.0));
    let rows = fixture
        .rows(&all, "SELECT sum(a), sum(b) FROM t")
        .await
        .unwrap();
    assert_eq!(rows, ["20482|3"]);
}
