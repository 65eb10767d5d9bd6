//! NUMERIC without precision and scale: as in PostgreSQL, a value keeps the digits that it has.
//!
//! A column of the engine's has one scale for all its values. What a cast is of says which: decimals
//! keep theirs, whole numbers have none, a literal has as many digits as are written. Of what does not
//! say (texts of a column, doubles) there are ten behind the point.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable};
use sheaf_functions::arithmetic;

/// The key of metadata that tells the type of a cast from one that says its digits.
const KEY: &str = "sheaf.any_numeric";

/// Digits behind the point where nothing says how many.
const SCALE_DEFAULT: i8 = 10;

/// The type NUMERIC, for the planner of casts.
#[must_use]
pub fn any_numeric() -> FieldRef {
    let default = DataType::Decimal128(DECIMAL128_MAX_PRECISION, SCALE_DEFAULT);
    let metadata = [(KEY.to_owned(), String::new())];
    Arc::new(Field::new("", default, true).with_metadata(metadata.into()))
}

/// What a cast of `expr` to `field` is to, where that is any NUMERIC. A parameter whose value is not
/// known yet leaves it open.
pub(super) fn settled(field: FieldRef, expr: &Expr, schema: &DFSchema) -> Result<FieldRef> {
    if !field.metadata().contains_key(KEY) || matches!(expr, Expr::Placeholder(_)) {
        return Ok(field);
    }
    let own = expr.get_type(schema)?;
    let wanted = match &own {
        decimal if decimal.is_decimal() => decimal.clone(),
        whole if whole.is_integer() => arithmetic::as_decimal(whole).map_or_else(
            || field.data_type().clone(),
            |(precision, scale)| DataType::Decimal128(precision, scale),
        ),
        _ => written(expr).map_or_else(
            || field.data_type().clone(),
            |scale| DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale),
        ),
    };
    let mut metadata = field.metadata().clone();
    metadata.remove(KEY);
    let field = field.as_ref().clone().with_data_type(wanted);
    Ok(Arc::new(field.with_metadata(metadata)))
}

/// Digits behind the point of a literal, if all of its digits have a place.
fn written(expr: &Expr) -> Option<i8> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    let text = value.try_as_str().flatten()?.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_place = whole.trim_start_matches('0').len() + fraction.len()
        <= usize::from(DECIMAL128_MAX_PRECISION);
    let is_number = are_digits(whole) && are_digits(fraction) && !digits.is_empty();
    i8::try_from(fraction.len())
        .ok()
        .filter(|_| is_number && has_place)
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{cast, lit};

    use super::*;

    fn settled_type(expr: &Expr) -> DataType {
        let field = settled(any_numeric(), expr, &DFSchema::empty()).unwrap();
        assert!(field.metadata().is_empty());
        field.data_type().clone()
    }

    #[test]
    fn digits_are_those_of_what_is_cast() {
        for (text, scale) in [
            ("12.50", 2),
            ("-7", 0),
            (" .125 ", 3),
            ("1e3", 10),
            ("x", 10),
            ("", 10),
        ] {
            assert_eq!(
                settled_type(&lit(text)),
                DataType::Decimal128(38, scale),
                "{text}"
            );
        }
        let money = cast(lit(1), DataType::Decimal128(10, 2));
        assert_eq!(settled_type(&money), DataType::Decimal128(10, 2));
        assert_eq!(settled_type(&lit(1_i32)), DataType::Decimal128(10, 0));
        assert_eq!(settled_type(&lit(1.5)), DataType::Decimal128(38, 10));
        let long = format!("1{}.5", "0".repeat(38));
        assert_eq!(settled_type(&lit(long)), DataType::Decimal128(38, 10));
    }
}
