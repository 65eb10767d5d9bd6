//! Run-time parameters that clients of PostgreSQL set and ask for, one list. Most say what Sheaf is
//! and cannot be otherwise; some are kept for the client's sake alone. Three are Sheaf's own under
//! another name, or the same ([`ENGINE_NAMES`]); whatever is not listed is a setting of the engine.

use sheaf::{Result, SheafError, SqlState};

pub(crate) use sheaf::postgres::SERVER_VERSION;

/// What values a parameter takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// What the server is.
    Fixed,
    /// Its value, or another way to write it.
    Only(&'static [&'static str]),
    /// Anything; nothing but SHOW knows it.
    Anything,
}

struct Declared {
    name: &'static str,
    default: &'static str,
    takes: Takes,
    /// Whether clients are told of it when they connect and when it changes.
    is_reported: bool,
}

const fn parameter(name: &'static str, default: &'static str, takes: Takes) -> Declared {
    Declared {
        name,
        default,
        takes,
        is_reported: false,
    }
}

const fn reported(name: &'static str, default: &'static str, takes: Takes) -> Declared {
    Declared {
        name,
        default,
        takes,
        is_reported: true,
    }
}

/// PostgreSQL's names of settings that the engine has.
pub(crate) const ENGINE_NAMES: &[(&str, &str)] = &[("timezone", "time_zone")];
/// The one of them that clients are told of.
pub(crate) const TIME_ZONE: &str = "TimeZone";

static DECLARED: &[Declared] = &[
    reported("application_name", "", Takes::Anything),
    reported(
        "client_encoding",
        "UTF8",
        Takes::Only(&["utf8", "utf-8", "unicode"]),
    ),
    reported(
        "DateStyle",
        "ISO, MDY",
        Takes::Only(&[
            "iso, mdy", "iso,mdy", "iso", "iso, dmy", "iso, ymd", "iso,ymd",
        ]),
    ),
    reported(
        "default_transaction_read_only",
        "on",
        Takes::Only(&["on", "true", "off", "false"]),
    ),
    reported("in_hot_standby", "off", Takes::Fixed),
    reported("integer_datetimes", "on", Takes::Fixed),
    reported("IntervalStyle", "postgres", Takes::Only(&["postgres"])),
    reported("is_superuser", "off", Takes::Fixed),
    reported("scram_iterations", "15000", Takes::Fixed),
    reported("search_path", "\"$user\", public", Takes::Anything),
    reported("server_encoding", "UTF8", Takes::Fixed),
    reported("server_version", SERVER_VERSION, Takes::Fixed),
    reported("session_authorization", "", Takes::Fixed),
    reported(
        "standard_conforming_strings",
        "on",
        Takes::Only(&["on", "true"]),
    ),
    parameter("backslash_quote", "safe_encoding", Takes::Anything),
    parameter("bytea_output", "hex", Takes::Only(&["hex"])),
    parameter("check_function_bodies", "on", Takes::Anything),
    parameter("client_min_messages", "notice", Takes::Anything),
    parameter("default_table_access_method", "heap", Takes::Anything),
    parameter("default_tablespace", "", Takes::Anything),
    parameter(
        "default_transaction_isolation",
        "read committed",
        Takes::Anything,
    ),
    parameter("escape_string_warning", "on", Takes::Anything),
    parameter("extra_float_digits", "1", Takes::Anything),
    parameter("idle_in_transaction_session_timeout", "0", Takes::Anything),
    parameter("jit", "off", Takes::Anything),
    parameter("lock_timeout", "0", Takes::Anything),
    parameter("max_identifier_length", "63", Takes::Fixed),
    parameter("quote_all_identifiers", "off", Takes::Anything),
    parameter("row_security", "on", Takes::Anything),
    parameter("server_version_num", "180000", Takes::Fixed),
    parameter("synchronize_seqscans", "on", Takes::Anything),
    parameter("transaction_isolation", "read committed", Takes::Anything),
    parameter("transaction_read_only", "on", Takes::Only(&["on", "true"])),
    parameter("transaction_timeout", "0", Takes::Anything),
    parameter("xmloption", "content", Takes::Anything),
];

/// Bytes that the value of a parameter may have.
const VALUE_BYTES_MAX: usize = 4096;

/// The parameters of one session.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    /// `values[i]` belongs to `DECLARED[i]`; `None` is what the session began with.
    values: Vec<Option<String>>,
    /// What RESET gives back.
    initial: Vec<Option<String>>,
}

impl Parameters {
    /// The parameters of a user's session.
    pub(crate) fn new(user: &str, is_superuser: bool) -> Self {
        let initial: Vec<_> = DECLARED
            .iter()
            .map(|declared| match declared.name {
                "session_authorization" => Some(user.to_owned()),
                "is_superuser" if is_superuser => Some("on".to_owned()),
                _ => None,
            })
            .collect();
        Self {
            values: initial.clone(),
            initial,
        }
    }

    /// What was set so far is what RESET gives back: the startup message has been read.
    pub(crate) fn begin(&mut self) {
        self.initial.clone_from(&self.values);
    }

    /// The value of `name`, if it is listed.
    pub(crate) fn get(&self, name: &str) -> Option<(&'static str, &str)> {
        let index = find(name)?;
        Some((DECLARED[index].name, self.at(index)))
    }

    fn at(&self, index: usize) -> &str {
        self.values[index]
            .as_deref()
            .unwrap_or(DECLARED[index].default)
    }

    /// Gives `name` a value, if it is listed. What the client is to be told of it then: its name and
    /// value, if it is one of those.
    ///
    /// # Errors
    /// `UserInput` if it cannot have this value.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Option<Change>> {
        let Some(index) = find(name) else {
            return Ok(None);
        };
        let declared = &DECLARED[index];
        if value.len() > VALUE_BYTES_MAX {
            return Err(SheafError::user(format!("the value of {name} is too long"))
                .with_state(SqlState::INVALID_PARAMETER_VALUE));
        }
        match declared.takes {
            Takes::Anything => self.values[index] = Some(value.to_owned()),
            Takes::Fixed => {
                return Err(SheafError::user(format!(
                    "parameter \"{}\" cannot be changed",
                    declared.name
                ))
                .with_state(SqlState::INVALID_PARAMETER_VALUE));
            }
            // All of them mean what it is already.
            Takes::Only(values) if values.iter().any(|v| is_same(v, value)) => {}
            Takes::Only(_) => {
                return Err(SheafError::unsupported(format!(
                    "parameter \"{}\" cannot be \"{value}\"",
                    declared.name
                ))
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
                .with_hint(format!("it is \"{}\" always", declared.default)));
            }
        }
        Ok(Some(self.change(index)))
    }

    /// Gives `name` back what the session began with, if it is listed.
    pub(crate) fn reset(&mut self, name: &str) -> Option<Change> {
        let index = find(name)?;
        self.values[index].clone_from(&self.initial[index]);
        Some(self.change(index))
    }

    /// Gives all back what the session began with; those that the client is told of.
    pub(crate) fn reset_all(&mut self) -> Vec<Change> {
        self.values.clone_from(&self.initial);
        self.reported()
    }

    /// Those that clients are told of.
    pub(crate) fn reported(&self) -> Vec<Change> {
        let all = (0..DECLARED.len()).map(|index| self.change(index));
        all.filter(|change| change.is_reported).collect()
    }

    fn change(&self, index: usize) -> Change {
        Change {
            name: DECLARED[index].name,
            value: self.at(index).to_owned(),
            is_reported: DECLARED[index].is_reported,
        }
    }
}

/// A parameter that has a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) is_reported: bool,
}

/// Case does not matter, nor do quotes that a client leaves around a value of its startup message.
fn is_same(known: &str, value: &str) -> bool {
    known.eq_ignore_ascii_case(value.trim_matches('\''))
}

fn find(name: &str) -> Option<usize> {
    DECLARED
        .iter()
        .position(|d| d.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_is_cannot_be_set() {
        let mut parameters = Parameters::new("ann", false);
        assert_eq!(
            parameters.get("SERVER_VERSION"),
            Some(("server_version", "18.0"))
        );
        assert_eq!(parameters.get("session_authorization").unwrap().1, "ann");
        assert!(parameters.set("is_superuser", "on").is_err());
        assert!(parameters.set("client_encoding", "latin1").is_err());
        assert!(
            parameters
                .set("client_encoding", "utf-8")
                .unwrap()
                .is_some()
        );
        assert!(
            parameters.set("client_encoding", "'utf-8'").is_ok(),
            "asyncpg"
        );
        assert!(parameters.set("memory_limit", "1GB").unwrap().is_none());
        parameters.set("application_name", "psql").unwrap();
        parameters.begin();
        parameters.set("application_name", "other").unwrap();
        let change = parameters.reset("application_name").unwrap();
        assert_eq!((change.value.as_str(), change.is_reported), ("psql", true));
    }
}
