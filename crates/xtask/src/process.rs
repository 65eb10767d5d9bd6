//! Other programs: run, shown, counted.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// Prefixes of what `cargo run` sets for this program. Inside another cargo they would look like
/// a changed environment to some build scripts and rebuild half of the dependencies.
const CARGO_VARIABLES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Tests that passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
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
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context(shown(command))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            let counted = tally_of(&line);
            tally.passed += counted.passed;
            tally.failed += counted.failed;
        }
    }
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
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
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, tally_of};

    #[test]
    fn results_of_test_binaries_are_counted() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out";
        assert_eq!(
            tally_of(line),
            Tally {
                passed: 12,
                failed: 3
            }
        );
        assert_eq!(tally_of("test a::b ... ok"), Tally::default());
    }
}
