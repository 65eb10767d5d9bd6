//! `sheaf serve` and `sheaf user add`, from the command line to the first bytes on the wire.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn sheaf(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sheaf"));
    command
        .current_dir(directory)
        .env("XDG_CONFIG_HOME", directory.join(".config"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// The first lines of a server, up to the one that says how to stop it.
fn welcome(server: &mut Child) -> Vec<String> {
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut said = vec![];
    for line in lines {
        let line = line.unwrap();
        let is_last = line.starts_with("Ctrl-C");
        said.push(line);
        if is_last {
            break;
        }
    }
    said
}

fn stop(mut server: Child) -> Option<i32> {
    let status = Command::new("kill")
        .arg(server.id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
    server.wait().unwrap().code()
}

/// What the server answers to a startup message and a query, up to its last ReadyForQuery.
fn ask(port: &str, sql: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let parameters = b"user\0me\0database\0sheaf\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap().to_be_bytes();
    let version = 196_608_u32.to_be_bytes();
    socket
        .write_all(&[&length[..], &version, parameters].concat())
        .unwrap();
    let length = u32::try_from(sql.len() + 5).unwrap().to_be_bytes();
    socket
        .write_all(&[b"Q", &length[..], sql.as_bytes(), b"\0"].concat())
        .unwrap();
    socket.write_all(b"X\0\0\0\x04").unwrap();
    let mut answer = vec![];
    socket.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn a_directory_is_served() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("my sales.csv"), "a\n20\n22\n").unwrap();
    let mut server = sheaf(directory.path())
        .args(["serve", "--port", "0"])
        .spawn()
        .unwrap();
    let said = welcome(&mut server);
    assert_eq!(said[0], "Serving the table my_sales, read-only.");
    let words: Vec<&str> = said[1].split_whitespace().collect();
    assert_eq!(words[..4], ["psql", "-h", "127.0.0.1", "-p"]);
    assert_eq!(words[5..], ["-U", "reader", "sheaf"]);
    let answer = ask(words[4], "SELECT sum(a) FROM my_sales");
    let has = |text: &[u8]| answer.windows(text.len()).any(|window| window == text);
    assert!(
        has(b"\0\x01\0\0\0\x0242") && has(b"SELECT 1\0"),
        "{answer:?}"
    );
    assert_eq!(stop(server), Some(0));
}

#[test]
fn users_are_kept_in_a_file_of_their_owner() {
    let directory = tempfile::tempdir().unwrap();
    let add = |name: &str, role: &str, password: &str| {
        let mut command = sheaf(directory.path());
        run_with_input(
            command.args(["user", "add", name, "--role", role]),
            password,
        )
    };
    assert!(add("ann", "reader", "secret\n").status.success());
    assert!(add("root", "admin", "secret").status.success());
    assert_eq!(add("ann", "king", "secret\n").status.code(), Some(2));
    assert_eq!(add("ann", "reader", "\n").status.code(), Some(2));
    let path = directory.path().join(".config/sheaf/users");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("SCRAM-SHA-256$").count(), 2);
    assert!(!text.contains("secret"));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // With users, a password is asked for (authentication by SASL is request 10).
    let mut server = sheaf(directory.path())
        .args(["serve", "--port", "0"])
        .spawn()
        .unwrap();
    let said = welcome(&mut server);
    let port = said[1].split_whitespace().nth(4).unwrap().to_owned();
    assert_eq!(ask(&port, "SELECT 1")[..9], *b"R\0\0\0\x17\0\0\0\x0a");
    assert_eq!(stop(server), Some(0));
}

#[test]
fn nobody_else_comes_in_without_users_and_tls() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = sheaf(directory.path());
    let refused = command
        .args(["serve", "--port", "0", "--host", "0.0.0.0"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("no users are defined"), "{said}");
}
