//! `+`, `-`, `*` and negation of whole numbers, where a result that does not fit is an error.
//!
//! The loops do not branch: each computes the wrapped result and gathers whether one did not fit.
//! Only then is the row looked for, since what stands in the place of a NULL does not count.

use std::sync::Arc;

use arrow::array::downcast_integer;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

impl Operation {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
        }
    }
}

/// An operator as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    pub(super) fn binary(operation: Operation) -> ScalarUDF {
        Self::function(operation, 2)
    }

    pub(super) fn unary(operation: Operation) -> ScalarUDF {
        Self::function(operation, 1)
    }

    fn function(operation: Operation, arguments: usize) -> ScalarUDF {
        ScalarUDF::from(Self {
            operation,
            signature: Signature::any(arguments, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Negate => "negate",
        }
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let symbol = self.operation.symbol();
        Ok(match arguments {
            [left, right] => format!("{} {symbol} {}", left.schema_name(), right.schema_name()),
            [value] => format!("({symbol} {})", value.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(first) if types.iter().all(|other| other == first) => Ok(first.clone()),
            _ => internal_err!("{} of {types:?}", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        return_field(self, &args)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (left, right) = match args.args.as_slice() {
            // 0 - x
            [value] => (
                &ColumnarValue::Scalar(ScalarValue::new_zero(&value.data_type())?),
                value,
            ),
            [left, right] => (left, right),
            _ => return internal_err!("{} of {} arguments", self.name(), args.args.len()),
        };
        let is_scalar = matches!(
            (left, right),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let (left, right) = (Operand::of(left)?, Operand::of(right)?);
        let rows = if is_scalar { 1 } else { args.number_rows };
        macro_rules! compute {
            ($t:ty) => {
                compute::<$t>(self.operation, &left, &right, rows)
            };
        }
        let data_type = left.array.data_type();
        let result = downcast_integer! {
            data_type => (compute),
            other => internal_err!("{} of {other}", self.name())
        }?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        match (self.operation, inputs) {
            (Operation::Add, [left, right]) => left.add(*right),
            (Operation::Subtract, [left, right]) => left.sub(*right),
            (Operation::Multiply, [left, right]) => left.mul(*right),
            (Operation::Negate, [value]) => value.arithmetic_negate(),
            _ => internal_err!("bounds of {} of {} arguments", self.name(), inputs.len()),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match (self.operation, inputs) {
            (Operation::Add, [left, right]) => left.sort_properties.add(&right.sort_properties),
            (Operation::Subtract, [left, right]) => {
                left.sort_properties.sub(&right.sort_properties)
            }
            (Operation::Negate, [value]) => -value.sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

/// The field of a result that is NULL where an argument is.
pub(super) fn return_field(
    function: &impl ScalarUDFImpl,
    args: &ReturnFieldArgs<'_>,
) -> Result<FieldRef> {
    let types: Vec<DataType> = args
        .arg_fields
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
    let data_type = function.return_type(&types)?;
    Ok(Arc::new(Field::new(
        function.name(),
        data_type,
        is_nullable,
    )))
}

/// A column, or one value for all rows.
struct Operand {
    array: ArrayRef,
    is_scalar: bool,
}

impl Operand {
    fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self {
                array: Arc::clone(array),
                is_scalar: false,
            },
            ColumnarValue::Scalar(scalar) => Self {
                array: scalar.to_array()?,
                is_scalar: true,
            },
        })
    }
}

fn compute<T: ArrowPrimitiveType>(
    operation: Operation,
    left: &Operand,
    right: &Operand,
    rows: usize,
) -> Result<ArrayRef>
where
    T::Native: Whole,
{
    let is_null = |operand: &Operand| operand.is_scalar && operand.array.is_null(0);
    if is_null(left) || is_null(right) {
        return Ok(Arc::new(PrimitiveArray::<T>::new_null(rows)));
    }
    let (l, r) = (
        left.array.as_primitive::<T>(),
        right.array.as_primitive::<T>(),
    );
    let nulls = match (left.is_scalar, right.is_scalar) {
        (true, true) => None,
        (true, false) => r.nulls().cloned(),
        (false, true) => l.nulls().cloned(),
        (false, false) => NullBuffer::union(l.nulls(), r.nulls()),
    };
    let function = match operation {
        Operation::Add => T::Native::add,
        Operation::Subtract | Operation::Negate => T::Native::subtract,
        Operation::Multiply => T::Native::multiply,
    };
    // Named functions, not the pointer, so that each loop is compiled for its operation.
    let (values, is_any_wrong) = match operation {
        Operation::Add => each(left, l, right, r, T::Native::add),
        Operation::Subtract | Operation::Negate => each(left, l, right, r, T::Native::subtract),
        Operation::Multiply => each(left, l, right, r, T::Native::multiply),
    };
    if is_any_wrong {
        let at = |operand: &Operand, array: &PrimitiveArray<T>, row: usize| {
            array.value(if operand.is_scalar { 0 } else { row })
        };
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let (a, b) = (at(left, l, row), at(right, r, row));
            if function(a, b).1 {
                return Err(out_of_range::<T>(operation, a, b).into());
            }
        }
    }
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
}

/// Applies `f` to the values of each row, NULLs included; says whether one result is wrong.
fn each<T: ArrowPrimitiveType>(
    left: &Operand,
    left_values: &PrimitiveArray<T>,
    right: &Operand,
    right_values: &PrimitiveArray<T>,
    f: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> (Vec<T::Native>, bool) {
    let (l, r) = (left_values.values(), right_values.values());
    match (left.is_scalar, right.is_scalar) {
        (true, _) => gather(r.iter().map(|r| f(l[0], *r))),
        (false, true) => gather(l.iter().map(|l| f(*l, r[0]))),
        (false, false) => gather(l.iter().zip(r.iter()).map(|(l, r)| f(*l, *r))),
    }
}

fn gather<N>(results: impl Iterator<Item = (N, bool)>) -> (Vec<N>, bool) {
    let mut is_any_wrong = false;
    let values = results
        .map(|(value, is_wrong)| {
            is_any_wrong |= is_wrong;
            value
        })
        .collect();
    (values, is_any_wrong)
}

fn out_of_range<T: ArrowPrimitiveType>(
    operation: Operation,
    left: T::Native,
    right: T::Native,
) -> SheafError {
    let type_name = sql_type_name(&T::DATA_TYPE);
    let symbol = operation.symbol();
    let what = match operation {
        Operation::Negate => format!("-({right:?})"),
        _ => format!("{left:?} {symbol} {right:?}"),
    };
    SheafError::data(format!("{what} is out of range for type {type_name}"))
        .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        .with_hint("cast an operand to a wider type, or to DECIMAL or DOUBLE")
}

/// What the loops do to two values: the wrapped result, and whether it is wrong.
trait Whole: Copy {
    fn add(self, other: Self) -> (Self, bool);
    fn subtract(self, other: Self) -> (Self, bool);
    fn multiply(self, other: Self) -> (Self, bool);
}

macro_rules! signed {
    ($($t:ty),*) => {$(
        impl Whole for $t {
            // The sign of the result differs from both operands': this form is vectorised.
            #[inline]
            fn add(self, other: Self) -> (Self, bool) {
                let sum = self.wrapping_add(other);
                (sum, ((self ^ sum) & (other ^ sum)) < 0)
            }
            #[inline]
            fn subtract(self, other: Self) -> (Self, bool) {
                let difference = self.wrapping_sub(other);
                (difference, ((self ^ other) & (self ^ difference)) < 0)
            }
            #[inline]
            fn multiply(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
        }
    )*};
}

macro_rules! unsigned {
    ($($t:ty),*) => {$(
        impl Whole for $t {
            #[inline]
            fn add(self, other: Self) -> (Self, bool) {
                let sum = self.wrapping_add(other);
                (sum, sum < self)
            }
            #[inline]
            fn subtract(self, other: Self) -> (Self, bool) {
                (self.wrapping_sub(other), self < other)
            }
            #[inline]
            fn multiply(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
        }
    )*};
}

signed!(i8, i16, i32, i64);
unsigned!(u8, u16, u32, u64);
