//! `COPY … FROM STDIN`. Messages and codes are those of PostgreSQL 18.6 for the same statements and data.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use sheaf_pgwire::{Role, ServerOptions, Users, Verifier};
use support::{Client, Message, Running, completed, tags};

fn server() -> Running {
    let mut users = Users::default();
    let verifier = || Verifier::new("secret").unwrap();
    users.put("root", Role::Admin, verifier()).unwrap();
    users.put("ann", Role::Reader, verifier()).unwrap();
    Running::start(ServerOptions {
        users,
        ..ServerOptions::default()
    })
}

fn log_in(server: &Running, user: &str) -> Client {
    let mut client = Client::open(server.address);
    client.startup(user, &[]);
    client.authenticate("secret");
    client.until_ready();
    client
}

/// Sends `data` in pieces of `size` bytes as that of a COPY.
fn copy(client: &mut Client, sql: &str, data: &[u8], size: usize) -> Vec<Message> {
    client.query(sql);
    let begin = client.next().unwrap();
    if begin.tag != 'G' {
        let rest = client.until_ready();
        return [vec![begin], rest].concat();
    }
    data.chunks(size).for_each(|piece| client.send('d', piece));
    client.send('c', b"");
    client.until_ready()
}

fn outcome(messages: &[Message]) -> String {
    let said = messages.iter().find_map(|message| match message.tag {
        'C' => Some(message.text()),
        'E' => Some(message.code()),
        _ => None,
    });
    said.unwrap_or_else(|| panic!("{messages:?}"))
}

#[test]
fn rows_are_inserted_all_or_none() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE t (a INT, b TEXT, c DATE)");
    let data = b"1\tx\t2024-02-29\n2\ttab\\there\t\\N\n\\N\t\t1970-01-01\n";
    for size in [1, 5, 1000] {
        let done = copy(&mut client, "COPY t FROM STDIN", data, size);
        assert_eq!(outcome(&done), "COPY 3");
    }
    assert_eq!(
        client.rows("SELECT DISTINCT a, b, c FROM t ORDER BY a NULLS LAST"),
        [
            ["1", "x", "2024-02-29"],
            ["2", "tab\there", "NULL"],
            ["NULL", "", "1970-01-01"]
        ]
    );
    let count = |client: &mut Client| client.rows("SELECT count(*) FROM t")[0][0].clone();
    assert_eq!(count(&mut client), "9");
    for (sql, data, code) in [
        (
            "COPY t FROM STDIN",
            &b"1\tx\t2024-02-29\nno\tx\t\\N\n"[..],
            "22P02",
        ),
        ("COPY t FROM STDIN", b"1\tx\t2024-02-29\n2\tx\n", "22P04"),
        ("COPY t FROM STDIN CSV", b"1,x,2024-02-29\n2,\"x\n", "22P04"),
        ("COPY t FROM STDIN", b"1\tx\t2024-13-29\n", "22008"),
        (
            "COPY t FROM STDIN BINARY",
            b"nonsense of some length",
            "22P04",
        ),
        ("COPY t FROM STDIN", b"1\ta\\0b\t\\N\n", "22021"),
    ] {
        assert_eq!(outcome(&copy(&mut client, sql, data, 7)), code, "{sql}");
    }
    // The client gives up, or goes.
    client.query("COPY t FROM STDIN");
    client.expect('G');
    client.send('d', b"7\tx\t\\N\n");
    client.send('f', b"no more\0");
    let messages = client.until_ready();
    assert_eq!(messages[0].code(), "57014");
    assert_eq!(
        messages[0].field('M').unwrap(),
        "COPY from stdin failed: no more"
    );
    assert_eq!(count(&mut client), "9");
    assert_eq!(
        outcome(&copy(&mut client, "COPY t FROM STDIN", b"", 1)),
        "COPY 0"
    );
}

#[test]
fn formats_columns_and_headers() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE t (a INT, b TEXT)");
    for (sql, data) in [
        (
            "COPY t FROM STDIN CSV HEADER",
            &b"a,b\n1,\"x, \"\"y\"\"\"\n"[..],
        ),
        (
            "COPY t (b, a) FROM STDIN (FORMAT csv, HEADER match)",
            b"b,a\n\"x, \"\"y\"\"\",1\n",
        ),
        (
            "COPY t FROM STDIN WITH DELIMITER '|' NULL 'none'",
            b"1|x, \"y\"\n",
        ),
        (
            "COPY t FROM STDIN (FORMAT csv, QUOTE '''', DELIMITER ';')",
            b"1;'x, \"y\"'\n",
        ),
    ] {
        assert_eq!(outcome(&copy(&mut client, sql, data, 3)), "COPY 1", "{sql}");
    }
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let row = [
        &[0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 6][..],
        b"x, \"y\"",
        &[255, 255],
    ]
    .concat();
    let data = [&header[..], &row].concat();
    assert_eq!(
        outcome(&copy(&mut client, "COPY t FROM STDIN BINARY", &data, 9)),
        "COPY 1"
    );
    assert_eq!(
        client.rows("SELECT DISTINCT a, b FROM t"),
        [["1", "x, \"y\""]]
    );
}

/// Columns that are not named are NULL; forced ones are not, or are.
#[test]
fn columns_that_are_not_named_and_forced_nulls() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE u (a INT, b TEXT)");
    copy(&mut client, "COPY u (b) FROM STDIN", b"q\n", 9);
    copy(
        &mut client,
        "COPY u FROM STDIN (FORMAT csv, FORCE_NOT_NULL (b))",
        b"1,\n",
        9,
    );
    copy(
        &mut client,
        "COPY u FROM STDIN (FORMAT csv, FORCE_NULL *)",
        b"2,\"\"\n",
        9,
    );
    assert_eq!(
        client.rows("SELECT a, b FROM u ORDER BY a NULLS FIRST"),
        [["NULL", "q"], ["1", ""], ["2", "NULL"]]
    );
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE t (a INT, b TEXT)");
    for (sql, code) in [
        ("COPY t FROM STDIN (FORCE_NULL (b))", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)", "22023"),
        ("COPY t (zz) FROM STDIN", "42703"),
        ("COPY nowhere FROM STDIN", "42P01"),
        ("COPY t FROM 'file.csv'", "0A000"),
    ] {
        assert_eq!(outcome(&client.run(sql)), code, "{sql}");
    }
    let data = copy(
        &mut client,
        "COPY t FROM STDIN (FORMAT csv, HEADER match)",
        b"x,b\n1,2\n",
        9,
    );
    assert_eq!(outcome(&data), "22P04");
}

#[test]
fn many_rows_come_through_with_memory_for_few() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE t (a BIGINT, b TEXT)");
    let rows = 100_000;
    let data: String = (0..rows).map(|row| format!("{row}\trow {row}\n")).collect();
    let done = copy(&mut client, "COPY t FROM STDIN", data.as_bytes(), 8_000);
    assert_eq!(outcome(&done), format!("COPY {rows}"));
    // 0 + 1 + … + 99,999
    assert_eq!(
        client.rows("SELECT count(*), sum(a), count(DISTINCT b) FROM t"),
        [["100000", "4999950000", "100000"]]
    );
}

#[test]
fn the_extended_protocol_takes_rows_too() {
    let server = server();
    let mut client = log_in(&server, "root");
    client.run("CREATE TABLE t (a INT)");
    client.parse("", "COPY t FROM STDIN", &[]);
    client.describe('S', "");
    client.bind("", "", &[], &[], &[]);
    client.execute("", 0);
    client.sync();
    for tag in "1tn2G".chars() {
        client.expect(tag);
    }
    client.send('d', b"1\n2\n");
    client.send('c', b"");
    // The first Sync was passed over, as one among the data.
    client.sync();
    assert_eq!(tags(&client.until_ready()), "CZ");
    assert_eq!(client.rows("SELECT sum(a) FROM t"), [["3"]]);
}

#[test]
fn a_reader_copies_nothing_in() {
    let server = server();
    let mut client = log_in(&server, "ann");
    let messages = client.run("COPY t FROM STDIN");
    assert_eq!(
        (tags(&messages), messages[0].code()),
        ("EZ".into(), "42501".into())
    );
    // What it sends all the same is passed over.
    client.query("COPY t FROM STDIN");
    client.send('d', b"1\n");
    client.send('c', b"");
    assert_eq!(tags(&client.until_ready()), "EZ");
    assert_eq!(completed(&client.run("SELECT 1")), ["SELECT 1"]);
}
