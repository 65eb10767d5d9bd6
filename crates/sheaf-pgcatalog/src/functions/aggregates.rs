//! Aggregate functions.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::ANY;
use super::json::{write_json, write_name};
use crate::cast::out_of_range;
use crate::database::Database;
use crate::made::{Memory, Sink, Text, hold_elements};
use crate::types::{BOOL, FLOAT8, INT2, INT4, INT8, JSON, JSONB, Oid, TEXT};
use crate::value::{Value, write};

/// An aggregate function: it is given all rows of a group at once.
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) name: &'static str,
    pub(crate) returns: AggregateType,
    /// The type that its first argument is cast to, if that is a text without a type.
    pub(crate) wants: Oid,
    /// Whether rows whose first argument is NULL count.
    pub(crate) takes_nulls: bool,
    pub(crate) call: fn(&Group<'_>) -> Result<Value>,
}

/// The type that an aggregate gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AggregateType {
    Type(Oid),
    Same,
    ArrayOfSame,
    /// A type for larger numbers, and for means of them.
    Sum,
    Mean,
}

/// The arguments in every row of a group.
pub(crate) struct Group<'a> {
    pub(crate) database: &'a Database,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) rows: &'a [Vec<Value>],
    pub(crate) types: &'a [Oid],
}

impl Group<'_> {
    fn values(&self) -> impl Iterator<Item = &Value> {
        self.rows.iter().filter_map(|row| row.first())
    }

    fn type_of(&self, index: usize) -> Oid {
        self.types.get(index).copied().unwrap_or(TEXT)
    }
}

const fn of(
    name: &'static str,
    returns: AggregateType,
    call: fn(&Group<'_>) -> Result<Value>,
) -> Aggregate {
    Aggregate {
        name,
        returns,
        wants: ANY,
        takes_nulls: false,
        call,
    }
}

impl Aggregate {
    const fn wanting(mut self, wants: Oid) -> Self {
        self.wants = wants;
        self
    }

    const fn with_nulls(mut self) -> Self {
        self.takes_nulls = true;
        self
    }
}

use AggregateType::{ArrayOfSame, Mean, Same, Sum, Type};

/// Every aggregate function.
pub(crate) static AGGREGATES: &[Aggregate] = &[
    of("count", Type(INT8), count),
    of("min", Same, least).wanting(TEXT),
    of("max", Same, greatest).wanting(TEXT),
    of("sum", Sum, sum).wanting(FLOAT8),
    of("avg", Mean, average).wanting(FLOAT8),
    of("bool_and", Type(BOOL), every).wanting(BOOL),
    of("every", Type(BOOL), every).wanting(BOOL),
    of("bool_or", Type(BOOL), some).wanting(BOOL),
    of("array_agg", ArrayOfSame, array)
        .wanting(TEXT)
        .with_nulls(),
    of("string_agg", Type(TEXT), string).wanting(TEXT),
    of("json_agg", Type(JSON), json).wanting(TEXT).with_nulls(),
    of("jsonb_agg", Type(JSONB), json)
        .wanting(TEXT)
        .with_nulls(),
    of("json_object_agg", Type(JSON), object).wanting(TEXT),
    of("jsonb_object_agg", Type(JSONB), object).wanting(TEXT),
];

fn count(group: &Group<'_>) -> Result<Value> {
    Ok(Value::Int(
        i64::try_from(group.rows.len()).unwrap_or(i64::MAX),
    ))
}

fn least(group: &Group<'_>) -> Result<Value> {
    Ok(group
        .values()
        .min_by(|a, b| a.compare(b))
        .cloned()
        .unwrap_or(Value::Null))
}

fn greatest(group: &Group<'_>) -> Result<Value> {
    Ok(group
        .values()
        .max_by(|a, b| a.compare(b))
        .cloned()
        .unwrap_or(Value::Null))
}

fn sum(group: &Group<'_>) -> Result<Value> {
    let is_wide = matches!(group.type_of(0), INT2 | INT4);
    Ok(match total(group)? {
        Value::Numeric(total) if is_wide => {
            let total = total.to_int().ok_or_else(|| out_of_range(INT8))?;
            Value::Int(total)
        }
        total => total,
    })
}

/// The sum: of whole numbers a decimal, of floats a float.
fn total(group: &Group<'_>) -> Result<Value> {
    let mut total = Value::Null;
    for value in group.values() {
        let value = match value {
            Value::Int(number) => Value::numeric((*number).into()),
            value => value.clone(),
        };
        total = match (total, value) {
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (Value::Numeric(a), Value::Numeric(b)) => Value::numeric(a.add(*b)?),
            (Value::Null, first @ (Value::Float(_) | Value::Numeric(_))) => first,
            (total, Value::Null) => total,
            _ => {
                return Err(SheafError::user("function sum does not take such values")
                    .with_state(SqlState::UNDEFINED_FUNCTION));
            }
        };
    }
    Ok(total)
}

#[expect(clippy::cast_precision_loss, reason = "a mean of floats is a float")]
fn average(group: &Group<'_>) -> Result<Value> {
    let count = i64::try_from(group.rows.len()).unwrap_or(i64::MAX);
    Ok(match total(group)? {
        Value::Float(total) => Value::Float(total / count as f64),
        Value::Numeric(total) => Value::numeric(total.divide(count.into())?),
        other => other,
    })
}

fn every(group: &Group<'_>) -> Result<Value> {
    let any = group.values().next();
    Ok(any.map(|_| group.values().all(Value::is_true)).into())
}

fn some(group: &Group<'_>) -> Result<Value> {
    let any = group.values().next();
    Ok(any.map(|_| group.values().any(Value::is_true)).into())
}

fn array(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    hold_elements(group.memory, group.rows.len())?;
    Ok(Value::array(group.values().cloned().collect()))
}

fn string(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let mut text = Text::new(group.memory);
    for (index, row) in group.rows.iter().enumerate() {
        if let Some(between) = row.get(1).filter(|_| index > 0) {
            write(between, group.type_of(1), group.database, &mut text)?;
        }
        if let Some(value) = row.first() {
            write(value, group.type_of(0), group.database, &mut text)?;
        }
    }
    text.into_value()
}

fn json(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let mut text = Text::new(group.memory);
    text.put("[")?;
    for (index, value) in group.values().enumerate() {
        text.put(if index > 0 { ", " } else { "" })?;
        write_json(value, group.type_of(0), group.database, &mut text)?;
    }
    text.put("]")?;
    text.into_value()
}

fn object(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let mut text = Text::new(group.memory);
    text.put("{ ")?;
    for (index, row) in group.rows.iter().enumerate() {
        let (Some(name), Some(value)) = (row.first(), row.get(1)) else {
            continue;
        };
        text.put(if index > 0 { ", " } else { "" })?;
        write_name(name, group.type_of(0), group.database, &mut text)?;
        write_json(value, group.type_of(1), group.database, &mut text)?;
    }
    text.put(" }")?;
    text.into_value()
}
