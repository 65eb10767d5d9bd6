//! Lines of the formats, each with the record that it is.

use super::LineFormat;

fn record(format: &LineFormat, line: &str) -> String {
    let mut out = String::new();
    match format.write(line, &mut out) {
        Ok(()) => out,
        Err(fault) => fault,
    }
}

#[test]
fn access_logs() {
    let common = LineFormat::Access { is_combined: false };
    // The example of Apache's manual.
    let line =
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#;
    let wanted = r#"{"host":"127.0.0.1","ident":null,"user":"frank","time":"2000-10-10T13:55:36-07:00","request":"GET /apache_pb.gif HTTP/1.0","method":"GET","path":"/apache_pb.gif","protocol":"HTTP/1.0","status":200,"bytes":2326}"#;
    assert_eq!(record(&common, line), wanted);
    let combined = LineFormat::Access { is_combined: true };
    let line = r#"::1 - - [01/Jan/2026:00:00:00 +0000] "-" 408 - "-" "say \"hi\"""#;
    let wanted = r#"{"host":"::1","ident":null,"user":null,"time":"2026-01-01T00:00:00+00:00","request":null,"method":null,"path":null,"protocol":null,"status":408,"bytes":null,"referer":null,"user_agent":"say \"hi\""}"#;
    assert_eq!(record(&combined, line), wanted);
    for (line, wanted) in [
        ("", "the line ends before its host"),
        ("a b c d", "expected [time]"),
        ("a b c [x]", "expected a time, found [x]"),
        (
            "a b c [10/Oct/2000:13:55:36 -0700] GET",
            "expected the request in quotes",
        ),
        (
            "a b c [10/Oct/2000:13:55:36 -0700] \"GET",
            "the request has no closing quote",
        ),
        (
            "a b c [10/Oct/2000:13:55:36 -0700] \"x\" ok 1",
            "expected a number as status, found ok",
        ),
        (
            "a b c [10/Oct/2000:13:55:36 -0700] \"x\" 1 1 1",
            "expected the end of the line, found 1",
        ),
    ] {
        assert_eq!(fault(&common, line), wanted, "{line}");
    }
}

/// Faults leave what was written before them.
fn fault(format: &LineFormat, line: &str) -> String {
    format.write(line, &mut String::new()).unwrap_err()
}

#[test]
fn logfmt_lines() {
    let line = r#"level=info msg="it \"works\"" took=12 cached empty="" n="#;
    let wanted =
        r#"{"level":"info","msg":"it \"works\"","took":"12","cached":true,"empty":"","n":""}"#;
    assert_eq!(record(&LineFormat::Logfmt, line), wanted);
    assert_eq!(
        fault(&LineFormat::Logfmt, "a=1 =2"),
        "expected key=value, found =2"
    );
    assert_eq!(
        fault(&LineFormat::Logfmt, "a=\"1"),
        "the value of a has no closing quote"
    );
}

#[test]
fn patterns() {
    let regex = LineFormat::regex(r"^(?<level>[A-Z]+) (?<what>\w+)(?: (?<n>\d+))?$").unwrap();
    assert_eq!(
        record(&regex, "INFO start 12"),
        r#"{"level":"INFO","what":"start","n":"12"}"#
    );
    assert_eq!(
        record(&regex, "INFO start"),
        r#"{"level":"INFO","what":"start","n":null}"#
    );
    assert!(fault(&regex, "info").starts_with("the line does not match ^(?<level>"));
    assert!(LineFormat::regex("(").unwrap_err().detail().is_some());
    assert!(LineFormat::regex("(a)").is_err());
    let grok = LineFormat::grok("%{IP:client} %{WORD:method} %{NUMBER:bytes:int}").unwrap();
    let found = record(&grok, "10.0.0.1 GET 2326");
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        found,
        serde_json::json!({"client": "10.0.0.1", "method": "GET", "bytes": 2326})
    );
    assert!(LineFormat::grok("%{NOSUCH:x}").is_err());
    assert!(LineFormat::grok("%{WORD}").is_err());
}
