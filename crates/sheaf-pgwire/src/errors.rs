//! What can end a message, a statement or a connection, and its fields on the wire.

use std::io;

use sheaf::{SheafError, SqlState};

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client made a mistake, or the statement failed: it is told, and the connection goes on.
    Error(SheafError),
    /// The connection cannot go on: the client is told, and it is closed.
    Fatal(SheafError),
    /// The client has gone; nobody can be told.
    Gone,
}

pub(crate) type Flow<T> = Result<T, Failure>;

impl From<SheafError> for Failure {
    fn from(error: SheafError) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Failure {
    /// The failure, as one that ends the connection.
    pub(crate) fn fatal(self) -> Self {
        match self {
            Self::Error(error) => Self::Fatal(error),
            other => other,
        }
    }
}

/// A client that does not speak the protocol. What it sends next cannot be trusted to begin where
/// a message begins.
pub(crate) fn violation(message: impl Into<String>) -> Failure {
    Failure::Fatal(protocol_error(message))
}

/// The error of a message that is not as it should be.
pub(crate) fn protocol_error(message: impl Into<String>) -> SheafError {
    SheafError::user(message).with_state(SqlState::PROTOCOL_VIOLATION)
}

/// How bad an error or a notice is, in the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Fatal,
    Warning,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
        }
    }
}

/// The fields of an error, each with its letter. `sql` is the text in which the error's place is
/// meant; clients want it as a number of characters, counted from 1.
pub(crate) fn fields(
    error: &SheafError,
    severity: Severity,
    sql: Option<&str>,
) -> Vec<(u8, String)> {
    let mut fields = vec![
        (b'S', severity.name().to_owned()),
        (b'V', severity.name().to_owned()),
        (b'C', error.state().code().to_owned()),
        (b'M', error.message().to_owned()),
    ];
    fields.extend(error.detail().map(|text| (b'D', text.to_owned())));
    fields.extend(error.hint().map(|text| (b'H', text.to_owned())));
    let offset = sql
        .zip(error.position())
        .and_then(|(sql, position)| character_offset(sql, position.line, position.column));
    fields.extend(offset.map(|offset| (b'P', offset.to_string())));
    fields
}

/// The place of a line and column (both from 1) in `sql`, in characters from 1.
fn character_offset(sql: &str, line: u64, column: u64) -> Option<u64> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines = sql.split_inclusive('\n').take(before);
    let characters: usize = lines.map(|line| line.chars().count()).sum();
    u64::try_from(characters).ok()?.checked_add(column)
}

#[cfg(test)]
mod tests {
    use sheaf::Position;

    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        // "é" is two bytes and one character: line 2, column 3 is the ninth character.
        assert_eq!(character_offset("séléct\nxyz", 2, 3), Some(10));
        assert_eq!(character_offset("x", 1, 1), Some(1));
        assert_eq!(character_offset("x", 0, 1), None);
        let position = Position { line: 1, column: 8 };
        let error = SheafError::user("no")
            .with_position(position)
            .with_hint("yes");
        let fields = fields(&error, Severity::Error, Some("SELECT x"));
        assert!(fields.contains(&(b'P', "8".to_owned())));
        assert!(fields.contains(&(b'H', "yes".to_owned())));
        assert!(fields.contains(&(b'C', "42000".to_owned())));
    }
}
