//! How large things are.

use sheaf_base::Result;

use super::Call;
use crate::cast::{in_range, out_of_range};
use crate::types::INT8;
use crate::value::Value;

/// Bytes of a relation, of which nothing is written in any place of Sheaf's own: 0 if there is one.
pub(super) fn relation(call: &Call<'_>) -> Result<Value> {
    let found = call.database.relation(call.oid(0));
    Ok(found.map(|_| 0_i64).into())
}

/// Bytes of a value in memory.
pub(super) fn value(call: &Call<'_>) -> Result<Value> {
    Ok(Value::Int(
        i64::try_from(call.value(0).bytes()).unwrap_or(i64::MAX),
    ))
}

pub(super) fn absolute(call: &Call<'_>) -> Result<Value> {
    Ok(match call.value(0) {
        Value::Int(number) => {
            let type_of = call.type_of(0);
            let absolute = number.checked_abs().ok_or_else(|| out_of_range(type_of))?;
            Value::Int(in_range(absolute, type_of)?)
        }
        Value::Float(number) => Value::Float(number.abs()),
        Value::Numeric(number) => Value::numeric(number.absolute()?),
        _ => Value::Null,
    })
}

/// Bytes as people read them: the largest unit of which there are fewer than 10,240, rounded.
pub(super) fn pretty(call: &Call<'_>) -> Result<Value> {
    Ok(pretty_bytes(call.int(0)).into())
}

/// The same of a sum of them.
pub(super) fn pretty_numeric(call: &Call<'_>) -> Result<Value> {
    let Value::Numeric(number) = call.value(0) else {
        return Ok(Value::Null);
    };
    let bytes = number.to_int().ok_or_else(|| out_of_range(INT8))?;
    let is_small = bytes.unsigned_abs() < UNIT_MAX.unsigned_abs();
    Ok(match is_small {
        true => format!("{number} bytes").into(),
        false => pretty_bytes(bytes).into(),
    })
}

/// Units, each 1,024 of the one before.
const UNITS: &[&str] = &["bytes", "kB", "MB", "GB", "TB", "PB"];
/// What is smaller keeps its unit.
const UNIT_MAX: i64 = 10 * 1024;

fn pretty_bytes(bytes: i64) -> String {
    if bytes.unsigned_abs() < UNIT_MAX.unsigned_abs() {
        return format!("{bytes} bytes");
    }
    // One binary digit more than is shown, with which the last unit rounds.
    let mut halves = bytes / 512;
    let units = UNITS.iter().skip(1);
    let last = UNITS.len() - 2;
    for (index, unit) in units.enumerate() {
        let limit = (2 * UNIT_MAX - 1).unsigned_abs();
        if halves.unsigned_abs() < limit || index == last {
            let rounded = (halves + halves.signum()) / 2;
            return format!("{rounded} {unit}");
        }
        halves /= 1024;
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::pretty_bytes;

    /// As PostgreSQL 18's `pg_size_pretty` gives them.
    #[test]
    fn sizes_are_rounded_as_postgres_does() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (8192, "8192 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (10_736_893_951, "10239 MB"),
            (10_736_893_952, "10 GB"),
            (-10_240, "-10 kB"),
            (1_000_000_000_000, "931 GB"),
        ] {
            assert_eq!(pretty_bytes(bytes), text, "{bytes}");
        }
    }
}
