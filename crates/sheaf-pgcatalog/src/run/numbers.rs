//! Arithmetic: every result fits its type or is an error.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::cast::in_range;
use crate::plan::Arithmetic;
use crate::types::Oid;
use crate::value::Value;

/// The value of an operator between numbers of one kind; NULL if one of them is.
///
/// # Errors
/// `UserInput` (22012, 22003) for divisions by zero and results that are too large.
pub(super) fn arithmetic(
    what: Arithmetic,
    type_of: Oid,
    left: &Value,
    right: &Value,
) -> Result<Value> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let is_zero = match right {
        Value::Int(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        Value::Numeric(number) => number.is_zero(),
        _ => false,
    };
    if is_zero && matches!(what, Arithmetic::Divide | Arithmetic::Remainder) {
        return Err(SheafError::user("division by zero").with_state(SqlState::DIVISION_BY_ZERO));
    }
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => of_integers(what, type_of, *a, *b),
        (Value::Float(a), Value::Float(b)) => of_floats(what, *a, *b),
        (Value::Numeric(a), Value::Numeric(b)) => Ok(Value::numeric(match what {
            Arithmetic::Add => a.add(**b)?,
            Arithmetic::Subtract => a.subtract(**b)?,
            Arithmetic::Multiply => a.multiply(**b)?,
            Arithmetic::Divide => a.divide(**b)?,
            Arithmetic::Remainder => a.remainder(**b)?,
            Arithmetic::And | Arithmetic::Or => return Err(mixed()),
        })),
        _ => Err(mixed()),
    }
}

fn mixed() -> SheafError {
    SheafError::internal("numbers of two kinds")
}

fn of_integers(what: Arithmetic, type_of: Oid, a: i64, b: i64) -> Result<Value> {
    let result = match what {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        // The smallest number has no opposite, but nothing is left of it.
        Arithmetic::Remainder => Some(a.checked_rem(b).unwrap_or(0)),
        Arithmetic::And => Some(a & b),
        Arithmetic::Or => Some(a | b),
    };
    let result = result.ok_or_else(|| crate::cast::out_of_range(type_of))?;
    Ok(Value::Int(in_range(result, type_of)?))
}

fn of_floats(what: Arithmetic, a: f64, b: f64) -> Result<Value> {
    let result = match what {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
        Arithmetic::And | Arithmetic::Or => return Err(mixed()),
    };
    let overflows = result.is_infinite() && a.is_finite() && b.is_finite();
    match overflows {
        true => Err(SheafError::user("value out of range: overflow")
            .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)),
        false => Ok(Value::Float(result)),
    }
}
