//! What is said of the server: databases, settings, connections, and what PostgreSQL has several of
//! and Sheaf one (access methods, languages, collations, tablespaces).

use super::Filler;
use super::functions::named;
use crate::database::{Database, OWNER};
use crate::facts::{micros, own_oid};
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

/// Parameters of PostgreSQL that clients look up and that have one value here.
const FIXED: &[(&str, &str)] = &[
    ("block_size", "8192"),
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, MDY"),
    ("default_table_access_method", "heap"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("jit", "off"),
    ("lc_collate", "C.UTF-8"),
    ("lc_ctype", "C.UTF-8"),
    ("max_function_args", "100"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

pub(super) fn settings(database: &Database, filler: &mut Filler) {
    let facts = &database.facts;
    let mut push = |name: &str, value: &str, default: &str, source: &str, doc: &str| {
        let context = if source == "fixed" {
            "internal"
        } else {
            "user"
        };
        let source = if source == "fixed" { "default" } else { source };
        filler.push(vec![
            name.into(),
            value.into(),
            "Sheaf".into(),
            doc.into(),
            context.into(),
            "string".into(),
            source.into(),
            default.into(),
            value.into(),
            false.into(),
        ]);
    };
    for setting in &facts.settings {
        let (name, value) = (&setting.name, &setting.value);
        push(
            name,
            value,
            &setting.default,
            setting.source,
            &setting.description,
        );
    }
    for (name, value) in fixed(database) {
        if !facts.settings.iter().any(|setting| setting.name == name) {
            push(name, &value, &value, "fixed", "as PostgreSQL has it");
        }
    }
}

/// The parameters that have one value here.
fn fixed(database: &Database) -> impl Iterator<Item = (&'static str, String)> {
    let version = &database.facts.server_version;
    let versions = [
        ("server_version", version.clone()),
        ("server_version_num", version_number(version)),
    ];
    let fixed = FIXED
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    fixed.chain(versions)
}

/// The value of a setting or parameter.
pub(crate) fn setting_named(database: &Database, name: &str) -> Option<String> {
    let mut settings = database.facts.settings.iter();
    let found = settings.find(|setting| setting.name.eq_ignore_ascii_case(name));
    found.map(|setting| setting.value.clone()).or_else(|| {
        let mut fixed = fixed(database);
        let found = fixed.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    })
}

/// `18.0` as 180000.
pub(crate) fn version_number(version: &str) -> String {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    format!("{major}{minor:04}")
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
