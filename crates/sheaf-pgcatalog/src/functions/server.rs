//! Who asks, and what the server says of itself and its clients.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Call;
use crate::database::{INFORMATION_SCHEMA, PG_CATALOG, PUBLIC};
use crate::facts::micros;
use crate::tables::setting_named;
use crate::value::Value;

/// The encoding of all texts, and its number.
const ENCODING: (&str, i64) = ("UTF8", 6);

pub(super) fn database(call: &Call<'_>) -> Result<Value> {
    Ok(Value::text(&call.database.facts.database))
}

pub(super) fn schema(_: &Call<'_>) -> Result<Value> {
    Ok(Value::text(PUBLIC))
}

/// The schemas where names are looked for; with PostgreSQL's own if that is wanted.
pub(super) fn schemas(call: &Call<'_>) -> Result<Value> {
    let own = call.value(0).is_true().then_some(PG_CATALOG);
    let schemas = own.into_iter().chain([PUBLIC]);
    Ok(Value::array(schemas.map(Value::text).collect()))
}

pub(super) fn user(call: &Call<'_>) -> Result<Value> {
    Ok(Value::text(&call.database.facts.identity.user))
}

pub(super) fn version(call: &Call<'_>) -> Result<Value> {
    Ok(Value::text(&call.database.facts.version))
}

pub(super) fn process(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Int(call.database.facts.identity.process.into()))
}

pub(super) fn started(call: &Call<'_>) -> Result<Value> {
    let started = call.database.facts.identity.server.started();
    Ok(Value::Time(micros(started)))
}

/// Nothing is written, so that every transaction sees the first one's state.
pub(super) fn transaction(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Int(1))
}

pub(super) fn client_address(call: &Call<'_>) -> Result<Value> {
    let identity = &call.database.facts.identity;
    let mut connections = identity.server.connections().into_iter();
    let own = connections.find(|other| other.process == identity.process);
    Ok(own.and_then(|own| own.address).into())
}

pub(super) fn encoding(_: &Call<'_>) -> Result<Value> {
    Ok(Value::text(ENCODING.0))
}

pub(super) fn encoding_name(call: &Call<'_>) -> Result<Value> {
    let known = call.int(0) == ENCODING.1;
    Ok(Value::text(if known { ENCODING.0 } else { "" }))
}

pub(super) fn encoding_number(call: &Call<'_>) -> Result<Value> {
    let name = call.text(0).to_uppercase().replace('-', "");
    Ok(Value::Int(if name == ENCODING.0 { ENCODING.1 } else { -1 }))
}

pub(super) fn cancel(call: &Call<'_>) -> Result<Value> {
    stop(call, false)
}

pub(super) fn terminate(call: &Call<'_>) -> Result<Value> {
    stop(call, true)
}

/// Stops what another connection does: one of the same user, or any for a superuser.
fn stop(call: &Call<'_>, ends: bool) -> Result<Value> {
    let identity = &call.database.facts.identity;
    let process = i32::try_from(call.int(0)).unwrap_or(0);
    let mut connections = identity.server.connections().into_iter();
    let Some(other) = connections.find(|other| other.process == process) else {
        return Ok(Value::Bool(false));
    };
    if other.user != identity.user && !identity.is_superuser {
        let what = if ends {
            "terminate process"
        } else {
            "cancel query"
        };
        return Err(SheafError::user(format!("permission denied to {what}"))
            .with_state(SqlState::INSUFFICIENT_PRIVILEGE)
            .with_detail("only an admin may do that to a connection of another user"));
    }
    Ok(Value::Bool(identity.server.stop(process, ends)))
}

/// The value of a setting; of one that does not exist NULL, if the second argument says so.
pub(super) fn setting(call: &Call<'_>) -> Result<Value> {
    let name = call.text(0);
    match setting_named(call.database, name) {
        Some(value) => Ok(value.into()),
        None if call.value(1).is_true() => Ok(Value::Null),
        None => Err(
            SheafError::user(format!("unrecognized configuration parameter \"{name}\""))
                .with_state(SqlState::UNDEFINED_OBJECT),
        ),
    }
}

/// The schemas that everybody may use.
pub(super) const OPEN_SCHEMAS: &[&str] = &[PUBLIC, PG_CATALOG, INFORMATION_SCHEMA, "sheaf"];
