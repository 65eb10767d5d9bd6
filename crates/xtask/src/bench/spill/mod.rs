//! Work larger than memory: TPC-H and six queries over lineitem under several limits.
//!
//! Each query has a process of its own for each engine and limit, so that its peak of resident
//! memory is its own. What fails, differs, takes too long or too much memory is a row of the table
//! and goes on; the suite fails at its end.

mod table;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Options;
use super::tpch::{self, Column, Plan};
use super::{answers, data_directory, peers, report, sheaf};
use crate::failure::{Context, Failure, Result};
use crate::workspace;
use table::{Cell, Row};
use verdict::Judged;

/// The six queries, files of `benches/spill`, in the order of the table.
const LARGE: [&str; 6] = [
    SORT,
    "join",
    "groups",
    "row_number",
    "distinct",
    "self_join",
];
/// The query that writes a file, which is looked at instead of its answer.
const SORT: &str = "sort";
/// Where a query's text names the file that it writes.
const OUTPUT: &str = "{output}";
const LIMITS_DEFAULT: &str = "1GB,512MB,256MB";
const TIME_LIMIT_S_DEFAULT: usize = 600;

/// Measures Sheaf and, if asked, DuckDB under every limit; prints a table for each.
///
/// # Errors
/// Missing programs or data; queries that fail, differ, or take more memory than they may.
pub(super) fn run(options: &Options) -> Result<()> {
    let scale = options.count("--scale", 10)?;
    let suite = Suite::prepare(options, scale)?;
    let mut faults = 0;
    for limit in options.sizes("--limits", LIMITS_DEFAULT)? {
        let limit_mb = report::to_megabytes(limit);
        println!("\n### Larger than memory, scale {scale}, {limit_mb:.0} MB\n");
        println!("{}", report::circumstances(suite.threads, Some(limit)));
        println!(
            "A process for each query, best of {} runs; × is Sheaf's time over DuckDB's.\n",
            suite.runs
        );
        let rows = suite.measure(limit)?;
        table::print_totals(&rows);
        let judged: Vec<Judged> = rows.iter().map(|row| verdict::judge(row, limit)).collect();
        table::print_notes(&judged);
        faults += judged.iter().filter(|judged| judged.is_fault()).count();
    }
    if faults == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{faults} queries are not right")))
    }
}

/// What is the same under every limit.
struct Suite {
    binary: PathBuf,
    data: PathBuf,
    /// Texts of the queries at this scale.
    queries: PathBuf,
    /// The text that looks at the sorted file, under the name of the query.
    checks: PathBuf,
    /// The sorted file.
    output: PathBuf,
    answers: PathBuf,
    names: Vec<String>,
    threads: usize,
    runs: usize,
    time_limit: Duration,
    has_peers: bool,
}

impl Suite {
    fn prepare(options: &Options, scale: usize) -> Result<Self> {
        let directory = data_directory("spill")?;
        let queries = directory.join(format!("queries-sf{scale}"));
        let checks = directory.join("checks");
        let output = directory.join("sorted.parquet");
        tpch::write_queries(&queries, scale)?;
        let own = workspace::root().join("benches/spill");
        write_texts(&own, &queries, &output)?;
        write_texts(&own.join("checks"), &checks, &output)?;
        let seconds = options.count("--time-limit", TIME_LIMIT_S_DEFAULT)?;
        Ok(Self {
            binary: sheaf::binary(options)?,
            data: tpch::data(scale)?,
            queries,
            checks,
            output,
            answers: directory.join(format!("answers-sf{scale}")),
            names: query_names(options.text("--queries"))?,
            threads: options.count("--threads", 2)?,
            runs: options.count("--runs", 1)?.max(1),
            time_limit: Duration::from_secs(seconds as u64),
            has_peers: options.flag("--peers"),
        })
    }

    /// Runs every query under `limit` (bytes) and prints the table row by row.
    fn measure(&self, limit: u64) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for name in &self.names {
            let plan = self.plan(name, Some(limit));
            let sheaf = tpch::measure_sheaf(&plan, &self.binary)?;
            let written = self.look_at_output(name)?;
            let mut duckdb = None;
            // DuckDB's answer is the yardstick; without limits unless it is measured itself.
            if self.has_peers {
                duckdb = Some(peers::measure(&plan, "duckdb")?);
            } else if !self.is_known(name) {
                peers::measure(&self.plan(name, None), "duckdb")?;
            }
            let duckdb_written = self.look_at_output(name)?;
            let engines = [Some(&sheaf), duckdb.as_ref()];
            if rows.is_empty() {
                table::print_head(&engines.map(|column| column.map_or("", |c| &c.engine)));
            }
            let row = Row {
                query: name.clone(),
                sheaf: self.cell(&plan, &sheaf, "sheaf", written)?,
                duckdb: duckdb
                    .map(|column| self.cell(&plan, &column, "duckdb", duckdb_written))
                    .transpose()?,
            };
            table::print_row(&row, limit);
            rows.push(row);
        }
        Ok(rows)
    }

    fn plan(&self, name: &str, memory_bytes: Option<u64>) -> Plan {
        Plan {
            data: self.data.clone(),
            queries: self.queries.clone(),
            answers: self.answers.clone(),
            names: vec![name.to_owned()],
            threads: self.threads,
            memory_bytes,
            runs: self.runs,
            time_limit: Some(self.time_limit),
        }
    }

    fn is_known(&self, name: &str) -> bool {
        let answer = format!("{name}.tsv");
        name == SORT || self.answers.join("duckdb").join(answer).is_file()
    }

    /// What `column` shows of its one query; `written` is what is wrong with the file it wrote.
    fn cell(
        &self,
        plan: &Plan,
        column: &Column,
        engine: &str,
        written: Option<String>,
    ) -> Result<Cell> {
        let Some(measured) = column.measurements.first() else {
            return Err(Failure::new(format!("{engine} measured nothing")));
        };
        let difference = if measured.query == SORT {
            written
        } else if measured.seconds.is_ok() && self.is_known(&measured.query) {
            let found = tpch::differences(plan, engine, &column.measurements)?;
            found.into_iter().next().map(|(_, difference)| difference)
        } else {
            None
        };
        Ok(Cell {
            seconds: measured.seconds.clone(),
            peak_bytes: measured.peak_bytes,
            difference,
        })
    }

    /// What is wrong with the file that `name` has written, in words; removes the file.
    fn look_at_output(&self, name: &str) -> Result<Option<String>> {
        if name != SORT || !self.output.exists() {
            return Ok((name == SORT).then(|| "no file was written".to_owned()));
        }
        let plan = Plan {
            queries: self.checks.clone(),
            answers: self.answers.join("checks"),
            ..self.plan(name, None)
        };
        let column = peers::measure(&plan, "duckdb")?;
        fs::remove_file(&self.output).context(self.output.display())?;
        if let Some(Err(reason)) = column.measurements.first().map(|m| &m.seconds) {
            return Ok(Some(reason.clone()));
        }
        let found = answers::read(&plan.answers.join("duckdb").join(format!("{SORT}.tsv")))?;
        Ok(fault_of_output(&found))
    }
}

/// What is wrong with the sorted file, by the row of `benches/spill/checks/sort.sql`.
fn fault_of_output(found: &answers::Rows) -> Option<String> {
    let cells: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    match cells.as_slice() {
        ["0", "0", "True"] => None,
        ["0", "0", _] => Some("the file has other rows".to_owned()),
        ["0", more, _] => Some(format!("the file has {more} rows too many")),
        [steps, ..] => Some(format!("the file steps back {steps} times")),
        [] => Some("the file could not be looked at".to_owned()),
    }
}

/// `1,6,sort` as `q01`, `q06`, `sort`; everything if nothing is asked.
fn query_names(asked: Option<&str>) -> Result<Vec<String>> {
    let Some(asked) = asked else {
        let large = LARGE.iter().map(|&name| name.to_owned());
        return Ok(tpch::query_names(None)?.into_iter().chain(large).collect());
    };
    let mut names = Vec::new();
    for word in asked.split(',').map(str::trim) {
        if LARGE.contains(&word) {
            names.push(word.to_owned());
        } else {
            let number = tpch::query_names(Some(word)).context(format!(
                "{word} is neither a number nor one of {}",
                LARGE.join(", ")
            ))?;
            names.extend(number);
        }
    }
    Ok(names)
}

/// Copies the queries in `from` to `to`, with the file that they write.
fn write_texts(from: &Path, to: &Path, output: &Path) -> Result<()> {
    fs::create_dir_all(to).context(to.display())?;
    let is_direct = |path: &PathBuf| path.parent() == Some(from);
    let sources = workspace::files(from, ".sql")?;
    for source in sources.into_iter().filter(is_direct) {
        let sql = fs::read_to_string(&source).context(source.display())?;
        let name = source.file_name().unwrap_or_default();
        let sql = sql.replace(OUTPUT, &output.display().to_string());
        fs::write(to.join(name), sql)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::answers::rows;
    use super::{LARGE, fault_of_output, query_names};
    use crate::workspace;

    #[test]
    fn queries_are_named_by_number_or_word() {
        let names = query_names(Some("1, sort,22")).unwrap();
        assert_eq!(names, ["q01", "sort", "q22"]);
        assert_eq!(query_names(None).unwrap().len(), 28);
        assert!(query_names(Some("sorted")).is_err());
    }

    #[test]
    fn every_query_has_a_text() {
        let folder = workspace::root().join("benches/spill");
        for name in LARGE {
            assert!(folder.join(format!("{name}.sql")).is_file(), "{name}");
        }
    }

    #[test]
    fn a_sorted_file_has_every_row_in_order() {
        let head = "steps_back\trows_more\tsame_rows\n";
        let fault = |row: &str| fault_of_output(&rows(&format!("{head}{row}")));
        assert_eq!(fault("0\t0\tTrue\n"), None);
        assert!(fault("0\t0\tFalse\n").unwrap().contains("other rows"));
        assert!(fault("0\t-7\tFalse\n").unwrap().contains("-7"));
        assert!(fault("3\t0\tTrue\n").unwrap().contains("3 times"));
        assert!(fault("").is_some());
    }
}
