//! The sessions that README shows, run: after `sheaf demo` each of their statements must print the box
//! that stands below it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

const PROMPT: &str = "sheaf> ";
const CONTINUED: &str = "  ...> ";

/// A statement, and the lines of the box below it.
struct Shown {
    sql: String,
    answer: Vec<String>,
}

/// Every statement in the sessions of `readme` that has a box below it, behind the functions that
/// are created just before it.
fn shown(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in readme.lines() {
        if let Some(sql) = line.strip_prefix(PROMPT) {
            if let Some(last) = all.last_mut()
                && last.sql.starts_with("CREATE ")
                && last.answer.is_empty()
            {
                last.sql.push('\n');
                last.sql.push_str(sql);
                continue;
            }
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
            last.sql.push_str(sql);
        } else if is_of_box(line) {
            last.answer.push(line.to_owned());
        }
    }
    all.retain(|shown| !shown.answer.is_empty());
    all
}

fn is_of_box(line: &str) -> bool {
    line.starts_with(['┌', '│', '├', '└'])
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

#[test]
fn sessions_print_what_readme_shows() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let shown = shown(&std::fs::read_to_string(readme).unwrap());
    // One of "A session", four of "Bags", three of "Functions of your own".
    assert!(shown.len() >= 8, "{} statements", shown.len());
    let directory = tempfile::tempdir().unwrap();
    printed(directory.path(), &["demo"]);
    for Shown { sql, answer } in shown {
        let printed = printed(directory.path(), &["--format", "box", "-c", &sql]);
        let box_lines: Vec<&str> = printed.lines().filter(|line| is_of_box(line)).collect();
        assert_eq!(box_lines, answer, "{sql}");
    }
}
