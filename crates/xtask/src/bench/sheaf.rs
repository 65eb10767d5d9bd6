//! The release binary as its users run it: one process, a script, rows read from a pipe.
//!
//! Between the queries the script selects a mark. The time of a query is the time between the
//! marks' arrivals, so planning, running, printing and reading all count.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::options::Options;
use super::watch::ProcessWatch;
use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// What a mark's line begins with.
const MARK: &str = "sheaf bench mark";

/// A query of a suite.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Its name in tables and file names.
    pub(super) name: String,
    /// One statement, without a semicolon.
    pub(super) sql: String,
}

/// What one engine did with one query.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    /// The query's name.
    pub(super) query: String,
    /// The best of the runs (seconds), or why there is none.
    pub(super) seconds: std::result::Result<f64, String>,
    /// The most memory (bytes) that the process had resident until the query ended.
    pub(super) peak_bytes: u64,
}

/// How the binary is run.
#[derive(Debug)]
pub(super) struct Engine {
    /// The program.
    pub(super) binary: PathBuf,
    /// Its setting `threads`.
    pub(super) threads: usize,
    /// Its setting `memory_limit` (bytes), if not the default.
    pub(super) memory_bytes: Option<u64>,
    /// Statements before the first query.
    pub(super) setup: String,
    /// Runs of each query, of which the best counts.
    pub(super) runs: usize,
    /// After this a process is killed; the query that it was at has failed.
    pub(super) time_limit: Option<Duration>,
}

/// Runs every query in one process and leaves the answers in `answers`, one file of
/// tab-separated rows a query. After a query that fails a new process goes on with the next.
pub(super) fn measure(
    engine: &Engine,
    queries: &[Query],
    answers: &Path,
) -> Result<Vec<Measurement>> {
    fs::create_dir_all(answers).context(answers.display())?;
    let mut measurements = Vec::new();
    while let Some(rest) = queries
        .get(measurements.len()..)
        .filter(|rest| !rest.is_empty())
    {
        run_process(engine, rest, answers, &mut measurements)?;
    }
    Ok(measurements)
}

/// The program to measure: the one after `--binary`, or the release binary.
///
/// # Errors
/// There is none: benchmarks do not start a build of many minutes unasked.
pub(super) fn binary(options: &Options) -> Result<PathBuf> {
    let binary = match options.text("--binary") {
        Some(binary) => PathBuf::from(binary),
        None => workspace::target()?.join("release/sheaf"),
    };
    if binary.is_file() {
        return Ok(binary);
    }
    Err(Failure::new(format!(
        "there is no program {}; run cargo build --release",
        binary.display()
    )))
}

/// Runs queries until the process ends, by itself or at the first failure.
fn run_process(
    engine: &Engine,
    queries: &[Query],
    answers: &Path,
    measurements: &mut Vec<Measurement>,
) -> Result<()> {
    let script = answers.join("script.sql");
    let errors = answers.join("errors.txt");
    fs::write(&script, script_text(engine, queries)).context(script.display())?;
    let mut command = Command::new(&engine.binary);
    if let Some(bytes) = engine.memory_bytes {
        command.env("SHEAF_MEMORY_LIMIT", format!("{bytes}B"));
    }
    let mut child = command
        .env("SHEAF_THREADS", engine.threads.to_string())
        .arg("--format=tsv")
        .arg("-f")
        .arg(&script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&errors).context(errors.display())?)
        .spawn()?;
    let stdout = child.stdout.take();
    let watch = ProcessWatch::start(child, engine.time_limit);
    let mut reader = Reader {
        runs: engine.runs,
        answers,
        watch: &watch,
        measurements,
        done: 0,
    };
    if let Some(stdout) = stdout {
        reader.read(stdout, queries)?;
    }
    let done = reader.done;
    let ended = watch.wait()?;
    if let Some(query) = queries.get(done) {
        let errors = fs::read_to_string(&errors).unwrap_or_default();
        let said = |status: ExitStatus| {
            let line = errors.lines().next();
            line.map_or_else(|| status.to_string(), str::to_owned)
        };
        measurements.push(Measurement {
            query: query.name.clone(),
            seconds: Err(ended.map_or_else(|stopped| stopped, said)),
            peak_bytes: watch.peak_bytes(),
        });
    }
    Ok(())
}

fn script_text(engine: &Engine, queries: &[Query]) -> String {
    let mut script = format!("{}\n", engine.setup);
    let mark = |script: &mut String| script.push_str(&format!("SELECT '{MARK}' AS mark;\n"));
    mark(&mut script);
    for query in queries {
        for _ in 0..engine.runs {
            script.push_str(&query.sql);
            script.push_str("\n;\n");
            mark(&mut script);
        }
    }
    script
}

/// Takes the output of the process apart at the marks.
struct Reader<'a> {
    runs: usize,
    answers: &'a Path,
    watch: &'a ProcessWatch,
    measurements: &'a mut Vec<Measurement>,
    /// Queries whose runs have all ended.
    done: usize,
}

impl Reader<'_> {
    fn read(&mut self, stdout: ChildStdout, queries: &[Query]) -> Result<()> {
        let (mut text, mut start, mut best, mut run) = (String::new(), None, f64::INFINITY, 0);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line != MARK {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            let now = Instant::now();
            if let (Some(start), Some(query)) = (start, queries.get(self.done)) {
                let elapsed: Duration = now.duration_since(start);
                best = elapsed.as_secs_f64().min(best);
                run += 1;
                if run == self.runs {
                    self.finish(query, &text, best)?;
                    (best, run) = (f64::INFINITY, 0);
                }
            }
            text.clear();
            start = Some(now);
        }
        Ok(())
    }

    fn finish(&mut self, query: &Query, text: &str, seconds: f64) -> Result<()> {
        let path = self.answers.join(format!("{}.tsv", query.name));
        // The header of the mark that follows was read as a last line.
        let rows = text.strip_suffix("mark\n").unwrap_or(text);
        fs::write(&path, rows).context(path.display())?;
        let peak_bytes = self.watch.peak_bytes();
        let query = query.name.clone();
        self.measurements.push(Measurement {
            query,
            seconds: Ok(seconds),
            peak_bytes,
        });
        self.done += 1;
        Ok(())
    }
}
