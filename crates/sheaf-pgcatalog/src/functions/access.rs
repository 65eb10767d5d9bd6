//! Who may what: everybody may read what the session shows, a superuser may everything else that
//! Sheaf can do.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::{Call, missing, server};
use crate::cast::relation_named;
use crate::database::{AnyRelation, RoleRow, SCHEMAS};
use crate::types::Oid;
use crate::value::Value;

/// Tables that only a superuser may read.
pub(crate) const SECRET_TABLES: &[&str] = &[
    "pg_authid",
    "pg_shadow",
    "pg_statistic",
    "pg_user_mapping",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_file_settings",
];

/// What a call asks: for whom, of what, and which of the privileges.
struct Question<'c> {
    /// NULL stands for whoever asks.
    role: &'c Value,
    object: &'c Value,
    privileges: Vec<String>,
}

/// The arguments of a call whose first one, the role, may be left out.
fn question<'c>(call: &'c Call<'_>, arguments: usize) -> Question<'c> {
    let with_role = call.values.len() > arguments;
    let first = usize::from(with_role);
    let last = call.values.len().saturating_sub(1);
    let words = call.text(last).split(',');
    Question {
        role: match with_role {
            true => call.value(0),
            false => &Value::Null,
        },
        object: call.value(first),
        privileges: words.map(|word| word.trim().to_uppercase()).collect(),
    }
}

impl Question<'_> {
    /// Whether the role it is about may everything.
    fn is_superuser(&self, call: &Call<'_>) -> Result<bool> {
        let identity = &call.database.facts.identity;
        match self.role {
            Value::Null => Ok(identity.is_superuser),
            role => Ok(found_role(call, role)?.is_superuser),
        }
    }

    /// Whether one of the privileges is held, where everybody has those of `open`.
    fn answer(&self, call: &Call<'_>, open: &[&str], all: &[&str]) -> Result<Value> {
        let is_superuser = self.is_superuser(call)?;
        for privilege in &self.privileges {
            let word = privilege.trim_end_matches(" WITH GRANT OPTION");
            if !all.contains(&word) {
                return Err(SheafError::user(format!(
                    "unrecognized privilege type: \"{}\"",
                    call.text(call.values.len().saturating_sub(1))
                ))
                .with_state(SqlState::INVALID_PARAMETER_VALUE));
            }
            let is_plain = word.len() == privilege.len();
            if is_superuser || (is_plain && open.contains(&word)) {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }
}

fn found_role(call: &Call<'_>, role: &Value) -> Result<RoleRow> {
    let mut roles = call.database.roles().iter();
    let found = match role {
        Value::Text(name) => roles.find(|known| known.name == **name),
        other => roles.find(|known| other.as_oid() == Some(known.oid)),
    };
    found.cloned().ok_or_else(|| {
        let name = role.as_str().unwrap_or_default();
        missing("role", name, SqlState::UNDEFINED_OBJECT)
    })
}

/// What can be done with tables in PostgreSQL; a superuser is told that he may, though most of it
/// cannot be done here.
const TABLE_PRIVILEGES: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "MAINTAIN",
    "RULE",
];

fn is_secret(relation: AnyRelation<'_>) -> bool {
    relation.schema() == "pg_catalog" && SECRET_TABLES.contains(&relation.name())
}

fn found_relation<'c>(call: &'c Call<'_>, object: &Value) -> Result<Option<AnyRelation<'c>>> {
    match object {
        Value::Text(name) => relation_named(call.database, name)
            .map(Some)
            .ok_or_else(|| missing("relation", name, SqlState::UNDEFINED_TABLE)),
        other => Ok(other
            .as_oid()
            .and_then(|oid: Oid| call.database.relation(oid))),
    }
}

pub(super) fn table(call: &Call<'_>) -> Result<Value> {
    let question = question(call, 2);
    match found_relation(call, question.object)? {
        None => Ok(Value::Null),
        Some(relation) if is_secret(relation) => question.answer(call, &[], TABLE_PRIVILEGES),
        Some(_) => question.answer(call, &["SELECT"], TABLE_PRIVILEGES),
    }
}

pub(super) fn column(call: &Call<'_>) -> Result<Value> {
    let question = question(call, 3);
    match found_relation(call, question.object)? {
        None => Ok(Value::Null),
        Some(relation) if is_secret(relation) => question.answer(call, &[], TABLE_PRIVILEGES),
        Some(_) => question.answer(call, &["SELECT"], TABLE_PRIVILEGES),
    }
}

pub(super) fn schema(call: &Call<'_>) -> Result<Value> {
    let question = question(call, 2);
    let found = match question.object {
        Value::Text(name) => {
            let found = SCHEMAS.iter().find(|(_, known)| *known == &**name);
            if found.is_none() {
                return Err(missing("schema", name, SqlState::UNDEFINED_SCHEMA));
            }
            found
        }
        other => SCHEMAS.iter().find(|(oid, _)| other.as_oid() == Some(*oid)),
    };
    match found {
        Some((_, name)) if server::OPEN_SCHEMAS.contains(name) => {
            question.answer(call, &["USAGE"], &["USAGE", "CREATE"])
        }
        _ => Ok(Value::Null),
    }
}

pub(super) fn database(call: &Call<'_>) -> Result<Value> {
    let all = &["CONNECT", "CREATE", "TEMPORARY", "TEMP"];
    question(call, 2).answer(call, &["CONNECT"], all)
}

/// Functions, types, languages: everybody may use them.
pub(super) fn other(call: &Call<'_>) -> Result<Value> {
    let all = &["EXECUTE", "USAGE"];
    question(call, 2).answer(call, all, all)
}

pub(super) fn parameter(call: &Call<'_>) -> Result<Value> {
    question(call, 2).answer(call, &[], &["SET", "ALTER SYSTEM"])
}

/// Whether one role has the rights of another: its own, or all.
pub(super) fn role(call: &Call<'_>) -> Result<Value> {
    let question = question(call, 2);
    // Roles that PostgreSQL brings, and that no user here is in.
    let is_predefined = question
        .object
        .as_str()
        .is_some_and(|name| name.starts_with("pg_"));
    if is_predefined {
        return Ok(Value::Bool(question.is_superuser(call)?));
    }
    let wanted = found_role(call, question.object)?;
    let own = match question.role {
        Value::Null => Value::text(&call.database.facts.identity.user),
        role => role.clone(),
    };
    let own = found_role(call, &own)?;
    Ok(Value::Bool(own.is_superuser || own.oid == wanted.oid))
}
