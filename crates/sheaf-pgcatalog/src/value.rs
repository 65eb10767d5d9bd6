//! Values of the catalogues, their order and their text.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sheaf_base::Result;

use crate::decimal::Decimal;
use crate::made::Sink;
use crate::types::{self, Kind, Oid, kind_of, types};

/// A value; what it means its type says.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Integers, and numbers of objects.
    Int(i64),
    Float(f64),
    Numeric(Box<Decimal>),
    Text(Arc<str>),
    /// Microseconds since 1970.
    Time(i64),
    Array(Arc<Array>),
    Record(Arc<[Value]>),
}

/// An array of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Array {
    /// The number of its first element: 1, or 0 for vectors.
    pub(crate) lower: i64,
    pub(crate) elements: Vec<Value>,
}

/// One row.
pub(crate) type Row = Vec<Value>;

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    pub(crate) fn array(elements: Vec<Self>) -> Self {
        Self::Array(Arc::new(Array { lower: 1, elements }))
    }

    pub(crate) fn oid(oid: Oid) -> Self {
        Self::Int(oid.into())
    }

    pub(crate) fn numeric(number: Decimal) -> Self {
        Self::Numeric(Box::new(number))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn as_oid(&self) -> Option<Oid> {
        Oid::try_from(self.as_int()?).ok()
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(is) => Some(*is),
            _ => None,
        }
    }

    /// Whether it is true, and neither false nor NULL.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub(crate) fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Bytes that it holds, roughly.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Array(array) => array.elements.iter().map(Self::bytes).sum(),
                Self::Record(fields) => fields.iter().map(Self::bytes).sum(),
                Self::Numeric(_) => size_of::<Decimal>(),
                _ => 0,
            }
    }

    /// The order of sorting; NULL is the greatest.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) | (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => compare_floats(*a, *b),
            (Self::Numeric(a), Self::Numeric(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => compare_all(&a.elements, &b.elements),
            (Self::Record(a), Self::Record(b)) => compare_all(a, b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) => 1,
            Self::Float(_) => 2,
            Self::Numeric(_) => 3,
            Self::Text(_) => 4,
            Self::Time(_) => 5,
            Self::Array(_) => 6,
            Self::Record(_) => 7,
            Self::Null => 8,
        }
    }
}

/// The order of PostgreSQL's floats: both zeros are one, what is no number is one and the greatest.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The bits that equal floats share.
fn float_bits(number: f64) -> u64 {
    match number {
        _ if number.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        number => number.to_bits(),
    }
}

fn compare_all(a: &[Value], b: &[Value]) -> Ordering {
    let first = a.iter().zip(b).map(|(a, b)| a.compare(b));
    let unequal = first.into_iter().find(|order| order.is_ne());
    unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(is) => is.hash(state),
            Self::Int(number) | Self::Time(number) => number.hash(state),
            Self::Float(number) => float_bits(*number).hash(state),
            Self::Numeric(number) => number.hash(state),
            Self::Text(text) => text.hash(state),
            Self::Array(array) => array.elements.hash(state),
            Self::Record(fields) => fields.hash(state),
        }
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Shows the numbers of objects by their names.
pub(crate) trait Names {
    /// The name of object `oid` of type `type_of`, as PostgreSQL prints it.
    fn name_of(&self, type_of: Oid, oid: Oid) -> String;
}

/// The text of a value, as PostgreSQL's output functions give it; `None` if it is NULL. Of arrays and
/// records it is as large as they are: functions use [`write`], which is counted.
pub(crate) fn output(value: &Value, type_of: Oid, names: &dyn Names) -> Option<String> {
    let mut text = String::new();
    let is_some = write(value, type_of, names, &mut text).unwrap_or(false);
    is_some.then_some(text)
}

/// Writes the text of a value, unless that is NULL; says whether it is not.
///
/// # Errors
/// Those of `sink`.
pub(crate) fn write(
    value: &Value,
    type_of: Oid,
    names: &dyn Names,
    sink: &mut dyn Sink,
) -> Result<bool> {
    match value {
        Value::Null => return Ok(false),
        Value::Bool(is) => sink.put(if *is { "t" } else { "f" })?,
        Value::Int(number) => match Oid::try_from(*number) {
            Ok(oid) if types::is_reference(type_of) => sink.put(&names.name_of(type_of, oid))?,
            _ => sink.put(&number.to_string())?,
        },
        Value::Float(number) => sink.put(&number_text(*number))?,
        Value::Numeric(number) => sink.put(&number.to_string())?,
        Value::Text(text) => sink.put(text)?,
        Value::Time(micros) => sink.put(&time_text(*micros, type_of))?,
        Value::Array(array) => write_array(array, type_of, names, sink)?,
        Value::Record(fields) => write_record(fields, names, sink)?,
    }
    Ok(true)
}

fn number_text(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        number => number.to_string(),
    }
}

fn time_text(micros: i64, type_of: Oid) -> String {
    let Some(time) = DateTime::<Utc>::from_timestamp_micros(micros) else {
        return micros.to_string();
    };
    if type_of == types::DATE {
        return time.format("%Y-%m-%d").to_string();
    }
    let mut text = time.format("%Y-%m-%d %H:%M:%S").to_string();
    let rest = micros.rem_euclid(1_000_000);
    if rest != 0 {
        let digits = format!(".{rest:06}");
        text.push_str(digits.trim_end_matches('0'));
    }
    if type_of == types::TIMESTAMPTZ {
        text.push_str("+00");
    }
    text
}

fn write_array(array: &Array, type_of: Oid, names: &dyn Names, sink: &mut dyn Sink) -> Result<()> {
    let element = types().element_of(type_of).unwrap_or(types::TEXT);
    let is_vector = matches!(type_of, types::INT2VECTOR | types::OIDVECTOR);
    let (open, between, close) = if is_vector {
        ("", " ", "")
    } else {
        ("{", ",", "}")
    };
    let quotes = kind_of(element) == Kind::Text || types::is_reference(element);
    sink.put(open)?;
    for (index, value) in array.elements.iter().enumerate() {
        if index > 0 {
            sink.put(between)?;
        }
        match value {
            Value::Null if is_vector => {}
            Value::Null => sink.put("NULL")?,
            Value::Text(text) => write_quoted(text, is_special_in_array, "\\\"", sink)?,
            value if quotes => {
                let text = output(value, element, names).unwrap_or_default();
                write_quoted(&text, is_special_in_array, "\\\"", sink)?;
            }
            value => {
                write(value, element, names, sink)?;
            }
        }
    }
    sink.put(close)
}

fn is_special_in_array(text: &str) -> bool {
    let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
    text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special)
}

fn is_special_in_record(text: &str) -> bool {
    let special = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"' | '\\');
    text.is_empty() || text.contains(special)
}

/// Writes a text, in quotes if it needs them; `quote` is what stands for one within.
fn write_quoted(
    text: &str,
    needs_quotes: fn(&str) -> bool,
    quote: &str,
    sink: &mut dyn Sink,
) -> Result<()> {
    if !needs_quotes(text) {
        return sink.put(text);
    }
    sink.put("\"")?;
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '"']) {
        let (before, found) = rest.split_at(at);
        sink.put(before)?;
        sink.put(if found.starts_with('"') {
            quote
        } else {
            "\\\\"
        })?;
        rest = found.get(1..).unwrap_or_default();
    }
    sink.put(rest)?;
    sink.put("\"")
}

fn write_record(fields: &[Value], names: &dyn Names, sink: &mut dyn Sink) -> Result<()> {
    sink.put("(")?;
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            sink.put(",")?;
        }
        match field {
            Value::Null => {}
            Value::Text(text) => write_quoted(text, is_special_in_record, "\"\"", sink)?,
            field => {
                let text = output(field, types::TEXT, names).unwrap_or_default();
                write_quoted(&text, is_special_in_record, "\"\"", sink)?;
            }
        }
    }
    sink.put(")")
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}
