//! Arithmetic that never answers wrongly: whole numbers that do not fit are an error, quotients
//! and long products of decimals are rounded, not cut.
//!
//! These functions have no names that users could call. The analyzer (`sheaf-optimizer`'s
//! `numbers` rule) puts them in the place of the engine's operators, whose whole numbers wrap
//! around, and whose decimals have four digits more than the dividend. Types are agreed before:
//! a function here takes what its constructor says and nothing else.

mod decimal;
mod rounding;
#[cfg(test)]
mod tests;
mod types;
mod unchecked;
mod whole;

pub use decimal::{DECIMAL_DIGITS_MAX, product_type, quotient_type, sum_type};
pub use types::{as_decimal, common_decimal, item, with_item};

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF, cast};

/// Digits that no number of rows has more of.
const COUNT_DIGITS: u8 = 19;

/// `left + right`, both of one type of whole numbers, which is also the result's.
#[must_use]
pub fn add(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(whole::Checked::binary(whole::Operation::Add)));
    call(&FUNCTION, vec![left, right])
}

/// `left - right`, both of one type of whole numbers, which is also the result's.
#[must_use]
pub fn subtract(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(whole::Checked::binary(whole::Operation::Subtract)));
    call(&FUNCTION, vec![left, right])
}

/// `left * right`, both of one type of whole numbers, which is also the result's.
#[must_use]
pub fn multiply(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(whole::Checked::binary(whole::Operation::Multiply)));
    call(&FUNCTION, vec![left, right])
}

/// `-value`, of a type of signed whole numbers, which is also the result's.
#[must_use]
pub fn negate(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(whole::Checked::unary(whole::Operation::Negate)));
    call(&FUNCTION, vec![value])
}

/// `left + right`, both `Decimal128`, as [`sum_type`].
#[must_use]
pub fn add_decimals(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(decimal::Decimals::function(decimal::Operation::Add)));
    call(&FUNCTION, vec![left, right])
}

/// `left - right`, both `Decimal128`, as [`sum_type`].
#[must_use]
pub fn subtract_decimals(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(decimal::Decimals::function(decimal::Operation::Subtract)));
    call(&FUNCTION, vec![left, right])
}

/// `left * right`, both `Decimal128`, as [`product_type`], rounded half away from zero.
#[must_use]
pub fn multiply_decimals(left: Expr, right: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(decimal::Decimals::function(decimal::Operation::Multiply)));
    call(&FUNCTION, vec![left, right])
}

/// `dividend / divisor`, both `Decimal128`, as [`quotient_type`], rounded half away from zero.
#[must_use]
pub fn divide_decimals(dividend: Expr, divisor: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(decimal::Decimals::function(decimal::Operation::Divide)));
    call(&FUNCTION, vec![dividend, divisor])
}

/// `sum / count` of decimals, where `count`, a BIGINT, tells how many have that sum: as a decimal of
/// this precision and scale, cut off as the engine's averages of windows are.
#[must_use]
pub fn average_of_decimals(sum: Expr, count: Expr, (precision, scale): (u8, i8)) -> Expr {
    let operation = decimal::Operation::Average(precision, scale);
    let function = Arc::new(decimal::Decimals::function(operation));
    let count = cast(count, DataType::Decimal128(COUNT_DIGITS, 0));
    call(&function, vec![sum, count])
}

/// The nearest whole number as a double, of two equally near ones the even one. `value` is
/// `Float32` or `Float64`, which is also the result's type.
#[must_use]
pub fn round_half_even(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(rounding::RoundHalfEven::function()));
    call(&FUNCTION, vec![value])
}

/// Whether an expression is a call of [`round_half_even`].
#[must_use]
pub fn is_round_half_even(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == rounding::NAME)
}

fn call(function: &Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), arguments))
}
