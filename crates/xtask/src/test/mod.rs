//! `cargo xtask test`: sets a fresh machine up, runs every kind of test, adds up.
//!
//! Every step runs even if an earlier one failed, so that one run tells all there is to tell.
//! Everything is built once, with the features and tests of the whole workspace, so that no step
//! builds the dependencies again.

pub(crate) mod clients;
mod demo;
mod numpy;
mod s3;

use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::process::{self, Tally, cargo, run_tests};
use crate::{machine, tidy, workspace};

/// One step.
pub(crate) struct Step {
    /// Its name on the command line and in the summary.
    pub(crate) name: &'static str,
    /// What it does, for the help.
    pub(crate) doc: &'static str,
    run: fn() -> Result<Tally>,
}

/// Every step, in the order in which they run.
pub(crate) static STEPS: &[Step] = &[
    Step {
        name: "setup",
        doc: "install missing programs",
        run: setup,
    },
    Step {
        name: "format",
        doc: "cargo fmt --check",
        run: format,
    },
    Step {
        name: "clippy",
        doc: "lints, with warnings denied",
        run: clippy,
    },
    Step {
        name: "doc",
        doc: "rustdoc, with warnings denied",
        run: doc,
    },
    Step {
        name: "tidy",
        doc: "layers, file lengths, names",
        run: tidy,
    },
    Step {
        name: "build",
        doc: "everything that the next steps run",
        run: build,
    },
    Step {
        name: "unit",
        doc: "unit and terminal tests",
        run: unit,
    },
    Step {
        name: "doctest",
        doc: "the examples in the documentation",
        run: doctest,
    },
    Step {
        name: "sql",
        doc: "sql-tests in every mode",
        run: sql,
    },
    Step {
        name: "examples",
        doc: "the programs in crates/sheaf/examples",
        run: examples,
    },
    Step {
        name: "numpy",
        doc: "operations on arrays against NumPy, in Rust and in SQL",
        run: numpy::run,
    },
    Step {
        name: "demo",
        doc: "sheaf demo and its numbers",
        run: demo::run,
    },
    Step {
        name: "s3",
        doc: "reading and writing an S3-compatible server",
        run: s3::run,
    },
    Step {
        name: "clients",
        doc: "psql, drivers and tools of PostgreSQL against sheaf serve and PostgreSQL 18",
        run: clients::run,
    },
];

/// What came of a step.
struct Report {
    name: &'static str,
    tally: Tally,
    elapsed: Duration,
}

/// Runs all steps, or those that `arguments` name.
///
/// # Errors
/// A name that is no step; the number of failed tests.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(name) = arguments
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        return Err(Failure::new(format!("there is no step {name}")));
    }
    let mut reports = Vec::new();
    for step in STEPS {
        if !arguments.is_empty() && arguments.iter().all(|name| name != step.name) {
            continue;
        }
        println!("\n== {}: {}", step.name, step.doc);
        let start = Instant::now();
        let tally = (step.run)().unwrap_or_else(|failure| {
            println!("{}: {failure}", step.name);
            Tally::failure(failure.to_string())
        });
        reports.push(Report {
            name: step.name,
            tally,
            elapsed: start.elapsed(),
        });
    }
    summarize(&reports)
}

fn summarize(reports: &[Report]) -> Result<()> {
    println!(
        "\n{:<10} {:>8} {:>8} {:>10}",
        "step", "passed", "failed", "seconds"
    );
    let (mut passed, mut failed, mut elapsed) = (0, 0, Duration::ZERO);
    for report in reports {
        let Report {
            name,
            tally,
            elapsed: seconds,
        } = report;
        let seconds_text = format!("{:.1}", seconds.as_secs_f64());
        println!(
            "{name:<10} {:>8} {:>8} {seconds_text:>10}",
            tally.passed, tally.failed
        );
        passed += tally.passed;
        failed += tally.failed;
        elapsed += *seconds;
    }
    println!(
        "{:<10} {:>8} {:>8} {:>10.1}",
        "all",
        "",
        "",
        elapsed.as_secs_f64()
    );
    println!("\n{passed} passed, {failed} failed");
    for report in reports {
        for fault in &report.tally.faults {
            println!("\n{}: {fault}", report.name);
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::new("there are failed tests"))
    }
}

/// A step that either holds or fails counts as one test.
fn single(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally {
        passed: 1,
        ..Tally::default()
    })
}

fn setup() -> Result<Tally> {
    single(machine::install_programs())
}

fn format() -> Result<Tally> {
    single(process::run(&mut cargo(&["fmt", "--all", "--check"])))
}

fn clippy() -> Result<Tally> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    single(process::run(&mut cargo(&arguments)))
}

fn doc() -> Result<Tally> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    single(process::run(command.env("RUSTDOCFLAGS", "-D warnings")))
}

fn tidy() -> Result<Tally> {
    single(tidy::check(&workspace::root()))
}

fn build() -> Result<Tally> {
    single(process::run(&mut cargo(&[
        "build",
        "--workspace",
        "--all-targets",
    ])))
}

fn unit() -> Result<Tally> {
    // SQL tests have names that hold `.slt`; they are a step of their own.
    let arguments = [
        "test",
        "--workspace",
        "--tests",
        "--no-fail-fast",
        "--",
        "--skip",
        ".slt",
    ];
    run_tests(&mut with_python(&arguments)?)
}

fn doctest() -> Result<Tally> {
    let arguments = ["test", "--workspace", "--doc", "--no-fail-fast"];
    run_tests(&mut with_python(&arguments)?)
}

fn sql() -> Result<Tally> {
    run_tests(&mut with_python(&["test", "--workspace", "--test", "slt"])?)
}

/// What functions in Python import in tests.
pub(crate) const FUNCTION_PACKAGES: &[&str] = &["numpy==2.*", "pandas", "pyarrow"];

/// Cargo, whose tests find the interpreter for functions in Python.
fn with_python(arguments: &[&str]) -> Result<Command> {
    let python = workspace::python("functions", FUNCTION_PACKAGES)?;
    let mut command = cargo(arguments);
    command.env("SHEAF_PYTHON_EXECUTABLE", python);
    Ok(command)
}

/// Minutes of [`fuzz`] if none are given.
const FUZZ_MINUTES: u64 = 10;

/// Reads files and serves clients that nobody would write, for `--minutes`.
///
/// # Errors
/// A file that a reader does not bear, or a client that the server does not; what is no number of
/// minutes.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let minutes = match arguments {
        [] => FUZZ_MINUTES,
        [option, minutes] if option == "--minutes" => minutes
            .parse()
            .map_err(|_| Failure::new(format!("--minutes takes a number, not {minutes}")))?,
        _ => return Err(Failure::new("fuzz takes --minutes N")),
    };
    // Half of the time is the readers' of files, half is the wire's.
    let seconds = (minutes * 30).to_string();
    for package in ["sheaf-sqltest", "sheaf-pgwire"] {
        let mut command = cargo(&["test", "--package", package, "--test", "fuzz"]);
        process::run(command.env("SHEAF_FUZZ_SECONDS", &seconds))?;
    }
    Ok(())
}

/// Runs every example as it was built, each in an empty directory of its own.
fn examples() -> Result<Tally> {
    let folder = workspace::root().join("crates/sheaf/examples");
    let target = workspace::target()?;
    let mut tally = Tally::default();
    for source in workspace::files(&folder, ".rs")? {
        let name = source.file_stem().unwrap_or_default();
        let directory = target.join("xtask/examples").join(name);
        fresh_directory(&directory)?;
        let mut command = Command::new(target.join("debug/examples").join(name));
        match process::run(command.current_dir(&directory)) {
            Ok(()) => tally.passed += 1,
            Err(failure) => {
                println!("{failure}");
                tally.add(Tally::failure(failure.to_string()));
            }
        }
    }
    Ok(tally)
}

/// The `sheaf` that the build step made.
fn sheaf() -> Result<Command> {
    Ok(Command::new(workspace::target()?.join("debug/sheaf")))
}

/// Makes `directory` anew and empty.
fn fresh_directory(directory: &std::path::Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    Ok(std::fs::create_dir_all(directory)?)
}
