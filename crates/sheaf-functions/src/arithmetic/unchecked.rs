//! Sums, differences and products of decimals so short that none can overflow: plain loops.
//!
//! How long the digits of a batch are is seen in one pass that costs less than a check of each result.

use std::borrow::Cow;

use arrow::array::{Array, Decimal128Array};
use arrow::buffer::NullBuffer;

use super::decimal::{Factor, Operation, Pair};
use crate::digits;

/// The results, with `scale` digits after the point; `None` if one might be larger than the limit of
/// `pair`, or the operation is another one.
pub(super) fn unchecked(operation: Operation, pair: &Pair, scale: i8) -> Option<Decimal128Array> {
    let (scale, bits_max) = (i16::from(scale), pair.limit.ilog2());
    let (left, right) = (&pair.left, &pair.right);
    match operation {
        Operation::Add | Operation::Subtract => {
            let (left, right) = (Digits::of(left, scale)?, Digits::of(right, scale)?);
            // One bit more than the longer of the two.
            let is_short = left.bits.max(right.bits) < bits_max;
            is_short.then(|| match operation {
                Operation::Add => left.with(&right, i128::wrapping_add),
                _ => left.with(&right, i128::wrapping_sub),
            })?
        }
        Operation::Multiply => {
            let is_whole = left.scale() + right.scale() == scale;
            let left = Digits::of(left, left.scale())?;
            let right = Digits::of(right, right.scale())?;
            let is_short = is_whole && left.bits + right.bits <= bits_max;
            is_short.then(|| left.with(&right, i128::wrapping_mul))?
        }
        Operation::Divide | Operation::Average(_, _) => None,
    }
}

/// The digits of an operand, and how long they are.
struct Digits<'a> {
    digits: Cow<'a, [i128]>,
    nulls: Option<&'a NullBuffer>,
    is_scalar: bool,
    bits: u32,
}

impl<'a> Digits<'a> {
    /// With `scale` digits after the point; `None` if they might take more than 128 bits.
    fn of(factor: &'a Factor, scale: i16) -> Option<Self> {
        let values = factor.array.values();
        let shift = u32::try_from(scale - factor.scale()).ok()?;
        let power = 10_i128.checked_pow(shift)?;
        let bits = digits::bits(values) + digits::bits(&[power - 1]);
        Some(Self {
            digits: match power {
                1 => Cow::Borrowed(values),
                _ if bits < i128::BITS => values.iter().map(|value| value * power).collect(),
                _ => return None,
            },
            nulls: factor.array.nulls(),
            is_scalar: factor.is_scalar,
            bits,
        })
    }

    /// What `of` gives for each pair; `None` if one value for all rows is NULL.
    fn with(&self, right: &Self, of: impl Fn(i128, i128) -> i128) -> Option<Decimal128Array> {
        if self.is_null_scalar() || right.is_null_scalar() {
            return None;
        }
        let (lefts, rights) = (self.digits.iter(), right.digits.iter());
        let results = match (self.is_scalar, right.is_scalar) {
            (true, false) => {
                let one = self.digits[0];
                rights.map(|right| of(one, *right)).collect()
            }
            (false, true) => {
                let one = right.digits[0];
                lefts.map(|left| of(*left, one)).collect()
            }
            _ => lefts
                .zip(rights)
                .map(|(left, right)| of(*left, *right))
                .collect(),
        };
        let nulls = NullBuffer::union(self.nulls_of_rows(), right.nulls_of_rows());
        Some(Decimal128Array::new(results, nulls))
    }

    fn is_null_scalar(&self) -> bool {
        self.is_scalar && self.nulls.is_some_and(|nulls| nulls.null_count() > 0)
    }

    fn nulls_of_rows(&self) -> Option<&NullBuffer> {
        self.nulls.filter(|_| !self.is_scalar)
    }
}
