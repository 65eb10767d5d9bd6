//! The numbers that matrices in memory are of: real or complex ones, in double precision.
//!
//! Algorithms are written once, for complex numbers; of real ones the conjugate is the number itself, which
//! costs nothing.

use std::borrow::Cow;
use std::fmt::Display;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use num_complex::Complex;

use super::kernels::Multiply;
use crate::elementwise::quotient;
use crate::tensor::Wide;

/// A number that can be multiplied and divided.
pub(super) trait Field:
    Multiply
    + Wide
    + Display
    + Sum
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + AddAssign
    + SubAssign
{
    /// The number with its imaginary part negated.
    fn conjugate(self) -> Self;
    /// The same of many numbers, without a copy of real ones.
    fn conjugates(values: &[Self]) -> Cow<'_, [Self]>;
    /// The real part.
    fn real(self) -> f64;
    /// How far it is from 0.
    fn modulus(self) -> f64;
    /// The square of that.
    fn norm_square(self) -> f64;
    /// The sum of the magnitudes of its parts, by which LAPACK chooses pivots.
    fn size(self) -> f64;
    /// Whether all its parts are.
    fn is_finite(self) -> bool;
    /// The quotient.
    fn over(self, divisor: Self) -> Self;
}

impl Field for f64 {
    fn conjugate(self) -> Self {
        self
    }
    fn conjugates(values: &[Self]) -> Cow<'_, [Self]> {
        Cow::Borrowed(values)
    }
    fn real(self) -> f64 {
        self
    }
    fn modulus(self) -> f64 {
        self.abs()
    }
    fn norm_square(self) -> f64 {
        self * self
    }
    fn size(self) -> f64 {
        self.abs()
    }
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    fn over(self, divisor: Self) -> Self {
        self / divisor
    }
}

impl Field for Complex<f64> {
    fn conjugate(self) -> Self {
        self.conj()
    }
    fn conjugates(values: &[Self]) -> Cow<'_, [Self]> {
        values.iter().map(Complex::conj).collect()
    }
    fn real(self) -> f64 {
        self.re
    }
    fn modulus(self) -> f64 {
        self.norm()
    }
    fn norm_square(self) -> f64 {
        self.norm_sqr()
    }
    fn size(self) -> f64 {
        self.re.abs() + self.im.abs()
    }
    fn is_finite(self) -> bool {
        self.re.is_finite() && self.im.is_finite()
    }
    fn over(self, divisor: Self) -> Self {
        quotient(self, divisor)
    }
}
