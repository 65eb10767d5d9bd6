//! Parameters whose types nobody declares, and statements that are described before they run. Types are
//! those that PostgreSQL 18.6 describes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use sheaf::arrow::array::{ArrayRef, RecordBatch, StringArray};
use sheaf_pgwire::ServerOptions;
use support::{Client, Running, tags};

fn server() -> Running {
    let server = Running::start(ServerOptions::default());
    let table = "CREATE TABLE t AS SELECT * FROM (VALUES (1, 'x'), (2, 'y')) v(a, b)";
    sheaf::block_on(async { server.session.sql(table).await?.drain().await }).unwrap();
    server
}

/// The described types of the parameters, and the rows' first values.
fn run(client: &mut Client, sql: &str, values: &[&str]) -> (Vec<u32>, Vec<String>) {
    let values: Vec<Option<&[u8]>> = values.iter().map(|value| Some(value.as_bytes())).collect();
    client.parse("", sql, &[]);
    client.describe('S', "");
    client.bind("", "", &[], &values, &[]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    let types = messages.iter().find(|message| message.tag == 't');
    let types = types.unwrap_or_else(|| panic!("{sql}: {messages:?}"));
    let oids = types.body[2..].chunks(4);
    let oids = oids.map(|oid| u32::from_be_bytes(oid.try_into().unwrap()));
    let rows = messages.iter().filter_map(|message| match message.tag {
        'D' => Some(message.texts().swap_remove(0)),
        'E' => Some(message.code()),
        _ => None,
    });
    (oids.collect(), rows.collect())
}

/// A statement, the parameters' values, the numbers of their types, the first column or the SQLSTATE.
type Case<'a> = (&'a str, &'a [&'a str], &'a [u32], &'a [&'a str]);

const INT8: u32 = 20;
const TEXT: u32 = 25;

fn check(cases: &[Case<'_>]) {
    let server = server();
    let mut client = server.connect();
    for (sql, values, types, rows) in cases {
        let (described, first) = run(&mut client, sql, values);
        assert_eq!(
            (&described[..], &first[..]),
            (*types, &rows.map_owned()[..]),
            "{sql}"
        );
    }
}

#[test]
fn types_come_from_clauses() {
    check(&[
        (
            "SELECT a FROM t ORDER BY a LIMIT $1",
            &["1"][..],
            &[INT8][..],
            &["1"][..],
        ),
        (
            "SELECT a FROM t ORDER BY a OFFSET $1",
            &["1"],
            &[INT8],
            &["2"],
        ),
        (
            "SELECT a FROM t ORDER BY a LIMIT $1 OFFSET $2",
            &["1", "1"],
            &[INT8, INT8],
            &["2"],
        ),
        (
            "SELECT a FROM t ORDER BY a FETCH FIRST $1 ROWS ONLY",
            &["1"],
            &[INT8],
            &["1"],
        ),
        (
            "SELECT a FROM t WHERE a = ANY($1) ORDER BY a",
            &["{2,3}"],
            &[1016],
            &["2"],
        ),
        (
            "SELECT a FROM t WHERE b = ANY($1) ORDER BY a",
            &["{x,z}"],
            &[1009],
            &["1"],
        ),
        (
            "SELECT a FROM t WHERE a <> ALL($1) ORDER BY a",
            &["{1,3}"],
            &[1016],
            &["2"],
        ),
        (
            "SELECT a FROM t WHERE a IN ($1, $2) ORDER BY a",
            &["1", "5"],
            &[INT8, INT8],
            &["1"],
        ),
        (
            "SELECT a FROM t WHERE a BETWEEN $1 AND $2",
            &["2", "9"],
            &[INT8, INT8],
            &["2"],
        ),
    ]);
}

#[test]
fn types_come_from_operators_and_casts() {
    check(&[
        (
            "SELECT a FROM t WHERE b LIKE $1",
            &["x%"][..],
            &[TEXT][..],
            &["1"][..],
        ),
        (
            "SELECT a + $1 FROM t ORDER BY 1 LIMIT 1",
            &["10"],
            &[INT8],
            &["11"],
        ),
        ("SELECT $1::bytea", &["\\x00ff"], &[17], &["\\x00ff"]),
        (
            "SELECT $1::interval",
            &["5 days 3"],
            &[1186],
            &["5 days 00:00:03"],
        ),
        (
            "SELECT $1::date[]",
            &["{2024-02-29,NULL}"],
            &[1182],
            &["{2024-02-29,NULL}"],
        ),
        ("SELECT $1::timestamp", &["infinity"], &[1114], &["22008"]),
        (
            "SELECT coalesce($1, b) FROM t LIMIT 1",
            &["z"],
            &[TEXT],
            &["z"],
        ),
    ]);
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn declared_types_are_called_as_the_client_calls_them() {
    let server = server();
    let mut client = server.connect();
    // varchar, varchar[], oid, jsonb.
    client.parse("", "SELECT $1, $2, $3, $4", &[1043, 1015, 26, 3802]);
    client.describe('S', "");
    let array = [
        &[0, 0, 0, 1, 0, 0, 0, 0][..],
        &1043_i32.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'q'],
    ]
    .concat();
    let values: [Option<&[u8]>; 4] = [
        Some(b"v"),
        Some(&array),
        Some(&[0, 0, 0, 7]),
        Some(b"\x01{}"),
    ];
    client.bind("", "", &[1], &values, &[]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    let types: Vec<u8> = [1043, 1015, 26, 3802]
        .iter()
        .flat_map(|t: &u32| t.to_be_bytes())
        .collect();
    assert_eq!(messages[1].body[2..], types);
    let row = messages.iter().find(|message| message.tag == 'D').unwrap();
    assert_eq!(row.texts(), ["v", "{q}", "7", "{}"]);
    // A text has no zero byte, on its way in or out.
    client.parse("", "SELECT $1", &[25]);
    client.bind("", "", &[], &[Some(b"a\0b")], &[]);
    client.sync();
    assert_eq!(client.until_ready()[1].code(), "22021");
    assert_eq!(client.error("SELECT 'a' || chr(0)").code(), "54000");
}

/// As in PostgreSQL, where they have one list of names; sqlx's macros ask so.
#[test]
fn execute_knows_what_the_protocol_has_prepared() {
    let server = server();
    let mut client = server.connect();
    client.parse("s", "SELECT a + $1 AS c FROM t WHERE a = 1", &[]);
    client.sync();
    client.until_ready();
    assert_eq!(client.rows("EXECUTE s(41)"), [["42"]]);
    let plan = client.rows("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE s(NULL)");
    let plan = &plan[0][0];
    assert!(plan.starts_with(r#"[{"Plan":{"Node Type":"#), "{plan}");
    assert!(plan.contains(r#""Output":["c"]"#), "{plan}");
    assert_eq!(client.error("PREPARE s AS SELECT 1").code(), "42P05");
    client.run("DEALLOCATE s");
    assert_eq!(client.error("EXECUTE s(1)").code(), "26000");
    // It would run itself for ever.
    client.parse("s", "EXECUTE s", &[]);
    client.sync();
    client.until_ready();
    assert_eq!(client.error("EXECUTE s").code(), "0A000");
}

/// And the other way round: Describe, Bind, Close and Parse know the names of PREPARE.
#[test]
fn the_protocol_knows_what_prepare_has_named() {
    const INT4: u32 = 23;
    let server = server();
    let mut client = server.connect();
    client.run("PREPARE p AS SELECT $1::int, 'x'");
    for value in ["1", "2"] {
        client.describe('S', "p");
        client.bind("", "p", &[], &[Some(value.as_bytes())], &[]);
        client.execute("", 0);
        client.sync();
        let messages = client.until_ready();
        assert_eq!(tags(&messages), "tT2DCZ");
        assert_eq!(messages[0].body[2..], INT4.to_be_bytes());
        assert_eq!(messages[3].texts(), [value, "x"]);
    }
    // Without its parameter it is not bound, and names are not given twice.
    client.bind("", "p", &[], &[], &[]);
    client.sync();
    assert_eq!(client.until_ready()[0].code(), "08P01");
    client.parse("p", "SELECT 1", &[]);
    client.sync();
    assert_eq!(client.until_ready()[0].code(), "42P05");
    assert_eq!(client.error("PREPARE p AS SELECT 1").code(), "42P05");
    assert_eq!(client.rows("EXECUTE p(1)"), [["1", "x"]]);
    // DEALLOCATE and Close forget it in both; nothing is left that Bind could find.
    client.run("DEALLOCATE p");
    client.describe('S', "p");
    client.sync();
    assert_eq!(client.until_ready()[0].code(), "26000");
    client.run("PREPARE p AS SELECT 7");
    client.send('C', b"Sp\0");
    client.sync();
    assert_eq!(tags(&client.until_ready()), "3Z");
    assert_eq!(client.error("EXECUTE p").code(), "26000");
}

/// Files may have such texts.
#[test]
fn a_text_with_a_zero_byte_is_not_sent() {
    let server = server();
    let texts = Arc::new(StringArray::from(vec!["a\0b"])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
    server
        .session
        .register_batches("zero", vec![batch])
        .unwrap();
    let mut client = server.connect();
    assert_eq!(client.error("SELECT t FROM zero").code(), "22021");
    let rows = client.rows(r"SELECT regexp_replace(t, '\x00', '', 'g') FROM zero");
    assert_eq!(rows, [["ab"]]);
}

#[test]
fn statements_are_described_without_running() {
    let server = server();
    let mut client = server.connect();
    client.run("PREPARE p AS SELECT a + $1 AS c, b FROM t WHERE a = $1");
    let mut columns = |sql: &str| {
        client.parse("", sql, &[]);
        client.describe('S', "");
        client.bind("", "", &[], &[], &[]);
        client.describe('P', "");
        client.execute("", 0);
        client.sync();
        let messages = client.until_ready();
        let described = messages.iter().filter(|message| message.tag == 'T');
        let described: Vec<_> = described.map(support::Message::columns).collect();
        assert_eq!(described.len(), 2, "{sql}: {messages:?}");
        assert_eq!(described[0], described[1], "{sql}");
        assert!(tags(&messages).ends_with("CZ"), "{sql}");
        let names = described[0]
            .iter()
            .map(|(name, oid, _)| format!("{name} {oid}"));
        names.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(columns("EXECUTE p(1)"), "c 20, b 25");
    assert!(
        columns("SUMMARIZE t").starts_with(
            "column_name 25, column_type 25, min 25, max 25, approx_unique 20, avg 701"
        )
    );
    assert_eq!(
        columns("SHOW transaction_isolation"),
        "transaction_isolation 25"
    );
    assert_eq!(columns("EXPLAIN SELECT 1"), "plan 25");
    assert_eq!(
        columns("DESCRIBE t"),
        "column_name 25, column_type 25, nullable 16"
    );
    // Statements without rows, and none at all.
    for sql in [
        "BEGIN",
        "COMMIT",
        "SET jit = off",
        "DEALLOCATE ALL",
        "CLOSE ALL",
        "",
    ] {
        client.parse("", sql, &[]);
        client.describe('S', "");
        client.sync();
        assert_eq!(tags(&client.until_ready()), "1tnZ", "{sql}");
    }
    client.parse("", "EXECUTE nowhere", &[]);
    client.describe('S', "");
    client.sync();
    assert_eq!(client.until_ready()[1].code(), "26000");
}

/// The time between two portions is the client's, and each of them has the statement's.
#[test]
fn portions_have_a_time_limit_each() {
    let server = server();
    let mut client = server.connect();
    client.run("SET statement_timeout = '300ms'");
    client.run("BEGIN");
    client.run("DECLARE c CURSOR FOR SELECT * FROM range(0, 1000000000)");
    client.run("DECLARE slow CURSOR FOR SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(client.rows("FETCH 1 c"), [["0"]]);
    assert_eq!(client.rows("FETCH 1 c"), [["1"]]);
    let error = client.error("FETCH slow");
    assert_eq!(error.code(), "57014");
    assert!(error.field('M').unwrap().contains("statement timeout"));
}
