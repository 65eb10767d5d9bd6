//! `\i`, `\o`, `\e`, `\watch`: scripts, output files, the editor, repetition.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sheaf::{Result, SheafError};

use super::words::words;
use crate::console::{Console, Outcome};
use crate::environment;
use crate::interrupt::Signal;
use crate::output::Output;

/// What `\watch` waits between two runs, unless told.
const WATCH_DEFAULT: Duration = Duration::from_secs(2);
/// Bytes of an edited statement that are taken at most.
const EDITED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// `\i file`.
pub(super) fn include(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let path = one_path("\\i", arguments)?
        .ok_or_else(|| SheafError::user("\\i takes the name of a script"))?;
    let outcome = console.include(&path)?;
    // At the prompt a script's \q ends the script, not the session.
    let ends_script = outcome == Outcome::Quit && console.interactive;
    Ok(if ends_script { Outcome::Done } else { outcome })
}

/// `\o [file]`.
pub(super) fn output(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let output = match one_path("\\o", arguments)? {
        Some(path) => Output::create(&path)?,
        None => Output::stdout(),
    };
    console.redirect(output);
    Ok(Outcome::Done)
}

/// `\e [file]`: what was edited comes back to the prompt, to be looked at and run.
pub(super) fn edit(console: &mut Console, arguments: &str) -> Result<Outcome> {
    if !console.interactive {
        return Err(SheafError::user("\\e is for the prompt"));
    }
    let text = match one_path("\\e", arguments)? {
        Some(path) => {
            run_editor(&path)?;
            read(&path)?
        }
        None => {
            let mut file = tempfile::Builder::new()
                .prefix("sheaf-")
                .suffix(".sql")
                .tempfile()?;
            file.write_all(console.last_sql.as_bytes())?;
            run_editor(file.path())?;
            read(file.path())?
        }
    };
    console.edited = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Outcome::Done)
}

fn run_editor(path: &Path) -> Result<()> {
    let editor = environment::editor();
    // Through the shell, since the variable may hold options.
    let status = Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(SheafError::user(format!("the editor {editor} failed"))
        .with_hint("set EDITOR to the editor you want"))
}

fn read(path: &Path) -> Result<String> {
    let named = |error: std::io::Error| SheafError::from(error).with_context(path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(named)?;
    file.take(EDITED_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(named)?;
    Ok(text)
}

/// `\watch [seconds]`.
pub(super) fn watch(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let pause = match words(arguments)?.first() {
        None => WATCH_DEFAULT,
        Some(word) => word
            .parse()
            .ok()
            .filter(|seconds: &f64| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| SheafError::user(format!("\\watch takes seconds, not \"{word}\"")))?,
    };
    if console.last_sql.is_empty() {
        return Err(SheafError::user("there is no statement to run again"));
    }
    let sql = console.last_sql.clone();
    loop {
        match console.run_sql(&sql, None, 1) {
            Outcome::Done => {}
            // Ctrl-C is the way to end a watch, not a failure.
            Outcome::Cancelled(Signal::Interrupt) => return Ok(Outcome::Done),
            other => return Ok(other),
        }
        if !console.sleep(pause) {
            return Ok(Outcome::Done);
        }
    }
}

/// The only argument as a path, `~` standing for the user's home.
fn one_path(command: &str, arguments: &str) -> Result<Option<PathBuf>> {
    match words(arguments)?.as_slice() {
        [] => Ok(None),
        [path] => Ok(Some(match (path.strip_prefix("~/"), environment::home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        })),
        _ => Err(SheafError::user(format!("{command} takes one file"))
            .with_hint("quote a name that has blanks")),
    }
}
