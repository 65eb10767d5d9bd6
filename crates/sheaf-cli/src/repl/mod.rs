//! The prompt: reads a statement or a backslash command, runs it, and asks for the next.
//!
//! A statement may span lines; it is complete at its semicolon. While it is typed, Ctrl-C clears
//! it; while it runs, Ctrl-C cancels it; Ctrl-D on an empty line leaves, as does a SIGTERM.

pub(crate) mod commands;
mod complete;
mod editor;
mod highlight;

use std::io::Write;

use rustyline::error::ReadlineError;
use sheaf::{Result, SheafError};

use crate::console::{Console, Outcome};
use crate::terminal::{self, Paint};

/// Rows that a box shows at the prompt, where a pager takes what the screen cannot.
pub(crate) const BOX_ROWS_DEFAULT: usize = 200;

/// The prompt's text.
const PROMPT: &str = "sheaf> ";

/// Runs the prompt until the user leaves.
///
/// # Errors
/// `Data` if the terminal cannot be used.
pub(crate) fn run(console: &mut Console) -> Result<Outcome> {
    console.interactive = true;
    console.tells_tags = true;
    let mut editor = editor::Editor::new(console.session.clone())?;
    greet(console)?;
    loop {
        if let Some(signal) = console.ending() {
            return Ok(Outcome::Cancelled(signal));
        }
        let initial = console.edited.take().unwrap_or_default();
        match editor.read(&prompt(), &initial) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                editor.remember(&text);
                if run_entry(console, &text) == Outcome::Quit {
                    return Ok(Outcome::Done);
                }
            }
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Eof) => return Ok(Outcome::Done),
            Err(error) => return Err(SheafError::data(error.to_string()).with_context("terminal")),
        }
    }
}

fn run_entry(console: &mut Console, text: &str) -> Outcome {
    let command = text.trim();
    let outcome = if command.starts_with('\\') {
        console.run_command(command)
    } else {
        console.run_sql(text, None, 1)
    };
    if outcome == Outcome::Closed {
        // A file or pipe given by \o went away: results go to the terminal again.
        console.redirect(crate::output::Output::stdout());
    }
    outcome
}

fn prompt() -> (String, String) {
    let paint = Paint::of_terminal(terminal::is_output_terminal());
    (PROMPT.to_owned(), paint.bold(PROMPT))
}

fn greet(console: &Console) -> Result<()> {
    let mut output = console.output().clone();
    let version = env!("CARGO_PKG_VERSION");
    writeln!(
        output,
        "sheaf {version} · \\? for help, \\q to leave, statements end with ;"
    )?;
    Ok(output.flush()?)
}
