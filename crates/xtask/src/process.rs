//! Other programs: run, shown, counted.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// Prefixes of what `cargo run` sets for this program. Inside another cargo they would look like
/// a changed environment to some build scripts and rebuild half of the dependencies.
const CARGO_VARIABLES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Most lines that are kept of a failed test's output, and of a program that ended without a result.
const LINES_OF_FAULT: usize = 30;

/// Tests that passed and failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// What is known of those that failed, for the end of the run.
    pub(crate) faults: Vec<String>,
}

impl Tally {
    /// One failed test and what there is to say about it.
    pub(crate) fn failure(fault: impl Into<String>) -> Self {
        Self {
            passed: 0,
            failed: 1,
            faults: vec![fault.into()],
        }
    }

    /// Adds what came of other tests.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.faults.extend(other.faults);
    }
}

/// Cargo in the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(workspace::root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if CARGO_VARIABLES
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` with our own input and output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().context(shown(command))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} ended with {status}",
        shown(command)
    )))
}

/// Runs `command` and gives its standard output; standard error is part of the failure.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(shown(command))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!(
        "{} ended with {}\n{errors}",
        shown(command),
        output.status
    )))
}

/// Whether `command` can be run and ends well; it stays silent.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs a command that runs tests, shows its output and adds up what it reports.
///
/// A command that ends badly without reporting a failed test (it did not build, say) counts as one.
pub(crate) fn run_tests(command: &mut Command) -> Result<Tally> {
    println!("$ {}", shown(command));
    // One pipe for both, so that lines stay in order and the faults know them all.
    let (output, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn().context(shown(command));
    // The command keeps its ends of the pipe open; without them it ends with the child.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut child = child?;
    let mut tally = Tally::default();
    let mut faults = Faults::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        tally.add(tally_of(&line));
        faults.read(line);
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        let last = faults.last.into_iter().collect::<Vec<_>>().join("\n");
        tally.add(Tally::failure(format!(
            "{} ended with {status} after\n{last}",
            shown(command)
        )));
    }
    tally.faults.extend(faults.found);
    Ok(tally)
}

/// Finds what test programs say of failed tests: a line each, or a section under `---- name ----`.
#[derive(Default)]
struct Faults {
    found: Vec<String>,
    /// Lines that the section being read may still have.
    room: usize,
    /// The last lines of the output.
    last: VecDeque<String>,
}

impl Faults {
    fn read(&mut self, line: String) {
        let is_heading = line.starts_with("---- ") && line.ends_with(" ----");
        let is_end = line == "failures:" || line.starts_with("test result: ");
        if is_heading || line.starts_with("FAILED ") {
            self.found.push(line.clone());
            self.room = if is_heading { LINES_OF_FAULT } else { 0 };
        } else if is_end {
            self.room = 0;
        } else if let (1.., Some(section)) = (self.room, self.found.last_mut()) {
            section.push('\n');
            section.push_str(&line);
            self.room -= 1;
        }
        if self.last.len() == LINES_OF_FAULT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What `test result: ok. 12 passed; 0 failed; …` reports; nothing for other lines.
fn tally_of(line: &str) -> Tally {
    let Some((_, counts)) = line
        .strip_prefix("test result: ")
        .and_then(|l| l.split_once(". "))
    else {
        return Tally::default();
    };
    let count = |label: &str| {
        let part = counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(label));
        part.and_then(|number| number.trim().parse().ok())
            .unwrap_or(0)
    };
    Tally {
        passed: count(" passed"),
        failed: count(" failed"),
        faults: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Faults, LINES_OF_FAULT, Tally, tally_of};

    #[test]
    fn results_of_test_binaries_are_counted() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(
            tally_of(line),
            Tally {
                passed: 12,
                failed: 3,
                faults: Vec::new(),
            }
        );
        assert_eq!(tally_of("test a::b ... ok"), Tally::default());
    }

    #[test]
    fn faults_are_the_sections_of_failed_tests() {
        let output = "running 2 tests
test a ... ok
test b ... FAILED

failures:

---- b stdout ----
thread 'b' panicked at src/lib.rs:1:1:
left is not right

failures:
    b

test result: FAILED. 1 passed; 1 failed; 0 ignored
FAILED  a client: it said no
passed  another";
        let mut faults = Faults::default();
        for line in output.lines() {
            faults.read(line.to_owned());
        }
        let section =
            "---- b stdout ----\nthread 'b' panicked at src/lib.rs:1:1:\nleft is not right\n";
        assert_eq!(faults.found, [section, "FAILED  a client: it said no"]);
    }

    #[test]
    fn a_long_fault_is_cut() {
        let mut faults = Faults::default();
        faults.read("---- b stdout ----".to_owned());
        for _ in 0..1000 {
            faults.read("words".to_owned());
        }
        assert_eq!(faults.found.len(), 1);
        assert_eq!(faults.found[0].lines().count(), 1 + LINES_OF_FAULT);
        assert_eq!(faults.last.len(), LINES_OF_FAULT);
    }
}
