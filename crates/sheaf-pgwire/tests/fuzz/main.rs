//! Clients that nobody would write: good conversations, cut, doubled and strewn with what decoders
//! stumble over.
//!
//! Whatever they send, the server answers or closes in time, nothing panics, no error is Sheaf's own
//! fault (XX000), and others are served. `cargo test` has a few hundred conversations that are the same
//! each time; `cargo xtask fuzz --minutes 10` goes on with others. A fault tells the seed by which it
//! is made again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking; lengths of messages are small"
)]

mod conversations;
mod random;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sheaf_pgwire::{Role, ServerOptions, Users, Verifier};

use conversations::{bound, session, startup_bytes};
use random::Random;
use support::{Client, Running};

/// Conversations of each kind in a run of the tests.
const CONVERSATIONS: u64 = 300;
/// Kinds that share the time.
const KINDS: u32 = 3;
/// After so many, a client that does nothing wrong asks whether it is served.
const LOOK_EVERY: u64 = 50;
/// Seconds in all, in place of a number; set by `cargo xtask fuzz`.
const SECONDS: &str = "SHEAF_FUZZ_SECONDS";
/// One seed to run again.
const SEED: &str = "SHEAF_FUZZ_SEED";

/// Panics of this process that are not a failed assertion of a test.
static PANICS: AtomicUsize = AtomicUsize::new(0);

#[expect(
    clippy::disallowed_methods,
    reason = "no setting of Sheaf's: cargo xtask fuzz tells its test so"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Has `act` done for each seed of the plan. A panic in a connection's task ends that alone, so
/// panics are counted by a hook.
fn for_each_seed(server: &Running, mut act: impl FnMut(&Running, &mut Random)) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |about| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(about);
    }));
    let begun = Instant::now();
    let most = number(SECONDS).map(|seconds| Duration::from_secs(seconds) / KINDS);
    let first = number(SEED).unwrap_or_else(|| match most {
        Some(_) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_secs() << 20
        }
        None => 0,
    });
    for seed in first.. {
        let is_over = match (number(SEED), most) {
            (Some(_), _) => seed > first,
            (None, Some(most)) => begun.elapsed() > most,
            (None, None) => seed >= CONVERSATIONS,
        };
        if is_over {
            break;
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            act(server, &mut Random::new(seed));
        }));
        let panics = PANICS.load(Ordering::SeqCst);
        assert!(
            outcome.is_ok() && panics == 0,
            "{SEED}={seed} makes it again ({panics} panics)"
        );
        if seed % LOOK_EVERY == 0 {
            check_service(server, seed);
        }
    }
}

/// A client that does nothing wrong is served, or asked for its password.
fn check_service(server: &Running, seed: u64) {
    let mut client = Client::open(server.address);
    client.startup("ann", &[]);
    assert_eq!(client.next().map(|m| m.tag), Some('R'), "{SEED}={seed}");
}

/// Sends bytes and no more, and reads what comes until the server closes.
fn exchange(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::open(server.address);
    // A server that closes while it is sent to is right to.
    let _ = client.socket.write_all(bytes);
    let _ = client.socket.shutdown(Shutdown::Write);
    let mut answer = vec![];
    let mut block = [0; 4096];
    loop {
        match client.socket.read(&mut block) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&block[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
}

/// No error message may be about Sheaf itself.
fn check_errors(answer: &[u8]) {
    let is_fault = answer.windows(7).any(|bytes| bytes == b"\0CXX000");
    assert!(!is_fault, "{}", String::from_utf8_lossy(answer));
}

fn with_users() -> ServerOptions {
    let mut users = Users::default();
    let verifier = Verifier::new("secret").unwrap();
    users.put("ann", Role::Reader, verifier).unwrap();
    ServerOptions {
        users,
        ..ServerOptions::default()
    }
}

/// What comes before anybody is in: requests for TLS, startup messages, passwords.
#[test]
fn startup() {
    let server = Running::start(with_users());
    for_each_seed(&server, |server, random| {
        let bytes = startup_bytes(random);
        check_errors(&exchange(server, &bytes));
    });
}

/// Messages of a client that is in.
#[test]
fn messages() {
    let server = Running::start(ServerOptions::default());
    for_each_seed(&server, |server, random| {
        let bytes = session(random);
        check_errors(&exchange(server, &bytes));
    });
}

/// Bind and Execute that are whole messages, with counts, formats and values of every sort. The
/// conversation goes on after each.
#[test]
fn bind_and_execute() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    for_each_seed(&server, |_, random| {
        let sequence = bound(random);
        client.send_bytes(&sequence);
        for message in client.until_ready() {
            if message.tag == 'E' {
                assert_ne!(message.code(), "XX000", "{message:?}");
            }
        }
    });
    assert_eq!(client.rows("SELECT 1"), [["1"]]);
}
