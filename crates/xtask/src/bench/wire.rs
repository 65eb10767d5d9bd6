//! The Postgres wire: all rows of a table to clients of several kinds, a row by its number to one and to
//! many connections, the memory of idle connections.
//!
//! The clients are of C and Python, so a Python program (`benches/wire.py`) measures; with `--peers`
//! PostgreSQL 18 with the same table is measured beside, and the answers have to be the same.

use std::process::Command;

use super::options::Options;
use super::{data_directory, report, sheaf};
use crate::failure::Result;
use crate::test::clients;
use crate::{process, workspace};

/// Rows of the large table.
pub(super) const ROWS: usize = 10_000_000;
/// Bytes a second at which a large result is read slowly.
const SLOW_BYTES_PER_SECOND: &str = "100000000";

/// Measures and prints tables.
///
/// # Errors
/// Missing programs; answers that differ.
pub(super) fn run(options: &Options) -> Result<()> {
    let threads = options.count("--threads", 2)?;
    let rows = options.count("--rows", ROWS)?;
    println!("\n### The wire\n\n{}", report::circumstances(threads, None));
    let mut command = program("wire.py", options, threads, rows)?;
    command.args(["--runs", &options.count("--runs", 3)?.to_string()]);
    if let Some(parts) = options.text("--only") {
        command.args(["--only", parts]);
    }
    if let Some(bytes) = options.bytes("--slow")? {
        command.args([
            "--slow",
            &bytes.to_string(),
            "--rate",
            SLOW_BYTES_PER_SECOND,
        ]);
    }
    if options.flag("--peers") {
        command.arg("--peers");
    }
    process::run(&mut command)
}

/// The program `name` of `benches/`, which measures the binary over the same tables as every other that is
/// made here.
///
/// # Errors
/// Missing programs.
pub(super) fn program(
    name: &str,
    options: &Options,
    threads: usize,
    rows: usize,
) -> Result<Command> {
    let mut command = Command::new(clients::python()?);
    command
        .arg(workspace::root().join("benches").join(name))
        .env("PYTHONPATH", clients::directory())
        .arg("--binary")
        .arg(sheaf::binary(options)?)
        .arg("--data")
        .arg(data_directory("wire")?)
        .args(["--rows", &rows.to_string()])
        .args(["--threads", &threads.to_string()]);
    Ok(command)
}
