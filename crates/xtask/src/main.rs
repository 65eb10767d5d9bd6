//! Chores of the repository: `cargo xtask COMMAND`.
//!
//! [`COMMANDS`] is the list of them. The crate depends on nothing, so that it builds in a second
//! on a fresh machine; it sees Sheaf only as a program to run and as text to check.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person at the terminal and has no other way out"
)]

mod bench;
mod failure;
mod machine;
mod process;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use failure::Result;

/// One chore.
struct Command {
    name: &'static str,
    arguments: &'static str,
    doc: &'static str,
    run: fn(&[String]) -> Result<()>,
}

/// Every chore, in the order of the help.
static COMMANDS: &[Command] = &[
    Command {
        name: "test",
        arguments: "[STEP…]",
        doc: "set up what the tests need, then run them all (or only the steps named)",
        run: test::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        doc: "check the layers of the crates and the shape of the source files",
        run: tidy::run,
    },
    Command {
        name: "fuzz",
        arguments: "[--minutes 10]",
        doc: "read files and serve clients that nobody would write, until the time is over",
        run: test::fuzz,
    },
    Command {
        name: "bench",
        arguments: "SUITE [OPTION…]",
        doc: "measure Sheaf, and its peers with --peers, on data made for it",
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        let wanted = matches!(name.as_str(), "" | "help" | "-h" | "--help");
        if !wanted {
            eprintln!("xtask: there is no command {name}\n");
        }
        print_help();
        return ExitCode::from(if wanted { 0 } else { 2 });
    };
    match (command.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("usage: cargo xtask COMMAND\n");
    for command in COMMANDS {
        print_entry(
            &format!("{} {}", command.name, command.arguments),
            command.doc,
        );
    }
    println!("\nsteps of test:");
    for step in test::STEPS {
        print_entry(step.name, step.doc);
    }
    println!("\nsuites of bench:");
    for suite in bench::SUITES {
        print_entry(&format!("{} {}", suite.name, suite.arguments), suite.doc);
    }
}

/// One line of the help, or two if `usage` is long.
fn print_entry(usage: &str, doc: &str) {
    const USAGE_WIDTH: usize = 24;
    if usage.len() < USAGE_WIDTH {
        println!("  {usage:<USAGE_WIDTH$}{doc}");
    } else {
        println!("  {usage}\n  {:<USAGE_WIDTH$}{doc}", "");
    }
}
