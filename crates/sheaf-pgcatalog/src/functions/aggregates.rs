//! Aggregate functions.

use serde_json::{Map, Value as Json};
use sheaf_base::Result;

use super::{ANY, json_of};
use crate::database::Database;
use crate::types::{BOOL, FLOAT8, INT8, JSON, JSONB, Oid, TEXT};
use crate::value::{Value, output};

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
}

/// The arguments in every row of a group.
pub(crate) struct Group<'a> {
    pub(crate) database: &'a Database,
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

use AggregateType::{ArrayOfSame, Same, Type};

/// Every aggregate function.
pub(crate) static AGGREGATES: &[Aggregate] = &[
    of("count", Type(INT8), count),
    of("min", Same, least).wanting(TEXT),
    of("max", Same, greatest).wanting(TEXT),
    of("sum", Same, sum).wanting(FLOAT8),
    of("avg", Type(FLOAT8), average).wanting(FLOAT8),
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
    let mut total = Value::Null;
    for value in group.values() {
        total = match (total, value) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (Value::Null, first) => first.clone(),
            (total, _) => total,
        };
    }
    Ok(total)
}

#[expect(clippy::cast_precision_loss, reason = "a mean is a float")]
fn average(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let total: f64 = group
        .values()
        .map(|value| match value {
            Value::Int(number) => *number as f64,
            Value::Float(number) => *number,
            _ => 0.0,
        })
        .sum();
    Ok(Value::Float(total / group.rows.len() as f64))
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
    Ok(Value::array(group.values().cloned().collect()))
}

fn string(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let mut text = String::new();
    for (index, row) in group.rows.iter().enumerate() {
        let part = |i: usize| {
            row.get(i)
                .and_then(|v| output(v, group.type_of(i), group.database))
        };
        if index > 0 {
            text.push_str(&part(1).unwrap_or_default());
        }
        text.push_str(&part(0).unwrap_or_default());
    }
    Ok(text.into())
}

fn json(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let values = group
        .values()
        .map(|v| json_of(v, group.type_of(0), group.database).to_string());
    Ok(format!("[{}]", values.collect::<Vec<_>>().join(", ")).into())
}

fn object(group: &Group<'_>) -> Result<Value> {
    if group.rows.is_empty() {
        return Ok(Value::Null);
    }
    let mut fields = Map::new();
    for row in group.rows {
        let (Some(name), Some(value)) = (row.first(), row.get(1)) else {
            continue;
        };
        let name = output(name, group.type_of(0), group.database).unwrap_or_default();
        fields.insert(name, json_of(value, group.type_of(1), group.database));
    }
    Ok(Json::Object(fields).to_string().into())
}
