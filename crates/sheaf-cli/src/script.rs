//! Scripts: SQL and backslash commands from `-c`, a file or standard input.
//!
//! A script is read line by line, and only as far as what has run: a line that begins with a
//! backslash, where no statement has begun, is a command; other lines gather until a semicolon
//! completes their statements. So a program that writes statements to `sheaf` gets its answers as
//! it goes, and a script may be of any length. A script stops at its first error.

use std::io::{BufRead, BufReader, Cursor, Read};

use sheaf::sql::lexer::{self, StatementEnds};
use sheaf::sql::limits::STATEMENT_BYTES_MAX;
use sheaf::{Result, SheafError};

use crate::arguments::Source;

/// Some editors put it before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A script with the name that errors call it by.
pub(crate) struct Script {
    /// The file's name; none for `-c`.
    pub(crate) name: Option<String>,
    reader: Box<dyn BufRead + Send>,
    /// Lines that have been read.
    line_count: u64,
    /// The SQL that has been read and has not run.
    gathered: String,
    /// The number of its first line.
    line_first: u64,
    ends: StatementEnds,
}

/// A part of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A backslash command.
    Command(String),
    /// Statements.
    Sql {
        /// Their text; blanks stand for what has run of its first line.
        text: String,
        /// The number of the first line in the script.
        line_first: u64,
    },
}

impl Script {
    /// Opens the script that `source` names.
    ///
    /// # Errors
    /// `UserInput` or `Data` if it cannot be read; the message names it.
    pub(crate) fn open(source: Source) -> Result<Self> {
        Ok(match source {
            Source::Text(text) => Self::of_text(text),
            Source::Data(path) => {
                let shown = path.display();
                let name = path.to_str().ok_or_else(|| {
                    SheafError::user(format!("the name {shown} is not valid UTF-8, as SQL is"))
                        .with_hint("rename the file")
                })?;
                Self::of_text(format!("FROM '{}'", name.replace('\'', "''")))
            }
            Source::Stdin => Self::new(Some("stdin".to_owned()), BufReader::new(std::io::stdin())),
            Source::File(path) => {
                let name = path.display().to_string();
                let file = std::fs::File::open(path)
                    .map_err(|error| SheafError::from(error).with_context(&name))?;
                Self::new(Some(name), BufReader::new(file))
            }
        })
    }

    fn of_text(text: String) -> Self {
        Self::new(None, Cursor::new(text))
    }

    fn new(name: Option<String>, reader: impl BufRead + Send + 'static) -> Self {
        Self {
            name,
            reader: Box::new(reader),
            line_count: 0,
            gathered: String::new(),
            line_first: 1,
            ends: StatementEnds::default(),
        }
    }

    /// Reads on until a command or statements are complete; `None` at the end.
    ///
    /// # Memory
    /// The statement that is being read, at most [`STATEMENT_BYTES_MAX`] bytes of it.
    /// # Errors
    /// `UserInput` if a statement is longer; `Data` if the script cannot be read, or is no text.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>> {
        while let Some(line) = self.read_line()? {
            if self.gathered.is_empty() {
                self.line_first = self.line_count;
                if is_nothing(&line) {
                    continue;
                }
                if line.trim_start().starts_with('\\') {
                    return Ok(Some(Piece::Command(line.trim().to_owned())));
                }
            }
            self.gathered.push_str(&line);
            // Looking for the end is worth its while only where a semicolon can be it.
            if line.contains(';')
                && let Some(end) = self.ends.last_end(&self.gathered)
            {
                return Ok(Some(self.take(end)));
            }
        }
        let is_empty = is_nothing(&self.gathered);
        let end = self.gathered.len();
        Ok((!is_empty).then(|| self.take(end)))
    }

    /// Takes the first `end` bytes of what has been gathered.
    fn take(&mut self, end: usize) -> Piece {
        let rest = self.gathered.split_off(end);
        let text = std::mem::take(&mut self.gathered);
        let line_first = self.line_first;
        self.ends = StatementEnds::default();
        if !is_nothing(&rest) {
            // Places in the rest count from the start of its line.
            let line_start = text.rfind('\n').map_or(0, |at| at + 1);
            self.gathered = " ".repeat(text[line_start..].chars().count()) + &rest;
            self.line_first = self.line_count;
        }
        Piece::Sql { text, line_first }
    }

    /// The next line with its end; `None` behind the last one.
    fn read_line(&mut self) -> Result<Option<String>> {
        let room = STATEMENT_BYTES_MAX.saturating_sub(self.gathered.len());
        let mut line = vec![];
        let read = self
            .reader
            .by_ref()
            .take(room as u64 + 1)
            .read_until(b'\n', &mut line);
        read.map_err(|error| self.named(SheafError::from(error)))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.line_count += 1;
        if line.len() > room {
            let line_first = match self.gathered.is_empty() {
                true => self.line_count,
                false => self.line_first,
            };
            return Err(self.named(SheafError::user(format!(
                "the statement on line {line_first} is longer than {} MiB",
                STATEMENT_BYTES_MAX >> 20
            ))));
        }
        let mut line = String::from_utf8(line).map_err(|_| {
            let message = format!("line {} is not UTF-8", self.line_count);
            self.named(SheafError::data(message))
        })?;
        if self.line_count == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.remove(0);
        }
        Ok(Some(line))
    }

    fn named(&self, error: SheafError) -> SheafError {
        match &self.name {
            Some(name) => error.with_context(name),
            None => error,
        }
    }
}

/// Whether there is nothing but blanks and comments.
fn is_nothing(text: &str) -> bool {
    lexer::split(text).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        let mut script = Script::of_text(text.to_owned());
        std::iter::from_fn(|| script.next_piece().unwrap()).collect()
    }

    fn sql(text: &str, line_first: u64) -> Piece {
        let text = text.to_owned();
        Piece::Sql { text, line_first }
    }

    #[test]
    fn commands_stand_between_statements_only() {
        let text = "-- a script\n\\timing\nSELECT 1,\n  '\\x' AS \"a;\"\n;\n\n\\x\nSELECT 2";
        let expected = [
            Piece::Command("\\timing".to_owned()),
            sql("SELECT 1,\n  '\\x' AS \"a;\"\n;", 3),
            Piece::Command("\\x".to_owned()),
            sql("SELECT 2", 8),
        ];
        assert_eq!(pieces(text), expected);
        assert_eq!(pieces(" \n-- nothing\n"), []);
        // A line of a string that begins with a backslash is no command.
        assert_eq!(pieces("SELECT '\n\\q\n';\n"), [sql("SELECT '\n\\q\n';", 1)]);
    }

    #[test]
    fn statements_run_when_their_semicolon_is_read() {
        // What follows on the line waits for its own, at its own place.
        let text = "SELECT 1; /* é; */ SELECT\n2;\nSELECT 3; SELECT 4; /* end */\n\\x\n";
        let expected = [
            sql("SELECT 1;", 1),
            sql("          /* é; */ SELECT\n2;", 1),
            sql("SELECT 3; SELECT 4;", 3),
            Piece::Command("\\x".to_owned()),
        ];
        assert_eq!(pieces(text), expected);
    }

    #[test]
    fn a_piece_is_read_no_further_than_its_line() {
        struct Once(Option<&'static [u8]>);
        impl Read for Once {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let bytes = self.0.take().ok_or(std::io::ErrorKind::UnexpectedEof)?;
                buffer[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let reader = BufReader::new(Once(Some(b"SELECT 1;\nSELECT")));
        let mut script = Script::new(Some("pipe".to_owned()), reader);
        assert_eq!(script.next_piece().unwrap(), Some(sql("SELECT 1;", 1)));
        let error = script.next_piece().unwrap_err();
        assert!(error.message().contains("pipe"), "{error}");
    }

    #[test]
    fn a_statement_without_end_is_refused() {
        let endless = BufReader::new(std::io::repeat(b'x'));
        let mut script = Script::new(None, endless);
        let error = script.next_piece().unwrap_err();
        assert!(error.message().contains("longer than 4 MiB"), "{error}");
        // Comments and blank lines between statements do not count.
        let comment = format!("-- {}\n", "x".repeat(STATEMENT_BYTES_MAX / 3));
        let text = comment.repeat(4) + "SELECT 1;\n";
        assert_eq!(pieces(&text), [sql("SELECT 1;", 5)]);
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let mut script = Script::new(None, Cursor::new(b"SELECT 1;\nSELECT '\xff';\n"));
        assert!(script.next_piece().is_ok());
        let error = script.next_piece().unwrap_err();
        assert!(error.message().contains("line 2"), "{error}");
    }
}
