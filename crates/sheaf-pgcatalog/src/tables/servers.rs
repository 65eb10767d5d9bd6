//! What is said of the server: databases, settings, connections, and what PostgreSQL has several of
//! and Sheaf one (access methods, languages, collations, tablespaces).

use super::Filler;
use super::functions::named;
use crate::database::{Database, OWNER};
use crate::facts::{micros, own_oid};
use crate::parameters::{
    DEFAULT_ISOLATION, ENGINE_NAMES, PARAMETERS, Parameter, TIME_ZONE, TRANSACTION_ISOLATION, Takes,
};
use crate::value::Value;

/// The tablespace of everything.
const TABLESPACE: i64 = 1663;
/// The number of UTF-8 among encodings.
const UTF8: i64 = 6;

pub(super) fn methods(database: &Database, filler: &mut Filler) {
    let handler = named(database, "heap_tableam_handler").unwrap_or(0);
    filler.push(vec![
        Value::Int(2),
        "heap".into(),
        Value::oid(handler),
        "t".into(),
    ]);
}

pub(super) const LANGUAGE_COLUMNS: &[&str] =
    &["oid", "lanname", "lanowner", "lanispl", "lanpltrusted"];

pub(super) fn languages(_: &Database, filler: &mut Filler) {
    for (oid, name, is_trusted) in [(12, "internal", false), (14, "sql", true)] {
        filler.push(vec![
            Value::Int(oid),
            name.into(),
            Value::oid(OWNER),
            false.into(),
            is_trusted.into(),
        ]);
    }
}

pub(super) const COLLATION_COLUMNS: &[&str] = &[
    "oid",
    "collname",
    "collnamespace",
    "collowner",
    "collprovider",
    "collisdeterministic",
    "collencoding",
    "collcollate",
    "collctype",
];

pub(super) fn collations(_: &Database, filler: &mut Filler) {
    let rows = [(100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")];
    for (oid, name, provider) in rows {
        let locale = match provider {
            "d" => Value::Null,
            _ => name.into(),
        };
        filler.push(vec![
            Value::Int(oid),
            name.into(),
            Value::Int(11),
            Value::oid(OWNER),
            provider.into(),
            true.into(),
            Value::Int(-1),
            locale.clone(),
            locale,
        ]);
    }
}

pub(super) fn tablespaces(_: &Database, filler: &mut Filler) {
    filler.push(vec![
        Value::Int(TABLESPACE),
        "pg_default".into(),
        Value::oid(OWNER),
    ]);
}

pub(super) const DATABASE_COLUMNS: &[&str] = &[
    "oid",
    "datname",
    "datdba",
    "encoding",
    "datlocprovider",
    "datallowconn",
    "datconnlimit",
    "dattablespace",
    "datcollate",
    "datctype",
];

pub(super) fn databases(database: &Database, filler: &mut Filler) {
    let name = &database.facts.database;
    filler.push(vec![
        Value::oid(own_oid("database", "", name)),
        name.into(),
        Value::oid(OWNER),
        Value::Int(UTF8),
        "c".into(),
        true.into(),
        Value::Int(-1),
        Value::Int(TABLESPACE),
        "C.UTF-8".into(),
        "C.UTF-8".into(),
    ]);
}

pub(super) const SETTING_COLUMNS: &[&str] = &[
    "name",
    "setting",
    "category",
    "short_desc",
    "context",
    "vartype",
    "source",
    "boot_val",
    "reset_val",
    "pending_restart",
];

pub(super) fn settings(database: &Database, filler: &mut Filler) {
    let facts = &database.facts;
    let row = |name: &str, value: &str, default: &str| [name, value, default].map(Value::text);
    let mut push = |[name, value, default]: [Value; 3], kind: [&str; 3], doc: &str| {
        let [context, type_of, source] = kind;
        filler.push(vec![
            name,
            value.clone(),
            "Sheaf".into(),
            doc.into(),
            context.into(),
            type_of.into(),
            source.into(),
            default,
            value,
            false.into(),
        ]);
    };
    for setting in facts.settings.iter() {
        let names = ENGINE_NAMES
            .iter()
            .filter(|(_, name)| *name == setting.name);
        let other = names.map(|_| TIME_ZONE);
        for name in std::iter::once(setting.name.as_str()).chain(other) {
            let row = row(name, &setting.value, &setting.default);
            push(
                row,
                ["user", "string", setting.source],
                &setting.description,
            );
        }
    }
    for parameter in PARAMETERS {
        let given = facts.identity.parameters.value(parameter.name);
        let source = if given.is_some() {
            "session"
        } else {
            "default"
        };
        let value = value_of(database, parameter);
        let context = match parameter.takes {
            Takes::Fixed => "internal",
            _ => "user",
        };
        let type_of = match parameter.takes {
            Takes::Boolean => "bool",
            Takes::OneOf(_) => "enum",
            _ => "string",
        };
        let row = row(parameter.name, &value, parameter.default);
        push(row, [context, type_of, source], "as PostgreSQL has it");
    }
}

/// The value of a parameter: what the client gave it, or the default.
fn value_of(database: &Database, parameter: &Parameter) -> String {
    let identity = &database.facts.identity;
    let given = identity.parameters.value(parameter.name);
    given.unwrap_or_else(|| match parameter.name {
        TRANSACTION_ISOLATION => setting_named(database, DEFAULT_ISOLATION).unwrap_or_default(),
        _ => parameter.default.to_owned(),
    })
}

/// The value of a setting or parameter.
pub(crate) fn setting_named(database: &Database, name: &str) -> Option<String> {
    let mut parameters = PARAMETERS.iter();
    let parameter = parameters.find(|known| known.name.eq_ignore_ascii_case(name));
    if let Some(parameter) = parameter {
        return Some(value_of(database, parameter));
    }
    let mut names = ENGINE_NAMES.iter();
    let other = names.find(|(known, _)| known.eq_ignore_ascii_case(name));
    let name = other.map_or(name, |(_, name)| *name);
    let mut settings = database.facts.settings.iter();
    let found = settings.find(|setting| setting.name.eq_ignore_ascii_case(name));
    found.map(|setting| setting.value.clone())
}

pub(super) const ACTIVITY_COLUMNS: &[&str] = &[
    "datid",
    "datname",
    "pid",
    "usesysid",
    "usename",
    "application_name",
    "client_addr",
    "backend_start",
    "query_start",
    "state_change",
    "state",
    "query",
    "backend_type",
];

/// Who is connected; what others run only a superuser sees.
pub(super) fn activity(database: &Database, filler: &mut Filler) {
    let facts = &database.facts;
    let roles = database.roles();
    for other in facts.identity.server.connections() {
        let is_open = facts.identity.is_superuser || other.user == facts.identity.user;
        let hidden = |value: Value| if is_open { value } else { Value::Null };
        let role = roles.iter().find(|role| role.name == other.user);
        let statement_since = Value::from(other.statement_since.map(micros_of));
        filler.push(vec![
            Value::oid(own_oid("database", "", &facts.database)),
            Value::text(&facts.database),
            Value::Int(other.process.into()),
            Value::from(role.map(|role| i64::from(role.oid))),
            Value::text(&other.user),
            hidden(Value::text(&other.application)),
            hidden(other.address.into()),
            hidden(micros_of(other.since)),
            hidden(statement_since.clone()),
            hidden(statement_since),
            hidden(other.state.into()),
            match is_open {
                true => other.statement.into(),
                false => "<insufficient privilege>".into(),
            },
            hidden("client backend".into()),
        ]);
    }
}

fn micros_of(time: std::time::SystemTime) -> Value {
    Value::Time(micros(time))
}
