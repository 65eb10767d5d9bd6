//! CSV: detection, options, columns by name.

use crate::infer::value_type::ValueType;
use crate::tests::{Fixture, text, types};
use crate::{OptionValue, ReadRequest};

#[test]
fn types_widen_to_what_holds_all_values() {
    use ValueType::{Boolean, Date, Float, Integer, Null, Text, Time, Timestamp, TimestampZoned};
    for (value, expected) in [
        ("1", Integer),
        ("-17", Integer),
        ("99999999999999999999", Float),
        ("1.5", Float),
        ("1e3", Float),
        ("nan", Float),
        ("true", Boolean),
        ("2026-01-02", Date),
        ("2026-01-02 03:04:05", Timestamp),
        ("2026-01-02T03:04:05.678Z", TimestampZoned),
        ("2026-01-02T03:04:05+02:00", TimestampZoned),
        ("12:30:00", Time),
        ("2026-13-02", Text),
        ("1-2", Text),
        ("abc", Text),
        (" 1", Text),
    ] {
        assert_eq!(ValueType::of(value), expected, "{value}");
    }
    for (a, b, joined) in [
        (Null, Boolean, Boolean),
        (Integer, Float, Float),
        (Boolean, Integer, Text),
        (Date, Timestamp, Timestamp),
        (Timestamp, TimestampZoned, TimestampZoned),
        (Date, Integer, Text),
        (Time, Date, Text),
    ] {
        assert_eq!(a.join(b), joined);
        assert_eq!(b.join(a), joined);
    }
}

#[tokio::test]
async fn delimiter_header_and_types_are_detected() {
    let fixture = Fixture::new();
    for (name, content, columns) in [
        ("comma.csv", "id,name\n1,a\n2,b\n", "id BIGINT,name VARCHAR"),
        ("semi.csv", "x;y\n1,5;2\n2,5;3\n", "x VARCHAR,y BIGINT"),
        ("tab.tsv", "x\ty\n1.5\ttrue\n", "x DOUBLE,y BOOLEAN"),
        (
            "pipe.csv",
            "d|t\n2026-01-02|2026-01-02 03:04:05\n",
            "d DATE,t TIMESTAMP",
        ),
        ("bare.csv", "1,a\n2,b\n", "column0 BIGINT,column1 VARCHAR"),
        ("texts.csv", "a,b\nx,y\n", "a VARCHAR,b VARCHAR"),
        ("one.csv", "v\n1\n2\n", "v BIGINT"),
        ("only_header.csv", "a,b\n", "a VARCHAR,b VARCHAR"),
        ("bom.csv", "\u{feff}a,b\n1,2\n", "a BIGINT,b BIGINT"),
        (
            "dup.csv",
            "a,a,\n1,2,3\n",
            "a BIGINT,a_1 BIGINT,column2 BIGINT",
        ),
        ("nulls.csv", "a,b\n,\n1,\n", "a BIGINT,b VARCHAR"),
    ] {
        fixture.write(name, content);
        let found = fixture.columns(&fixture.request(name)).await;
        assert_eq!(found.join(","), columns, "{name}");
    }
    let empty = fixture.select("only_header.csv", "SELECT * FROM t").await;
    assert!(empty.is_empty());
    assert_eq!(
        fixture.select("bom.csv", "SELECT a, b FROM t").await,
        ["1|2"]
    );
    assert_eq!(
        fixture.select("bare.csv", "SELECT count(*) FROM t").await,
        ["2"]
    );
}

#[tokio::test]
async fn line_ends_quotes_and_nulls() {
    let fixture = Fixture::new();
    fixture
        .write("crlf.csv", "a,b\r\n1,x\r\n2,y\r\n")
        .write("cut.csv", "a,b\n1,x\n2,y")
        .write("quoted.csv", "a,b\n1,\"x, \"\"y\"\"\nz\"\n2,\n")
        .write("blank.csv", "a,b\n\n1,x\n\n\n2,y\n\n");
    for name in ["crlf.csv", "cut.csv", "blank.csv"] {
        let rows = fixture.select(name, "SELECT a, b FROM t ORDER BY a").await;
        assert_eq!(rows, ["1|x", "2|y"], "{name}");
    }
    let rows = fixture
        .select("quoted.csv", "SELECT a, b FROM t ORDER BY a")
        .await;
    assert_eq!(rows, ["1|x, \"y\"\nz", "2|-"]);
}

#[tokio::test]
async fn columns_unite_by_name() {
    let fixture = Fixture::new();
    fixture
        .write("u/1.csv", "a,b\n1,x\n")
        .write("u/2.csv", "b,c,a\ny,true,2.5\n")
        .write("u/3.csv", "c\nfalse\n");
    let columns = fixture.columns(&fixture.request("u/")).await;
    assert_eq!(columns, ["a DOUBLE", "b VARCHAR", "c BOOLEAN"]);
    let rows = fixture
        .select("u/", "SELECT c, a, b FROM t ORDER BY a")
        .await;
    assert_eq!(rows, ["-|1.0|x", "true|2.5|y", "false|-|-"]);
    assert_eq!(fixture.select("u/", "SELECT count(*) FROM t").await, ["3"]);
    assert_eq!(fixture.select("u/", "SELECT count(c) FROM t").await, ["2"]);
}

#[tokio::test]
async fn declared_columns_are_found_by_name_or_else_by_position() {
    use arrow::datatypes::{DataType, Field, Schema};
    let fixture = Fixture::new();
    fixture
        .write("a.csv", "Name,ID\nx,1\n")
        .write("b.csv", "1,x\n");
    let declare = |name: &str, columns: [(&str, DataType); 2]| {
        let mut request = fixture.request(name);
        let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true));
        request.schema = Some(std::sync::Arc::new(Schema::new(fields.to_vec())));
        request
    };
    let by_name = [("id", DataType::Int32), ("name", DataType::Utf8)];
    for name in ["a.csv", "b.csv"] {
        let request = declare(name, by_name.clone());
        let rows = fixture
            .rows(&request, "SELECT id, name FROM t")
            .await
            .unwrap();
        assert_eq!(rows, ["1|x"], "{name}");
    }
    let request = declare(
        "a.csv",
        [("label", DataType::Utf8), ("number", DataType::Int64)],
    );
    let request = request.with_option("header", OptionValue::Bool(true));
    let rows = fixture
        .rows(&request, "SELECT number, label FROM t")
        .await
        .unwrap();
    assert_eq!(rows, ["1|x"]);
}

async fn read(fixture: &Fixture, name: &str, options: &[(&str, OptionValue)]) -> Vec<String> {
    let request = options
        .iter()
        .fold(fixture.request(name), |request: ReadRequest, option| {
            request.with_option(option.0, option.1.clone())
        });
    let rows = fixture.rows(&request, "SELECT * FROM t").await;
    rows.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn options_override_detection() {
    let fixture = Fixture::new();
    fixture
        .write("a.csv", "x;y\n01;NA\n02;b\n")
        .write("b.csv", "# note\nskip me\n1,'it''s'\n#2,no\n3,\n")
        .write("c.csv", "1,2\n3\n")
        .write("d.csv", "a,b\n1,2024-01-02\n")
        .write("e.csv", "a,b\n\"x\\\"y\",2\n");
    let zip = [
        ("types", types(&[("x", "VARCHAR")])),
        ("nullstr", text("NA")),
    ];
    assert_eq!(read(&fixture, "a.csv", &zip).await, ["01|-", "02|b"]);
    let all = [("all_varchar", OptionValue::Bool(true))];
    assert_eq!(read(&fixture, "a.csv", &all).await, ["01|NA", "02|b"]);
    let sep = [("SEP", text(";")), ("header", OptionValue::Bool(false))];
    assert_eq!(
        read(&fixture, "a.csv", &sep).await,
        ["x|y", "01|NA", "02|b"]
    );
    let top = [
        ("skip", OptionValue::Number(2.0)),
        ("quote", text("'")),
        ("comment", text("#")),
        ("names", OptionValue::List(vec![text("n"), text("s")])),
        ("header", OptionValue::Bool(false)),
    ];
    assert_eq!(read(&fixture, "b.csv", &top).await, ["1|it's", "3|-"]);
    let padded = [
        ("null_padding", OptionValue::Bool(true)),
        ("header", OptionValue::Bool(false)),
    ];
    assert_eq!(read(&fixture, "c.csv", &padded).await, ["1|2", "3|-"]);
    let columns = [(
        "columns",
        types(&[("a", "DECIMAL(5,2)"), ("b", "TIMESTAMP")]),
    )];
    assert_eq!(
        read(&fixture, "d.csv", &columns).await,
        ["1.00|2024-01-02T00:00:00"]
    );
    assert_eq!(
        read(&fixture, "e.csv", &[("escape", text("\\"))]).await,
        ["x\"y|2"]
    );
}

#[tokio::test]
async fn wrong_options_are_named() {
    let fixture = Fixture::new();
    fixture.write("a.csv", "amount,b\n1,2\n");
    for (name, value, message, hint) in [
        (
            "delimeter",
            text(";"),
            "read_csv has no option \"delimeter\"",
            "delimiter",
        ),
        ("delim", text("ab"), "option delim takes one character", ""),
        (
            "header",
            text("maybe"),
            "option header takes true or false",
            "",
        ),
        (
            "types",
            types(&[("amonut", "BIGINT")]),
            "types names column \"amonut\"",
            "amount",
        ),
        (
            "types",
            types(&[("amount", "BIGNIT")]),
            "there is no type \"BIGNIT\"",
            "BIGINT",
        ),
        ("compression", text("lz5"), "option compression takes", ""),
    ] {
        let error = fixture
            .error(&fixture.request("a.csv").with_option(name, value))
            .await;
        assert!(error.message().starts_with(message), "{error}");
        assert!(
            error.hint().unwrap_or_default().contains(hint),
            "{:?}",
            error.hint()
        );
    }
    let twice = fixture.request("a.csv").with_option("sep", text(","));
    let twice = twice.with_option("delim", text(","));
    assert_eq!(
        fixture.error(&twice).await.message(),
        "option delim is given twice"
    );
}
