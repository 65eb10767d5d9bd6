//! The one error type of Sheaf.
//!
//! An error has a [`ErrorKind`], which says what the caller must do, and an [`SqlState`], which
//! says precisely what happened in PostgreSQL's terms. The message is lower case, without a full
//! stop, and names the user's object; detail and hint are separate, as psql shows them. Errors of
//! the engine below are translated once, in `convert`.

mod convert;
mod sqlstate;
#[cfg(test)]
mod tests;

use std::fmt;

pub use sqlstate::SqlState;

/// The result of everything in Sheaf that can fail.
pub type Result<T, E = SheafError> = std::result::Result<T, E>;

/// What the caller must do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The statement, name or option is wrong: the user corrects what was typed.
    UserInput,
    /// The data is wrong: the user looks at the file and line the message names.
    Data,
    /// Memory, disk or another budget is spent: the user raises it or asks for less.
    Resource,
    /// Somebody cancelled the query, or its time ran out.
    Cancelled,
    /// The statement is right, but Sheaf cannot do it (yet).
    Unsupported,
    /// A fault of Sheaf itself: please report it.
    Internal,
}

/// A place in the text of a statement; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Line of the text.
    pub line: u64,
    /// Character in that line.
    pub column: u64,
}

/// An error that a person is to read. Small (one pointer), since it travels in every `Result`.
#[derive(Clone)]
pub struct SheafError(Box<Content>);

#[derive(Debug, Clone)]
struct Content {
    kind: ErrorKind,
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<Position>,
}

impl Position {
    /// The same place in a longer text, in which this one's text begins at `start`.
    #[must_use]
    pub fn offset_by(self, start: Position) -> Position {
        let column = match self.line {
            1 => start.column + self.column - 1,
            _ => self.column,
        };
        Position {
            line: start.line + self.line - 1,
            column,
        }
    }
}

impl SheafError {
    /// An error of `kind` whose SQLSTATE is the kind's most general one.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let state = match kind {
            ErrorKind::UserInput => SqlState::SYNTAX_ERROR_OR_ACCESS_RULE,
            ErrorKind::Data => SqlState::DATA_EXCEPTION,
            ErrorKind::Resource => SqlState::INSUFFICIENT_RESOURCES,
            ErrorKind::Cancelled => SqlState::QUERY_CANCELED,
            ErrorKind::Unsupported => SqlState::FEATURE_NOT_SUPPORTED,
            ErrorKind::Internal => SqlState::INTERNAL_ERROR,
        };
        Self(Box::new(Content {
            kind,
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }))
    }

    /// Something the user typed is wrong.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UserInput, message)
    }

    /// Something the user stored is wrong.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// A budget is spent.
    pub fn resource(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Resource, message)
    }

    /// The query was cancelled.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cancelled, message)
    }

    /// A right statement that Sheaf cannot run.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A fault of Sheaf.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same error with a more precise SQLSTATE.
    #[must_use]
    pub fn with_state(mut self, state: SqlState) -> Self {
        self.0.state = state;
        self
    }

    /// The same error with a second sentence of facts.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same error with advice on what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error, placed in the statement's text.
    #[must_use]
    pub fn with_position(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// The same error with its place in the text, unless it has one.
    #[must_use]
    pub fn with_position_if_none(mut self, position: Option<Position>) -> Self {
        self.0.position = self.0.position.or(position);
        self
    }

    /// The same error without its place, where the place is in a text the user does not see.
    #[must_use]
    pub fn without_position(mut self) -> Self {
        self.0.position = None;
        self
    }

    /// The same error, its message preceded by `context` (`"sales.csv: "`, say).
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The same error with its message changed by `change`; detail and hint stay.
    #[must_use]
    pub fn map_message(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.0.message = change(&self.0.message);
        self
    }

    /// The same error with each of its texts changed by `change`.
    #[must_use]
    pub fn map_texts(mut self, change: impl Fn(&str) -> String) -> Self {
        let content = self.0.as_mut();
        content.message = change(&content.message);
        for text in [&mut content.detail, &mut content.hint]
            .into_iter()
            .flatten()
        {
            *text = change(text);
        }
        self
    }

    /// What the caller must do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, in PostgreSQL's terms.
    #[must_use]
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// The message alone, without detail and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// A second sentence of facts.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement's text.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl fmt::Display for SheafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for SheafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SheafError {}
