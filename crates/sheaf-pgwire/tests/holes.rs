//! Clients that are gone, that do not read, that keep things: what they cost is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use sheaf::QueryState;
use sheaf_pgwire::{Limits, ServerOptions};
use support::{Client, Running, framed, tags};

/// A scan whose client is gone ends within this time: two seconds on a quiet machine.
const GONE: Duration = Duration::from_secs(10);
/// Rows that nobody waits for in a test.
const ENDLESS: &str =
    "SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b WHERE a.value + b.value = -1";
const LARGE: &str = "SELECT value, repeat('x', 1000) FROM range(0, 100000000)";

/// Waits until nothing runs any more, which has to be soon.
fn wait_until_idle(server: &Running, patience: Duration) {
    let begun = Instant::now();
    let is_running = || {
        let queries = server.session.engine().registry().list();
        queries
            .iter()
            .any(|query| !query.progress.state.has_ended())
    };
    while is_running() {
        assert!(
            begun.elapsed() < patience,
            "it still runs after {patience:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_until_running(server: &Running) {
    let begun = Instant::now();
    let is_running = || {
        let queries = server.session.engine().registry().list();
        queries
            .iter()
            .any(|query| query.progress.state == QueryState::Running)
    };
    while !is_running() {
        assert!(begun.elapsed() < support::PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_is_gone_behind_much_input_ends_its_query() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    client.query(ENDLESS);
    wait_until_running(&server);
    // A little more than is read ahead: the rest waits in the system.
    let comment = format!("SELECT 1 /* {} */\0", "x".repeat(270 * 1024));
    client.send_bytes(&framed('Q', comment.as_bytes()));
    std::thread::sleep(Duration::from_millis(200));
    drop(client);
    wait_until_idle(&server, GONE);
}

#[test]
fn a_client_that_does_not_read_can_be_stopped() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    client.run("SET statement_timeout = '3s'");
    client.query(LARGE);
    wait_until_running(&server);
    wait_until_idle(&server, GONE);
    // It is told of that when it reads again.
    let messages = client.until_ready();
    let error = messages.iter().find(|m| m.tag == 'E').unwrap();
    assert!(error.field('M').unwrap().contains("statement timeout"));
    // The same by a cancel request.
    let mut client = Client::open(server.address);
    client.startup("reader", &[]);
    let messages = client.until_ready();
    let key = &messages.iter().find(|m| m.tag == 'K').unwrap().body;
    let request = [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], key].concat();
    client.query(LARGE);
    wait_until_running(&server);
    std::thread::sleep(Duration::from_millis(500));
    Client::open(server.address).send_bytes(&request);
    wait_until_idle(&server, GONE);
    let messages = client.until_ready();
    assert_eq!(
        messages.iter().find(|m| m.tag == 'E').unwrap().code(),
        "57014"
    );
    assert_eq!(client.rows("SELECT 1"), [["1"]]);
}

#[test]
fn portals_go_with_their_statement() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    client.parse("s", "SELECT 1", &[]);
    client.bind("p", "s", &[], &[], &[]);
    client.send('C', b"Ss\0");
    client.execute("p", 0);
    client.sync();
    let messages = client.until_ready();
    assert_eq!(tags(&messages), "123EZ");
    assert_eq!(messages[3].code(), "34000");
}

/// PostgreSQL cuts names off at 63 bytes, and does not split a character.
#[test]
fn long_names_of_users_are_cut_off() {
    let server = Running::start(ServerOptions::default());
    let long = format!("{}éé", "x".repeat(60));
    let mut client = server.connect_as(&long, &[]);
    assert_eq!(
        client.rows("SELECT current_user"),
        [[format!("{}é", "x".repeat(60))]]
    );
}

#[test]
fn silent_sockets_of_one_address_are_only_so_many() {
    let limits = Limits {
        half_open_address_max: 2,
        ..Limits::default()
    };
    let server = Running::start(ServerOptions {
        limits,
        ..ServerOptions::default()
    });
    let silent: Vec<Client> = (0..2).map(|_| Client::open(server.address)).collect();
    std::thread::sleep(Duration::from_millis(100));
    Client::open(server.address).expect_fatal("53300");
    drop(silent);
    // That they are gone is seen a moment later.
    let begun = Instant::now();
    loop {
        let mut client = Client::open(server.address);
        client.startup("reader", &[]);
        if client.next().is_some_and(|message| message.tag == 'R') {
            break;
        }
        assert!(begun.elapsed() < support::PATIENCE);
    }
}
