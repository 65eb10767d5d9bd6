//! Names, definitions and descriptions of objects.

use sheaf_base::Result;
use sheaf_base::error::SqlState;

use super::{Call, elements, missing};
use crate::cast::{self, relation_named};
use crate::database::SCHEMAS;
use crate::tables::functions as procs;
use crate::types::{REGTYPE, TEXT, UNKNOWN, type_named, types};
use crate::value::{Names, Value};

pub(super) fn format_type(call: &Call<'_>) -> Result<Value> {
    let Some(oid) = call.value(0).as_oid() else {
        return Ok(Value::Null);
    };
    if oid == 0 {
        return Ok(Value::text("-"));
    }
    let modifier = call.value(1).as_int();
    let name = call.database.type_name(oid, modifier);
    Ok(Value::text(name.as_deref().unwrap_or("???")))
}

pub(super) fn vector_types(call: &Call<'_>) -> Result<Value> {
    let names = elements(call.value(0)).iter().filter_map(Value::as_oid);
    let names = names.map(|oid| call.database.name_of(REGTYPE, oid));
    Ok(names.collect::<Vec<_>>().join(", ").into())
}

pub(super) fn type_of(call: &Call<'_>) -> Result<Value> {
    Ok(Value::oid(call.type_of(0)))
}

pub(super) fn user_name(call: &Call<'_>) -> Result<Value> {
    let oid = call.oid(0);
    let name = call.database.role_name(oid);
    Ok(name
        .unwrap_or_else(|| format!("unknown (OID={oid})"))
        .into())
}

pub(super) fn table_is_visible(call: &Call<'_>) -> Result<Value> {
    let database = call.database;
    let found = database.relation(call.oid(0));
    Ok(found.map(|found| database.is_visible(found)).into())
}

pub(super) fn type_is_visible(call: &Call<'_>) -> Result<Value> {
    let oid = call.oid(0);
    if let Some(found) = types().get(oid) {
        return Ok((found.schema == "pg_catalog").into());
    }
    let found = call.database.relation_of_type(oid);
    Ok(found.map(|found| found.schema == "public").into())
}

pub(super) fn function_is_visible(call: &Call<'_>) -> Result<Value> {
    Ok(procs::find(call.database, call.oid(0)).map(|_| true).into())
}

pub(super) fn to_regclass(call: &Call<'_>) -> Result<Value> {
    let found = relation_named(call.database, call.text(0));
    Ok(found.map_or(Value::Null, |found| Value::oid(found.oid())))
}

pub(super) fn to_regtype(call: &Call<'_>) -> Result<Value> {
    let found = cast::type_oid(call.database, call.text(0));
    Ok(found.map_or(Value::Null, Value::oid))
}

pub(super) fn to_regproc(call: &Call<'_>) -> Result<Value> {
    let (database, name) = (call.database, call.text(0));
    let found = procs::named(database, name);
    let found = found.filter(|_| procs::count_named(database, name) == 1);
    Ok(found.map_or(Value::Null, Value::oid))
}

pub(super) fn to_regnamespace(call: &Call<'_>) -> Result<Value> {
    let found = SCHEMAS.iter().find(|(_, name)| *name == call.text(0));
    Ok(found.map_or(Value::Null, |(oid, _)| Value::oid(*oid)))
}

pub(super) fn to_regrole(call: &Call<'_>) -> Result<Value> {
    let roles = call.database.roles();
    let found = roles.iter().find(|role| role.name == call.text(0));
    Ok(found.map_or(Value::Null, |role| Value::oid(role.oid)))
}

/// What is said of a type or function.
pub(super) fn description(call: &Call<'_>) -> Result<Value> {
    let (oid, database) = (call.oid(0), call.database);
    let catalog = call.value(1).as_str();
    if catalog.is_none_or(|name| name == "pg_type")
        && let Some(text) = types().get(oid).and_then(|known| known.description)
    {
        return Ok(text.into());
    }
    if catalog.is_none_or(|name| name == "pg_proc")
        && let Some(function) = procs::find(database, oid)
    {
        return Ok(function.description.into());
    }
    Ok(Value::Null)
}

pub(super) fn view_definition(call: &Call<'_>) -> Result<Value> {
    let database = call.database;
    let relation = match call.value(0) {
        Value::Text(name) => match relation_named(database, name) {
            Some(found) => database.own_relation(found.oid()),
            None => return Err(missing("relation", name, SqlState::UNDEFINED_TABLE)),
        },
        _ => database.own_relation(call.oid(0)),
    };
    Ok(relation.and_then(|view| view.definition.clone()).into())
}

pub(super) fn function_result(call: &Call<'_>) -> Result<Value> {
    let found = procs::find(call.database, call.oid(0));
    Ok(found.map(|f| f.result(call.database)).into())
}

pub(super) fn function_arguments(call: &Call<'_>) -> Result<Value> {
    let found = procs::find(call.database, call.oid(0));
    Ok(found.map(|f| f.arguments(call.database)).into())
}

/// As psql's `\sf` shows it: everything is built in.
pub(super) fn function_definition(call: &Call<'_>) -> Result<Value> {
    let Some(found) = procs::find(call.database, call.oid(0)) else {
        return Ok(Value::Null);
    };
    let text = format!(
        "CREATE OR REPLACE FUNCTION {}.{}({})\n RETURNS {}\n LANGUAGE internal\n{}AS $function${}$function$\n",
        found.schema,
        found.name,
        found.arguments(call.database),
        found.result(call.database),
        found.properties(),
        found.name,
    );
    Ok(text.into())
}

/// Whether a text is one of a type's.
pub(super) fn is_valid(call: &Call<'_>) -> Result<Value> {
    let Some(type_of) = type_named(call.text(1)) else {
        return Err(missing("type", call.text(1), SqlState::UNDEFINED_OBJECT));
    };
    let value = call.value(0).clone();
    let from = if type_of == TEXT { TEXT } else { UNKNOWN };
    Ok(cast::cast(value, from, type_of, call.database)
        .is_ok()
        .into())
}
