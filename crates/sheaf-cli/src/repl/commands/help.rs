//! `\?` and `\h`: help at the prompt.

use sheaf::suggest::nearest;
use sheaf::{FunctionName, Result, SheafError};

use super::COMMANDS;
use crate::console::{Console, Outcome};
use crate::help::{self, SQL_TOPICS, Topic};

/// `\?`.
pub(super) fn commands(console: &mut Console, _arguments: &str) -> Result<Outcome> {
    console.show(&command_list())?;
    Ok(Outcome::Done)
}

/// The list of commands, one a line.
fn command_list() -> String {
    let lines = COMMANDS.iter().map(|command| {
        let call = format!("{} {}", command.names.join(", "), command.arguments);
        format!("  {:<28}{}\n", call.trim_end(), command.help)
    });
    let keys =
        "\n  Tab completes names and, within quotes, paths. Ctrl-C cancels, Ctrl-D leaves.\n";
    lines.chain([keys.to_owned()]).collect()
}

/// `\h [topic]`.
pub(super) fn topic(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let text = match arguments {
        "" => help::sql_overview(),
        "settings" => help::text(Topic::Settings),
        "formats" => help::text(Topic::Formats),
        other => statement_or_function(console, other)?,
    };
    console.show(&text)?;
    Ok(Outcome::Done)
}

fn statement_or_function(console: &Console, wanted: &str) -> Result<String> {
    let upper = wanted.to_uppercase();
    let topics: Vec<String> = SQL_TOPICS
        .iter()
        .filter(|topic| topic.name.starts_with(&upper))
        .map(help::SqlTopic::text)
        .collect();
    if !topics.is_empty() {
        return Ok(topics.join("\n"));
    }
    let names = console.session.names();
    let name = wanted.trim_end_matches("()");
    if let Some(function) = names
        .functions
        .iter()
        .find(|f| f.name.eq_ignore_ascii_case(name))
    {
        return Ok(function_text(function));
    }
    let known = SQL_TOPICS
        .iter()
        .map(|topic| topic.name)
        .chain(names.functions.iter().map(|f| f.name.as_str()));
    let error = SheafError::user(format!("there is no help on \"{wanted}\""));
    Err(match nearest(wanted, known) {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => error.with_hint("\\h lists the statements, \\df the functions"),
    })
}

fn function_text(function: &FunctionName) -> String {
    let mut out = format!("{} ({} function)\n", function.name, function.kind);
    let parts = [
        ("", &function.syntax),
        ("", &function.description),
        ("Example:\n", &function.example),
    ];
    for (title, part) in parts {
        if let Some(part) = part {
            out.push_str(&format!("\n{title}{}\n", part.trim()));
        }
    }
    out
}
