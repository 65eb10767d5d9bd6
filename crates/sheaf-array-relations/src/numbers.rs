//! Numbers that stand in a call beside arrays: they have no type of their own and take that of the arrays, as
//! NumPy has it (NEP 50, "Promotion rules for Python scalars").

use std::fmt;

use sheaf_arrays::{Array, Class, DType, Grid, Scalar, full};
use sheaf_base::Result;
use sheaf_base::error::SqlState;

use crate::arguments::{Arguments, ArrayArgument};

/// A number that is written in a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of digits alone.
    Whole(i128),
    /// With a point or an exponent.
    Float(f64),
}

/// What is done with elements and a number that their type cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// The call is refused.
    Refused,
    /// They are compared: such a number lies beyond all elements.
    Compared,
}

impl Number {
    /// The number alone, as an array of no axes.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn argument(self) -> Result<ArrayArgument> {
        let (dtype, value) = self.alone();
        Ok(ArrayArgument {
            array: constant(dtype, value)?,
            cells: vec![],
            number: Some(self),
        })
    }

    /// The type that it has beside nothing, and its value in that.
    fn alone(self) -> (DType, Scalar) {
        let whole = match self {
            Self::Float(value) => return (DType::Float64, Scalar::Float(value)),
            Self::Whole(value) => value,
        };
        if let Ok(value) = i64::try_from(whole) {
            return (DType::Int64, Scalar::Int(value));
        }
        match u64::try_from(whole) {
            Ok(value) => (DType::UInt64, Scalar::UInt(value)),
            Err(_) => (DType::Float64, Scalar::Float(self.as_f64())),
        }
    }

    /// The type that it takes beside elements of type `dtype`: theirs, unless it is of a wider kind.
    fn beside(self, dtype: DType) -> DType {
        match (self, dtype.class()) {
            (Self::Whole(_), Class::Bool) => self.alone().0,
            (Self::Whole(_), _) | (Self::Float(_), Class::Float | Class::Complex) => dtype,
            (Self::Float(_), _) => DType::Float64,
        }
    }

    /// The number as a value of type `dtype`, unless it is a whole number that this cannot hold.
    fn value(self, dtype: DType) -> Option<Scalar> {
        let whole = match self {
            Self::Float(value) => return Some(Scalar::Float(value)),
            Self::Whole(value) => value,
        };
        let bits = 8 * dtype.bytes();
        match dtype.class() {
            Class::Int => {
                let value = i64::try_from(whole).ok()?;
                let limit = 1i128 << (bits - 1);
                (-limit..limit)
                    .contains(&whole)
                    .then_some(Scalar::Int(value))
            }
            Class::UInt => {
                let value = u64::try_from(whole).ok()?;
                (whole < 1i128 << bits).then_some(Scalar::UInt(value))
            }
            Class::Bool => None,
            Class::Float | Class::Complex => Some(Scalar::Float(self.as_f64())),
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

impl Arguments<'_> {
    /// The arrays "a" and "b"; a number that is one of them has the type that it takes beside the other.
    ///
    /// # Errors
    /// `UserInput` if one is missing, or a number is not held by that type and is to be refused.
    pub(crate) fn operands(&self, beyond: Beyond) -> Result<(Array, Array)> {
        let (a, b) = (self.array_argument("a")?, self.array_argument("b")?);
        Ok(match (a.number, b.number) {
            (Some(number), None) => (self.beside(number, &b.array, beyond)?, b.array.clone()),
            (None, Some(number)) => (a.array.clone(), self.beside(number, &a.array, beyond)?),
            _ => (a.array.clone(), b.array.clone()),
        })
    }

    fn beside(&self, number: Number, array: &Array, beyond: Beyond) -> Result<Array> {
        let dtype = number.beside(array.dtype());
        match (number.value(dtype), beyond) {
            (Some(value), _) => constant(dtype, value),
            (None, Beyond::Compared) => {
                let side = f64::INFINITY.copysign(number.as_f64());
                constant(DType::Float64, Scalar::Float(side))
            }
            (None, Beyond::Refused) => Err(self
                .wrong(format!(
                    "the number {number} is out of range for the other array's {dtype}"
                ))
                .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
                .with_hint(
                    "a number takes the type of the array; array_cast gives the array a wider one",
                )),
        }
    }
}

/// An array of no axes.
fn constant(dtype: DType, value: Scalar) -> Result<Array> {
    Ok(full(Grid::regular(&[], &[], dtype)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of NEP 50: a number of digits adopts every type but bool, one with a point every inexact one.
    #[test]
    fn numbers_adopt_types_as_numpy_says() {
        for dtype in DType::all() {
            let (whole, float) = (
                Number::Whole(1).beside(dtype),
                Number::Float(1.0).beside(dtype),
            );
            match dtype.class() {
                Class::Bool => assert_eq!((whole, float), (DType::Int64, DType::Float64)),
                Class::Int | Class::UInt => assert_eq!((whole, float), (dtype, DType::Float64)),
                Class::Float | Class::Complex => assert_eq!((whole, float), (dtype, dtype)),
            }
        }
    }

    #[test]
    fn whole_numbers_are_held_up_to_the_limits_of_a_type() {
        for (dtype, low, high) in [
            (DType::Int8, -128, 127),
            (DType::UInt8, 0, 255),
            (DType::Int64, i128::from(i64::MIN), i128::from(i64::MAX)),
            (DType::UInt64, 0, i128::from(u64::MAX)),
        ] {
            for (number, is_held) in [
                (low - 1, false),
                (low, true),
                (high, true),
                (high + 1, false),
            ] {
                let value = Number::Whole(number).value(dtype);
                assert_eq!(value.is_some(), is_held, "{number} as {dtype}");
            }
        }
        let most = i128::from(u64::MAX);
        assert_eq!(Number::Whole(-1).alone(), (DType::Int64, Scalar::Int(-1)));
        assert_eq!(
            Number::Whole(most).alone(),
            (DType::UInt64, Scalar::UInt(u64::MAX))
        );
        // 2⁶⁴ is a double.
        assert_eq!(
            Number::Whole(most + 1).alone(),
            (DType::Float64, Scalar::Float(18_446_744_073_709_551_616.0))
        );
    }
}
