//! Arrays, which have one dimension here; vectors are arrays that begin at 0.

use std::sync::Arc;

use sheaf_base::Result;

use super::{Call, elements};
use crate::made::{Memory, Sink, Text, hold_elements};
use crate::types::{TEXT, types};
use crate::value::{Array, Value, write};

pub(super) fn empty(_: &Call<'_>) -> Result<Value> {
    Ok(Value::array(vec![]))
}

/// Elements with a text between them; NULLs are left out unless the third argument stands for them.
pub(super) fn to_string(call: &Call<'_>) -> Result<Value> {
    let (Some(array), Some(between)) = (call.value(0).as_array(), call.value(1).as_str()) else {
        return Ok(Value::Null);
    };
    let element = types().element_of(call.type_of(0)).unwrap_or(TEXT);
    let null = call.value(2).as_str();
    let mut text = Text::new(call.memory);
    let mut is_first = true;
    for value in &array.elements {
        if value.is_null() && null.is_none() {
            continue;
        }
        text.put(if std::mem::take(&mut is_first) {
            ""
        } else {
            between
        })?;
        if !write(value, element, call.database, &mut text)? {
            text.put(null.unwrap_or_default())?;
        }
    }
    text.into_value()
}

/// The array, if the call asks about the dimension that it has.
fn dimension<'c>(call: &'c Call<'_>) -> Option<&'c Array> {
    let array = call.value(0).as_array()?;
    (call.int(1) == 1 && !array.elements.is_empty()).then_some(array)
}

fn count(array: &Array) -> i64 {
    i64::try_from(array.elements.len()).unwrap_or(i64::MAX)
}

pub(super) fn length(call: &Call<'_>) -> Result<Value> {
    Ok(dimension(call).map(count).into())
}

pub(super) fn lower(call: &Call<'_>) -> Result<Value> {
    Ok(dimension(call).map(|array| array.lower).into())
}

pub(super) fn upper(call: &Call<'_>) -> Result<Value> {
    Ok(dimension(call)
        .map(|array| array.lower.saturating_add(count(array) - 1))
        .into())
}

pub(super) fn dimensions(call: &Call<'_>) -> Result<Value> {
    Ok((!elements(call.value(0)).is_empty())
        .then_some(1_i64)
        .into())
}

pub(super) fn cardinality(call: &Call<'_>) -> Result<Value> {
    Ok(call.value(0).as_array().map(count).into())
}

pub(super) fn position(call: &Call<'_>) -> Result<Value> {
    let Some(array) = call.value(0).as_array() else {
        return Ok(Value::Null);
    };
    let found = array
        .elements
        .iter()
        .position(|value| value == call.value(1));
    let found = found.and_then(|index| i64::try_from(index).ok());
    Ok(found.map(|index| index.saturating_add(array.lower)).into())
}

pub(super) fn append(call: &Call<'_>) -> Result<Value> {
    hold_elements(call.memory, elements(call.value(0)).len() + 1)?;
    let mut all = elements(call.value(0)).to_vec();
    all.push(call.value(1).clone());
    Ok(Value::array(all))
}

pub(super) fn cat(call: &Call<'_>) -> Result<Value> {
    joined(call.value(0), call.value(1), call.memory)
}

/// One array behind another; NULL is nothing.
///
/// # Errors
/// `Resource` if it becomes too large.
pub(crate) fn joined(left: &Value, right: &Value, memory: &dyn Memory) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Null, other) | (other, Value::Null) => other.clone(),
        (left, right) => {
            let lower = left.as_array().map_or(1, |array| array.lower);
            hold_elements(memory, elements(left).len() + elements(right).len())?;
            let elements = [elements(left), elements(right)].concat();
            Value::Array(Arc::new(Array { lower, elements }))
        }
    })
}

pub(super) fn remove(call: &Call<'_>) -> Result<Value> {
    if call.value(0).is_null() {
        return Ok(Value::Null);
    }
    hold_elements(call.memory, elements(call.value(0)).len())?;
    let kept = elements(call.value(0)).iter();
    let kept = kept.filter(|value| *value != call.value(1));
    Ok(Value::array(kept.cloned().collect()))
}
