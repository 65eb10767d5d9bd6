//! More attacks, by the rows of the promises: flood, slow and dead clients, guesses, escapes by words
//! that PostgreSQL knows, statements that are too much, ends of sessions and of the server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use sheaf::Session;
use sheaf_pgwire::{Limits, Role, ServerOptions, Users, Verifier};
use support::{Client, Running, completed, startup, tags};

fn with_limits(limits: Limits) -> ServerOptions {
    ServerOptions {
        limits,
        ..ServerOptions::default()
    }
}

/// A query whose rows nobody can hold: 8 GB.
const ENDLESS: &str = "SELECT repeat('x', 64) || value FROM range(0, 100000000)";

/// Memory of this process that is resident, in bytes.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A stalled reader keeps what lies in its socket and a few batches; others are served beside many. What
/// is resident is the process's, whose other tests run meanwhile; the results are 8 GB each.
#[test]
fn many_that_do_not_read_hinder_nobody() {
    // Each holds 3 MB of results, which are accounted, of the 124 MB that queries may have here.
    const STALLED: usize = 20;
    let limits = Limits {
        connections_max: 200,
        ..Limits::default()
    };
    let server = Running::start(with_limits(limits));
    let before = resident_bytes();
    let stalled: Vec<Client> = (0..STALLED)
        .map(|_| {
            let mut client = server.connect();
            client.query(ENDLESS);
            client.expect('T');
            client
        })
        .collect();
    let mut busy: Vec<Client> = (0..STALLED).map(|_| server.connect()).collect();
    let asked = Instant::now();
    for client in &mut busy {
        assert_eq!(client.rows("SELECT count(*) FROM range(0, 100)"), [["100"]]);
    }
    assert!(asked.elapsed() < support::PATIENCE, "{:?}", asked.elapsed());
    let grown = resident_bytes().saturating_sub(before);
    assert!(
        grown < 1_000_000_000,
        "{grown} bytes for {STALLED} stalled clients"
    );
    drop(stalled);
    drop(busy);
    // Their queries end with them.
    let left = Instant::now();
    let is_running = || {
        let queries = server.session.engine().registry().list();
        queries
            .iter()
            .any(|query| !query.progress.state.has_ended())
    };
    while is_running() {
        assert!(
            left.elapsed() < Duration::from_secs(5),
            "queries of clients that have gone"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A startup message that comes byte by byte does not get more time.
#[test]
fn a_trickle_is_not_waited_for() {
    let limits = Limits {
        startup_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let server = Running::start(with_limits(limits));
    let mut client = Client::open(server.address);
    let begun = Instant::now();
    for byte in startup("ann", "sheaf", &[("application_name", "slow")]) {
        if client.socket.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(30));
        if begun.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    assert!(client.next().is_none_or(|message| message.tag == 'E'));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// Who guesses the secret of a CancelRequest stops nothing.
#[test]
fn a_guessed_cancel_key_cancels_nothing() {
    let server = Running::start(ServerOptions::default());
    let mut client = Client::open(server.address);
    client.startup("reader", &[]);
    let messages = client.until_ready();
    let key = messages.iter().find(|m| m.tag == 'K').unwrap().body.clone();
    client.query(
        "SELECT count(*) FROM range(0, 3000) a, range(0, 3000) b WHERE a.value + b.value = -1",
    );
    for guess in 0..200_u32 {
        let mut other = Client::open(server.address);
        let mut request = [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e].to_vec();
        request.extend(&key[..4]);
        request.extend(guess.to_be_bytes());
        other.send_bytes(&request);
        assert_eq!(other.next(), None);
    }
    let messages = client.until_ready();
    assert_eq!(completed(&messages), ["SELECT 1"], "{messages:?}");
}

/// Nobody learns from the exchange whether a user exists: the steps are the same, and a user that is
/// not there has the same salt each time, as one that is.
#[test]
fn users_that_do_not_exist_look_like_others() {
    let mut users = Users::default();
    let verifier = Verifier::new("secret").unwrap();
    users.put("ann", Role::Reader, verifier).unwrap();
    let server = Running::start(ServerOptions {
        users,
        ..ServerOptions::default()
    });
    let challenge = |user: &str| {
        let mut client = Client::open(server.address);
        client.startup(user, &[]);
        let mechanisms = client.expect('R').body;
        client.send_scram_first("n,,n=,r=abc");
        let body = client.expect('R').body;
        let text = String::from_utf8(body[4..].to_vec()).unwrap();
        let fields: Vec<&str> = text.split(',').collect();
        (
            mechanisms,
            fields[1].to_owned(),
            fields[2].to_owned(),
            fields[0].len(),
        )
    };
    let (known, unknown) = (challenge("ann"), challenge("nobody"));
    assert_eq!(challenge("nobody"), unknown);
    assert_eq!(challenge("ann"), known);
    assert_ne!(known.1, unknown.1);
    assert_eq!(
        (&known.0, known.1.len(), &known.2, known.3),
        (&unknown.0, unknown.1.len(), &unknown.2, unknown.3)
    );
    assert_ne!(challenge("else").1, unknown.1);
}

/// Statements by which PostgreSQL's superusers reach the machine, and by which others become them.
#[test]
fn words_that_postgres_knows_lead_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("open.csv"), "a\n1\n2\n").unwrap();
    fs::write(path("secret.csv"), "b\n3\n").unwrap();
    let session = Session::builder().setting("memory_limit", "200MB").unwrap();
    let session = session.build().unwrap();
    let create = [
        format!("CREATE EXTERNAL TABLE open LOCATION '{}'", path("open.csv")),
        "CREATE VIEW twice AS SELECT a * 2 AS a FROM open".to_owned(),
    ];
    for sql in &create {
        sheaf::block_on(async { session.sql(sql).await.map(|_| ()) }).unwrap();
    }
    let server = Running::with(ServerOptions::default(), session);
    let mut client = server.connect();
    // What the owner has put behind a name may be read.
    assert_eq!(client.rows("SELECT sum(a) FROM twice"), [["6"]]);
    let (secret, out) = (path("secret.csv"), path("out"));
    let statements = [
        format!("COPY open FROM '{secret}'"),
        format!("COPY open TO PROGRAM 'cat > {out}'"),
        format!("COPY (SELECT * FROM open) TO PROGRAM 'cat > {out}'"),
        format!("COPY open FROM PROGRAM 'touch {out}'"),
        format!("SELECT pg_read_file('{secret}')"),
        format!("SELECT pg_read_binary_file('{secret}')"),
        format!("SELECT pg_ls_dir('{}')", directory.path().display()),
        format!("SELECT lo_import('{secret}')"),
        format!("SELECT lo_export(1, '{out}')"),
        format!("LOAD '{secret}'"),
        "CREATE EXTENSION file_fdw".to_owned(),
        "CREATE SERVER s FOREIGN DATA WRAPPER file_fdw".to_owned(),
        format!("CREATE FOREIGN TABLE f (b int) SERVER s OPTIONS (filename '{secret}')"),
        format!("CREATE FUNCTION f() RETURNS int AS '{secret}', 'f' LANGUAGE c"),
        "CREATE FUNCTION f(a int) RETURNS int RETURN a".to_owned(),
        format!("DO $$ BEGIN EXECUTE 'COPY open TO ''{out}'''; END $$"),
        "ALTER SYSTEM SET shared_preload_libraries = 'x'".to_owned(),
        "CREATE ROLE mallory SUPERUSER".to_owned(),
        "ALTER ROLE reader SUPERUSER".to_owned(),
        "GRANT ALL ON open TO public".to_owned(),
        "SET ROLE admin".to_owned(),
        "SET SESSION AUTHORIZATION root".to_owned(),
        "SET is_superuser = on".to_owned(),
        "SET session_authorization = 'root'".to_owned(),
        "SET default_transaction_read_only = off".to_owned(),
        "SET TRANSACTION READ WRITE; CREATE TABLE t (a int)".to_owned(),
        "BEGIN READ WRITE; CREATE TABLE t (a int)".to_owned(),
        "CREATE TEMP TABLE t (a int)".to_owned(),
        "CREATE TABLE t AS TABLE open".to_owned(),
        "TRUNCATE open".to_owned(),
        "ALTER TABLE open RENAME TO x".to_owned(),
        "CREATE INDEX i ON open (a)".to_owned(),
        "VACUUM".to_owned(),
        "CHECKPOINT".to_owned(),
        format!("EXPLAIN (ANALYZE) CREATE TABLE t AS SELECT * FROM '{secret}'"),
        format!("WITH x AS (COPY open TO '{out}') SELECT 1"),
        format!("DECLARE c CURSOR FOR SELECT * FROM '{secret}'; FETCH 1 FROM c"),
        format!("SELECT * FROM twice, '{secret}'"),
        format!("SELECT * FROM read_parquet('{secret}')"),
        format!(
            "SELECT * FROM read_json('{}/../*')",
            directory.path().display()
        ),
        format!("SELECT * FROM 'file://{secret}'"),
        "SELECT * FROM 's3://bucket/key.parquet'".to_owned(),
        "SELECT * FROM 'http://169.254.169.254/latest/meta-data'".to_owned(),
    ];
    for sql in statements {
        let messages = client.run(&sql);
        let failed = messages.iter().any(|m| m.tag == 'E');
        // PostgreSQL lets a client say who it is already, and that it will only read.
        let is_harmless = sql.starts_with("SET default_transaction_read_only");
        assert!(failed || is_harmless, "{sql}: {}", tags(&messages));
        client.run("ROLLBACK");
    }
    assert!(!fs::exists(&out).unwrap());
    for sql in ["CREATE TABLE t (a int)", "SET memory_limit = '1GB'"] {
        assert!(
            matches!(client.error(sql).code().as_str(), "25006" | "42501"),
            "{sql}"
        );
    }
    assert_eq!(client.rows("SELECT current_user"), [["reader"]]);
    assert_eq!(client.rows("SELECT sum(a) FROM open"), [["3"]]);
}

/// A table whose file becomes a link to another one is that file to the server's owner, who named
/// the path; a reader cannot name any, not even the link.
#[test]
fn a_link_is_a_path_like_others() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link.csv");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    let error = client.error(&format!("SELECT * FROM '{}'", link.display()));
    assert_eq!(error.code(), "42501");
    let missing = directory.path().join("missing.csv");
    let other = client.error(&format!("SELECT * FROM '{}'", missing.display()));
    // Whether a file is there cannot be told from the answer.
    assert_eq!(other.code(), error.code());
}

/// Statements that are too much for a stack or a parser are errors in time, and the session goes on.
#[test]
fn statements_that_are_too_much_are_errors() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    let many = |count: usize, part: &str, between: &str| vec![part; count].join(between);
    let statements = [
        format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("SELECT {}1", "- ".repeat(50_000)),
        format!("SELECT {}", many(50_000, "1", " + ")),
        format!("SELECT {}true", "NOT ".repeat(50_000)),
        format!("SELECT {}", "CASE WHEN true THEN ".repeat(10_000)),
        format!(
            "SELECT {}1 1{}",
            "CAST(".repeat(100),
            " AS int)".repeat(100)
        ),
        format!(
            "SELECT * FROM {}range(0, 1){}",
            "(SELECT * FROM ".repeat(5_000),
            ")".repeat(5_000)
        ),
        many(3_000, "SELECT 1", " UNION ALL "),
        format!("SELECT {}", "[".repeat(50_000)),
        format!("SELECT 1{}", "::int".repeat(20_000)),
    ];
    for sql in statements {
        let begun = Instant::now();
        let messages = client.run(&sql);
        let start: String = sql.chars().take(40).collect();
        for error in messages.iter().filter(|m| m.tag == 'E') {
            assert_ne!(error.code(), "XX000", "{start}: {error:?}");
        }
        assert!(
            begun.elapsed() < support::PATIENCE,
            "{start}: {:?}",
            begun.elapsed()
        );
        assert_eq!(client.rows("SELECT 1"), [["1"]], "{start}");
    }
    // A message of its greatest size, all of it spaces.
    let mut long = vec![b' '; 16 * 1024 * 1024 - 5];
    long.push(0);
    client.send('Q', &long);
    assert_eq!(tags(&client.until_ready()), "IZ");
}

/// What a connection keeps has an end.
#[test]
fn kept_statements_and_portals_are_only_so_many() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    let sql = format!("SELECT '{}'", "x".repeat(1_000_000));
    let mut code = None;
    for number in 0..100 {
        client.parse(&format!("s{number}"), &sql, &[]);
        client.sync();
        let messages = client.until_ready();
        code = messages
            .iter()
            .find(|m| m.tag == 'E')
            .map(support::Message::code);
        if code.is_some() {
            break;
        }
    }
    assert_eq!(code.as_deref(), Some("54000"));
    assert_eq!(completed(&client.run("DEALLOCATE ALL")), ["DEALLOCATE ALL"]);
    client.run("BEGIN");
    client.parse("s", "SELECT 1", &[]);
    for number in 0..200 {
        client.bind(&format!("p{number}"), "s", &[], &[], &[]);
    }
    client.sync();
    let messages = client.until_ready();
    assert_eq!(
        messages.iter().find(|m| m.tag == 'E').unwrap().code(),
        "54000"
    );
    client.run("ROLLBACK");
    assert_eq!(client.rows("SELECT 1"), [["1"]]);
}

/// A timeout counts while rows flow to a client that reads slowly or not at all.
#[test]
fn a_timeout_stops_rows_that_flow() {
    let server = Running::start(ServerOptions::default());
    let mut client = server.connect();
    client.run("SET statement_timeout = '500ms'");
    client.query(ENDLESS);
    client.expect('T');
    std::thread::sleep(Duration::from_millis(800));
    let mut code = None;
    while code.is_none() {
        let message = client.next().unwrap();
        code = (message.tag == 'E').then(|| message.code());
    }
    assert_eq!(code.as_deref(), Some("57014"));
    client.until_ready();
}

/// Who says nothing for too long is put out, earlier in a transaction than outside.
#[test]
fn idle_sessions_end() {
    let within = Limits {
        idle_in_transaction_timeout: Some(Duration::from_millis(200)),
        ..Limits::default()
    };
    let server = Running::start(with_limits(within));
    let mut client = server.connect();
    client.run("BEGIN");
    client.expect_fatal("25P03");
    let idle = Limits {
        idle_timeout: Some(Duration::from_millis(600)),
        ..Limits::default()
    };
    let server = Running::start(with_limits(idle));
    server.connect().expect_fatal("57P05");
}

/// The server ends in time though clients do not read what it tells them.
#[test]
fn stalled_clients_do_not_keep_the_server() {
    let limits = Limits {
        shutdown_grace: Duration::from_millis(500),
        ..Limits::default()
    };
    let server = Running::start(with_limits(limits));
    let _stalled: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.connect();
            client.query(ENDLESS);
            client.expect('T');
            client
        })
        .collect();
    let told = Instant::now();
    server.stop();
    server.wait();
    assert!(
        told.elapsed() < Duration::from_secs(4),
        "{:?}",
        told.elapsed()
    );
}

/// A client that leaves in the middle of a message, or of its answers, leaves nothing behind.
#[test]
fn clients_that_vanish_leave_nothing() {
    let limits = Limits {
        connections_max: 8,
        admin_connections: 0,
        ..Limits::default()
    };
    let server = Running::start(with_limits(limits));
    for round in 0..40 {
        let mut client = server.connect();
        match round % 4 {
            0 => client.send_bytes(b"Q\0\0\xff"),
            1 => client.send_bytes(&[b'Q', 0, 0, 1, 0, b'S']),
            2 => {
                client.query(ENDLESS);
                client.expect('T');
            }
            _ => {
                client.parse("", "SELECT 1", &[]);
                client.bind("", "", &[], &[], &[]);
            }
        }
        drop(client);
        // Its place is free again before long.
        let begun = Instant::now();
        loop {
            let mut next = Client::open(server.address);
            next.startup("reader", &[]);
            if next.next().is_some_and(|message| message.tag == 'R') {
                break;
            }
            assert!(begun.elapsed() < support::PATIENCE, "round {round}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
