//! `sheaf serve` for an hour under a mixed load: whether memory, files and threads stay what they are.
//!
//! As with the wire, a Python program (`benches/soak.py`) holds the clients and does the watching; it fails
//! if an answer was wrong or something is left over.

use super::options::Options;
use super::{report, wire};
use crate::failure::Result;
use crate::process;

/// How long the load lasts.
const MINUTES: usize = 60;
/// Client processes, of which each has a statement running nearly all the time.
const CLIENTS: usize = 8;
/// The server's memory limit: the sorts and joins of the load do not fit.
const MEMORY_BYTES: u64 = 1_000_000_000;

/// Runs the load and prints tables.
///
/// # Errors
/// Missing programs; wrong answers, errors that nobody wanted, a server that ends, files, threads or spilled
/// data that are left over.
pub(super) fn run(options: &Options) -> Result<()> {
    let threads = options.count("--threads", 2)?;
    let rows = options.count("--rows", wire::ROWS)?;
    let minutes = options.count("--minutes", MINUTES)?.max(1);
    let clients = options.count("--clients", CLIENTS)?.max(1);
    let memory = options.bytes("--memory")?.unwrap_or(MEMORY_BYTES);
    println!(
        "\n### Soak, {minutes} minutes, {clients} clients, {rows} rows\n\n{}",
        report::circumstances(threads, Some(memory))
    );
    let mut command = wire::program("soak.py", options, threads, rows)?;
    command
        .args(["--minutes", &minutes.to_string()])
        .args(["--clients", &clients.to_string()])
        .args(["--memory", &memory.to_string()]);
    process::run(&mut command)
}
