//! Values of the catalogues, their order and their text.

use std::cmp::Ordering;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::types::{self, Kind, Oid, kind_of, types};

/// A value; what it means its type says.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Integers, and numbers of objects.
    Int(i64),
    Float(f64),
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
                _ => 0,
            }
    }

    /// The order of sorting; NULL is the greatest.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) | (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
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
            Self::Text(_) => 3,
            Self::Time(_) => 4,
            Self::Array(_) => 5,
            Self::Record(_) => 6,
            Self::Null => 7,
        }
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
            Self::Float(number) => number.to_bits().hash(state),
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

/// The text of a value, as PostgreSQL's output functions give it; `None` if it is NULL.
pub(crate) fn output(value: &Value, type_of: Oid, names: &dyn Names) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(is) => if *is { "t" } else { "f" }.to_owned(),
        Value::Int(number) if types::is_reference(type_of) => match Oid::try_from(*number) {
            Ok(oid) => names.name_of(type_of, oid),
            Err(_) => number.to_string(),
        },
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number_text(*number),
        Value::Text(text) => text.to_string(),
        Value::Time(micros) => time_text(*micros, type_of),
        Value::Array(array) => array_text(array, type_of, names),
        Value::Record(fields) => record_text(fields, names),
    })
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

fn array_text(array: &Array, type_of: Oid, names: &dyn Names) -> String {
    let element = types().element_of(type_of).unwrap_or(types::TEXT);
    let texts = array.elements.iter().map(|e| output(e, element, names));
    if matches!(type_of, types::INT2VECTOR | types::OIDVECTOR) {
        let texts: Vec<String> = texts.flatten().collect();
        return texts.join(" ");
    }
    let quotes = kind_of(element) == Kind::Text;
    let texts = texts.map(|text| match text {
        None => "NULL".to_owned(),
        Some(text) if quotes || types::is_reference(element) => array_element(&text),
        Some(text) => text,
    });
    format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
}

fn array_element(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

fn record_text(fields: &[Value], names: &dyn Names) -> String {
    let mut text = String::from("(");
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let Some(field) = output(field, types::TEXT, names) else {
            continue;
        };
        let special = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '"' | '\\');
        let _ = match field.is_empty() || field.contains(special) {
            true => write!(
                text,
                "\"{}\"",
                field.replace('\\', "\\\\").replace('"', "\"\"")
            ),
            false => write!(text, "{field}"),
        };
    }
    text.push(')');
    text
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}
