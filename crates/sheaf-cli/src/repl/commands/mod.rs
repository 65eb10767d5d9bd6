//! psql's backslash commands: one declared list, from which parsing, `\?` and completion are made.

mod describe;
mod display;
mod files;
mod help;
#[cfg(test)]
mod tests;
mod words;

use sheaf::suggest::nearest;
use sheaf::{Result, SheafError};

use crate::console::{Console, Outcome};

/// A backslash command, as declared.
pub(crate) struct Command {
    /// Its name with the backslash; aliases follow it.
    pub(crate) names: &'static [&'static str],
    /// Its arguments, as help shows them.
    pub(crate) arguments: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
    /// Does it; the arguments are the rest of the line.
    run: fn(&mut Console, &str) -> Result<Outcome>,
}

/// Every command, in the order in which `\?` shows them.
pub(crate) static COMMANDS: &[Command] = &[
    Command {
        names: &["\\?"],
        arguments: "",
        help: "list the commands",
        run: help::commands,
    },
    Command {
        names: &["\\h", "\\help"],
        arguments: "[TOPIC]",
        help: "explain an SQL statement, settings, formats or a function",
        run: help::topic,
    },
    Command {
        names: &["\\q", "\\quit"],
        arguments: "",
        help: "leave",
        run: |_, _| Ok(Outcome::Quit),
    },
    Command {
        names: &["\\d"],
        arguments: "[NAME]",
        help: "describe a table, view or file; without a name, list tables and views",
        run: describe::describe,
    },
    Command {
        names: &["\\dt"],
        arguments: "[PATTERN]",
        help: "list tables",
        run: describe::tables,
    },
    Command {
        names: &["\\dv"],
        arguments: "[PATTERN]",
        help: "list views",
        run: describe::views,
    },
    Command {
        names: &["\\df"],
        arguments: "[PATTERN]",
        help: "list functions",
        run: describe::functions,
    },
    Command {
        names: &["\\l"],
        arguments: "",
        help: "list databases and schemas",
        run: describe::databases,
    },
    Command {
        names: &["\\x"],
        arguments: "[on|off|auto]",
        help: "show each row as a list of its values",
        run: display::expanded,
    },
    Command {
        names: &["\\timing"],
        arguments: "[on|off]",
        help: "show time and memory under results",
        run: display::timing,
    },
    Command {
        names: &["\\pset"],
        arguments: "[NAME [VALUE]]",
        help: "show or change how results are shown",
        run: display::pset,
    },
    Command {
        names: &["\\set"],
        arguments: "[NAME [VALUE]]",
        help: "list variables, or give one a value, for :name, :'name', :\"name\"",
        run: display::set,
    },
    Command {
        names: &["\\unset"],
        arguments: "NAME",
        help: "take a variable's value away",
        run: display::unset,
    },
    Command {
        names: &["\\i", "\\include"],
        arguments: "FILE",
        help: "run a script",
        run: files::include,
    },
    Command {
        names: &["\\o", "\\out"],
        arguments: "[FILE]",
        help: "send results to a file; without one, to the terminal again",
        run: files::output,
    },
    Command {
        names: &["\\e", "\\edit"],
        arguments: "[FILE]",
        help: "edit the last statement, or a file, in $EDITOR",
        run: files::edit,
    },
    Command {
        names: &["\\watch"],
        arguments: "[SECONDS]",
        help: "run the last statement again and again, until Ctrl-C",
        run: files::watch,
    },
];

/// Runs `line`, which begins with a backslash.
///
/// # Errors
/// `UserInput` if there is no such command, and what the command raises.
pub(crate) fn run(console: &mut Console, line: &str) -> Result<Outcome> {
    let (name, arguments) = split(line);
    (find(name)?.run)(console, arguments)
}

/// The command's name and the rest of the line, without blanks and a semicolon at its end.
fn split(line: &str) -> (&str, &str) {
    let line = line.trim().trim_end_matches(';').trim_end();
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (name, arguments) = line.split_at(end);
    (name, arguments.trim())
}

fn find(name: &str) -> Result<&'static Command> {
    let names = || COMMANDS.iter().flat_map(|c| c.names).copied();
    COMMANDS
        .iter()
        .find(|command| command.names.contains(&name))
        .ok_or_else(|| {
            let error = SheafError::user(format!("there is no command {name}"));
            match nearest(name, names()).filter(|near| *near != "\\?") {
                Some(near) => error.with_hint(format!("did you mean {near}?")),
                None => error.with_hint("\\? lists the commands"),
            }
        })
}

/// `on`, `off`, or the other of what is: what psql's switches take.
fn switch(command: &str, argument: &str, now: bool) -> Result<bool> {
    match argument.to_ascii_lowercase().as_str() {
        "" => Ok(!now),
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(SheafError::user(format!(
            "{command} takes on or off, not \"{argument}\""
        ))),
    }
}
