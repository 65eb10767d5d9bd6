//! The protocol as PostgreSQL's documentation has it ("Frontend/Backend Protocol", message flow).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use sheaf_pgwire::ServerOptions;
use support::{Running, completed, server, tags};

#[test]
fn scripts_are_answered_statement_by_statement() {
    let server = server();
    let mut client = server.connect();
    let messages = client.run("SELECT 1 AS a, 'x' AS b; SELECT 2 WHERE false");
    assert_eq!(tags(&messages), "TDCTCZ");
    let columns = messages[0].columns();
    assert_eq!(columns, [("a".to_owned(), 23, 0), ("b".to_owned(), 25, 0)]);
    assert_eq!(messages[1].texts(), ["1", "x"]);
    assert_eq!(completed(&messages), ["SELECT 1", "SELECT 0"]);
    assert_eq!(tags(&client.run("")), "IZ");
    assert_eq!(tags(&client.run(" ; -- nothing\n")), "IZ");
    // An error ends the script, and leaves the session as it was.
    let messages = client.run("SELECT 1; SELECT 1/0; SELECT 3");
    assert!(tags(&messages).starts_with("TDC") && tags(&messages).ends_with("EZ"));
    let error = messages.iter().find(|m| m.tag == 'E').unwrap();
    assert_eq!(error.code(), "22012");
    assert_eq!(messages.last().unwrap().text(), "I");
    // A mistake anywhere keeps all of it from running; its place is counted in characters.
    let messages = client.run("SELECT 1; SELEC 2");
    assert_eq!(tags(&messages), "EZ");
    assert_eq!(
        (messages[0].code(), messages[0].field('P').unwrap()),
        ("42601".into(), "11".into())
    );
    let error = client.error("SELECT é FROM (SELECT 1 AS a) t");
    assert_eq!(error.code(), "42703");
    assert_eq!(client.error("SELECT * FROM nowhere").code(), "42P01");
    assert_eq!(client.error("SELECT 'x'::int").code(), "22P02");
}

#[test]
fn transactions_have_postgres_states() {
    let server = server();
    let mut client = server.connect();
    let state = |client: &mut support::Client, sql: &str| {
        let messages = client.run(sql);
        (
            completed(&messages).join(" "),
            messages.last().unwrap().text(),
        )
    };
    assert_eq!(state(&mut client, "BEGIN"), ("BEGIN".into(), "T".into()));
    assert_eq!(
        state(&mut client, "SAVEPOINT a"),
        ("SAVEPOINT".into(), "T".into())
    );
    assert_eq!(client.error("SELECT nothing").code(), "42703");
    assert_eq!(client.error("SELECT 1").code(), "25P02");
    assert_eq!(client.error("SELECT (").code(), "25P02");
    assert_eq!(
        state(&mut client, "ROLLBACK TO a"),
        ("ROLLBACK".into(), "T".into())
    );
    assert_eq!(
        state(&mut client, "RELEASE a"),
        ("RELEASE".into(), "T".into())
    );
    assert_eq!(client.error("SELECT nothing").code(), "42703");
    assert_eq!(
        state(&mut client, "COMMIT"),
        ("ROLLBACK".into(), "I".into())
    );
    let messages = client.run("COMMIT");
    assert_eq!(
        (tags(&messages), messages[0].code()),
        ("NCZ".into(), "25P01".into())
    );
    let begin = "START TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    assert_eq!(state(&mut client, begin).1, "T");
    assert_eq!(state(&mut client, "END"), ("COMMIT".into(), "I".into()));
    assert_eq!(client.error("SAVEPOINT a").code(), "25P01");
}

#[test]
fn parameters_are_the_sessions_own() {
    let server = server();
    let mut one = server.connect_as(
        "ann",
        &[
            ("application_name", "test"),
            ("options", "-c TimeZone=Asia/Kolkata"),
        ],
    );
    let mut other = server.connect();
    assert_eq!(one.rows("SHOW application_name"), [["test"]]);
    assert_eq!(one.rows("SHOW timezone"), [["Asia/Kolkata"]]);
    assert_eq!(
        one.rows("SELECT TIMESTAMPTZ '2024-07-01 00:00:00+00'"),
        [["2024-07-01 05:30:00+05:30"]]
    );
    assert_eq!(other.rows("SHOW TimeZone"), [["UTC"]]);
    let messages = other.run("SET TIME ZONE 'Europe/Berlin'");
    assert_eq!(tags(&messages), "SCZ");
    assert_eq!(messages[0].text(), "TimeZone\0Europe/Berlin");
    assert_eq!(one.rows("SHOW timezone"), [["Asia/Kolkata"]]);
    one.run("RESET timezone");
    assert_eq!(one.rows("SHOW server_version"), [["18.6"]]);
    assert_eq!(
        one.rows("SELECT current_user, current_database()"),
        [["ann", "sheaf"]]
    );
    assert_eq!(one.error("SET client_encoding = 'latin1'").code(), "22023");
    assert_eq!(one.error("SET no_such_thing = 1").code(), "42704");
    one.run("SET statement_timeout = 1000");
    assert_eq!(one.rows("SHOW statement_timeout"), [["1000"]]);
    assert_eq!(completed(&one.run("DISCARD ALL")), ["DISCARD ALL"]);
    assert_eq!(one.rows("SHOW statement_timeout"), [["0"]]);
    assert_eq!(one.rows("SHOW application_name"), [["test"]]);
}

#[test]
fn prepared_statements_take_parameters_in_both_formats() {
    let server = server();
    let mut client = server.connect();
    client.parse("s", "SELECT $1 + 1 AS n, $2 AS t", &[23, 25]);
    client.describe('S', "s");
    client.bind(
        "",
        "s",
        &[1, 0],
        &[Some(&41_i32.to_be_bytes()), Some(b"x")],
        &[1, 0],
    );
    client.describe('P', "");
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "1tT2TDCZ", "{messages:?}");
    assert_eq!(messages[1].body, [0, 2, 0, 0, 0, 23, 0, 0, 0, 25]);
    let columns = messages[4].columns();
    assert_eq!(columns[0].2, 1);
    let row = messages[5].row();
    assert_eq!(row[0].as_ref().unwrap().last(), Some(&42));
    assert_eq!(row[1].as_deref(), Some(&b"x"[..]));
    // The type of a parameter that nobody declares comes from its use; NULL is NULL.
    client.parse(
        "",
        "SELECT a FROM (VALUES (1), (2)) t(a) WHERE a = $1 OR $1 IS NULL ORDER BY 1",
        &[],
    );
    client.describe('S', "");
    client.bind("", "", &[], &[None], &[]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "1tT2DDCZ", "{messages:?}");
    assert_eq!(messages[1].body, [0, 1, 0, 0, 0, 20]);
}

#[test]
fn rows_come_in_portions() {
    let server = server();
    let mut client = server.connect();
    client.run("BEGIN");
    client.parse("", "SELECT * FROM range(0, 25000) ORDER BY 1", &[]);
    client.bind("p", "", &[], &[], &[]);
    client.execute("p", 2);
    client.execute("p", 3);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "12DDsDDDsZ");
    assert_eq!(messages[5].texts(), ["2"]);
    // A portal lives as long as its transaction.
    for rows_max in [-1, i32::MAX] {
        client.execute("p", rows_max);
        client.sync();
        let messages = client.until_ready();
        let rows = messages.iter().filter(|m| m.tag == 'D').count();
        let expected = if rows_max == -1 { 24_995 } else { 0 };
        assert_eq!(rows, expected);
        assert_eq!(completed(&messages), [format!("SELECT {expected}")]);
    }
    client.run("COMMIT");
    client.execute("p", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(
        (tags(&messages), messages[0].code()),
        ("EZ".into(), "34000".into())
    );
    // Without a block, it ends at Sync.
    client.parse("", "SELECT 1", &[]);
    client.bind("p", "", &[], &[], &[]);
    client.sync();
    client.until_ready();
    client.execute("p", 0);
    client.sync();
    assert_eq!(tags(&client.until_ready()), "EZ");
}

#[test]
fn after_an_error_everything_up_to_sync_is_skipped() {
    let server = server();
    let mut client = server.connect();
    client.parse("", "SELECT nothing", &[]);
    client.bind("", "", &[], &[], &[]);
    client.describe('P', "");
    client.execute("", 0);
    client.query("SELECT 1");
    client.sync();
    client.parse("", "SELECT 2", &[]);
    client.bind("", "", &[], &[], &[]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(
        (tags(&messages), messages[2].code()),
        ("12EZ".into(), "42703".into())
    );
    assert_eq!(messages[2].field('P').as_deref(), Some("8"));
    assert_eq!(tags(&client.until_ready()), "12DCZ");
    for (sql, code) in [("SELECT 1; SELECT 2", "42601"), ("SELEC", "42601")] {
        client.parse("", sql, &[]);
        client.sync();
        assert_eq!(client.until_ready()[0].code(), code);
    }
    client.bind("", "missing", &[], &[], &[]);
    client.sync();
    assert_eq!(client.until_ready()[0].code(), "26000");
    client.parse("", "SELECT $1::int", &[]);
    client.bind("", "", &[], &[], &[]);
    client.sync();
    assert_eq!(client.until_ready()[1].code(), "08P01");
    client.parse("", "SELECT $1", &[23]);
    client.bind("", "", &[0], &[Some(b"abc")], &[]);
    client.sync();
    assert_eq!(client.until_ready()[1].code(), "22P02");
    // Flush brings what there is, without an end.
    client.parse("", "", &[]);
    client.bind("", "", &[], &[], &[]);
    client.execute("", 0);
    client.send('H', b"");
    assert_eq!(client.expect('1').tag, '1');
    client.expect('2');
    client.expect('I');
    client.sync();
    client.until_ready();
    // An error too.
    client.parse("", "SELECT nothing", &[]);
    client.describe('S', "");
    client.send('H', b"");
    client.expect('1');
    assert_eq!(client.expect('E').code(), "42703");
    client.sync();
    assert_eq!(tags(&client.until_ready()), "Z");
}

#[test]
fn fewer_formats_than_columns_is_an_error_and_no_panic() {
    let server = server();
    let mut client = server.connect();
    client.parse("", "SELECT 1, 2, 3", &[]);
    client.bind("", "", &[], &[], &[1, 1]);
    client.execute("", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(
        (tags(&messages), messages[2].code()),
        ("12EZ".into(), "08P01".into())
    );
    assert_eq!(client.rows("SELECT 4"), [["4"]]);
}

#[test]
fn a_cancel_request_stops_what_runs() {
    let server = server();
    let mut client = support::Client::open(server.address);
    client.startup("reader", &[]);
    let messages = client.until_ready();
    let key = messages.iter().find(|m| m.tag == 'K').unwrap().body.clone();
    client.query("SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1");
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    let mut other = support::Client::open(server.address);
    let mut request = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e].to_vec();
    request.extend(&key);
    other.send_bytes(&request);
    assert_eq!(other.next(), None);
    let messages = client.until_ready();
    let error = messages.iter().find(|m| m.tag == 'E').unwrap();
    assert_eq!(error.code(), "57014");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    // While rows flow, too.
    client.query("SELECT * FROM range(0, 1000000000)");
    client.expect('T');
    client.expect('D');
    let mut other = support::Client::open(server.address);
    other.send_bytes(&request);
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
fn a_timeout_stops_what_runs() {
    let server = server();
    let mut client = server.connect();
    client.run("SET statement_timeout = '100ms'");
    let error = client.error("SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1");
    assert_eq!(error.code(), "57014");
    assert!(error.field('M').unwrap().contains("statement timeout"));
}

/// Queries of the engine that have not ended.
fn running(server: &Running) -> usize {
    let queries = server.session.engine().registry().list();
    queries
        .iter()
        .filter(|query| !query.progress.state.has_ended())
        .count()
}

#[test]
fn a_client_that_leaves_stops_its_query() {
    let server = server();
    let mut client = server.connect();
    client.query("SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1");
    let begun = Instant::now();
    while running(&server) == 0 {
        assert!(begun.elapsed() < support::PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(client);
    let left = Instant::now();
    while running(&server) > 0 {
        assert!(left.elapsed() < support::PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_does_not_read_makes_its_query_wait() {
    let server = server();
    let mut client = server.connect();
    // 80 bytes a row: 8 GB in all, were it not waited for.
    client.query("SELECT repeat('x', 64) || value FROM range(0, 100000000)");
    client.expect('T');
    let rows_out = |server: &Running| {
        let queries = server.session.engine().registry().list();
        queries
            .iter()
            .map(|query| query.progress.rows_out)
            .max()
            .unwrap_or(0)
    };
    let mut last = rows_out(&server);
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = rows_out(&server);
        if now == last && now > 0 {
            break;
        }
        last = now;
        assert!(begun.elapsed() < support::PATIENCE, "it goes on: {now}");
    }
    // What lies in the sockets' buffers, and a few batches: far from all of it.
    assert!(last < 1_000_000, "{last}");
    // Others are served meanwhile.
    assert_eq!(server.connect().rows("SELECT 1"), [["1"]]);
}

#[test]
fn a_server_that_stops_says_so() {
    let options = ServerOptions {
        limits: sheaf_pgwire::Limits {
            shutdown_grace: Duration::from_millis(500),
            ..sheaf_pgwire::Limits::default()
        },
        ..ServerOptions::default()
    };
    let server = Running::start(options);
    let mut idle = server.connect();
    let mut busy = server.connect();
    busy.query("SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1");
    std::thread::sleep(Duration::from_millis(200));
    let told = Instant::now();
    server.stop();
    idle.expect_fatal("57P01");
    busy.expect('T');
    busy.expect_fatal("57P01");
    server.wait();
    assert!(told.elapsed() < Duration::from_secs(3));
}
