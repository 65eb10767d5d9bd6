//! Chunked arrays beside NumPy and Dask: the same rows over numbers drawn at random, and over Zarr files
//! that Sheaf has written and all of them read.
//!
//! Each row of each engine has a process of its own, so that its peak of resident memory is its own. From
//! Zarr the answers agree to [`row::EXACT`]; numbers drawn at random differ from engine to engine, and
//! their answers by no more than chance allows ([`row::Kind::tolerance`]). What Sheaf draws and what it
//! has written into the files are the same numbers, so there its own answers must agree exactly.

mod large;
mod peers;
mod row;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::sheaf::{self, Engine, Query};
use super::{answers, data_directory, report};
use crate::failure::{Context, Failure, Result};
use crate::process;
use row::{ROWS, Row, Source};

const SIZE_DEFAULT: usize = 10_000;
/// Less than this, and chunks have no columns.
const SIZE_MIN: usize = 100;

/// What an engine did with a row.
#[derive(Debug, Clone)]
struct Outcome {
    /// The best of the runs.
    seconds: f64,
    /// What came before them: NumPy has its arrays in memory first.
    loading_seconds: f64,
    peak_bytes: u64,
    answer: Vec<f64>,
}

/// What all rows share.
struct Suite {
    binary: PathBuf,
    size: usize,
    threads: usize,
    runs: usize,
    memory_bytes: Option<u64>,
    /// The folder of the Zarr files.
    data: PathBuf,
    answers: PathBuf,
}

/// Writes the files unless they are there, measures, compares, prints a table for each source.
///
/// # Errors
/// Missing programs; rows that fail; answers that differ.
pub(super) fn run(options: &Options) -> Result<()> {
    let size = options.count("--size", SIZE_DEFAULT)?;
    if size < SIZE_MIN {
        return Err(Failure::new(format!("--size is {SIZE_MIN} at least")));
    }
    let suite = Suite {
        binary: sheaf::binary(options)?,
        size,
        threads: options.count("--threads", 2)?,
        runs: options.count("--runs", 3)?.max(1),
        memory_bytes: options.bytes("--memory")?,
        data: data_directory("arrays")?.join(size.to_string()),
        answers: data_directory("arrays")?.join("answers"),
    };
    if options.flag("--large") {
        return large::run(&suite);
    }
    let rows = chosen(options.text("--only"))?;
    suite.write_files()?;
    let has_peers = options.flag("--peers");
    if has_peers {
        peers::python()?;
    }
    let mut faults = Vec::new();
    let (mut drawn, mut versions) = (Vec::new(), Vec::new());
    for source in [Source::Drawn, Source::Zarr] {
        table::print_head(&suite, source);
        for row in &rows {
            let ours = suite.measure(row, source)?;
            if let Ok(ours) = &ours {
                match source {
                    Source::Drawn => drawn.push((row.name, ours.answer.clone())),
                    Source::Zarr => faults.extend(unlike_drawn(row, &drawn, ours)),
                }
            }
            let peers = match has_peers {
                true => peers::measure(&suite, row, source)?,
                false => Vec::new(),
            };
            versions = peers.iter().map(peers::Peer::name).collect();
            table::print_row(row, &ours, &peers);
            faults.extend(table::faults(&suite, row, source, &ours, &peers));
        }
    }
    println!("\n{}\n", versions.join(", "));
    for fault in &faults {
        println!("- {fault}");
    }
    match faults.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} rows are not right"))),
    }
}

/// The rows that are asked for by their names, with commas; all of them if none are.
fn chosen(names: Option<&str>) -> Result<Vec<&'static Row>> {
    let Some(names) = names else {
        return Ok(ROWS.iter().collect());
    };
    let find = |name: &str| {
        let found = ROWS.iter().find(|row| row.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            Failure::new(format!("there is no row {name}: {}", known.join(", ")))
        })
    };
    names.split(',').map(|name| find(name.trim())).collect()
}

/// In what Sheaf's answer from the files differs from that of the numbers it has drawn.
fn unlike_drawn(row: &Row, drawn: &[(&str, Vec<f64>)], ours: &Outcome) -> Option<String> {
    let (_, answer) = drawn.iter().find(|(name, _)| *name == row.name)?;
    let difference = row.difference(answer, &ours.answer, None)?;
    Some(format!(
        "{}: Sheaf gives other answers from Zarr than from its generator: {difference}",
        row.name
    ))
}

impl Suite {
    /// Sheaf's own outcome; or why there is none.
    fn measure(&self, row: &Row, source: Source) -> Result<std::result::Result<Outcome, String>> {
        let arrays = row.arrays.iter();
        let setup = arrays.map(|name| source.create(name, self.size, &self.data));
        let engine = Engine {
            binary: self.binary.clone(),
            threads: self.threads,
            memory_bytes: self.memory_bytes,
            setup: setup.collect(),
            runs: self.runs,
            time_limit: None,
        };
        let query = Query {
            name: format!("{}_{}", source.name(), row.file_name()),
            sql: row.sql(self.size),
        };
        self.outcome(&engine, query)
    }

    /// Runs one query in a process of its own.
    fn outcome(
        &self,
        engine: &Engine,
        query: Query,
    ) -> Result<std::result::Result<Outcome, String>> {
        let path = self.answers.join(format!("{}.tsv", query.name));
        let measured = sheaf::measure(engine, &[query], &self.answers)?;
        let Some(measured) = measured.into_iter().next() else {
            return Err(Failure::new("nothing was measured"));
        };
        let seconds = match measured.seconds {
            Ok(seconds) => seconds,
            Err(reason) => return Ok(Err(reason)),
        };
        let rows = answers::read(&path)?;
        let numbers = rows.iter().flatten().map(|cell| cell.parse());
        let answer = numbers.collect::<std::result::Result<Vec<f64>, _>>();
        Ok(Ok(Outcome {
            seconds,
            loading_seconds: 0.0,
            peak_bytes: measured.peak_bytes,
            answer: answer.map_err(|_| Failure::new(format!("{}: no numbers", path.display())))?,
        }))
    }

    /// Has Sheaf write the arrays that it draws as Zarr.
    fn write_files(&self) -> Result<()> {
        let done = self.data.join("done.txt");
        if done.is_file() {
            return Ok(());
        }
        println!("writing Zarr to {}", self.data.display());
        fs::create_dir_all(&self.data).context(self.data.display())?;
        let script = self.data.join("write.sql");
        fs::write(&script, self.copies()).context(script.display())?;
        process::run(Command::new(&self.binary).arg("-f").arg(&script))?;
        Ok(fs::write(&done, "")?)
    }

    fn copies(&self) -> String {
        let copy = |(name, _): &(&str, _)| {
            let path = file(&self.data, name);
            format!(
                "{}COPY {name} TO '{}' (FORMAT zarr);\n",
                Source::Drawn.create(name, self.size, &self.data),
                path.display()
            )
        };
        row::SEEDS.iter().map(copy).collect()
    }
}

/// Where the array `name` is written.
fn file(data: &Path, name: &str) -> PathBuf {
    data.join(format!("{name}.zarr"))
}
