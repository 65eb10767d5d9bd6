//! The pager: `$SHEAF_PAGER`, `$PAGER`, or `less -SRFX`, for text longer than the terminal.

use std::io::Write;
use std::process::{Command, Stdio};

use sheaf::Result;

use crate::output::Output;
use crate::{environment, terminal};

/// Chops long lines, keeps colours, leaves the text on the screen.
const PAGER_DEFAULT: &str = "less -SRFX";

/// A pager and the length from which text goes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pager {
    /// A command line for the shell.
    pub(crate) command: String,
    /// Lines of the terminal.
    pub(crate) lines_max: usize,
}

impl Pager {
    /// The user's pager for the terminal on standard output; none if that is no terminal.
    pub(crate) fn of_terminal() -> Option<Self> {
        Some(Self {
            command: environment::pager().unwrap_or_else(|| PAGER_DEFAULT.to_owned()),
            lines_max: terminal::output_height()?,
        })
    }
}

/// Writes `text` to `output`, through the pager if there is one and the text is longer than the
/// terminal. A pager that does not start is no obstacle: the text is then written plainly.
///
/// # Errors
/// `Data` if the output cannot be written to.
pub(crate) fn show(text: &str, pager: Option<&Pager>, output: &Output) -> Result<()> {
    if let Some(pager) = pager
        && text.lines().count() >= pager.lines_max
        && page(text, pager).is_some()
    {
        return Ok(());
    }
    let mut output = output.clone();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}

/// `None` if the pager did not run, as the shell reports it.
fn page(text: &str, pager: &Pager) -> Option<()> {
    const NOT_EXECUTABLE: i32 = 126;
    const NOT_FOUND: i32 = 127;
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(&pager.command)
        .envs(environment::less_charset())
        .stdin(Stdio::piped())
        .spawn()
        .ok()?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(text.as_bytes()); // the user may leave before the end
    }
    let status = child.wait().ok()?;
    (!matches!(status.code(), Some(NOT_EXECUTABLE | NOT_FOUND))).then_some(())
}
