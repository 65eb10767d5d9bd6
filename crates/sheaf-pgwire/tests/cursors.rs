//! DECLARE, FETCH, MOVE and CLOSE. Tags, messages and codes are those of PostgreSQL 18.6 for cursors
//! declared NO SCROLL or SCROLL.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use support::{Client, completed, server, tags};

const TEN: &str = "SELECT a::int AS a FROM range(1, 11) t(a) ORDER BY 1";

/// The answer to a script: its rows' first values, then its tags or the code of its error.
fn said(client: &mut Client, sql: &str) -> String {
    let messages = client.run(sql);
    let parts = messages.iter().filter_map(|message| match message.tag {
        'D' => Some(message.texts().swap_remove(0)),
        'C' => Some(message.text()),
        'E' => Some(message.code()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// Runs statements, each of which says what stands beside it.
fn check(client: &mut Client, steps: &[(&str, &str)]) {
    for (index, (sql, expected)) in steps.iter().enumerate() {
        let sql = sql.replace("TEN", TEN);
        assert_eq!(said(client, &sql), *expected, "step {index}: {sql}");
    }
}

#[test]
fn cursors_are_read_onwards() {
    let server = server();
    let mut client = server.connect();
    check(
        &mut client,
        &[
            ("BEGIN", "BEGIN"),
            ("DECLARE c CURSOR FOR TEN", "DECLARE CURSOR"),
            ("FETCH c", "1 FETCH 1"),
            ("FETCH 2 FROM c", "2 3 FETCH 2"),
            ("FETCH NEXT IN c", "4 FETCH 1"),
            ("FETCH FORWARD c", "5 FETCH 1"),
            ("MOVE FORWARD 2 FROM c", "MOVE 2"),
            ("MOVE 0 c", "MOVE 1"),
            ("FETCH RELATIVE 2 c", "9 FETCH 1"),
            ("FETCH ALL FROM c", "10 FETCH 1"),
            ("FETCH FORWARD ALL FROM c", "FETCH 0"),
            ("MOVE ALL IN c", "MOVE 0"),
            ("FETCH c", "FETCH 0"),
            ("MOVE 0 c", "MOVE 0"),
            ("MOVE c", "MOVE 0"),
            ("CLOSE c", "CLOSE CURSOR"),
            ("FETCH c", "34000"),
            ("ROLLBACK", "ROLLBACK"),
            ("BEGIN", "BEGIN"),
            (
                "DECLARE c ASENSITIVE NO SCROLL CURSOR WITHOUT HOLD FOR TEN",
                "DECLARE CURSOR",
            ),
            ("MOVE BACKWARD ALL c", "MOVE 0"),
            ("FETCH 0 c", "FETCH 0"),
            ("FETCH ABSOLUTE 0 c", "FETCH 0"),
            ("FETCH FIRST c", "1 FETCH 1"),
            ("FETCH ABSOLUTE 6 c", "6 FETCH 1"),
            ("MOVE FORWARD ALL c", "MOVE 4"),
            ("FETCH FIRST c", "55000"),
            ("FETCH c", "25P02"),
            ("COMMIT", "ROLLBACK"),
        ],
    );
    for back in [
        "FETCH PRIOR c",
        "FETCH BACKWARD 1 c",
        "FETCH BACKWARD ALL c",
        "FETCH LAST c",
        "FETCH -1 c",
        "FETCH RELATIVE -1 c",
        "FETCH 0 c",
        "MOVE BACKWARD ALL c",
    ] {
        client.run("BEGIN");
        client.run(&format!("DECLARE c CURSOR FOR {TEN}"));
        client.run("FETCH 4 c");
        let error = client.error(back);
        assert_eq!(error.code(), "55000", "{back}");
        assert_eq!(error.field('M').unwrap(), "cursor can only scan forward");
        client.run("ROLLBACK");
    }
}

/// The answers are those of PostgreSQL 18 to the same statements; the client tests compare more.
#[test]
fn cursors_that_scroll_are_read_everywhere() {
    let server = server();
    let mut client = server.connect();
    check(
        &mut client,
        &[
            ("BEGIN", "BEGIN"),
            (
                "DECLARE c SCROLL CURSOR WITH HOLD FOR TEN",
                "DECLARE CURSOR",
            ),
            ("FETCH PRIOR c", "FETCH 0"),
            ("FETCH 3 c", "1 2 3 FETCH 3"),
            ("FETCH 0 c", "3 FETCH 1"),
            ("FETCH PRIOR c", "2 FETCH 1"),
            ("FETCH LAST c", "10 FETCH 1"),
            ("FETCH c", "FETCH 0"),
            ("FETCH BACKWARD 2 c", "10 9 FETCH 2"),
            ("MOVE BACKWARD ALL c", "MOVE 8"),
            ("COMMIT", "COMMIT"),
            ("FETCH ABSOLUTE 5 c", "5 FETCH 1"),
            ("FETCH ABSOLUTE -2 c", "9 FETCH 1"),
            ("FETCH RELATIVE -3 c", "6 FETCH 1"),
            ("MOVE ABSOLUTE 20 c", "MOVE 0"),
            ("FETCH PRIOR c", "10 FETCH 1"),
            ("FETCH ABSOLUTE -20 c", "FETCH 0"),
            ("FETCH ALL FROM c", "1 2 3 4 5 6 7 8 9 10 FETCH 10"),
            ("FETCH BACKWARD ALL FROM c", "10 9 8 7 6 5 4 3 2 1 FETCH 10"),
            ("FETCH FIRST c", "1 FETCH 1"),
            ("CLOSE c", "CLOSE CURSOR"),
        ],
    );
}

/// What is read behind an error is lost, so that nothing is read any more.
#[test]
fn a_cursor_that_scrolls_and_has_failed_gives_no_more() {
    let server = server();
    let mut client = server.connect();
    let rows = "SELECT 10 / (n - 20000) AS x FROM generate_series(1, 30000) AS s(n)";
    client.run(&format!(
        "BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR {rows}; COMMIT"
    ));
    assert_eq!(said(&mut client, "FETCH 1 c"), "0 FETCH 1");
    assert_eq!(client.error("FETCH LAST FROM c").code(), "22012");
    check(
        &mut client,
        &[("FETCH FIRST c", "55000"), ("MOVE c", "55000")],
    );
}

#[test]
fn names_are_folded_and_taken_once() {
    let server = server();
    let mut client = server.connect();
    check(
        &mut client,
        &[
            ("DECLARE c CURSOR FOR TEN", "25P01"),
            ("FETCH c", "34000"),
            ("CLOSE c", "34000"),
            ("CLOSE ALL", "CLOSE CURSOR ALL"),
            ("BEGIN", "BEGIN"),
            ("DECLARE \"C\" CURSOR FOR TEN", "DECLARE CURSOR"),
            ("FETCH \"C\"", "1 FETCH 1"),
            ("DECLARE c INSENSITIVE CURSOR FOR TEN", "DECLARE CURSOR"),
            ("FETCH C", "1 FETCH 1"),
            ("DECLARE C CURSOR FOR TEN", "42P03"),
            ("ROLLBACK", "ROLLBACK"),
            ("BEGIN", "BEGIN"),
            ("DECLARE c CURSOR FOR SELECT * FROM nowhere", "42P01"),
            ("ROLLBACK", "ROLLBACK"),
            // A script is one transaction.
            (
                "DECLARE c CURSOR FOR TEN; FETCH 2 c; FETCH c",
                "DECLARE CURSOR 1 2 FETCH 2 3 FETCH 1",
            ),
            ("FETCH c", "34000"),
            ("SELECT 1; SAVEPOINT a", "1 SELECT 1 25P01"),
        ],
    );
}

#[test]
fn cursors_end_with_their_transaction_unless_held() {
    let server = server();
    let mut client = server.connect();
    check(
        &mut client,
        &[
            ("DECLARE h CURSOR WITH HOLD FOR TEN", "DECLARE CURSOR"),
            ("FETCH 2 h", "1 2 FETCH 2"),
            ("BEGIN", "BEGIN"),
            ("FETCH h", "3 FETCH 1"),
            ("DECLARE c CURSOR FOR TEN", "DECLARE CURSOR"),
            ("ROLLBACK", "ROLLBACK"),
            ("FETCH c", "34000"),
            ("FETCH h", "4 FETCH 1"),
            ("CLOSE h", "CLOSE CURSOR"),
            ("BEGIN", "BEGIN"),
            ("DECLARE h CURSOR WITH HOLD FOR TEN", "DECLARE CURSOR"),
            ("COMMIT", "COMMIT"),
            ("FETCH h", "1 FETCH 1"),
            ("DISCARD ALL", "DISCARD ALL"),
            ("FETCH h", "34000"),
            ("BEGIN", "BEGIN"),
            ("DECLARE h CURSOR WITH HOLD FOR TEN", "DECLARE CURSOR"),
            ("ROLLBACK", "ROLLBACK"),
            ("FETCH h", "34000"),
            (
                "DECLARE h CURSOR WITH HOLD FOR TEN; SELECT nothing",
                "DECLARE CURSOR 42703",
            ),
            ("FETCH h", "34000"),
            ("BEGIN", "BEGIN"),
            ("SAVEPOINT s", "SAVEPOINT"),
            ("DECLARE c CURSOR FOR TEN", "DECLARE CURSOR"),
            ("ROLLBACK TO s", "ROLLBACK"),
            ("FETCH c", "34000"),
            ("ROLLBACK TO s", "ROLLBACK"),
            ("DECLARE c CURSOR FOR TEN", "DECLARE CURSOR"),
            ("RELEASE s", "RELEASE"),
            ("SAVEPOINT t", "SAVEPOINT"),
            ("FETCH c", "1 FETCH 1"),
            ("SELECT nothing", "42703"),
            ("ROLLBACK TO t", "ROLLBACK"),
            ("FETCH c", "2 FETCH 1"),
            ("ABORT", "ROLLBACK"),
        ],
    );
}

/// As psycopg 3 does with server-side cursors, and asyncpg with `forward`.
/// What was lost is not gone over: PostgreSQL says 55000, too.
#[test]
fn a_cursor_that_has_failed_gives_no_more() {
    let server = server();
    let mut client = server.connect();
    let rows = "SELECT 10 / (n - 20000) AS x FROM generate_series(1, 30000) AS s(n)";
    client.run(&format!(
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR {rows}; COMMIT"
    ));
    check(
        &mut client,
        &[("MOVE 10 c", "MOVE 10"), ("FETCH 1 c", "0 FETCH 1")],
    );
    assert_eq!(client.error("FETCH ALL FROM c").code(), "22012");
    check(&mut client, &[("FETCH c", "55000"), ("MOVE c", "55000")]);
}

#[test]
fn cursors_and_portals_share_their_names() {
    let server = server();
    let mut client = server.connect();
    client.run("BEGIN");
    client.parse(
        "",
        &format!("DECLARE c CURSOR FOR SELECT a FROM ({TEN}) t WHERE a > $1::int"),
        &[],
    );
    client.describe('S', "");
    client.bind("", "", &[], &[Some(b"4")], &[]);
    client.describe('P', "");
    client.execute("", 0);
    client.describe('P', "c");
    client.execute("c", 2);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "1tn2nCTDDsZ", "{messages:?}");
    assert_eq!(messages[1].body, [0, 1, 0, 0, 0, 23]);
    assert_eq!(said(&mut client, "FETCH c"), "7 FETCH 1");
    // FETCH is described by its cursor, and sends the formats that Bind asks for.
    client.parse("f", "FETCH 2 FROM c", &[]);
    client.describe('S', "f");
    client.bind("", "f", &[], &[], &[1]);
    client.execute("", 1);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "1tT2DsDCZ");
    assert_eq!(messages[2].columns(), [("a".to_owned(), 23, 0)]);
    assert_eq!(messages[4].row(), [Some(vec![0, 0, 0, 8])]);
    assert_eq!(completed(&messages), ["FETCH 1"]);
    // A portal that nobody has executed yet is moved in.
    client.parse("", TEN, &[]);
    client.bind("p", "", &[], &[], &[]);
    client.sync();
    client.until_ready();
    assert_eq!(said(&mut client, "MOVE FORWARD 3 p"), "MOVE 3");
    client.execute("p", 1);
    client.sync();
    assert_eq!(client.until_ready()[0].texts(), ["4"]);
    assert_eq!(
        said(&mut client, "FETCH 1 FROM p; CLOSE p"),
        "5 FETCH 1 CLOSE CURSOR"
    );
    client.execute("p", 0);
    client.sync();
    assert_eq!(client.until_ready()[0].code(), "34000");
}

#[test]
fn binary_cursors_send_binary_rows() {
    let server = server();
    let mut client = server.connect();
    client.run("BEGIN");
    client.run(&format!("DECLARE c BINARY CURSOR FOR {TEN}"));
    let messages = client.run("FETCH 1 c");
    assert_eq!(messages[0].columns(), [("a".to_owned(), 23, 1)]);
    assert_eq!(messages[1].row(), [Some(vec![0, 0, 0, 1])]);
}

#[test]
fn a_cursor_holds_its_query_and_not_its_rows() {
    let server = server();
    let mut client = server.connect();
    client.run("BEGIN");
    client.run("DECLARE c CURSOR FOR SELECT value FROM range(0, 1000000000)");
    assert_eq!(said(&mut client, "FETCH 1 c"), "0 FETCH 1");
    let running = || {
        let queries = server.session.engine().registry().list();
        queries
            .into_iter()
            .filter(|query| !query.progress.state.has_ended())
            .collect::<Vec<_>>()
    };
    let rows_out = running().first().unwrap().progress.rows_out;
    assert!(rows_out < 1_000_000, "{rows_out}");
    client.run("CLOSE c");
    assert!(running().is_empty());
    // Only so many of them.
    let many: Vec<String> = (0..101)
        .map(|number| format!("DECLARE c{number} CURSOR FOR SELECT 1"))
        .collect();
    assert!(said(&mut client, &many.join(";")).ends_with("DECLARE CURSOR 54000"));
}
