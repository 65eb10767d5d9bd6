//! Arrays, of up to six dimensions as PostgreSQL has them: lists within lists.

use sheaf::arrow::datatypes::DataType;
use sheaf::{Result, ScalarValue, SheafError, SqlState};

use super::number::NUMERIC_DIGITS_MAX;
use crate::message::frontend::Fields;
use crate::types::{Scalar, WireType, arrow_type, parameter_type};

const DIMENSIONS_MAX: usize = 6;

/// An array in binary form: see `encode::array::binary` for it.
///
/// # Errors
/// `UserInput` (22P03) if it is none, (42804) if it is one of another type.
pub(super) fn binary(bytes: bytes::Bytes, element: Scalar) -> Result<ScalarValue> {
    let mut fields = Fields::new(bytes);
    read_binary(&mut fields, element).map_err(|error| match error.state() {
        SqlState::PROTOCOL_VIOLATION => malformed_bytes(),
        _ => error,
    })
}

fn malformed_bytes() -> SheafError {
    SheafError::user("incorrect binary data format of an array")
        .with_state(SqlState::INVALID_BINARY_REPRESENTATION)
}

fn read_binary(fields: &mut Fields, element: Scalar) -> Result<ScalarValue> {
    let dimensions = usize::try_from(fields.i32()?).map_err(|_| malformed_bytes())?;
    fields.u32()?; // whether NULL is among them
    let oid = fields.u32()?;
    if dimensions > DIMENSIONS_MAX {
        return Err(too_many_dimensions());
    }
    // A varchar is a text here.
    if dimensions > 0 && parameter_type(oid) != Some(WireType::Scalar(element)) {
        return Err(SheafError::user(format!(
            "binary data has array element type {oid} instead of expected {}",
            element.oid()
        ))
        .with_state(SqlState::DATATYPE_MISMATCH));
    }
    let mut lengths = vec![];
    for _ in 0..dimensions {
        lengths.push(usize::try_from(fields.i32()?).map_err(|_| malformed_bytes())?);
        fields.i32()?; // the first index
    }
    let count = match lengths.is_empty() {
        true => Some(0),
        false => lengths
            .iter()
            .try_fold(1_usize, |all, n| all.checked_mul(*n)),
    };
    let mut values = vec![];
    for _ in 0..count.ok_or_else(malformed_bytes)? {
        values.push(match usize::try_from(fields.i32()?) {
            Ok(length) => super::binary(fields.bytes(length)?, element)?,
            Err(_) => ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?,
        });
    }
    nested(values, &lengths, element)
}

/// An array as text: `{1,NULL,"a b"}`, `{{1,2},{3,4}}`, perhaps with its bounds before it.
///
/// # Errors
/// `UserInput` (22P02) if it is none, or an element is no value of its type.
pub(super) fn text(source: &str, element: Scalar, zone: &str) -> Result<ScalarValue> {
    let malformed = |detail: &str| {
        SheafError::user(format!("malformed array literal: \"{source}\""))
            .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
            .with_detail(detail)
    };
    let trimmed = source.trim();
    let braces = match trimmed.split_once('=') {
        Some((bounds, rest)) if bounds.starts_with('[') => rest.trim(),
        _ => trimmed,
    };
    let mut reader = Items {
        rest: braces,
        items: vec![],
        lengths: vec![],
    };
    match reader.list(0) {
        Ok(()) if reader.rest.trim().is_empty() => {}
        Ok(()) => return Err(malformed("junk after closing right brace")),
        Err(detail) => return Err(malformed(detail)),
    }
    let null = ScalarValue::try_from(arrow_type(WireType::Scalar(element)))?;
    let values = reader.items.into_iter().map(|item| match item {
        Some(item) => super::text(&item, element, zone),
        None => Ok(null.clone()),
    });
    let lengths: Vec<usize> = reader.lengths.into_iter().flatten().collect();
    nested(values.collect::<Result<Vec<_>>>()?, &lengths, element)
}

/// Reads the items of a text, and the lengths of the lists that hold them.
struct Items<'t> {
    rest: &'t str,
    /// `None` is NULL.
    items: Vec<Option<String>>,
    /// By dimension, outermost first; as soon as one list of it has ended.
    lengths: Vec<Option<usize>>,
}

impl Items<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A list of dimension `depth`, braces included.
    fn list(&mut self, depth: usize) -> Result<(), &'static str> {
        if !self.take('{') {
            return Err("array value must start with \"{\"");
        }
        if depth == DIMENSIONS_MAX {
            return Err("number of array dimensions exceeds the maximum allowed (6)");
        }
        if self.lengths.len() == depth {
            // A deeper list than those before it.
            if self.lengths.last().is_some_and(Option::is_some) || !self.items.is_empty() {
                return Err(
                    "multidimensional arrays must have sub-arrays with matching dimensions",
                );
            }
            self.lengths.push(None);
        }
        if self.take('}') {
            return self.end(depth, 0);
        }
        let mut length = 0;
        loop {
            self.skip_space();
            match self.rest.starts_with('{') {
                true => self.list(depth + 1)?,
                false if self.lengths.len() > depth + 1 => {
                    return Err(
                        "multidimensional arrays must have sub-arrays with matching dimensions",
                    );
                }
                false => {
                    let item = self.item()?;
                    self.items.push(item);
                }
            }
            length += 1;
            if self.take('}') {
                return self.end(depth, length);
            }
            if !self.take(',') {
                return Err("unexpected end of input, or something behind an element");
            }
        }
    }

    fn end(&mut self, depth: usize, length: usize) -> Result<(), &'static str> {
        match self.lengths.get_mut(depth) {
            Some(known @ None) => {
                *known = Some(length);
                Ok(())
            }
            Some(Some(known)) if *known == length => Ok(()),
            _ => Err("multidimensional arrays must have sub-arrays with matching dimensions"),
        }
    }

    /// One element; an unquoted NULL is `None`.
    fn item(&mut self) -> Result<Option<String>, &'static str> {
        let mut item = String::new();
        let mut characters = self.rest.char_indices();
        if self.rest.starts_with('"') {
            characters.next();
            loop {
                match characters.next() {
                    None => return Err("unexpected end of input"),
                    Some((_, '"')) => break,
                    Some((_, '\\')) => item.extend(characters.next().map(|(_, c)| c)),
                    Some((_, c)) => item.push(c),
                }
            }
            self.rest = characters.as_str();
            return Ok(Some(item));
        }
        let mut is_escaped = false;
        let end = loop {
            match characters.next() {
                None => return Err("unexpected end of input"),
                Some((at, ',' | '}')) => break at,
                Some((_, '{' | '"')) => return Err("unexpected \"{\" or quote within an element"),
                Some((_, '\\')) => {
                    is_escaped = true;
                    item.extend(characters.next().map(|(_, c)| c));
                }
                Some((_, c)) => item.push(c),
            }
        };
        self.rest = self.rest.get(end..).unwrap_or_default();
        item.truncate(item.trim_end().len());
        match item.is_empty() {
            true => Err("an element is missing"),
            false => Ok(Some(item).filter(|item| is_escaped || !item.eq_ignore_ascii_case("null"))),
        }
    }
}

fn too_many_dimensions() -> SheafError {
    SheafError::user(format!("an array has at most {DIMENSIONS_MAX} dimensions"))
        .with_state(SqlState::PROGRAM_LIMIT)
}

/// Lists within lists of these lengths, outermost first; of the element's type also where they are empty.
fn nested(values: Vec<ScalarValue>, lengths: &[usize], element: Scalar) -> Result<ScalarValue> {
    let mut wanted = match element {
        Scalar::Numeric(_) => exact_type(&values)?,
        element => arrow_type(WireType::Scalar(element)),
    };
    let mut values = values
        .into_iter()
        .map(|value| value.cast_to(&wanted))
        .collect::<Result<Vec<_>, _>>()?;
    for length in lengths.iter().skip(1).rev() {
        let lists = values
            .chunks((*length).max(1))
            .map(|items| ScalarValue::List(ScalarValue::new_list_nullable(items, &wanted)));
        values = lists.collect();
        wanted = match values.first() {
            Some(list) => list.data_type(),
            None => break,
        };
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &values, &wanted,
    )))
}

/// The type in which each of these numbers is exact; that of doubles where one is (NaN).
///
/// # Errors
/// `UserInput` (22003) if there is none.
fn exact_type(values: &[ScalarValue]) -> Result<DataType> {
    let (mut whole, mut scale) = (1, 0);
    for value in values.iter().filter(|value| !value.is_null()) {
        let (DataType::Decimal128(digits, behind) | DataType::Decimal256(digits, behind)) =
            value.data_type()
        else {
            return Ok(DataType::Float64);
        };
        let behind = behind.unsigned_abs();
        whole = whole.max(digits.saturating_sub(behind));
        scale = scale.max(behind);
    }
    let digits = whole.saturating_add(scale);
    match (usize::from(digits), i8::try_from(scale)) {
        (0..=38, Ok(scale)) => Ok(DataType::Decimal128(digits, scale)),
        (39..=NUMERIC_DIGITS_MAX, Ok(scale)) => Ok(DataType::Decimal256(digits, scale)),
        _ => {
            let message = format!("an array of numeric needs over {NUMERIC_DIGITS_MAX} digits");
            Err(SheafError::user(message).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE))
        }
    }
}
