//! Comparisons of one column with constants, joined into one range of integers.
//!
//! Dates, times and decimals are integers here. A value is inside if its distance from the lower
//! end, computed without a sign, is no more than the length of the range: one subtraction, one
//! comparison, no branch. Sixty-four bytes of zeros and ones become a word of the mask by
//! multiplications, which processors without wide registers do, too.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowNativeType, DataType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::selection::{Mask, WORD_ROWS};

/// Whether values of a column are inside (or outside) a range; NULL is neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RangeTest {
    pub(super) column: usize,
    /// Both ends belong to it; no value is in a range whose ends have changed places.
    low: i128,
    high: i128,
    is_outside: bool,
}

impl RangeTest {
    /// The test that `expr` is, if it is one.
    pub(super) fn of(expr: &dyn PhysicalExpr, column_type: &DataType) -> Option<Self> {
        let binary = expr.downcast_ref::<BinaryExpr>()?;
        let (left, right) = (binary.left(), binary.right());
        let column_and_literal = |column: &dyn PhysicalExpr, literal: &dyn PhysicalExpr| {
            let column = column.downcast_ref::<Column>()?.index();
            Some((column, literal.downcast_ref::<Literal>()?.value().clone()))
        };
        let (column, value, op) = match column_and_literal(left.as_ref(), right.as_ref()) {
            Some((column, value)) => (column, value, *binary.op()),
            None => {
                let (column, value) = column_and_literal(right.as_ref(), left.as_ref())?;
                (column, value, binary.op().swap()?)
            }
        };
        if value.data_type() != *column_type || value.is_null() {
            return None;
        }
        let value = integer(&value)?;
        let (low, high) = match op {
            Operator::Eq | Operator::NotEq => (value, value),
            Operator::GtEq => (value, i128::MAX),
            Operator::LtEq => (i128::MIN, value),
            Operator::Gt => (value.checked_add(1)?, i128::MAX),
            Operator::Lt => (i128::MIN, value.checked_sub(1)?),
            _ => return None,
        };
        Some(Self {
            column,
            low,
            high,
            is_outside: op == Operator::NotEq,
        })
    }

    /// Makes this the range of the values that are in `other`, too; false if that is no range.
    pub(super) fn narrow(&mut self, other: &Self) -> bool {
        if self.column != other.column || self.is_outside || other.is_outside {
            return false;
        }
        self.low = self.low.max(other.low);
        self.high = self.high.min(other.high);
        true
    }

    /// Keeps the rows of `mask` whose value in `values` passes.
    pub(super) fn and_into(&self, values: &ArrayRef, mask: &mut Mask) -> Result<()> {
        if let Some(nulls) = values.nulls() {
            mask.and(nulls.inner());
        }
        self.run(values, Dense(mask))
    }

    /// Keeps those of `rows` whose value in `values` passes.
    pub(super) fn retain(&self, values: &ArrayRef, rows: &mut Vec<u32>) -> Result<()> {
        if let Some(nulls) = values.nulls() {
            rows.retain(|row| nulls.is_valid(*row as usize));
        }
        self.run(values, Sparse(rows))
    }

    fn run(&self, values: &ArrayRef, kernel: impl Kernel) -> Result<()> {
        match values.data_type() {
            DataType::Int8 => self.run_as::<i8>(values, kernel),
            DataType::Int16 => self.run_as::<i16>(values, kernel),
            DataType::Int32
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Decimal32(_, _) => self.run_as::<i32>(values, kernel),
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(_, _)
            | DataType::Duration(_)
            | DataType::Decimal64(_, _) => self.run_as::<i64>(values, kernel),
            DataType::Decimal128(_, _) => self.run_as::<i128>(values, kernel),
            DataType::UInt8 => self.run_as::<u8>(values, kernel),
            DataType::UInt16 => self.run_as::<u16>(values, kernel),
            DataType::UInt32 => self.run_as::<u32>(values, kernel),
            DataType::UInt64 => self.run_as::<u64>(values, kernel),
            other => return internal_err!("a range of {other}"),
        }
        Ok(())
    }

    fn run_as<T: Integer>(&self, values: &ArrayRef, kernel: impl Kernel) {
        let (low, high) = (T::clamped(self.low), T::clamped(self.high));
        // An end beyond the type's own says nothing, or that no value is inside.
        let is_empty = low > high || T::LEAST > self.high || T::MOST < self.low;
        let data = values.to_data();
        let values = ScalarBuffer::<T>::new(data.buffers()[0].clone(), data.offset(), data.len());
        if is_empty {
            kernel.run(&values, |_| self.is_outside);
            return;
        }
        let span = high.distance(low);
        if self.is_outside {
            kernel.run(&values, |value| value.distance(low) > span);
        } else {
            kernel.run(&values, |value| value.distance(low) <= span);
        }
    }
}

/// A loop over values.
trait Kernel {
    fn run<T: Copy>(self, values: &[T], test: impl Fn(T) -> bool);
}

/// Over all values, clearing bits; words without rows are passed over.
struct Dense<'a>(&'a mut Mask);

impl Kernel for Dense<'_> {
    fn run<T: Copy>(self, values: &[T], test: impl Fn(T) -> bool) {
        let words = &mut self.0.words;
        let (chunks, rest) = values.as_chunks::<WORD_ROWS>();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            if *word != 0 {
                let mut flags = [0_u8; WORD_ROWS];
                for (flag, value) in flags.iter_mut().zip(chunk) {
                    *flag = u8::from(test(*value));
                }
                *word &= packed(&flags);
            }
        }
        if let Some(word) = words.get_mut(chunks.len()) {
            let mut flags = [0_u8; WORD_ROWS];
            for (flag, value) in flags.iter_mut().zip(rest) {
                *flag = u8::from(test(*value));
            }
            *word &= packed(&flags);
        }
    }
}

/// Over the values of some rows.
struct Sparse<'a>(&'a mut Vec<u32>);

impl Kernel for Sparse<'_> {
    fn run<T: Copy>(self, values: &[T], test: impl Fn(T) -> bool) {
        let rows = self.0;
        let mut kept = 0;
        for index in 0..rows.len() {
            let row = rows[index];
            rows[kept] = row;
            kept += usize::from(test(values[row as usize]));
        }
        rows.truncate(kept);
    }
}

/// One bit for each byte, which is 0 or 1.
#[inline]
fn packed(flags: &[u8; WORD_ROWS]) -> u64 {
    // Moves the lowest bit of byte k to bit 56 + k.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (bytes, _) = flags.as_chunks::<8>();
    bytes.iter().rev().fold(0, |word, eight| {
        (word << 8) | (u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56)
    })
}

/// A type of integers that columns hold.
trait Integer: ArrowNativeType + PartialOrd<Self> {
    /// Without a sign.
    type Distance: PartialOrd + Copy;

    const LEAST: i128;
    const MOST: i128;

    /// The nearest value of this type.
    fn clamped(value: i128) -> Self;

    /// How far this is above `low`; values below are further than any above.
    fn distance(self, low: Self) -> Self::Distance;
}

macro_rules! integer {
    ($($native:ty, $unsigned:ty);* $(;)?) => {$(
        impl Integer for $native {
            type Distance = $unsigned;

            const LEAST: i128 = <$native>::MIN as i128;
            const MOST: i128 = <$native>::MAX as i128;

            fn clamped(value: i128) -> Self {
                let end = if value < 0 { <$native>::MIN } else { <$native>::MAX };
                <$native>::try_from(value).unwrap_or(end)
            }

            #[inline]
            fn distance(self, low: Self) -> $unsigned {
                self.wrapping_sub(low) as $unsigned
            }
        }
    )*};
}

integer! {
    i8, u8; i16, u16; i32, u32; i64, u64; i128, u128;
    u8, u8; u16, u16; u32, u32; u64, u64;
}

/// What a column holds for this value, if that is an integer.
fn integer(value: &ScalarValue) -> Option<i128> {
    use ScalarValue as S;
    Some(match value {
        S::Int8(v) => i128::from((*v)?),
        S::Int16(v) => i128::from((*v)?),
        S::Int32(v) | S::Date32(v) | S::Time32Second(v) | S::Time32Millisecond(v) => {
            i128::from((*v)?)
        }
        S::Decimal32(v, _, _) => i128::from((*v)?),
        S::Int64(v)
        | S::Date64(v)
        | S::Time64Microsecond(v)
        | S::Time64Nanosecond(v)
        | S::TimestampSecond(v, _)
        | S::TimestampMillisecond(v, _)
        | S::TimestampMicrosecond(v, _)
        | S::TimestampNanosecond(v, _)
        | S::DurationSecond(v)
        | S::DurationMillisecond(v)
        | S::DurationMicrosecond(v)
        | S::DurationNanosecond(v)
        | S::Decimal64(v, _, _) => i128::from((*v)?),
        S::Decimal128(v, _, _) => (*v)?,
        S::UInt8(v) => i128::from((*v)?),
        S::UInt16(v) => i128::from((*v)?),
        S::UInt32(v) => i128::from((*v)?),
        S::UInt64(v) => i128::from((*v)?),
        _ => return None,
    })
}
