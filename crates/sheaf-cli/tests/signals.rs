//! Signals: the process ends soon, with the code that a shell expects, and cleans up.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rexpect::process::{Signal, WaitStatus};
use rexpect::session::spawn_command;

/// A process that is told to end, and may do so, ends sooner; one that has to be forced, later.
const SOON: Duration = Duration::from_millis(4_500);
/// Takes days.
const LONG: &str = "SELECT count(*) FROM range(10000000) a, range(10000000) b";
/// Time after which something that should have appeared on the terminal is missing.
const PATIENCE_MS: u64 = 30_000;

/// A script under way; it has printed `ready`.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// Runs a statement that says `ready`, and then what `arguments` say.
fn start(mut command: Command, arguments: &[&str]) -> Running {
    let mut child = command
        .args(["--format", "csv", "-c", "SELECT 1 AS ready"])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    lines.read_line(&mut first).unwrap();
    assert_eq!(first, "ready\n1\n");
    Running { child, lines }
}

fn sheaf() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sheaf"))
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

impl Running {
    /// Sends the signal and waits for the end, which must come soon.
    fn end_by(self, name: &str) -> Output {
        let sent = Instant::now();
        signal(self.child.id(), name);
        let output = self.child.wait_with_output().unwrap();
        assert!(sent.elapsed() < SOON, "{name}: {:?}", sent.elapsed());
        output
    }
}

fn assert_ended(output: &Output, code: i32, report: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(code), report));
}

#[test]
fn a_statement_is_cancelled_and_the_process_ends() {
    let output = start(sheaf(), &["-c", LONG]).end_by("INT");
    assert_ended(&output, 130, "error: cancelled by Ctrl-C\n");
    let output = start(sheaf(), &["-c", LONG]).end_by("TERM");
    assert_ended(&output, 143, "error: cancelled by SIGTERM\n");
}

#[test]
fn waiting_for_a_script_ends() {
    let mut running = start(sheaf(), &["-f", "-"]);
    // Kept open: nobody ends the script.
    let _input = running.child.stdin.take().unwrap();
    assert_ended(&running.end_by("INT"), 130, "error: cancelled by Ctrl-C\n");
    let mut running = start(sheaf(), &["-f", "-"]);
    let _input = running.child.stdin.take().unwrap();
    let output = running.end_by("TERM");
    assert_ended(&output, 143, "error: cancelled by SIGTERM\n");
}

#[test]
fn a_hang_up_that_is_ignored_stays_ignored() {
    let mut nohup = Command::new("sh");
    nohup.args([
        "-c",
        "trap '' HUP; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_sheaf"),
    ]);
    let mut running = start(nohup, &["-f", "-"]);
    signal(running.child.id(), "HUP");
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"SELECT 2 AS two;").unwrap();
    drop(input);
    let answer: Vec<String> = running.lines.by_ref().lines().map(Result::unwrap).collect();
    assert_eq!(answer, ["two", "2"]);
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_prompt_gives_the_terminal_back_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let mut command = sheaf();
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let mut terminal = spawn_command(command, Some(PATIENCE_MS)).unwrap();
    terminal.exp_string("sheaf> ").unwrap();
    // Whoever sends SIGINT, it clears the line.
    terminal.process_mut().signal(Signal::SIGINT).unwrap();
    terminal.exp_string("sheaf> ").unwrap();
    terminal.send("SELECT 40 + 2 AS answer;\r").unwrap();
    terminal.flush().unwrap();
    terminal.exp_string("42").unwrap();
    terminal.exp_string("sheaf> ").unwrap();
    let sent = Instant::now();
    terminal.process_mut().signal(Signal::SIGTERM).unwrap();
    // The editor takes back what it asked of the terminal: pasted text in brackets.
    terminal.exp_string("\x1b[?2004l").unwrap();
    let status = terminal.process().wait().unwrap();
    assert!(matches!(status, WaitStatus::Exited(_, 143)), "{status:?}");
    assert!(sent.elapsed() < SOON, "{:?}", sent.elapsed());
}
