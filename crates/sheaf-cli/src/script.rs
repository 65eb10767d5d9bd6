//! Scripts: SQL and backslash commands from `-c`, a file or standard input.
//!
//! A script is cut into pieces line by line: a line that begins with a backslash, where no
//! statement has begun, is a command; other lines gather until their statements are complete. A
//! script stops at its first error.

use std::io::Read;

use sheaf::sql::lexer;
use sheaf::{Result, SheafError};

use crate::arguments::Source;

/// Bytes of a script that are read at most; a longer one is more likely data than SQL.
const SCRIPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Some editors put it before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A script with the name that errors call it by.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file's name; none for `-c`.
    pub(crate) name: Option<String>,
    /// All of it.
    pub(crate) text: String,
}

/// A part of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A backslash command.
    Command(&'a str),
    /// Statements.
    Sql {
        /// Whole lines.
        text: &'a str,
        /// The number of the first one in the script.
        line_first: u64,
    },
}

/// Reads the script that `source` names.
///
/// # Errors
/// `UserInput` or `Data` if it cannot be read or is no text; the message names it.
pub(crate) fn read(source: &Source) -> Result<Script> {
    let (name, text) = match source {
        Source::Text(text) => (None, text.clone()),
        Source::Data(path) => {
            let shown = path.display();
            let name = path.to_str().ok_or_else(|| {
                SheafError::user(format!("the name {shown} is not valid UTF-8, as SQL is"))
                    .with_hint("rename the file")
            })?;
            (None, format!("FROM '{}'", name.replace('\'', "''")))
        }
        Source::Stdin => (
            Some("stdin".to_owned()),
            read_text("stdin", std::io::stdin().lock())?,
        ),
        Source::File(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path)
                .map_err(|error| SheafError::from(error).with_context(&name))?;
            let text = read_text(&name, file)?;
            (Some(name), text)
        }
    };
    Ok(Script { name, text })
}

fn read_text(name: &str, reader: impl Read) -> Result<String> {
    let mut text = String::new();
    let bytes = reader
        .take(SCRIPT_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| SheafError::from(error).with_context(name))?;
    if bytes as u64 > SCRIPT_BYTES_MAX {
        return Err(SheafError::user(format!("{name} is too long for a script")));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok(text)
}

/// Cuts a script into commands and statements.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut start = 0; // of the SQL gathered so far
    let mut line_first = 1;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let gathered = &text[start..at];
        let is_command = line.trim_start().starts_with('\\') && begins_nothing(gathered);
        at += line.len();
        if is_command {
            pieces.push(Piece::Command(line.trim()));
        // Looking for the end is worth its while only where a semicolon can be it.
        } else if !(line.contains(';') && lexer::is_complete(&text[start..at])) {
            continue;
        } else {
            pieces.push(Piece::Sql {
                text: &text[start..at],
                line_first,
            });
        }
        start = at;
        line_first = number + 1;
    }
    if !begins_nothing(&text[start..]) {
        pieces.push(Piece::Sql {
            text: &text[start..],
            line_first,
        });
    }
    pieces
}

/// Whether there is nothing but blanks and line comments.
fn begins_nothing(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("--")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_between_statements_only() {
        let text = "-- a script\n\\timing\nSELECT 1,\n  '\\x' AS \"a;\"\n;\n\n\\x\nSELECT 2";
        let expected = [
            Piece::Command("\\timing"),
            Piece::Sql {
                text: "SELECT 1,\n  '\\x' AS \"a;\"\n;\n",
                line_first: 3,
            },
            Piece::Command("\\x"),
            Piece::Sql {
                text: "SELECT 2",
                line_first: 8,
            },
        ];
        assert_eq!(pieces(text), expected);
        assert_eq!(pieces(" \n-- nothing\n"), []);
        // A line of a string that begins with a backslash is no command.
        let text = "SELECT '\n\\q\n';\n";
        assert_eq!(
            pieces(text),
            [Piece::Sql {
                text,
                line_first: 1
            }]
        );
    }
}
