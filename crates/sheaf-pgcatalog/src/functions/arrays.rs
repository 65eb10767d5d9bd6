//! Arrays, which have one dimension here; vectors are arrays that begin at 0.

use std::sync::Arc;

use sheaf_base::Result;

use super::{Call, elements};
use crate::types::{TEXT, types};
use crate::value::{Array, Value, output};

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
    let texts = array.elements.iter().filter_map(|value| {
        output(value, element, call.database).or_else(|| null.map(str::to_owned))
    });
    Ok(texts.collect::<Vec<_>>().join(between).into())
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
        .map(|array| array.lower + count(array) - 1)
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
    Ok(found.map(|index| index + array.lower).into())
}

pub(super) fn append(call: &Call<'_>) -> Result<Value> {
    let mut all = elements(call.value(0)).to_vec();
    all.push(call.value(1).clone());
    Ok(Value::array(all))
}

pub(super) fn cat(call: &Call<'_>) -> Result<Value> {
    Ok(joined(call.value(0), call.value(1)))
}

/// One array behind another; NULL is nothing.
pub(crate) fn joined(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => other.clone(),
        (left, right) => {
            let lower = left.as_array().map_or(1, |array| array.lower);
            let elements = [elements(left), elements(right)].concat();
            Value::Array(Arc::new(Array { lower, elements }))
        }
    }
}

pub(super) fn remove(call: &Call<'_>) -> Result<Value> {
    if call.value(0).is_null() {
        return Ok(Value::Null);
    }
    let kept = elements(call.value(0)).iter();
    let kept = kept.filter(|value| *value != call.value(1));
    Ok(Value::array(kept.cloned().collect()))
}
