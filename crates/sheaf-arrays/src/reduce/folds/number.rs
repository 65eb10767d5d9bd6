//! Arithmetic of the types that folds compute in.

use num_complex::Complex;

use crate::tensor::Wide;

/// What folds need of the values that they compute in.
pub(crate) trait Number: Wide {
    /// Both, as sums wrap or round.
    fn plus(self, other: Self) -> Self;
    /// What `self + other` has lost beside `sum`, which is it rounded.
    fn lost(self, other: Self, sum: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// Whether it is no number.
    fn is_nan(self) -> bool;
    /// Whether it comes before `other`; whatever is unordered does not.
    fn is_before(self, other: Self) -> bool;
    /// Its magnitude.
    fn magnitude(self) -> f64;
}

macro_rules! whole_numbers {
    ($($rust:ty),*) => {$(
        impl Number for $rust {
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn lost(self, _: Self, _: Self) -> Self {
                0
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn is_nan(self) -> bool {
                false
            }
            fn is_before(self, other: Self) -> bool {
                self < other
            }
            fn magnitude(self) -> f64 {
                (self as f64).abs()
            }
        }
    )*};
}

whole_numbers!(i64, u64);

impl Number for f64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn lost(self, other: Self, sum: Self) -> Self {
        let lost = match self.abs() >= other.abs() {
            true => (self - sum) + other,
            false => (other - sum) + self,
        };
        // Beyond the largest number nothing is lost that could be given back.
        if lost.is_finite() { lost } else { 0.0 }
    }
    fn times(self, other: Self) -> Self {
        self * other
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
    fn is_before(self, other: Self) -> bool {
        self < other
    }
    fn magnitude(self) -> f64 {
        self.abs()
    }
}

impl Number for Complex<f64> {
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn lost(self, other: Self, sum: Self) -> Self {
        Complex::new(
            self.re.lost(other.re, sum.re),
            self.im.lost(other.im, sum.im),
        )
    }
    fn times(self, other: Self) -> Self {
        self * other
    }
    fn is_nan(self) -> bool {
        self.re.is_nan() || self.im.is_nan()
    }
    fn is_before(self, _: Self) -> bool {
        false
    }
    fn magnitude(self) -> f64 {
        self.norm()
    }
}
