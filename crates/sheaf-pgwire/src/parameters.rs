//! Run-time parameters that clients of PostgreSQL set and ask for, one list. Most say what Sheaf is
//! and cannot be otherwise; some are kept for the client's sake alone. Some are Sheaf's own under
//! another name, or the same ([`ENGINE_NAMES`]); a name with a point in it is the client's own; whatever
//! else is not listed is a setting of the engine.

use std::collections::BTreeMap;

use sheaf::postgres::{PARAMETERS, Takes};
use sheaf::{Result, SheafError, SqlState};

pub(crate) use sheaf::postgres::{
    APPLICATION_NAME, DEFAULT_ISOLATION, ENGINE_NAMES, TIME_ZONE, TRANSACTION_ISOLATION,
};

/// Bytes that the value of a parameter may have.
const VALUE_BYTES_MAX: usize = 4096;
/// Parameters of a client's own, whose names have a point in them.
const CUSTOM_MAX: usize = 1_000;
/// Bytes that such a name may have.
const CUSTOM_BYTES_MAX: usize = 255;
/// Names that begin so are the engine's.
const ENGINE_PREFIX: &str = "datafusion.";

/// The parameters of one session.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    /// `values[i]` belongs to `PARAMETERS[i]`; `None` is what the session began with.
    values: Vec<Option<String>>,
    /// What RESET gives back.
    initial: Vec<Option<String>>,
    /// Those of the client's own; no other name may be in both lists.
    custom: BTreeMap<String, String>,
    user: String,
}

/// The value of a parameter at some time, to be given back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saved {
    Listed(usize, Option<String>),
    Custom(String, Option<String>),
}

impl Parameters {
    /// The parameters of a user's session.
    pub(crate) fn new(user: &str, is_superuser: bool) -> Self {
        let initial: Vec<_> = PARAMETERS
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
            custom: BTreeMap::new(),
            user: user.to_owned(),
        }
    }

    /// What was set so far is what RESET gives back: the startup message has been read.
    pub(crate) fn begin(&mut self) {
        self.initial.clone_from(&self.values);
    }

    /// The value of `name`, and how the name is written, if it is listed or the client's own.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        match find(name) {
            Some(index) => Some((PARAMETERS[index].name, self.at(index))),
            None => {
                let (name, value) = self.custom.get_key_value(&name.to_lowercase())?;
                Some((name, value))
            }
        }
    }

    fn at(&self, index: usize) -> &str {
        match &self.values[index] {
            Some(value) => value,
            None if PARAMETERS[index].name == TRANSACTION_ISOLATION => {
                find(DEFAULT_ISOLATION).map_or("", |index| self.at(index))
            }
            None => PARAMETERS[index].default,
        }
    }

    /// The value that a listed parameter has been given, if it has.
    pub(crate) fn given(&self, name: &str) -> Option<String> {
        self.values.get(find(name)?)?.clone()
    }

    /// Gives `name` a value, if it is listed or could be the client's own. What the client is to be
    /// told of it then: its name and value, if it is one of those.
    ///
    /// # Errors
    /// `UserInput` if it cannot have this value.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Option<Change>> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(SheafError::user(format!("the value of {name} is too long"))
                .with_state(SqlState::INVALID_PARAMETER_VALUE));
        }
        let Some(index) = find(name) else {
            return self.set_custom(name, value);
        };
        if let Some(value) = self.checked(index, value)? {
            self.values[index] = Some(value);
        }
        Ok(Some(self.change(index)))
    }

    /// What a listed parameter is to be; `None` if that is what it is already.
    fn checked(&self, index: usize, value: &str) -> Result<Option<String>> {
        let declared = &PARAMETERS[index];
        let name = declared.name;
        let invalid = |message: String| {
            SheafError::user(message).with_state(SqlState::INVALID_PARAMETER_VALUE)
        };
        match declared.takes {
            Takes::Anything => Ok(Some(value.to_owned())),
            Takes::Fixed => Err(SheafError::user(format!(
                "parameter \"{name}\" cannot be changed"
            ))
            .with_state(SqlState::CANNOT_CHANGE_RUNTIME_PARAMETER)),
            // All of them mean what it is already.
            Takes::Only(values) if values.iter().any(|v| is_same(v, value)) => Ok(None),
            Takes::Only(_) => Err(SheafError::unsupported(format!(
                "parameter \"{name}\" cannot be \"{value}\""
            ))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .with_hint(format!("it is \"{}\" always", declared.default))),
            Takes::Boolean => match value.to_lowercase().as_str() {
                "on" | "true" | "yes" | "1" | "t" | "y" => Ok(Some("on".to_owned())),
                "off" | "false" | "no" | "0" | "f" | "n" => Ok(Some("off".to_owned())),
                _ => Err(invalid(format!(
                    "parameter \"{name}\" requires a Boolean value"
                ))),
            },
            Takes::OneOf(values) => match values.iter().find(|known| is_same(known, value)) {
                Some(known) => Ok(Some((*known).to_owned())),
                None => Err(invalid(format!(
                    "invalid value for parameter \"{name}\": \"{value}\""
                ))
                .with_hint(format!("available values: {}", values.join(", ")))),
            },
            Takes::OwnRole if value == self.user || (value == "none" && name == "role") => {
                Ok(Some(value.to_owned()))
            }
            Takes::OwnRole => Err(SheafError::user(format!(
                "permission denied to set {} \"{value}\"",
                name.replace('_', " ")
            ))
            .with_state(SqlState::INSUFFICIENT_PRIVILEGE)
            .with_hint("connect as that user")),
        }
    }

    fn set_custom(&mut self, name: &str, value: &str) -> Result<Option<Change>> {
        let name = name.to_lowercase();
        if !is_custom(&name) {
            return Ok(None);
        }
        let has_place = self.custom.len() < CUSTOM_MAX || self.custom.contains_key(&name);
        if !has_place || name.len() > CUSTOM_BYTES_MAX {
            return Err(SheafError::resource(format!(
                "a session has at most {CUSTOM_MAX} parameters of its own, with names of at most \
                 {CUSTOM_BYTES_MAX} bytes"
            ))
            .with_state(SqlState::PROGRAM_LIMIT));
        }
        self.custom.insert(name.clone(), value.to_owned());
        Ok(Some(Change {
            name,
            value: value.to_owned(),
            is_reported: false,
        }))
    }

    /// The value of `name` now, if it is listed or could be the client's own.
    pub(crate) fn save(&self, name: &str) -> Option<Saved> {
        match find(name) {
            Some(index) => Some(Saved::Listed(index, self.values[index].clone())),
            None => {
                let name = name.to_lowercase();
                let value = self.custom.get(&name).cloned();
                is_custom(&name).then_some(Saved::Custom(name, value))
            }
        }
    }

    /// Gives a parameter a value back that it had; tells of it if that is another than now.
    pub(crate) fn restore(&mut self, saved: Saved) -> Option<Change> {
        match saved {
            Saved::Listed(index, value) => {
                let is_new = self.values[index] != value;
                self.values[index] = value;
                is_new.then(|| self.change(index))
            }
            Saved::Custom(name, value) => {
                match value {
                    Some(value) => self.custom.insert(name, value),
                    None => self.custom.remove(&name),
                };
                None
            }
        }
    }

    /// The names of those that RESET ALL would change.
    pub(crate) fn changed(&self) -> Vec<String> {
        let listed = PARAMETERS.iter().zip(self.values.iter().zip(&self.initial));
        let listed = listed.filter(|(_, (value, initial))| value != initial);
        let listed = listed.map(|(declared, _)| declared.name.to_owned());
        listed.chain(self.custom.keys().cloned()).collect()
    }

    /// Gives `name` back what the session began with, if it is listed or the client's own.
    pub(crate) fn reset(&mut self, name: &str) -> Option<Change> {
        let Some(index) = find(name) else {
            let (name, _) = self.custom.remove_entry(&name.to_lowercase())?;
            return Some(Change {
                name,
                value: String::new(),
                is_reported: false,
            });
        };
        self.values[index].clone_from(&self.initial[index]);
        Some(self.change(index))
    }

    /// Gives all back what the session began with; those that the client is told of.
    pub(crate) fn reset_all(&mut self) -> Vec<Change> {
        self.values.clone_from(&self.initial);
        self.custom.clear();
        self.reported()
    }

    /// Those that clients are told of.
    pub(crate) fn reported(&self) -> Vec<Change> {
        let all = (0..PARAMETERS.len()).map(|index| self.change(index));
        all.filter(|change| change.is_reported).collect()
    }

    fn change(&self, index: usize) -> Change {
        Change {
            name: PARAMETERS[index].name.to_owned(),
            value: self.at(index).to_owned(),
            is_reported: PARAMETERS[index].is_reported,
        }
    }
}

/// A parameter that has a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) is_reported: bool,
}

/// Case does not matter, nor do quotes that a client leaves around a value of its startup message.
fn is_same(known: &str, value: &str) -> bool {
    known.eq_ignore_ascii_case(value.trim_matches('\''))
}

/// Whether a name, in lower case, could be of a client's own parameter.
fn is_custom(name: &str) -> bool {
    name.contains('.') && !name.starts_with(ENGINE_PREFIX)
}

fn find(name: &str) -> Option<usize> {
    PARAMETERS
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
            Some(("server_version", "18.6"))
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

    #[test]
    fn some_take_few_values_and_some_are_the_clients_own() {
        let mut parameters = Parameters::new("ann", false);
        let mut set = |name: &str, value: &str| match parameters.set(name, value) {
            Ok(change) => change.map_or("none".to_owned(), |change| change.value),
            Err(error) => error.state().code().to_owned(),
        };
        assert_eq!(set("jit", "TRUE"), "on");
        assert_eq!(set("jit", "maybe"), "22023");
        assert_eq!(set("transaction_isolation", "Serializable"), "serializable");
        assert_eq!(set("transaction_isolation", "chaos"), "22023");
        assert_eq!(set("role", "ann"), "ann");
        assert_eq!(set("role", "bob"), "42501");
        assert_eq!(set("server_version", "1"), "55P02");
        assert_eq!(set("My.Tenant", "7"), "7");
        assert_eq!(set("datafusion.x", "7"), "none");
        let saved = parameters.save("my.tenant").unwrap();
        parameters.set("my.tenant", "8").unwrap();
        assert_eq!(parameters.get("MY.TENANT"), Some(("my.tenant", "8")));
        parameters.restore(saved);
        assert_eq!(parameters.get("my.tenant").unwrap().1, "7");
        parameters.reset("my.tenant").unwrap();
        assert_eq!(parameters.get("my.tenant"), None);
        assert!(parameters.changed().contains(&"jit".to_owned()));
        parameters.reset_all();
        parameters
            .set(DEFAULT_ISOLATION, "repeatable read")
            .unwrap();
        assert_eq!(
            parameters.get(TRANSACTION_ISOLATION).unwrap().1,
            "repeatable read"
        );
    }
}
