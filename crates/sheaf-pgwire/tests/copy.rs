//! `COPY … TO STDOUT`. The bytes, messages and codes are those that PostgreSQL 18.6 sends for the same
//! statements.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use support::{Client, Message, completed, server, tags};

/// The data of a COPY, and whether it is binary.
fn data(messages: &[Message]) -> (Vec<u8>, bool) {
    let begin = messages.iter().find(|message| message.tag == 'H');
    let begin = begin.unwrap_or_else(|| panic!("no COPY: {messages:?}"));
    let rows = messages.iter().filter(|message| message.tag == 'd');
    let bytes: Vec<Vec<u8>> = rows.map(|message| message.body.clone()).collect();
    (bytes.concat(), begin.body[0] == 1)
}

fn text(client: &mut Client, query: &str, options: &str) -> String {
    let (data, is_binary) = data(&client.run(&format!("COPY ({query}) TO STDOUT {options}")));
    assert!(!is_binary);
    String::from_utf8(data).unwrap()
}

const WORDS: &str = r#"SELECT * FROM (VALUES
    (1, 'plain'), (2, E'tab\there'), (3, E'new\nline'), (4, E'back\\slash'), (5, ''), (6, NULL),
    (7, 'quote " and '''), (8, 'a,b|c'), (9, E'\r\f\b\x0b\x01'), (10, '\N'), (11, '\.')
    ) t(a, b) ORDER BY a"#;

#[test]
fn text_is_escaped() {
    let server = server();
    let mut client = server.connect();
    let expected = "1\tplain\n2\ttab\\there\n3\tnew\\nline\n4\tback\\\\slash\n5\t\n6\t\\N\n\
        7\tquote \" and '\n8\ta,b|c\n9\t\\r\\f\\b\\v\x01\n10\t\\\\N\n11\t\\\\.\n";
    for options in ["", "(FORMAT text)", "WITH (HEADER false)"] {
        assert_eq!(text(&mut client, WORDS, options), expected, "{options}");
    }
    let messages = client.run(&format!("COPY ({WORDS}) TO STDOUT"));
    assert_eq!(tags(&messages), format!("H{}cCZ", "d".repeat(11)));
    assert_eq!(messages[0].body, [0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(completed(&messages), ["COPY 11"]);
    let bars = "SELECT 1 AS \"a|b\", 'x|y' AS b, NULL AS c";
    for options in [
        "(DELIMITER '|', NULL 'none', HEADER)",
        "(delimiter '|', null 'none', header on)",
        "(HEADER 1, NULL 'none', DELIMITER '|')",
    ] {
        let expected = "a\\|b|b|c\n1|x\\|y|none\n";
        assert_eq!(text(&mut client, bars, options), expected, "{options}");
    }
    assert_eq!(
        text(&mut client, bars, "WITH DELIMITER AS '|' NULL AS ''"),
        "1|x\\|y|\n"
    );
    assert_eq!(text(&mut client, "SELECT 1 WHERE false", ""), "");
}

#[test]
fn csv_is_quoted() {
    let server = server();
    let mut client = server.connect();
    let expected = "1,plain\n2,tab\there\n3,\"new\nline\"\n4,back\\slash\n5,\"\"\n6,\n\
        7,\"quote \"\" and '\"\n8,\"a,b|c\"\n9,\"\r\x0c\x08\x0b\x01\"\n10,\\N\n11,\\.\n";
    for options in [
        "(FORMAT csv)",
        "CSV",
        "WITH CSV",
        "(FORMAT 'CSV', HEADER off)",
    ] {
        assert_eq!(text(&mut client, WORDS, options), expected, "{options}");
    }
    let row = "SELECT 1 AS a, 'it''s' AS \"b,c\", 'x;y' AS d, NULL AS e, '' AS f";
    for (options, expected) in [
        ("CSV HEADER", "a,\"b,c\",d,e,f\n1,it's,x;y,,\"\"\n"),
        ("(FORMAT csv, DELIMITER ';')", "1;it's;\"x;y\";;\"\"\n"),
        ("(FORMAT csv, NULL 'NULL')", "1,it's,x;y,NULL,\n"),
        ("(FORMAT csv, NULL 'x;y')", "1,it's,\"x;y\",x;y,\n"),
        ("CSV QUOTE AS '''' ESCAPE AS '\\'", "1,'it\\'s',x;y,,''\n"),
        (
            "(FORMAT csv, FORCE_QUOTE *)",
            "\"1\",\"it's\",\"x;y\",,\"\"\n",
        ),
        (
            "(FORMAT csv, FORCE_QUOTE (a, d))",
            "\"1\",it's,\"x;y\",,\"\"\n",
        ),
        (
            "CSV HEADER FORCE QUOTE d, a",
            "a,\"b,c\",d,e,f\n\"1\",it's,\"x;y\",,\"\"\n",
        ),
        ("CSV FORCE QUOTE *", "\"1\",\"it's\",\"x;y\",,\"\"\n"),
    ] {
        assert_eq!(text(&mut client, row, options), expected, "{options}");
    }
    // Alone on its line it would end the data for older readers.
    assert_eq!(text(&mut client, r"SELECT '\.'", "CSV"), "\"\\.\"\n");
}

#[test]
fn binary_rows_have_a_header_and_a_trailer() {
    let server = server();
    let mut client = server.connect();
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let query = "SELECT 1::int, 'ab', NULL UNION ALL SELECT 2, '', true ORDER BY 1";
    let rows = [
        &[
            0, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255,
        ][..],
        &[0, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1],
        &[255, 255],
    ];
    let query = query.replace("SELECT 2,", "SELECT 2::int,");
    for options in ["(FORMAT binary)", "BINARY", "WITH BINARY"] {
        let messages = client.run(&format!("COPY ({query}) TO STDOUT {options}"));
        assert_eq!(tags(&messages), "HdddcCZ", "{options}");
        assert_eq!(messages[0].body, [1, 0, 3, 0, 1, 0, 1, 0, 1]);
        let (bytes, _) = data(&messages);
        assert_eq!(bytes, [&header[..], &rows.concat()].concat());
    }
    let messages = client.run("COPY (SELECT 1 WHERE false) TO STDOUT BINARY");
    assert_eq!(data(&messages), ([&header[..], &[255, 255]].concat(), true));
    assert_eq!(completed(&messages), ["COPY 0"]);
}

#[test]
fn tables_are_copied_by_name() {
    let server = server();
    let batch = "CREATE TABLE \"T 1\" AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, 'y'";
    sheaf::block_on(async { server.session.sql(batch).await?.drain().await }).unwrap();
    let mut client = server.connect();
    let copied = |client: &mut Client, sql: &str| {
        let mut lines: Vec<String> = String::from_utf8(data(&client.run(sql)).0)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(
        copied(&mut client, "COPY \"T 1\" TO STDOUT"),
        ["1\tx", "2\ty"]
    );
    assert_eq!(
        copied(&mut client, "COPY \"T 1\" (b) TO STDOUT"),
        ["x", "y"]
    );
    assert_eq!(
        copied(&mut client, "COPY \"T 1\" (b, a) TO STDOUT CSV"),
        ["x,1", "y,2"]
    );
    let error = client.error("COPY \"T 1\" (nope) TO STDOUT");
    assert_eq!(
        (error.code(), error.field('P')),
        ("42703".into(), Some("13".into()))
    );
    let error = client.error("COPY nowhere TO STDOUT");
    assert_eq!(
        (error.code(), error.field('P')),
        ("42P01".into(), Some("6".into()))
    );
    // What a client may not read, it may not copy; and it writes no files.
    assert_eq!(client.error("COPY '/etc/passwd' TO STDOUT").code(), "42501");
    assert_eq!(
        client.error("COPY (FROM '/etc/passwd') TO STDOUT").code(),
        "42501"
    );
    assert_eq!(client.error("COPY (SELECT 1) TO 'x.csv'").code(), "25006");
}

#[test]
fn options_that_cannot_be_are_refused() {
    let server = server();
    let mut client = server.connect();
    for (options, code) in [
        ("(FORMAT xml)", "22023"),
        ("(FORMAT csv, FORMAT text)", "42601"),
        ("(FORMAT csv, FORCE_QUOTE (zz))", "42703"),
        ("(FORMAT csv, FORCE_QUOTE b)", "22023"),
        ("(FORMAT csv, DELIMITER 'ab')", "0A000"),
        ("(FORMAT csv, DELIMITER '')", "0A000"),
        ("(DELIMITER 'a')", "22023"),
        ("(DELIMITER E'\\n')", "22023"),
        ("(FORMAT csv, QUOTE 'ab')", "0A000"),
        ("(FORMAT csv, ESCAPE 'ab')", "0A000"),
        ("(QUOTE '\"')", "0A000"),
        ("(ESCAPE '\"')", "0A000"),
        ("(FORCE_QUOTE *)", "0A000"),
        ("(FORMAT csv, DELIMITER '\"')", "22023"),
        ("(FORMAT binary, DELIMITER ',')", "42601"),
        ("(FORMAT binary, NULL '')", "42601"),
        ("(FORMAT binary, HEADER)", "0A000"),
        ("(FORMAT binary, QUOTE 'x')", "0A000"),
        ("(NULL E'a\\nb')", "22023"),
        ("(NULL E'a\\tb')", "22023"),
        ("(FORMAT csv, NULL 'a\"b')", "22023"),
        ("(HEADER match)", "0A000"),
        ("(HEADER 2)", "42601"),
        ("(nonsense 1)", "42601"),
        ("(FREEZE)", "22023"),
        ("(FORMAT csv, FORCE_NULL (a))", "22023"),
        ("(ON_ERROR stop)", "22023"),
        ("(DELIMITER ',', DELIMITER ';')", "42601"),
        ("(ENCODING 'latin1')", "0A000"),
    ] {
        let messages = client.run(&format!("COPY (SELECT 1 AS a) TO STDOUT {options}"));
        assert_eq!(tags(&messages), "EZ", "{options}: {messages:?}");
        assert_eq!(messages[0].code(), code, "{options}");
    }
    // Errors of the query come before the first row, or among the rows.
    assert_eq!(tags(&client.run("COPY (SELECT nothing) TO STDOUT")), "EZ");
    let messages =
        client.run("COPY (SELECT 1 / (10 - a) FROM range(1, 20) t(a)) TO STDOUT; SELECT 1");
    assert!(tags(&messages).starts_with('H') && tags(&messages).ends_with("EZ"));
    client.run("BEGIN");
    client.error("SELECT nothing");
    assert_eq!(client.error("COPY (SELECT 1) TO STDOUT").code(), "25P02");
}

#[test]
fn the_extended_protocol_copies_all_at_once() {
    let server = server();
    let mut client = server.connect();
    client.parse(
        "",
        "COPY (SELECT 1::int AS a, 'b' AS b) TO STDOUT BINARY",
        &[],
    );
    client.describe('S', "");
    client.bind("", "", &[], &[], &[1]);
    client.describe('P', "");
    client.execute("", 1);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "1tn2nHddcCZ");
    assert_eq!(messages[1].body, [0, 0]);
    client.parse("", "COPY (SELECT * FROM range(0, 5)) TO STDOUT", &[]);
    client.bind("", "", &[], &[], &[]);
    client.execute("", 2);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "12HdddddcCZ");
    // COPY takes no parameters.
    client.parse("", "COPY (SELECT $1::int) TO STDOUT", &[]);
    client.bind("", "", &[], &[], &[]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(
        (tags(&messages), messages[2].code()),
        ("12EZ".into(), "42P02".into())
    );
}

#[test]
fn a_copy_is_cancelled_while_its_rows_flow() {
    let server = server();
    let mut client = support::Client::open(server.address);
    client.startup("reader", &[]);
    let messages = client.until_ready();
    let key = messages.iter().find(|m| m.tag == 'K').unwrap().body.clone();
    client.query("COPY (SELECT * FROM range(0, 1000000000)) TO STDOUT BINARY");
    client.expect('H');
    client.expect('d');
    let mut other = support::Client::open(server.address);
    other.send_bytes(&[&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e], &key[..]].concat());
    let mut code = None;
    while code.is_none() {
        let message = client.next().unwrap();
        code = (message.tag == 'E').then(|| message.code());
    }
    assert_eq!(code.as_deref(), Some("57014"));
    client.until_ready();
    assert_eq!(client.rows("SELECT 1"), [["1"]]);
}

#[test]
fn a_client_that_does_not_read_makes_a_copy_wait() {
    let server = server();
    let mut client = server.connect();
    client.query("COPY (SELECT repeat('x', 64) || value FROM range(0, 100000000)) TO STDOUT");
    client.expect('H');
    let rows_out = || {
        let queries = server.session.engine().registry().list();
        queries.iter().map(|query| query.progress.rows_out).max()
    };
    let begun = Instant::now();
    let mut last = None;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = rows_out();
        if now == last && now > Some(0) {
            break;
        }
        last = now;
        assert!(begun.elapsed() < support::PATIENCE, "it goes on: {now:?}");
    }
    // What lies in the sockets' buffers, and a few batches: far from all of it.
    assert!(last < Some(1_000_000), "{last:?}");
}
