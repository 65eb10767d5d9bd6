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
        assert_eq!(
            ValueType::of(value, &crate::notation::Notation::default()),
            expected,
            "{value}"
        );
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

#[tokio::test]
async fn quotes_that_make_no_sense_name_their_line() {
    let fixture = Fixture::new();
    let many = "1,x\n".repeat(100_000);
    for (name, content, expected) in [
        (
            "open.csv",
            "a,b\n1,x\n2,\"y\n3,z\n".to_owned(),
            "open.csv:3: the quoted value",
        ),
        (
            "late.csv",
            format!("a,b\n{many}2,\"y\n"),
            "late.csv:100002: the quoted value",
        ),
        (
            "text.csv",
            "a,b\n\"x\"y,1\n".to_owned(),
            "text.csv:2: text follows the quote",
        ),
    ] {
        fixture.write(name, content);
        for bytes in [1 << 20, 100_000] {
            let request = crate::tests::with_partition_size(fixture.request(name), bytes);
            let error = fixture.error(&request).await;
            assert!(fixture.short(&error).starts_with(expected), "{error}");
        }
    }
    // A quote within unquoted text is text, as in RFC 4180's spirit and in DuckDB.
    fixture.write("inch.csv", "a,b\n5\" pipe,1\n");
    assert_eq!(
        fixture.select("inch.csv", "SELECT * FROM t").await,
        ["5\" pipe|1"]
    );
}

/// DuckDB 2.0's sniffer gives the same for each.
#[tokio::test]
async fn quotes_escapes_comments_and_titles_are_detected() {
    let fixture = Fixture::new();
    for (name, content, rows) in [
        (
            "back.csv",
            "a,b\n\"say \\\"hi\\\"\",3\nx,4\n",
            vec!["say \"hi\"|3", "x|4"],
        ),
        ("single.csv", "a,b\n'x,y',3\nz,4\n", vec!["x,y|3", "z|4"]),
        (
            "tis.csv",
            "a,b\n'tis,3\nisn't,4\n",
            vec!["'tis|3", "isn't|4"],
        ),
        ("title.csv", "Sales\n\na,b\n1,2\n3,4\n", vec!["1|2", "3|4"]),
        ("bomq.csv", "\u{feff}\"a\",\"b,c\"\n1,2\n", vec!["1|2"]),
    ] {
        fixture.write(name, content);
        assert_eq!(
            fixture.select(name, "SELECT * FROM t").await,
            rows,
            "{name}"
        );
    }
    fixture.write("comment.csv", "# made by hand\na,b\n1,2\n# 3,4\n5,6\n");
    assert_eq!(
        fixture.select("comment.csv", "SELECT a, b FROM t").await,
        ["1|2", "5|6"]
    );
    fixture.write("hash.csv", "#id,b\n1,2\n");
    assert_eq!(
        fixture.select("hash.csv", "SELECT \"#id\" FROM t").await,
        ["1"]
    );
}

#[tokio::test]
async fn a_column_of_any_file_is_a_column_of_the_table() {
    let fixture = Fixture::new();
    for i in 0..40 {
        let content = match i {
            5 => "a,rare\n5,\n",
            23 => "a,rare\n23,7\n",
            _ => "a\n1\n",
        };
        fixture.write(&format!("many/f{i:02}.csv"), content);
    }
    let request = fixture.request("many/*.csv");
    assert_eq!(fixture.columns(&request).await, ["a BIGINT", "rare BIGINT"]);
    let sum = fixture
        .select("many/*.csv", "SELECT sum(a), sum(rare), count(*) FROM t")
        .await;
    assert_eq!(sum, ["66|7|40"]);
}

/// Of 4,100 files 4,096 are looked at; the place of the odd one is none of theirs.
#[tokio::test]
async fn a_column_that_nobody_looked_for_fails_the_scan() {
    let fixture = Fixture::new();
    for i in 0..4_100 {
        let content = if i == 1_024 { "a,odd\n1,2\n" } else { "a\n1\n" };
        fixture.write(&format!("f{i:04}.csv"), content);
    }
    let error = fixture.error(&fixture.request("*.csv")).await;
    assert_eq!(
        fixture.short(&error),
        "f1024.csv: column \"odd\" is in none of the 4096 files by which columns were detected"
    );
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn records_longer_than_a_partition_are_read_once() {
    let fixture = Fixture::new();
    for (name, value, sample) in [
        ("seen.csv", format!("\"{}\"", "x,".repeat(450_000)), 100.0),
        ("unseen.csv", "x".repeat(900_000), 1.0),
    ] {
        fixture.write(name, format!("a,b\n1,z\n2,{value}\n3,\"y\"\n4,{value}\n"));
        let request = crate::tests::with_partition_size(fixture.request(name), 100_000);
        let request = request.with_option("sample_size", OptionValue::Number(sample));
        let rows = fixture
            .rows(&request, "SELECT a, length(b) FROM t ORDER BY a")
            .await;
        assert_eq!(
            rows.unwrap(),
            ["1|1", "2|900000", "3|1", "4|900000"],
            "{name}"
        );
    }
}
