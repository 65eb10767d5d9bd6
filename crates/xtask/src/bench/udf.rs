//! Functions in other languages than SQL beside what is built in: one expression over ten million rows, and
//! words of a hundred megabytes of text; with `--peers` Dask's `map_partitions` on the same.
//!
//! Row `i` of `xy` is (i, i), so that the sum of `x * 2 + y` over `n` rows is 3 · n · (n − 1) / 2, exactly.
//! Line `i` of `lines` is ten words, the last of which is `i`: the answers follow from arithmetic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::sheaf::{self, Engine, Query};
use super::{data_directory, peers, report};
use crate::failure::{Context, Failure, Result};
use crate::test::FUNCTION_PACKAGES;
use crate::{process, workspace};

const ROWS: usize = 10_000_000;
const LINES: usize = 2_000_000;
/// What stands before the number in each line, and the words of a line.
const LINE: &str = "the quick brown fox jumps over the lazy dog ";
const WORDS: usize = 10;

/// What is computed, by whichever means.
struct Work {
    /// Its name in what Dask's program prints.
    name: &'static str,
    /// Millions of rows or bytes.
    millions: f64,
    unit: &'static str,
    /// What it has to give, as tab-separated values.
    answer: String,
}

/// A query, and how fast it is to be.
struct Case {
    name: &'static str,
    sql: &'static str,
    work: usize,
    /// Millions of rows or bytes a second, at least.
    millions_min: Option<f64>,
    /// Times what is built in takes, at most.
    ratio_max: Option<f64>,
}

/// The two works, by their places.
const EXPRESSION: usize = 0;
const TEXT: usize = 1;

static CASES: &[Case] = &[
    Case {
        name: "built in",
        sql: "SELECT sum(x * 2 + y)::BIGINT AS s FROM xy",
        work: EXPRESSION,
        millions_min: None,
        ratio_max: None,
    },
    Case {
        name: "wasm, values",
        sql: "SELECT sum(score(x, y))::BIGINT AS s FROM xy",
        work: EXPRESSION,
        millions_min: Some(50.0),
        ratio_max: Some(6.0),
    },
    Case {
        name: "wasm, columns",
        sql: "SELECT sum(scores(x, y))::BIGINT AS s FROM xy",
        work: EXPRESSION,
        millions_min: Some(50.0),
        ratio_max: Some(6.0),
    },
    Case {
        name: "python, NumPy",
        sql: "SELECT sum(score_numpy(x, y))::BIGINT AS s FROM xy",
        work: EXPRESSION,
        millions_min: Some(20.0),
        ratio_max: None,
    },
    Case {
        name: "python, pyarrow",
        sql: "SELECT sum(score_arrow(x, y))::BIGINT AS s FROM xy",
        work: EXPRESSION,
        millions_min: Some(20.0),
        ratio_max: None,
    },
    Case {
        name: "wasm, words of text",
        sql: "SELECT count(tok) AS n, sum(pos) AS s FROM lines, LATERAL tokens(line)",
        work: TEXT,
        millions_min: Some(100.0),
        ratio_max: None,
    },
];

/// Measures the cases, compares the answers, prints the table.
///
/// # Errors
/// Missing programs; answers that are wrong; queries that fail.
pub(super) fn run(options: &Options) -> Result<()> {
    let rows = options.count("--rows", ROWS)?;
    let lines = options.count("--lines", LINES)?;
    let folder = data_directory("udf")?;
    let engine = Engine {
        binary: sheaf::binary(options)?,
        threads: options.count("--threads", 1)?,
        memory_bytes: None,
        setup: setup(&folder, rows, lines)?,
        runs: options.count("--runs", 5)?.max(1),
        time_limit: None,
    };
    let works = works(rows, lines);
    let queries: Vec<Query> = CASES
        .iter()
        .map(|case| Query {
            name: case.name.to_owned(),
            sql: case.sql.to_owned(),
        })
        .collect();
    let answers = folder.join("answers");
    let measurements = sheaf::measure(&engine, &queries, &answers)?;
    println!(
        "\n### Functions of users\n\n{}",
        report::circumstances(engine.threads, None)
    );
    println!(
        "Best of {} runs; functions in Python run in one worker.\n",
        engine.runs
    );
    println!("| query | seconds | a second | × built in | target |\n|---|--:|--:|--:|---|");
    let mut built_in = None;
    // The best of each work.
    let mut best = vec![f64::INFINITY; works.len()];
    for (case, measured) in CASES.iter().zip(measurements) {
        let seconds = measured
            .seconds
            .map_err(|reason| Failure::new(format!("{} fails: {reason}", case.name)))?;
        check(case.name, &works[case.work], &answer(case, &answers)?)?;
        let yardstick = *built_in.get_or_insert(seconds);
        let ratio = (case.work == EXPRESSION).then(|| seconds / yardstick);
        let target = target(case, works[case.work].millions / seconds, ratio);
        if case.name != CASES[0].name {
            best[case.work] = best[case.work].min(seconds);
        }
        print_row(case.name, &works[case.work], seconds, ratio, &target);
    }
    match options.flag("--peers") {
        true => measure_dask(&engine, (rows, lines), &works, &best),
        false => Ok(()),
    }
}

fn print_row(name: &str, work: &Work, seconds: f64, ratio: Option<f64>, target: &str) {
    let rate = work.millions / seconds;
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    println!(
        "| {name} | {seconds:.3} | {rate:.0} M {} | {ratio} | {target} |",
        work.unit
    );
}

/// How fast a case is to be, and whether it is.
fn target(case: &Case, millions: f64, ratio: Option<f64>) -> String {
    let mut targets = Vec::new();
    let said = |is_met: bool| if is_met { "met" } else { "**missed**" };
    if let Some(least) = case.millions_min {
        let is_met = millions >= least;
        targets.push(format!("≥ {least:.0} M: {}", said(is_met)));
    }
    if let (Some(most), Some(ratio)) = (case.ratio_max, ratio) {
        let is_met = ratio <= most;
        targets.push(format!("≤ {most:.0} ×: {}", said(is_met)));
    }
    targets.join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn works(rows: usize, lines: usize) -> [Work; 2] {
    let bytes = lines * LINE.len() + (0..lines).map(digits).sum::<usize>();
    let sum = 3 * rows * rows.saturating_sub(1) / 2;
    [
        Work {
            name: "expression",
            millions: rows as f64 / 1e6,
            unit: "rows",
            answer: sum.to_string(),
        },
        Work {
            name: "words",
            millions: bytes as f64 / 1e6,
            unit: "bytes",
            answer: format!("{}\t{}", lines * WORDS, lines * WORDS * (WORDS + 1) / 2),
        },
    ]
}

/// Runs Dask's program and prints its rows; what is slower than `best` of the same work has met the target.
fn measure_dask(
    engine: &Engine,
    (rows, lines): (usize, usize),
    works: &[Work],
    best: &[f64],
) -> Result<()> {
    let mut command = Command::new(peers::python()?);
    command
        .arg(workspace::root().join("benches/udf/map_partitions.py"))
        .args([&rows.to_string(), &lines.to_string(), LINE])
        .args([&engine.threads.to_string(), &engine.runs.to_string()]);
    let printed = process::capture(&mut command)?;
    let mut version = "";
    for line in printed.lines() {
        let cells: Vec<&str> = line.splitn(4, '\t').collect();
        let [name, scheduler, seconds, answer] = cells.as_slice() else {
            version = line.strip_prefix("version\t").unwrap_or(version);
            continue;
        };
        let title = format!("Dask {version}, {name}, {scheduler}");
        let place = works.iter().position(|work| work.name == *name);
        let (Some(place), Ok(seconds)) = (place, seconds.parse::<f64>()) else {
            return Err(Failure::new(format!("Dask: {line}")));
        };
        check(&title, &works[place], answer)?;
        let is_met = if best[place] < seconds {
            "met"
        } else {
            "**missed**"
        };
        let times = seconds / best[place];
        let target = format!("slower than Sheaf's best ({times:.1} ×): {is_met}");
        print_row(&title, &works[place], seconds, None, &target);
    }
    Ok(())
}

fn digits(number: usize) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |digits| digits as usize + 1)
}

/// What a query has given.
fn answer(case: &Case, answers: &Path) -> Result<String> {
    let path = answers.join(format!("{}.tsv", case.name));
    let text = fs::read_to_string(&path).context(path.display())?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

fn check(name: &str, work: &Work, answer: &str) -> Result<()> {
    match answer == work.answer {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{name}: {answer} in place of {}",
            work.answer
        ))),
    }
}

/// The functions and tables, in SQL.
fn setup(folder: &Path, rows: usize, lines: usize) -> Result<String> {
    let (numbers, text) = (from_c(folder, "numbers")?, from_c(folder, "text")?);
    let (numbers, text) = (numbers.display(), text.display());
    let python = workspace::python("functions", FUNCTION_PACKAGES)?;
    let python = python.display();
    Ok(format!(
        "SET python_executable = '{python}';
SET python_workers = 1;
CREATE FUNCTION score_numpy(x DOUBLE, y DOUBLE) RETURNS DOUBLE IMMUTABLE LANGUAGE python AS $$
import numpy as np
def score_numpy(x: np.ndarray, y: np.ndarray):
    return x * 2 + y
$$;
CREATE FUNCTION score_arrow(x DOUBLE, y DOUBLE) RETURNS DOUBLE IMMUTABLE LANGUAGE python AS $$
import pyarrow.compute as pc
def score_arrow(x, y):
    return pc.add(pc.multiply(x, 2.0), y)
$$;
CREATE FUNCTION score(x DOUBLE, y DOUBLE) RETURNS DOUBLE IMMUTABLE LANGUAGE wasm AS '{numbers}';
CREATE FUNCTION scores(x DOUBLE, y DOUBLE) RETURNS DOUBLE IMMUTABLE LANGUAGE wasm AS '{numbers}';
CREATE FUNCTION tokens(t TEXT) RETURNS TABLE (tok TEXT, pos BIGINT) IMMUTABLE LANGUAGE wasm AS '{text}';
CREATE TABLE xy AS SELECT i::DOUBLE AS x, i::DOUBLE AS y FROM range({rows}) AS t(i);
CREATE TABLE lines AS SELECT '{LINE}' || i AS line FROM range({lines}) AS t(i);"
    ))
}

/// A guest of the tests, compiled.
fn from_c(folder: &Path, name: &str) -> Result<PathBuf> {
    let crates = workspace::root().join("crates");
    let wasm = folder.join(format!("{name}.wasm"));
    process::run(
        Command::new("clang")
            .args([
                "--target=wasm32",
                "-O2",
                "-msimd128",
                "-mbulk-memory",
                "-nostdlib",
            ])
            .args(["-Wl,--no-entry", "-Wl,--export-dynamic", "-I"])
            .arg(crates.join("sheaf-guest/include"))
            .arg("-o")
            .args([
                &wasm,
                &crates.join(format!("sheaf-wasm/tests/guests/c/{name}.c")),
            ]),
    )?;
    Ok(wasm)
}
