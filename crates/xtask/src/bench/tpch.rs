//! The 22 queries of TPC-H with the validation parameters, over one Parquet file a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::options::Options;
use super::sheaf::{self, Engine, Measurement, Query};
use super::{answers, data_directory, peers, report};
use crate::failure::{Context, Failure, Result};
use crate::{process, workspace};

const TABLES: [&str; 8] = [
    "customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier",
];

/// The columns (from 0) by which each query orders, most significant first.
const ORDER_KEYS: [&[usize]; 22] = [
    &[0, 1],
    &[0, 2, 1, 3],
    &[1, 2],
    &[0],
    &[1],
    &[],
    &[0, 1, 2],
    &[0],
    &[0, 1],
    &[2],
    &[1],
    &[0],
    &[1, 0],
    &[],
    &[0],
    &[3, 0, 1, 2],
    &[],
    &[4, 3],
    &[],
    &[0],
    &[1, 0],
    &[0],
];

/// The fraction of query 11 at scale 1, as its file spells it; it shrinks with the scale.
const FRACTION: &str = "0.0001000000";

/// One engine's part of the table.
pub(super) struct Column {
    /// Its name and version.
    pub(super) engine: String,
    /// A measurement for each query.
    pub(super) measurements: Vec<Measurement>,
    /// How its answers differ from DuckDB's, as (query, difference).
    pub(super) differences: Vec<(String, String)>,
}

/// What a run measures.
pub(super) struct Plan {
    /// The Parquet files.
    pub(super) data: PathBuf,
    /// The queries as they are run: `q01.sql` …, at this scale.
    pub(super) queries: PathBuf,
    /// A folder of answers for each engine.
    pub(super) answers: PathBuf,
    /// Names of the queries to run, in order.
    pub(super) names: Vec<String>,
    /// Threads of each engine.
    pub(super) threads: usize,
    /// The memory limit (bytes) of each engine that has one.
    pub(super) memory_bytes: Option<u64>,
    /// Runs of each query, of which the best counts.
    pub(super) runs: usize,
    /// After this an engine's process is killed.
    pub(super) time_limit: Option<Duration>,
}

/// Measures Sheaf (and its peers), compares the answers with DuckDB's, prints the table.
///
/// # Errors
/// Missing programs or data; answers that differ.
pub(super) fn run(options: &Options) -> Result<()> {
    let scale = options.count("--scale", 1)?;
    let binary = sheaf::binary(options)?;
    let plan = plan(options, scale)?;
    let mut columns = vec![measure_sheaf(&plan, &binary)?];
    // DuckDB's answers are the yardstick, so it runs unless they are there from before.
    let known = plan.answers.join("duckdb");
    let are_known = plan
        .names
        .iter()
        .all(|name| known.join(format!("{name}.tsv")).is_file());
    let with_sql = peers::ENGINES.iter().map(|(name, _)| name);
    for engine in with_sql.filter(|name| **name != peers::DASK) {
        if options.flag("--peers") || (*engine == "duckdb" && !are_known) {
            columns.push(peers::measure(&plan, engine)?);
        }
    }
    for column in &mut columns {
        let engine = column
            .engine
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        column.differences = differences(&plan, &engine, &column.measurements)?;
    }
    report::print(&format!("TPC-H scale {scale}"), &plan, &columns);
    let wrong: usize = columns[0].differences.len()
        + columns[0]
            .measurements
            .iter()
            .filter(|m| m.seconds.is_err())
            .count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{wrong} queries are not right")))
    }
}

fn plan(options: &Options, scale: usize) -> Result<Plan> {
    let directory = data_directory("tpch")?;
    let queries = directory.join(format!("queries-sf{scale}"));
    write_queries(&queries, scale)?;
    Ok(Plan {
        data: data(scale)?,
        queries,
        answers: directory.join(format!("answers-sf{scale}")),
        names: query_names(options.text("--queries"))?,
        threads: options.count("--threads", 2)?,
        memory_bytes: options.bytes("--memory")?,
        runs: options.count("--runs", 3)?.max(1),
        time_limit: None,
    })
}

/// The folder of Parquet files at `scale`, made unless it is there.
///
/// # Errors
/// A generator that cannot be installed or run.
pub(super) fn data(scale: usize) -> Result<PathBuf> {
    let directory = data_directory("tpch")?;
    let data = directory.join(format!("sf{scale}"));
    if !data.join("region.parquet").is_file() {
        let python = peers::python()?;
        let draft = directory.join(format!("sf{scale}-draft"));
        process::run(
            Command::new(python.with_file_name("tpchgen-cli"))
                .args([
                    "parquet",
                    "--overwrite",
                    "-s",
                    &scale.to_string(),
                    "--output-dir",
                ])
                .arg(&draft),
        )?;
        fs::rename(&draft, &data).context(data.display())?;
    }
    Ok(data)
}

/// `1,6` as `q01`, `q06`; all 22 if nothing is asked.
///
/// # Errors
/// What is no number of a query.
pub(super) fn query_names(asked: Option<&str>) -> Result<Vec<String>> {
    let all = || (1..=ORDER_KEYS.len()).collect::<Vec<_>>();
    let numbers = asked.map_or_else(
        || Ok(all()),
        |asked| {
            asked
                .split(',')
                .map(|number| number.trim().parse::<usize>())
                .collect()
        },
    );
    let numbers = numbers.map_err(|_| Failure::new("--queries takes numbers, as in 1,6"))?;
    if let Some(number) = numbers
        .iter()
        .find(|number| !(1..=ORDER_KEYS.len()).contains(*number))
    {
        return Err(Failure::new(format!("there is no query {number}")));
    }
    Ok(numbers
        .iter()
        .map(|number| format!("q{number:02}"))
        .collect())
}

/// Copies the queries with the fraction of query 11 for `scale`.
///
/// # Errors
/// A folder that cannot be written.
pub(super) fn write_queries(folder: &Path, scale: usize) -> Result<()> {
    fs::create_dir_all(folder).context(folder.display())?;
    let fraction = format!("0.{:0>10}", 1_000_000 / scale.max(1));
    for source in workspace::files(&workspace::root().join("benches/tpch"), ".sql")? {
        let sql = fs::read_to_string(&source).context(source.display())?;
        let name = source.file_name().unwrap_or_default();
        fs::write(folder.join(name), sql.replace(FRACTION, &fraction))?;
    }
    Ok(())
}

/// Runs the queries of `plan` on `binary`.
///
/// # Errors
/// A program that cannot be run; queries that fail are measurements.
pub(super) fn measure_sheaf(plan: &Plan, binary: &Path) -> Result<Column> {
    let mut setup = String::new();
    for table in TABLES {
        let path = plan.data.join(format!("{table}.parquet"));
        setup.push_str(&format!(
            "CREATE VIEW {table} AS FROM '{}';\n",
            path.display()
        ));
    }
    let mut queries = Vec::new();
    for name in &plan.names {
        let path = plan.queries.join(format!("{name}.sql"));
        let sql = fs::read_to_string(&path).context(path.display())?;
        queries.push(Query {
            name: name.clone(),
            sql,
        });
    }
    let engine = Engine {
        binary: binary.to_path_buf(),
        threads: plan.threads,
        memory_bytes: plan.memory_bytes,
        setup,
        runs: plan.runs,
        time_limit: plan.time_limit,
    };
    let measurements = sheaf::measure(&engine, &queries, &plan.answers.join("sheaf"))?;
    let version = process::capture(Command::new(binary).arg("--version"))?;
    let version = version
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    Ok(Column {
        engine: format!("Sheaf {version}"),
        measurements,
        differences: Vec::new(),
    })
}

/// How the answers of `engine` differ from DuckDB's, for the queries that it answered.
///
/// # Errors
/// Answers that cannot be read.
pub(super) fn differences(
    plan: &Plan,
    engine: &str,
    measurements: &[Measurement],
) -> Result<Vec<(String, String)>> {
    let mut differences = Vec::new();
    for measurement in measurements
        .iter()
        .filter(|measurement| measurement.seconds.is_ok())
    {
        let name = &measurement.query;
        let expected = answers::read(&plan.answers.join("duckdb").join(format!("{name}.tsv")))?;
        let actual = answers::read(&plan.answers.join(engine).join(format!("{name}.tsv")))?;
        let number = name.strip_prefix('q').and_then(|n| n.parse::<usize>().ok());
        let keys = number.and_then(|number| ORDER_KEYS.get(number.checked_sub(1)?));
        let keys = keys.copied().unwrap_or_default();
        if let Some(difference) = answers::difference(&expected, &actual, keys) {
            differences.push((name.clone(), difference));
        }
    }
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::query_names;

    #[test]
    fn queries_are_named_by_number() {
        assert_eq!(query_names(Some("1, 22")).unwrap(), ["q01", "q22"]);
        assert_eq!(query_names(None).unwrap().len(), 22);
        assert!(query_names(Some("23")).is_err());
        assert!(query_names(Some("q1")).is_err());
    }
}
