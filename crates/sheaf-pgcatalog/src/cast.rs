//! Casts between PostgreSQL's types, and how its input functions read texts.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use sheaf_base::error::SqlState;
use sheaf_base::list_text::{self, Part};
use sheaf_base::{Result, SheafError};

use crate::database::{AnyRelation, Database, SCHEMAS};
use crate::decimal::Decimal;
use crate::tables::functions as procs;
use crate::types::{
    BOOL, CHAR, DATE, INT2, INT2VECTOR, INT4, INT8, Kind, NAME, OIDVECTOR, Oid, REGCLASS,
    REGNAMESPACE, REGPROC, REGPROCEDURE, REGROLE, REGTYPE, TEXT, UNKNOWN, format_type, kind_of,
    type_named, types,
};
use crate::value::{Array, Value, output};

/// Bytes that a `name` may have.
const NAME_BYTES_MAX: usize = 63;

/// Casts `value` from one type to another.
///
/// # Errors
/// `UserInput` if a text is none of the type's; `Unsupported` if there is no such cast.
pub(crate) fn cast(value: Value, from: Oid, to: Oid, database: &Database) -> Result<Value> {
    let to = types().base_of(to);
    if value.is_null() || from == to {
        return Ok(value);
    }
    match (&value, kind_of(to)) {
        (Value::Text(text), kind) if kind != Kind::Text || to == CHAR => {
            let text = Arc::clone(text);
            return read(&text, to, database);
        }
        (Value::Text(text), _) if to == NAME && text.len() > NAME_BYTES_MAX => {
            let end = text.floor_char_boundary(NAME_BYTES_MAX);
            return Ok(Value::text(text.get(..end).unwrap_or_default()));
        }
        (Value::Text(_), _) => return Ok(value),
        (Value::Bool(is), Kind::Text) => {
            return Ok(Value::text(if *is { "true" } else { "false" }));
        }
        (_, Kind::Text) => return Ok(output(&value, from, database).into()),
        _ => {}
    }
    convert(value, from, to, database)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "numbers of other types are rounded, and those that do not fit are refused after"
)]
fn convert(value: Value, from: Oid, to: Oid, database: &Database) -> Result<Value> {
    Ok(match (value, kind_of(to)) {
        (Value::Int(number), Kind::Int) => Value::Int(in_range(number, to)?),
        (Value::Int(number), Kind::Float) => Value::Float(number as f64),
        (Value::Int(number), Kind::Bool) => Value::Bool(number != 0),
        (Value::Bool(is), Kind::Int) => Value::Int(is.into()),
        (Value::Int(number), Kind::Numeric) => Value::numeric(number.into()),
        (Value::Numeric(number), Kind::Numeric) => Value::Numeric(number),
        (Value::Numeric(number), Kind::Float) => Value::Float(number.to_float()),
        (Value::Numeric(number), Kind::Int) => {
            let number = number.to_int().ok_or_else(|| out_of_range(to))?;
            Value::Int(in_range(number, to)?)
        }
        (Value::Float(number), Kind::Numeric) => Value::numeric(Decimal::of_float(number)?),
        (Value::Float(number), Kind::Float) => Value::Float(number),
        (Value::Float(number), Kind::Int) => {
            let rounded = number.round_ties_even();
            if !(-9.2e18..=9.2e18).contains(&rounded) {
                return Err(out_of_range(to));
            }
            Value::Int(in_range(rounded as i64, to)?)
        }
        (Value::Time(micros), Kind::Time) if to == DATE => {
            const DAY: i64 = 86_400_000_000;
            Value::Time(micros.div_euclid(DAY) * DAY)
        }
        (time @ Value::Time(_), Kind::Time) => time,
        (Value::Array(array), Kind::Array) => {
            let element = |oid| types().element_of(oid).unwrap_or(TEXT);
            let (from, to_element) = (element(from), element(to));
            let elements = array.elements.iter().cloned();
            let elements = elements.map(|e| cast(e, from, to_element, database));
            Value::Array(Arc::new(Array {
                lower: array.lower,
                elements: elements.collect::<Result<_>>()?,
            }))
        }
        (record @ Value::Record(_), Kind::Record) => record,
        _ => {
            return Err(SheafError::user(format!(
                "cannot cast type {} to {}",
                format_type(from, None).unwrap_or_default(),
                format_type(to, None).unwrap_or_default()
            ))
            .with_state(SqlState::CANNOT_COERCE));
        }
    })
}

/// The error of a number that a type does not have.
pub(crate) fn out_of_range(to: Oid) -> SheafError {
    SheafError::user(format!(
        "{} out of range",
        format_type(to, None).unwrap_or_default()
    ))
    .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
}

/// The number, if a type has it.
///
/// # Errors
/// `UserInput` (22003) if it has not.
pub(crate) fn in_range(number: i64, to: Oid) -> Result<i64> {
    let fits = match to {
        INT2 => i16::try_from(number).is_ok(),
        INT4 => i32::try_from(number).is_ok(),
        INT8 | crate::types::XID8 => true,
        // Numbers of objects have no sign; PostgreSQL takes negative ones by their bits.
        _ => return Ok(number.rem_euclid(1 << 32)),
    };
    fits.then_some(number).ok_or_else(|| out_of_range(to))
}

fn invalid(text: &str, to: Oid) -> SheafError {
    SheafError::user(format!(
        "invalid input syntax for type {}: \"{text}\"",
        format_type(to, None).unwrap_or_default()
    ))
    .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
}

/// The value that a text stands for.
fn read(text: &str, to: Oid, database: &Database) -> Result<Value> {
    let trimmed = text.trim();
    Ok(match kind_of(to) {
        Kind::Bool => Value::Bool(read_bool(trimmed).ok_or_else(|| invalid(text, BOOL))?),
        Kind::Int if crate::types::is_reference(to) => {
            Value::oid(read_reference(trimmed, to, database)?)
        }
        Kind::Int => match trimmed.parse() {
            Ok(number) => Value::Int(in_range(number, to)?),
            Err(_) => return Err(invalid(text, to)),
        },
        Kind::Numeric => {
            let number = Decimal::read(trimmed).ok_or_else(|| invalid(text, to))?;
            Value::numeric(number)
        }
        Kind::Float => Value::Float(trimmed.parse().map_err(|_| invalid(text, to))?),
        Kind::Time => Value::Time(read_time(trimmed).ok_or_else(|| invalid(text, to))?),
        Kind::Array => read_array(trimmed, to, database)?,
        Kind::Text if to == CHAR => {
            let first = text.chars().next().map(String::from);
            first.unwrap_or_default().into()
        }
        Kind::Text => Value::text(text),
        Kind::Record => {
            return Err(SheafError::unsupported(
                "input of anonymous composite types",
            ));
        }
    })
}

fn read_bool(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn read_time(text: &str) -> Option<i64> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let midnight = day.and_hms_opt(0, 0, 0)?;
        return Some(midnight.and_utc().timestamp_micros());
    }
    let plain = text.replacen('T', " ", 1);
    if let Ok(time) = NaiveDateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f") {
        return Some(time.and_utc().timestamp_micros());
    }
    let zoned = DateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
    Some(zoned.timestamp_micros())
}

/// The number of the object that a text names, or is the number of.
fn read_reference(text: &str, to: Oid, database: &Database) -> Result<Oid> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    if text == "-" {
        return Ok(0);
    }
    let (found, what, state) = match to {
        REGCLASS => (
            relation_named(database, text).map(|found| found.oid()),
            "relation",
            SqlState::UNDEFINED_TABLE,
        ),
        REGTYPE => (type_oid(database, text), "type", SqlState::UNDEFINED_OBJECT),
        REGNAMESPACE => {
            let found = SCHEMAS.iter().find(|(_, name)| *name == unquoted(text));
            (
                found.map(|(oid, _)| *oid),
                "schema",
                SqlState::UNDEFINED_SCHEMA,
            )
        }
        REGROLE => {
            let name = unquoted(text);
            let mut roles = database.roles().iter();
            let found = roles.find(|role| role.name == name).map(|role| role.oid);
            (found, "role", SqlState::UNDEFINED_OBJECT)
        }
        REGPROC | REGPROCEDURE => {
            let name = text.split('(').next().unwrap_or_default();
            if to == REGPROC && procs::count_named(database, name) > 1 {
                return Err(
                    SheafError::user(format!("more than one function named \"{text}\""))
                        .with_state(SqlState::AMBIGUOUS_FUNCTION),
                );
            }
            let found = match to {
                REGPROCEDURE => procs::with_signature(database, text),
                _ => procs::named(database, name),
            };
            (found, "function", SqlState::UNDEFINED_FUNCTION)
        }
        _ => (None, "object", SqlState::UNDEFINED_OBJECT),
    };
    found.ok_or_else(|| {
        SheafError::user(format!("{what} \"{text}\" does not exist")).with_state(state)
    })
}

/// A name without its quotes, or in lower case.
fn unquoted(name: &str) -> String {
    match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

/// The parts of a name with points between them.
pub(crate) fn name_parts(text: &str) -> Vec<String> {
    let (mut parts, mut start, mut is_quoted) = (vec![], 0, false);
    for (index, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => {
                parts.push(unquoted(text.get(start..index).unwrap_or_default()));
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(unquoted(text.get(start..).unwrap_or_default()));
    parts
}

/// The relation that a text names.
pub(crate) fn relation_named<'d>(database: &'d Database, text: &str) -> Option<AnyRelation<'d>> {
    let parts = name_parts(text.trim());
    match parts.as_slice() {
        [name] => database.relation_named(None, name),
        [schema, name] => database.relation_named(Some(schema), name),
        [catalog, schema, name] if *catalog == database.facts.database => {
            database.relation_named(Some(schema), name)
        }
        _ => None,
    }
}

/// The type that a text names: one of PostgreSQL's, or of a relation's rows.
pub(crate) fn type_oid(database: &Database, text: &str) -> Option<Oid> {
    let text = text.trim();
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(text);
    type_named(&bare.to_lowercase()).or_else(|| {
        let bare = text.strip_suffix("[]");
        let relation = relation_named(database, bare.unwrap_or(text))?;
        match relation {
            AnyRelation::Own(own) if bare.is_some() => Some(own.row_array_type()),
            AnyRelation::Own(own) => Some(own.row_type()),
            AnyRelation::Catalog(table) => bare.is_none().then_some(table.row_type),
        }
    })
}

/// An array of one dimension as `{a,"b c",NULL}`, or a vector as `1 2 3`.
fn read_array(text: &str, to: Oid, database: &Database) -> Result<Value> {
    let element = types().element_of(to).unwrap_or(TEXT);
    let read_element = |text: &str| cast(Value::text(text), UNKNOWN, element, database);
    if matches!(to, INT2VECTOR | OIDVECTOR) {
        let elements = text.split_whitespace().map(read_element);
        return Ok(Value::Array(Arc::new(Array {
            lower: 0,
            elements: elements.collect::<Result<_>>()?,
        })));
    }
    let mut parts: Vec<Option<String>> = vec![];
    let lengths = list_text::read_array(text, &mut |part| {
        if let Part::Item(item) = part {
            parts.push(item.map(str::to_owned));
        }
    })
    .map_err(|detail| list_text::malformed(text, detail))?;
    if lengths.len() > 1 {
        let message = "arrays of several dimensions, in queries of the catalogue";
        return Err(SheafError::unsupported(message));
    }
    let elements = parts.into_iter().map(|part| match part {
        Some(part) => read_element(&part),
        None => Ok(Value::Null),
    });
    Ok(Value::array(elements.collect::<Result<_>>()?))
}
