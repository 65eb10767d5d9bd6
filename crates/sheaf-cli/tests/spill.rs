//! Spilling as users meet it: errors that say what to change, and a directory that is empty after
//! success, error, Ctrl-C, and a killed process and the next start.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Takes some 30 MB under a limit of 16 MB.
const SORT: &str =
    "SELECT value * 7919 % 1000003 AS m, value FROM range(0, 2000000) ORDER BY m, value";

const JOIN: &str = "SELECT count(*) FROM \
    (SELECT md5(value::text) m FROM range(0, 400000)) a JOIN \
    (SELECT md5(value::text) m FROM range(0, 400000)) b ON a.m = b.m";

/// What other processes do is awaited so long.
const WAIT_MAX: Duration = Duration::from_secs(60);

fn sheaf(temp: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sheaf"));
    command.stdin(Stdio::null());
    with_settings(&mut command, temp);
    command
}

fn with_settings(command: &mut Command, temp: &Path) {
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("SHEAF_MEMORY_LIMIT", "16MB")
        .env("SHEAF_THREADS", "2")
        .env("SHEAF_TEMP_DIRECTORY", temp);
}

fn run(temp: &Path, sql: &str) -> Output {
    sheaf(temp)
        .args(["--format", "csv", "-c", sql])
        .output()
        .unwrap()
}

/// Starts a sort and waits until it has spilled something.
fn spilling(temp: &Path) -> Child {
    let mut child = sheaf(temp)
        .args(["--format", "csv", "-c", SORT])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while spilled_bytes(temp) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it does not spill");
        assert!(begun.elapsed() < WAIT_MAX, "it does not spill");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return vec![];
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn spilled_bytes(temp: &Path) -> u64 {
    let files = entries(temp).into_iter().flat_map(|d| entries(&d));
    files
        .filter_map(|f| f.metadata().ok())
        .map(|m| m.len())
        .sum()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success());
}

fn assert_fails(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "no \"{word}\" in {text}");
    }
}

#[test]
fn nothing_stays_after_success() {
    let temp = tempfile::tempdir().unwrap();
    let output = run(temp.path(), JOIN);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "count(*)\n400000\n"
    );
    assert!(entries(temp.path()).is_empty());
}

#[test]
fn a_spent_budget_names_operator_bytes_and_setting() {
    let temp = tempfile::tempdir().unwrap();
    for (operator, sql) in [("the sort", SORT), ("the hash join", JOIN)] {
        let sql = format!("SET max_temp_directory_size = '1MB'; {sql}");
        let words = [
            &format!("{operator} cannot spill "),
            " kB more",
            "max_temp_directory_size = 1.00 MB",
            "SET max_temp_directory_size to more",
        ];
        assert_fails(&run(temp.path(), &sql), &words);
        assert!(entries(temp.path()).is_empty());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named_and_can_be_changed() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("a file");
    fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    let words = [
        &format!("the hash join cannot spill to {path}: "),
        "SET temp_directory to a directory",
    ];
    assert_fails(&run(&file, JOIN), &words);
    let elsewhere = temp.path().join("elsewhere");
    let sql = format!("SET temp_directory = '{}'; {JOIN}", elsewhere.display());
    let output = run(&file, &sql);
    assert_eq!(output.status.code(), Some(0));
    assert!(elsewhere.is_dir(), "it was used");
    assert!(entries(&elsewhere).is_empty());
}

/// A limit on the size of files stands in for a disk that is full: threads in the background
/// meet it.
#[test]
fn a_disk_that_refuses_is_named() {
    let temp = tempfile::tempdir().unwrap();
    for (operator, sql) in [("the sort", SORT), ("the hash join", JOIN)] {
        let mut command = Command::new("sh");
        with_settings(&mut command, temp.path());
        let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"";
        let output = command
            .args(["-c", script, env!("CARGO_BIN_EXE_sheaf")])
            .args(["--format", "csv", "-c", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = [
            &format!("{operator} cannot write 65.5 kB to "),
            temp.path().to_str().unwrap(),
            "file too large",
            "SET temp_directory",
        ];
        assert_fails(&output, &words);
        assert!(entries(temp.path()).is_empty());
    }
}

#[test]
fn a_directory_that_vanishes_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let child = spilling(temp.path());
    for directory in entries(temp.path()).iter().filter(|path| path.is_dir()) {
        fs::remove_dir_all(directory).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let words = ["the sort cannot ", ".spill: no such file", "temp_directory"];
    assert_fails(&output, &words);
    assert!(entries(temp.path()).is_empty());
}

#[test]
fn a_process_that_is_told_to_end_leaves_nothing() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let temp = tempfile::tempdir().unwrap();
        let child = spilling(temp.path());
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let left = entries(temp.path());
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_a_killed_process_left_goes_with_the_next_start_and_no_sooner() {
    let temp = tempfile::tempdir().unwrap();
    let mut child = spilling(temp.path());
    let left = entries(temp.path());
    assert_eq!(left.len(), 2, "{left:?}");
    // The other process lives: another one leaves its files alone.
    assert_eq!(run(temp.path(), "SELECT 1").status.code(), Some(0));
    assert_eq!(entries(temp.path()).len(), 2);
    signal(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(entries(temp.path()).len(), 2);
    assert!(spilled_bytes(temp.path()) > 0);
    assert_eq!(run(temp.path(), "SELECT 1").status.code(), Some(0));
    assert!(entries(temp.path()).is_empty());
}
