//! Casts, with literals converted at once: a decimal literal becomes the double that is nearest to
//! its text, which a cast of its digits is not always.

use arrow::array::types::{Decimal128Type, Decimal256Type, DecimalType};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};
use sheaf_base::uuid::is_uuid;
use sheaf_functions::uuid::to_uuid;

/// `expr` as a `data_type`.
pub(super) fn cast(expr: Expr, data_type: &DataType, schema: &DFSchema) -> Result<Expr> {
    if is_uuid(data_type) && expr.get_type(schema)?.is_string() {
        return Ok(to_uuid(expr, false));
    }
    match expr {
        Expr::Literal(value, metadata) if value.data_type() != *data_type => {
            match converted_literal(&value, data_type) {
                Some(value) => Ok(Expr::Literal(value, metadata)),
                None => Expr::Literal(value, metadata).cast_to(data_type, schema),
            }
        }
        other => other.cast_to(data_type, schema),
    }
}

/// A literal number as a `data_type`: a double is the one that is nearest to its text. `None` if the conversion
/// is to be left to a cast, which then fails with its own error.
#[must_use]
pub fn converted_literal(value: &ScalarValue, data_type: &DataType) -> Option<ScalarValue> {
    if value.is_null() {
        return ScalarValue::try_from(data_type).ok();
    }
    if !value.data_type().is_numeric() {
        return None;
    }
    if *data_type == DataType::Float64
        && let Some(text) = decimal_text(value)
    {
        return text
            .parse()
            .ok()
            .map(|value| ScalarValue::Float64(Some(value)));
    }
    let converted = value.cast_to(data_type).ok()?;
    (!converted.is_null()).then_some(converted)
}

fn decimal_text(value: &ScalarValue) -> Option<String> {
    Some(match value {
        ScalarValue::Decimal128(Some(digits), precision, scale) => {
            Decimal128Type::format_decimal(*digits, *precision, *scale)
        }
        ScalarValue::Decimal256(Some(digits), precision, scale) => {
            Decimal256Type::format_decimal(*digits, *precision, *scale)
        }
        _ => return None,
    })
}
