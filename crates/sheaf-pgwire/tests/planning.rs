//! Statements whose planning takes long: nobody else waits for them, and they can be stopped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use sheaf_pgwire::ServerOptions;
use support::{Client, Message, Running};

/// A statement told to stop answers within this time, and so does a small one beside a large one: half a
/// second on a quiet machine, and much less than planning takes on one that has other work.
const SOON: Duration = Duration::from_secs(5);

/// Statements that take seconds to be planned.
fn slow() -> [String; 2] {
    let joins = (0..280).map(|n| format!(" CROSS JOIN (VALUES (1)) t{n}(a{n})"));
    let joins: String = joins.collect();
    let list: Vec<String> = (0..200_000).map(|n| format!("a + {n}")).collect();
    [
        format!("SELECT count(*) FROM (VALUES (1)) s(a) {joins}"),
        format!(
            "SELECT 1 FROM (VALUES (1)) s(a) WHERE a IN ({})",
            list.join(", ")
        ),
    ]
}

/// A client, and the message with which others cancel what it runs.
fn cancellable(server: &Running) -> (Client, Vec<u8>) {
    let mut client = Client::open(server.address);
    client.startup("reader", &[]);
    let messages = client.until_ready();
    let key = &messages.iter().find(|m| m.tag == 'K').unwrap().body;
    let request = [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], key].concat();
    (client, request)
}

fn code(messages: &[Message]) -> Option<String> {
    messages.iter().find(|m| m.tag == 'E').map(Message::code)
}

#[test]
fn others_do_not_wait_for_a_statement_that_is_planned_and_a_cancel_request_stops_it() {
    let server = Running::start(ServerOptions::default());
    let mut other = server.connect();
    assert_eq!(other.rows("SELECT 1"), [["1"]]);
    for sql in slow() {
        let mut busy: Vec<_> = (0..3).map(|_| cancellable(&server)).collect();
        for (client, _) in &mut busy {
            client.query(&sql);
        }
        let begun = Instant::now();
        let mut slowest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(1) {
            let asked = Instant::now();
            assert_eq!(other.rows("SELECT 1"), [["1"]]);
            slowest = slowest.max(asked.elapsed());
        }
        assert!(slowest < SOON, "{slowest:?} beside {}", &sql[..40]);
        let asked = Instant::now();
        for (_, request) in &busy {
            Client::open(server.address).send_bytes(request);
        }
        for (client, _) in &mut busy {
            assert_eq!(code(&client.until_ready()).as_deref(), Some("57014"));
        }
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert_eq!(busy[0].0.rows("SELECT 2"), [["2"]]);
    }
}

#[test]
fn a_timeout_stops_what_is_planned() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    client.run("SET statement_timeout = '300ms'");
    let [sql, _] = slow();
    let asked = Instant::now();
    let error = client.error(&sql);
    assert_eq!(error.code(), "57014");
    assert!(error.field('M').unwrap().contains("statement timeout"));
    assert!(
        asked.elapsed() < Duration::from_millis(300) + SOON,
        "{:?}",
        asked.elapsed()
    );
    client.parse("", &sql, &[]);
    client.bind("", "", &[], &[], &[]);
    client.describe('P', "");
    client.sync();
    assert_eq!(code(&client.until_ready()).as_deref(), Some("57014"));
}
