//! Suites whose queries run each in a process of its own, so that each peak of memory is the query's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::sheaf::{self, Engine, Query};
use super::tpch::{self, Column, Plan};
use super::{peers, report};
use crate::failure::{Context, Failure, Result};
use crate::process;

/// How Sheaf is asked.
pub(super) struct Ours {
    /// The program.
    pub(super) binary: PathBuf,
    /// Statements before each query.
    pub(super) setup: String,
    /// The folder of its queries.
    pub(super) texts: PathBuf,
}

/// Measures Sheaf and DuckDB, and the other peers if asked, compares the answers with DuckDB's, prints
/// the table `title`.
///
/// # Errors
/// Missing programs; answers of Sheaf that differ, or queries on which it fails.
pub(super) fn run(title: &str, plan: &Plan, ours: &Ours, with_peers: bool) -> Result<()> {
    let mut columns = vec![measure_sheaf(plan, ours)?];
    let asked = peers::ENGINES.iter().map(|(engine, _)| *engine);
    let asked: Vec<&str> = asked
        .filter(|engine| *engine == "duckdb" || with_peers)
        .collect();
    for engine in &asked {
        columns.push(measure_peer(plan, engine)?);
    }
    for (column, engine) in columns.iter_mut().zip(["sheaf"].into_iter().chain(asked)) {
        column.differences = tpch::differences(plan, engine, &column.measurements)?;
    }
    report::print(title, plan, &columns);
    print_peaks(&columns);
    let ours = &columns[0];
    let failed = ours.measurements.iter().filter(|m| m.seconds.is_err());
    match ours.differences.len() + failed.count() {
        0 => Ok(()),
        wrong => Err(Failure::new(format!("{wrong} queries are not right"))),
    }
}

fn measure_sheaf(plan: &Plan, ours: &Ours) -> Result<Column> {
    let engine = Engine {
        binary: ours.binary.clone(),
        threads: plan.threads,
        memory_bytes: plan.memory_bytes,
        setup: ours.setup.clone(),
        runs: plan.runs,
        time_limit: plan.time_limit,
    };
    let mut measurements = Vec::new();
    for name in &plan.names {
        let path = ours.texts.join(format!("{name}.sql"));
        let sql = fs::read_to_string(&path).context(path.display())?;
        let query = Query {
            name: name.clone(),
            sql,
        };
        measurements.extend(sheaf::measure(
            &engine,
            &[query],
            &plan.answers.join("sheaf"),
        )?);
    }
    let version = process::capture(Command::new(&ours.binary).arg("--version"))?;
    Ok(Column {
        engine: format!(
            "Sheaf {}",
            version.split_whitespace().last().unwrap_or_default()
        ),
        measurements,
        differences: Vec::new(),
    })
}

fn measure_peer(plan: &Plan, engine: &str) -> Result<Column> {
    let queries = match engine {
        peers::DASK => plan.queries.join(peers::DASK),
        _ => plan.queries.clone(),
    };
    let mut column: Option<Column> = None;
    for name in &plan.names {
        let one = Plan {
            data: plan.data.clone(),
            queries: queries.clone(),
            answers: plan.answers.clone(),
            names: vec![name.clone()],
            ..*plan
        };
        let measured = peers::measure(&one, engine)?;
        match &mut column {
            Some(column) => column.measurements.extend(measured.measurements),
            None => column = Some(measured),
        }
    }
    column.ok_or_else(|| Failure::new("no query to measure"))
}

fn print_peaks(columns: &[Column]) {
    println!("\nPeak resident, MB, of each query in a process of its own:\n");
    for column in columns {
        let peaks = column.measurements.iter().map(|measured| {
            let peak = report::to_megabytes(measured.peak_bytes);
            format!("{} {peak:.0}", measured.query)
        });
        println!(
            "- {}: {}",
            column.engine,
            peaks.collect::<Vec<_>>().join(", ")
        );
    }
}
