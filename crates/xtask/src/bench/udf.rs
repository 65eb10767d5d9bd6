//! Functions in other languages than SQL beside what is built in: one expression over ten million rows, and
//! words of a hundred megabytes of text.
//!
//! Row `i` of `xy` is (i, i), so that the sum of `x * 2 + y` over `n` rows is 3 · n · (n − 1) / 2, exactly.
//! Line `i` of `lines` is ten words, the last of which is `i`: the answers follow from arithmetic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::sheaf::{self, Engine, Query};
use super::{data_directory, report};
use crate::failure::{Context, Failure, Result};
use crate::{process, workspace};

const ROWS: usize = 10_000_000;
const LINES: usize = 2_000_000;
/// What stands before the number in each line, and the words of a line.
const LINE: &str = "the quick brown fox jumps over the lazy dog ";
const WORDS: usize = 10;

/// A query, what it goes through, and what it has to give.
struct Case {
    name: &'static str,
    sql: &'static str,
    /// Millions of rows or bytes.
    millions: f64,
    unit: &'static str,
    answer: String,
}

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
    let cases = cases(rows, lines);
    let queries: Vec<Query> = cases
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
    println!("Best of {} runs.\n", engine.runs);
    println!("| query | seconds | a second | × built in |\n|---|--:|--:|--:|");
    let mut built_in = None;
    for (case, measured) in cases.iter().zip(measurements) {
        let seconds = measured
            .seconds
            .map_err(|reason| Failure::new(format!("{} fails: {reason}", case.name)))?;
        check(case, &answers)?;
        let yardstick = *built_in.get_or_insert(seconds);
        let ratio = match case.unit {
            "rows" => format!("{:.2}", seconds / yardstick),
            _ => String::new(),
        };
        let rate = case.millions / seconds;
        println!(
            "| {} | {seconds:.3} | {rate:.0} M {} | {ratio} |",
            case.name, case.unit
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn cases(rows: usize, lines: usize) -> Vec<Case> {
    let sum = 3 * rows * rows.saturating_sub(1) / 2;
    let bytes = lines * LINE.len() + (0..lines).map(digits).sum::<usize>();
    let over_rows = |name, sql, answer| Case {
        name,
        sql,
        millions: rows as f64 / 1e6,
        unit: "rows",
        answer,
    };
    let words = format!("{}\t{}", lines * WORDS, lines * WORDS * (WORDS + 1) / 2);
    vec![
        over_rows(
            "built in",
            "SELECT sum(x * 2 + y)::BIGINT AS s FROM xy",
            sum.to_string(),
        ),
        over_rows(
            "wasm, values",
            "SELECT sum(score(x, y))::BIGINT AS s FROM xy",
            sum.to_string(),
        ),
        over_rows(
            "wasm, columns",
            "SELECT sum(scores(x, y))::BIGINT AS s FROM xy",
            sum.to_string(),
        ),
        Case {
            name: "wasm, words of text",
            sql: "SELECT count(tok) AS n, sum(pos) AS s FROM lines, LATERAL tokens(line)",
            millions: bytes as f64 / 1e6,
            unit: "bytes",
            answer: words,
        },
    ]
}

fn digits(number: usize) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |digits| digits as usize + 1)
}

/// The answer's last line has to be the one expected.
fn check(case: &Case, answers: &Path) -> Result<()> {
    let path = answers.join(format!("{}.tsv", case.name));
    let text = fs::read_to_string(&path).context(path.display())?;
    match text.lines().last() == Some(case.answer.as_str()) {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{}: {} in place of {}",
            case.name,
            text.trim(),
            case.answer
        ))),
    }
}

/// The functions and tables, in SQL.
fn setup(folder: &Path, rows: usize, lines: usize) -> Result<String> {
    let (numbers, text) = (from_c(folder, "numbers")?, from_c(folder, "text")?);
    let (numbers, text) = (numbers.display(), text.display());
    Ok(format!(
        "CREATE FUNCTION score(x DOUBLE, y DOUBLE) RETURNS DOUBLE IMMUTABLE LANGUAGE wasm AS '{numbers}';
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
