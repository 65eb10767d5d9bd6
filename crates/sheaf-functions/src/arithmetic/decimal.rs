//! Quotients of decimals, and what may not fit: long sums, differences and products.
//!
//! A quotient has at least 16 digits after the point, as in PostgreSQL; the engine's has four more
//! than the dividend. A product has the digits of both factors while they fit; a longer one is
//! rounded, where the engine's is an error. Sums and differences of the widest decimals are here,
//! too, since the engine's may have a digit too many. All are computed in 128 bits where that
//! suffices and in 256 where it does not, and rounded half away from zero; columns of short decimals
//! without checks (`unchecked`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, FieldRef, i256};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::unchecked::unchecked;
use super::whole::return_field;

/// The digits of the widest decimal there is.
pub const DECIMAL_DIGITS_MAX: u8 = 38;

/// Digits after the point that a quotient has at least, and that a long product keeps.
const FRACTION_DIGITS_MIN: i8 = 16;

/// Digits after the point beyond which a product that may not fit is rounded.
const PRODUCT_FRACTION_DIGITS_MAX: i16 = 20;

/// The type of `dividend / divisor`, by their precision and scale (neither negative).
#[must_use]
pub fn quotient_type(dividend: (u8, i8), divisor: (u8, i8)) -> (u8, i8) {
    let ((p1, s1), (_, s2)) = (dividend, divisor);
    let scale = s1.max(s2).max(FRACTION_DIGITS_MIN);
    // The largest dividend by the smallest divisor.
    let whole_digits = i16::from(p1) - i16::from(s1) + i16::from(s2);
    (precision(whole_digits + i16::from(scale)), scale)
}

/// The type of `left * right`, by their precision and scale (neither negative).
#[must_use]
pub fn product_type(left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let ((p1, s1), (p2, s2)) = (left, right);
    let digits = i16::from(p1) + i16::from(p2) + 1;
    let scale = i16::from(s1) + i16::from(s2);
    let least = i16::from(s1.max(s2).max(FRACTION_DIGITS_MIN));
    let kept = i16::from(DECIMAL_DIGITS_MAX) - (digits - scale);
    let scale = match scale <= PRODUCT_FRACTION_DIGITS_MAX {
        true => scale,
        false => scale.min(kept.max(least)),
    };
    (precision(digits), i8::try_from(scale).unwrap_or(i8::MAX))
}

/// The type of `left + right` and `left - right`, by their precision and scale (neither negative).
#[must_use]
pub fn sum_type(left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let ((p1, s1), (p2, s2)) = (left, right);
    let whole_digits = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let scale = s1.max(s2);
    (precision(whole_digits + i16::from(scale) + 1), scale)
}

fn precision(digits: i16) -> u8 {
    u8::try_from(digits.clamp(1, i16::from(DECIMAL_DIGITS_MAX))).unwrap_or(DECIMAL_DIGITS_MAX)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// A sum by the number of its values, as a decimal of this precision and scale.
    Average(u8, i8),
}

/// An operator as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Decimals {
    operation: Operation,
    signature: Signature,
}

impl Decimals {
    pub(super) fn function(operation: Operation) -> ScalarUDF {
        ScalarUDF::from(Self {
            operation,
            signature: Signature::any(2, Volatility::Immutable),
        })
    }
}

impl Operation {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide | Self::Average(_, _) => "/",
        }
    }
}

impl ScalarUDFImpl for Decimals {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Add => "add_decimals",
            Operation::Subtract => "subtract_decimals",
            Operation::Multiply => "multiply_decimals",
            Operation::Divide => "divide_decimals",
            Operation::Average(_, _) => "average_of_decimals",
        }
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let symbol = self.operation.symbol();
        Ok(match arguments {
            [left, right] => format!("{} {symbol} {}", left.schema_name(), right.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)] = types else {
            return internal_err!("{} of {types:?}", self.name());
        };
        let (left, right) = ((*p1, *s1), (*p2, *s2));
        let (precision, scale) = match self.operation {
            Operation::Add | Operation::Subtract => sum_type(left, right),
            Operation::Multiply => product_type(left, right),
            Operation::Divide => quotient_type(left, right),
            Operation::Average(precision, scale) => (precision, scale),
        };
        Ok(DataType::Decimal128(precision, scale))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        return_field(self, &args)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Decimal128(precision, scale) = *args.return_field.data_type() else {
            return internal_err!("{} makes a decimal", self.name());
        };
        let [left, right] = args.args.as_slice() else {
            return internal_err!("{} of {} arguments", self.name(), args.args.len());
        };
        let is_scalar = matches!(
            (left, right),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let rows = if is_scalar { 1 } else { args.number_rows };
        let pair = Pair {
            left: Factor::of(left)?,
            right: Factor::of(right)?,
            rows,
            symbol: self.operation.symbol(),
            limit: 10_u128.pow(u32::from(precision.min(DECIMAL_DIGITS_MAX))) - 1,
        };
        let result = match unchecked(self.operation, &pair, scale) {
            Some(result) => result,
            None => match self.operation {
                Operation::Add => pair.each(Sum::new(&pair, scale)?),
                Operation::Subtract => pair.each(Sum::new(&pair, scale)?.negated()),
                Operation::Multiply => pair.each(Product::new(&pair, scale)?),
                Operation::Divide => pair.each(Quotient::new(&pair, scale)?),
                Operation::Average(_, _) => pair.each(Average(Quotient::new(&pair, scale)?)),
            }?,
        };
        let result: ArrayRef = Arc::new(result.with_precision_and_scale(precision, scale)?);
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// A column of decimals, or one for all rows.
pub(super) struct Factor {
    pub(super) array: Decimal128Array,
    pub(super) is_scalar: bool,
}

impl Factor {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let (array, is_scalar) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        match array.as_primitive_opt::<Decimal128Type>() {
            Some(array) => Ok(Self {
                array: array.clone(),
                is_scalar,
            }),
            None => internal_err!("{} in place of a decimal", array.data_type()),
        }
    }

    fn get(&self, row: usize) -> Option<i128> {
        let row = if self.is_scalar { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    pub(super) fn scale(&self) -> i16 {
        i16::from(self.array.scale())
    }
}

/// The operands of one operation.
pub(super) struct Pair {
    pub(super) left: Factor,
    pub(super) right: Factor,
    rows: usize,
    symbol: &'static str,
    /// The largest digits of a result.
    pub(super) limit: u128,
}

impl Pair {
    fn each(&self, operation: impl OnDigits) -> Result<Decimal128Array> {
        let mut builder = Decimal128Array::builder(self.rows);
        for row in 0..self.rows {
            let (Some(left), Some(right)) = (self.left.get(row), self.right.get(row)) else {
                builder.append_null();
                continue;
            };
            match operation.apply(left, right)? {
                Some(digits) if digits.unsigned_abs() <= self.limit => builder.append_value(digits),
                _ => return Err(self.out_of_range(left, right).into()),
            }
        }
        Ok(builder.finish())
    }

    fn out_of_range(&self, left: i128, right: i128) -> SheafError {
        let text = |factor: &Factor, digits: i128| {
            let (precision, scale) = (factor.array.precision(), factor.array.scale());
            Decimal128Type::format_decimal(digits, precision, scale)
        };
        SheafError::data(format!(
            "{} {} {} is out of range for type DECIMAL({DECIMAL_DIGITS_MAX})",
            text(&self.left, left),
            self.symbol,
            text(&self.right, right)
        ))
        .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        .with_hint("cast an operand to DOUBLE")
    }
}

/// One operation on the digits of two decimals.
trait OnDigits {
    /// The digits of the result; `None` if they take more than 128 bits.
    fn apply(&self, left: i128, right: i128) -> Result<Option<i128>, ArrowError>;
}

struct Sum {
    left_factor: i256,
    right_factor: i256,
}

impl Sum {
    fn new(pair: &Pair, scale: i8) -> Result<Self> {
        Ok(Self {
            left_factor: power_of_ten(i16::from(scale) - pair.left.scale())?,
            right_factor: power_of_ten(i16::from(scale) - pair.right.scale())?,
        })
    }

    fn negated(self) -> Self {
        Self {
            right_factor: self.right_factor.wrapping_neg(),
            ..self
        }
    }
}

impl OnDigits for Sum {
    fn apply(&self, left: i128, right: i128) -> Result<Option<i128>, ArrowError> {
        // No digits of a decimal by a power of ten below 10^38 take more than 256 bits.
        let left = i256::from_i128(left).wrapping_mul(self.left_factor);
        let right = i256::from_i128(right).wrapping_mul(self.right_factor);
        Ok(left.wrapping_add(right).to_i128())
    }
}

struct Product {
    /// What the product of the digits is divided by.
    divisor: i256,
}

impl Product {
    fn new(pair: &Pair, scale: i8) -> Result<Self> {
        let exponent = pair.left.scale() + pair.right.scale() - i16::from(scale);
        Ok(Self {
            divisor: power_of_ten(exponent)?,
        })
    }
}

impl OnDigits for Product {
    fn apply(&self, left: i128, right: i128) -> Result<Option<i128>, ArrowError> {
        if self.divisor == i256::ONE {
            return Ok(left.checked_mul(right));
        }
        let product = i256::from_i128(left).checked_mul(i256::from_i128(right));
        Ok(product.and_then(|product| divide_rounded(product, self.divisor)))
    }
}

struct Quotient {
    /// What the dividend's digits are multiplied by before they are divided.
    factor: i256,
    short_factor: Option<i128>,
}

impl Quotient {
    fn new(pair: &Pair, scale: i8) -> Result<Self> {
        let factor = power_of_ten(i16::from(scale) - pair.left.scale() + pair.right.scale())?;
        Ok(Self {
            factor,
            short_factor: factor.to_i128(),
        })
    }
}

impl OnDigits for Quotient {
    fn apply(&self, dividend: i128, divisor: i128) -> Result<Option<i128>, ArrowError> {
        if divisor == 0 {
            return Err(ArrowError::DivideByZero);
        }
        let short = self.short_factor.and_then(|f| dividend.checked_mul(f));
        if let Some(dividend) = short {
            let quotient = dividend / divisor;
            let rest = (dividend % divisor).unsigned_abs();
            let is_negative = (dividend < 0) != (divisor < 0);
            let step = if is_negative { -1 } else { 1 };
            let is_up = rest >= divisor.unsigned_abs() - rest;
            return Ok(Some(quotient + if is_up { step } else { 0 }));
        }
        let dividend = i256::from_i128(dividend).checked_mul(self.factor);
        let divisor = i256::from_i128(divisor);
        Ok(dividend.and_then(|dividend| divide_rounded(dividend, divisor)))
    }
}

/// A quotient that is cut off, not rounded, by a divisor that is not 0.
struct Average(Quotient);

impl OnDigits for Average {
    fn apply(&self, sum: i128, count: i128) -> Result<Option<i128>, ArrowError> {
        let short = self.0.short_factor.and_then(|f| sum.checked_mul(f));
        if let Some(sum) = short {
            return Ok(sum.checked_div(count));
        }
        let sum = i256::from_i128(sum).checked_mul(self.0.factor);
        let average = sum.and_then(|sum| sum.checked_div(i256::from_i128(count)));
        Ok(average.and_then(i256::to_i128))
    }
}

/// Half away from zero; `None` if the divisor is 0 or the result takes more than 128 bits.
fn divide_rounded(dividend: i256, divisor: i256) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?;
    let is_up = rest.wrapping_abs() >= divisor.wrapping_abs().wrapping_sub(rest.wrapping_abs());
    let is_negative = (dividend < i256::ZERO) != (divisor < i256::ZERO);
    let step = match (is_up, is_negative) {
        (false, _) => i256::ZERO,
        (true, false) => i256::ONE,
        (true, true) => i256::MINUS_ONE,
    };
    quotient.wrapping_add(step).to_i128()
}

fn power_of_ten(exponent: i16) -> Result<i256> {
    let power = u32::try_from(exponent)
        .ok()
        .and_then(|exponent| i256::from_i128(10).checked_pow(exponent));
    match power {
        Some(power) => Ok(power),
        None => internal_err!("10 to the power of {exponent}"),
    }
}
