//! The peers on TPC-H, each in a Python process of its own: see `benches/tpch/peers.py`.

use std::path::PathBuf;
use std::process::Command;

use super::sheaf::Measurement;
use super::tpch::{Column, Plan};
use crate::failure::Result;
use crate::{process, workspace};

/// The peers in the order of the table; DuckDB's answers are the yardstick.
pub(super) static ENGINES: &[&str] = &["duckdb", "polars", "datafusion"];

/// The packages of the peers' environment.
const PACKAGES: [&str; 6] = [
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
/// A process that ends badly before it has tried every query.
pub(super) fn measure(plan: &Plan, engine: &str) -> Result<Column> {
    let script = workspace::root().join("benches/tpch/peers.py");
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
    let output = process::capture(&mut command)?;
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
    let name = match engine {
        "duckdb" => "DuckDB",
        "polars" => "Polars",
        _ => "DataFusion",
    };
    Ok(Column {
        engine: format!("{name} {version}"),
        measurements,
        differences: Vec::new(),
    })
}
