//! The options by which a read goes on from bad records, which several formats share.

use sheaf_base::{Result, SheafError};

use super::{OptionDecl, OptionKind, one_of, option};
use crate::request::{OptionValue, take};

/// What becomes of a record that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnError {
    /// The query fails.
    #[default]
    Fail,
    /// It is left out.
    Skip,
    /// It is NULL, or what is wrong of it.
    Null,
    /// It is left out, and kept in a table.
    Quarantine,
}

/// Every way to go on, by the name that the option `on_error` takes.
static WAYS_ON: &[(&str, OnError)] = &[
    ("fail", OnError::Fail),
    ("skip", OnError::Skip),
    ("null", OnError::Null),
    ("quarantine", OnError::Quarantine),
];

/// What the user said about bad records.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorOptions {
    pub(crate) on_error: OnError,
    /// The table of bad records.
    pub(crate) quarantine: Option<String>,
    /// Records that may be bad; `None` for any number.
    pub(crate) errors_max: Option<u64>,
}

/// Options of formats whose records may be bad.
pub static ERROR_OPTIONS: &[OptionDecl] = &[
    option(
        "on_error",
        &[],
        OptionKind::Text,
        "fail",
        "What becomes of a record that is not what it should be: fail ends the query, skip leaves \
         the record out, null makes it NULL (of a table's columns, those that are wrong), \
         quarantine leaves it out and keeps it in a table.",
    ),
    option(
        "quarantine",
        &[],
        OptionKind::Text,
        "none",
        "The table that bad records become rows of when the query ends well: _path, _line, _offset, \
         raw, error. It is made if there is none.",
    ),
    option(
        "max_errors",
        &[],
        OptionKind::Integer,
        "any number",
        "Bad records above which the query fails all the same.",
    ),
];

impl ErrorOptions {
    /// Reads an option of [`ERROR_OPTIONS`]; false if `decl` is another.
    pub(super) fn read(&mut self, decl: &OptionDecl, value: &OptionValue) -> Result<bool> {
        let name = decl.name;
        match name {
            "on_error" => self.on_error = one_of(name, value, WAYS_ON)?,
            "quarantine" => {
                self.quarantine = Some(take(name, value.as_text(), decl.kind.describe())?);
            }
            "max_errors" => {
                let count = value.as_integer().and_then(|n| u64::try_from(n).ok());
                self.errors_max = Some(take(name, count, "a number of records, from 0")?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks that a quarantine has a table, and a table a quarantine.
    ///
    /// # Errors
    /// `UserInput` if not.
    pub(super) fn check(&self) -> Result<()> {
        match (self.on_error, &self.quarantine) {
            (OnError::Quarantine, None) => {
                let error = SheafError::user("a quarantine needs the name of its table");
                Err(error.with_hint("quarantine => 'rejected'"))
            }
            (OnError::Quarantine, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err(SheafError::user(
                "quarantine goes with on_error => 'quarantine'",
            )),
        }
    }
}
