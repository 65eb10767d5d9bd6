//! The peers, each in a Python process of its own: see `benches/peers.py`.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::sheaf::Measurement;
use super::tpch::{Column, Plan};
use super::watch::ProcessWatch;
use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// The peers in the order of tables, and their titles; DuckDB's answers are the yardstick. Dask has no
/// SQL: it is asked where a suite has a program for it.
pub(super) static ENGINES: &[(&str, &str)] = &[
    ("duckdb", "DuckDB"),
    ("polars", "Polars"),
    ("datafusion", "DataFusion"),
    ("dask", "Dask"),
];

/// The one that runs programs.
pub(super) const DASK: &str = "dask";

/// The packages of the peers' environment.
const PACKAGES: [&str; 7] = [
    "dask[bag,dataframe]",
    "duckdb",
    "polars",
    "datafusion",
    "pyarrow",
    "tpchgen-cli",
    "psutil",
];

/// The interpreter that has the peers and the generator of the data.
///
/// # Errors
/// Python or pip that does not do its part.
pub(super) fn python() -> Result<PathBuf> {
    workspace::python("bench", &PACKAGES)
}

/// Runs the queries of `plan` on `engine`.
///
/// # Errors
/// A process that does not come to its first query. One that ends badly or is killed later has
/// failed on the queries that are left.
pub(super) fn measure(plan: &Plan, engine: &str) -> Result<Column> {
    let script = workspace::root().join("benches/peers.py");
    let mut command = Command::new(python()?);
    command
        .arg(script)
        .args(["--engine", engine, "--only", &plan.names.join(",")]);
    command.arg("--data").arg(&plan.data);
    command.arg("--queries").arg(&plan.queries);
    command.arg("--answers").arg(plan.answers.join(engine));
    command.args([
        "--threads",
        &plan.threads.to_string(),
        "--runs",
        &plan.runs.to_string(),
    ]);
    command.args([
        "--memory-bytes",
        &plan.memory_bytes.unwrap_or(0).to_string(),
    ]);
    let temporary = plan.answers.join("temporary");
    command.arg("--temporary").arg(&temporary);
    let (output, ended) = run(&mut command, plan)?;
    // What a killed process left.
    if temporary.exists() {
        fs::remove_dir_all(&temporary).context(temporary.display())?;
    }
    let (mut version, mut measurements) = (String::new(), Vec::new());
    for line in output.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        match cells.as_slice() {
            ["version", text] => (*text).clone_into(&mut version),
            [query, seconds, peak_bytes, error] => measurements.push(Measurement {
                query: (*query).to_owned(),
                seconds: seconds.parse().map_err(|_| (*error).to_owned()),
                peak_bytes: peak_bytes.parse().unwrap_or(0),
            }),
            _ => {}
        }
    }
    if version.is_empty() {
        return Err(Failure::new(format!("{engine}: {}", ended.reason)));
    }
    // The process ended before it had tried them.
    let is_tried = |name: &&String| measurements.iter().all(|tried| tried.query != **name);
    for name in plan
        .names
        .iter()
        .filter(is_tried)
        .cloned()
        .collect::<Vec<_>>()
    {
        measurements.push(Measurement {
            query: name,
            seconds: Err(ended.reason.clone()),
            peak_bytes: ended.peak_bytes,
        });
    }
    let titled = ENGINES.iter().find(|(name, _)| *name == engine);
    let name = titled.map_or(engine, |(_, title)| title);
    Ok(Column {
        engine: format!("{name} {version}"),
        measurements,
        differences: Vec::new(),
    })
}

/// How a peer's process ended.
struct Ended {
    /// What it said last, or why it was stopped.
    reason: String,
    peak_bytes: u64,
}

/// Runs `command` within the time of `plan`; what it printed, and how it ended.
fn run(command: &mut Command, plan: &Plan) -> Result<(String, Ended)> {
    fs::create_dir_all(&plan.answers).context(plan.answers.display())?;
    let errors = plan.answers.join("errors.txt");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&errors).context(errors.display())?)
        .spawn()?;
    let stdout = child.stdout.take();
    let watch = ProcessWatch::start(child, plan.time_limit);
    let mut output = String::new();
    if let Some(mut stdout) = stdout {
        stdout.read_to_string(&mut output)?;
    }
    let reason = watch.wait()?.map_or_else(
        |stopped| stopped,
        |status| {
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            format!("{status}: {}", errors.lines().last().unwrap_or_default())
        },
    );
    let peak_bytes = watch.peak_bytes();
    Ok((output, Ended { reason, peak_bytes }))
}
