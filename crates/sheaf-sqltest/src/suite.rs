//! From the folder of test files to named tests and their verdicts.
//!
//! Every test has its own sessions, its own runtime and its own scratch directory, so that tests
//! run in any order and beside one another.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sheaf::{Result, SheafError};
use sqllogictest::{AsyncDB, DefaultColumnType, MakeConnection, Record, Runner};

use crate::connection::Connection;
use crate::data;
use crate::modes::{Door, MODES, Mode};
use crate::wire::{self, Served};

/// Label that always holds in `onlyif` and never in `skipif`.
const ENGINE_LABEL: &str = "sheaf";

/// Failures of one file that are shown in full.
const FAILURES_SHOWN_MAX: usize = 40;

/// Runs every `.slt` file below `tests` in every mode, as the command line of a test binary asks;
/// test data is kept below `target`.
pub fn main(tests: &Path, target: &Path) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials =
        data::directory(target).and_then(|data| trials(tests, &Arc::from(data.as_path()), target));
    match trials {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            let failed = Trial::test("setup", move || Err(Failed::from(describe(&error))));
            libtest_mimic::run(&Arguments::default(), vec![failed]).exit_code()
        }
    }
}

/// One test for every file and mode, sorted by file.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn trials(tests: &Path, data: &Arc<Path>, target: &Path) -> Result<Vec<Trial>> {
    let mut files = Vec::new();
    collect_files(tests, &mut files)?;
    files.sort();
    let mut trials = Vec::with_capacity(files.len() * MODES.len());
    for file in files {
        let name = file
            .strip_prefix(tests)
            .unwrap_or(&file)
            .display()
            .to_string();
        for mode in MODES {
            let (file, data, target) = (file.clone(), Arc::clone(data), target.to_path_buf());
            trials.push(Trial::test(format!("{name} [{}]", mode.name), move || {
                run_file(&file, *mode, &data, &target).map_err(Failed::from)
            }));
        }
    }
    Ok(trials)
}

/// Runs one file in one mode; the error is the text that the test shows.
///
/// A record that fails does not end the file, so that one run tells all there is to mend.
///
/// # Errors
/// The records that do not come out as expected, with their places in the file; at most
/// `FAILURES_SHOWN_MAX` of them in full.
pub fn run_file(file: &Path, mode: Mode, data: &Path, target: &Path) -> Result<(), String> {
    let script = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let scratch = tempfile::Builder::new()
        .prefix("scratch-")
        .tempdir_in(target)
        .map_err(|e| format!("scratch directory: {e}"))?;
    let script = substitute(&script, data, scratch.path());
    let records =
        sqllogictest::parse_with_name::<DefaultColumnType>(&script, file.display().to_string())
            .map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("runtime: {e}"))?;
    let failures = match mode.door {
        Door::Process => {
            let runner = Runner::new(|| async { Connection::open(mode) });
            runtime.block_on(failures_of(runner, mode, records))
        }
        Door::Simple | Door::Extended => {
            let served = mode.session().and_then(Served::start);
            let served = Arc::new(served.map_err(|error| describe(&error))?);
            let connect = || async { wire::Connection::open(&served, mode) };
            let mut runner = Runner::new(connect);
            runner.with_validator(wire::rows_agree);
            runtime.block_on(failures_of(runner, mode, records))
        }
    };
    report(failures)
}

/// Runs records one after the other; what did not come out as expected.
async fn failures_of<C, M>(
    mut runner: Runner<C, M>,
    mode: Mode,
    records: Vec<Record<DefaultColumnType>>,
) -> Vec<String>
where
    C: AsyncDB<ColumnType = DefaultColumnType>,
    M: MakeConnection<Conn = C>,
{
    mode.labels().for_each(|label| runner.add_label(label));
    runner.add_label(ENGINE_LABEL);
    runner.with_column_validator(columns_agree);
    let mut failures = Vec::new();
    for record in records {
        match record {
            Record::Halt { .. } => break,
            Record::Include { loc, .. } => {
                failures.push(format!("include is not supported\nat {loc}"));
            }
            record => {
                if let Err(error) = runner.run_async(record).await {
                    failures.push(error.to_string());
                }
            }
        }
    }
    failures
}

/// The verdict on a file, from the failures of its records.
fn report(mut failures: Vec<String>) -> Result<(), String> {
    let count = failures.len();
    if count == 0 {
        return Ok(());
    }
    failures.truncate(FAILURES_SHOWN_MAX);
    let shown = failures.len();
    let rest = if shown < count {
        format!("\n\n… and {} more", count - shown)
    } else {
        String::new()
    };
    Err(format!("{count} failed\n\n{}{rest}", failures.join("\n\n")))
}

/// Puts the two directories where the script names them, in SQL and expectations alike.
fn substitute(script: &str, data: &Path, scratch: &Path) -> String {
    script
        .replace("$DATA", &data.display().to_string())
        .replace("$SCRATCH", &scratch.display().to_string())
}

/// The number of columns must be right, and every type that the test states.
#[expect(clippy::ptr_arg, reason = "the runner's function type takes vectors")]
fn columns_agree(actual: &Vec<DefaultColumnType>, expected: &Vec<DefaultColumnType>) -> bool {
    actual.len() == expected.len()
        && actual
            .iter()
            .zip(expected)
            .all(|(actual, expected)| match (actual, expected) {
                (_, DefaultColumnType::Any) => true,
                (DefaultColumnType::Any, expected) => *expected != DefaultColumnType::Text,
                (actual, expected) => actual == expected,
            })
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .map_err(|e| SheafError::from(e).with_context(folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    Ok(())
}

fn describe(error: &SheafError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} (hint: {hint})"),
        None => error.to_string(),
    }
}
