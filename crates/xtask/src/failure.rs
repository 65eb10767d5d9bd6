//! Why a task stopped: one sentence for the person who ran it.

use std::fmt;

/// The result of everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// What went wrong, as text: nobody but a person reads it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure that says `message`.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Says where a failure happened.
pub(crate) trait Context<T> {
    /// The same result, its failure preceded by `place`.
    fn context(self, place: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, place: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{place}: {error}")))
    }
}
