//! The sessions that documents show, run: each document's statements in order, in one process, must print
//! the boxes that stand below them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROMPT: &str = "sheaf> ";
const CONTINUED: &str = "  ...>";

/// A statement, and the lines of the box below it; none if there is no box.
struct Shown {
    sql: String,
    answer: Vec<String>,
}

/// The statements in the sessions of `document` that have a box below them, or make what those behind
/// them use.
fn shown(document: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in document.lines() {
        if let Some(sql) = line.strip_prefix(PROMPT) {
            all.push(Shown {
                sql: sql.to_owned(),
                answer: Vec::new(),
            });
            continue;
        }
        let Some(last) = all.last_mut() else {
            continue;
        };
        if let Some(sql) = line.strip_prefix(CONTINUED) {
            last.sql.push('\n');
            last.sql.push_str(sql.strip_prefix(' ').unwrap_or(sql));
        } else if is_of_box(line) {
            last.answer.push(line.to_owned());
        }
    }
    let makes = |sql: &str| sql.starts_with("CREATE ") || sql.starts_with("COPY ");
    all.retain(|shown| !shown.answer.is_empty() || makes(&shown.sql));
    all
}

fn is_of_box(line: &str) -> bool {
    line.starts_with(['┌', '│', '├', '└'])
}

/// The boxes in what was printed.
fn boxes(printed: &str) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    for line in printed.lines().filter(|line| is_of_box(line)) {
        match all.last_mut() {
            Some(last) if !line.starts_with('┌') => last.push(line),
            _ => all.push(vec![line]),
        }
    }
    all
}

/// Runs the sessions of `document` in `directory`; there are `count` boxes at least.
fn check(document: &str, directory: &Path, count: usize) {
    let shown = shown(document);
    let statements: Vec<&str> = shown.iter().map(|shown| shown.sql.as_str()).collect();
    let printed = printed(
        directory,
        &["--format", "box", "-c", &statements.join("\n")],
    );
    let mut printed = boxes(&printed).into_iter();
    let answered = shown.iter().filter(|shown| !shown.answer.is_empty());
    let mut found = 0;
    for Shown { sql, answer } in answered {
        assert_eq!(&printed.next().unwrap_or_default(), answer, "{sql}");
        found += 1;
    }
    assert_eq!(printed.next(), None, "boxes that are not shown");
    assert!(found >= count, "{found} boxes");
}

fn printed(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sheaf"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("SHEAF_PYTHON_EXECUTABLE", interpreter())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// An interpreter with pyarrow: that of SHEAF_PYTHON_EXECUTABLE, else the one that `cargo xtask test` has
/// made in the target directory, else `python3`.
fn interpreter() -> PathBuf {
    if let Some(given) = std::env::var_os("SHEAF_PYTHON_EXECUTABLE") {
        return given.into();
    }
    let target = Path::new(env!("CARGO_BIN_EXE_sheaf")).ancestors().nth(2);
    let made = target.map(|target| target.join("python/functions/bin/python"));
    made.filter(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// A path from the root of the workspace on.
fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Compiles a guest of the tests of `sheaf-wasm`, as EXAMPLES.md says.
fn compile(guest: &str, directory: &Path) {
    let output = Command::new("clang")
        .args(["--target=wasm32", "-O2", "-msimd128", "-mbulk-memory"])
        .args(["-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic", "-I"])
        .arg(workspace("crates/sheaf-guest/include"))
        .arg("-o")
        .arg(directory.join(format!("{guest}.wasm")))
        .arg(workspace(&format!(
            "crates/sheaf-wasm/tests/guests/c/{guest}.c"
        )))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{guest}: {errors}");
}

/// Slow sources over HTTP, in a process that ends with this.
struct Sources {
    process: Child,
    port: u16,
}

impl Sources {
    fn start() -> Self {
        let mut process = Command::new(interpreter())
            .arg(workspace("crates/sheaf-cli/tests/sources.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        Self { process, port }
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        // It fails if the process has ended, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn sessions_print_what_readme_shows() {
    let readme = std::fs::read_to_string(workspace("README.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    printed(directory.path(), &["demo"]);
    // One of "A session", four of "Bags", four of "Functions of your own".
    check(&readme, directory.path(), 9);
}

#[test]
fn sessions_print_what_the_examples_of_functions_show() {
    let examples = std::fs::read_to_string(workspace("crates/sheaf-udf/EXAMPLES.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for guest in ["numbers", "text", "chunks"] {
        compile(guest, directory.path());
    }
    let sources = Sources::start();
    let address = format!("127.0.0.1:{}", sources.port);
    let examples = examples.replace("127.0.0.1:8000", &address);
    // Three of each kind, two of whole chunks, two of functions that wait.
    check(&examples, directory.path(), 13);
}
