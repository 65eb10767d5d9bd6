//! Functions of two elements, and the choice between two.

use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use super::{Pointwise, pointwise};
use crate::context::Context;
use crate::dtype::{Class, DType};
use crate::store::Array;
use crate::tensor::{PIECE, Store, Tensor, Wide};

/// A function of two elements, as NumPy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the functions'")]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Minimum,
    Maximum,
    Arctan2,
    Hypot,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Xor,
}

impl BinaryOp {
    /// Whether it gives true or false.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{And, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Or, Xor};
        matches!(
            self,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual | And | Or | Xor
        )
    }
}

#[derive(Debug)]
struct Binary {
    op: BinaryOp,
    /// What both are computed as.
    inner: DType,
    dtype: DType,
}

/// `op` of the elements of both.
///
/// # Errors
/// `UserInput` if the shapes do not go together; `Unsupported` for functions that complex numbers do
/// not have.
pub fn binary(op: BinaryOp, left: &Array, right: &Array) -> Result<Array> {
    let common = left.dtype().promote(right.dtype());
    let inner = match op {
        BinaryOp::Divide => common.to_inexact(),
        // Each by itself: int16 and uint16 have int32 in common, and float32 holds both.
        BinaryOp::Arctan2 | BinaryOp::Hypot => {
            let (left, right) = (left.dtype(), right.dtype());
            left.to_narrow_inexact().promote(right.to_narrow_inexact())
        }
        BinaryOp::FloorDivide | BinaryOp::Modulo | BinaryOp::Power if common == DType::Bool => {
            DType::Int8
        }
        _ => common,
    };
    if inner.class() == Class::Complex
        && of_complex(op, Complex::default(), Complex::default()).is_none()
    {
        return Err(SheafError::unsupported(format!(
            "{op:?} of {inner} numbers is not there"
        )));
    }
    let dtype = if op.is_comparison() {
        DType::Bool
    } else {
        inner
    };
    let sources = [left.clone(), right.clone()];
    pointwise("array_map", &sources, dtype, Binary { op, inner, dtype })
}

impl Pointwise for Binary {
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor> {
        let op = self.op;
        match self.inner.class() {
            Class::Int => self.pieces(&blocks, shape, context, |x, y| of_int(op, x, y)),
            Class::UInt | Class::Bool => {
                self.pieces(&blocks, shape, context, |x, y| of_uint(op, x, y))
            }
            Class::Float => self.floats(&blocks, shape, context),
            Class::Complex => self.pieces(&blocks, shape, context, |x, y| {
                of_complex(op, x, y).unwrap_or_default()
            }),
        }
    }
}

impl Binary {
    fn pieces<W: Wide>(
        &self,
        blocks: &[Tensor],
        shape: &[usize],
        context: &Context,
        function: impl Fn(W, W) -> W,
    ) -> Result<Tensor> {
        let [left, right] = blocks else {
            return Err(SheafError::internal("a function of two needs two"));
        };
        let hold = context.hold_chunk(shape, self.dtype)?;
        let count: usize = shape.iter().product();
        let mut store = Store::new(self.dtype, count);
        let (mut left, mut right) = (Argument::new(left), Argument::new(right));
        for first in (0..count).step_by(PIECE) {
            let length = PIECE.min(count - first);
            let (xs, ys) = (left.values(first, length), right.values(first, length));
            for (x, y) in xs.iter_mut().zip(ys.iter()) {
                *x = function(*x, *y);
            }
            store.push(xs);
        }
        Ok(Tensor::from_store(store, shape)?.held(hold))
    }

    /// Common functions each in a loop of its own, so that the machine does several at once.
    fn floats(&self, blocks: &[Tensor], shape: &[usize], context: &Context) -> Result<Tensor> {
        match self.op {
            BinaryOp::Add => self.pieces::<f64>(blocks, shape, context, |x, y| x + y),
            BinaryOp::Subtract => self.pieces::<f64>(blocks, shape, context, |x, y| x - y),
            BinaryOp::Multiply => self.pieces::<f64>(blocks, shape, context, |x, y| x * y),
            BinaryOp::Divide => self.pieces::<f64>(blocks, shape, context, |x, y| x / y),
            op => self.pieces::<f64>(blocks, shape, context, move |x, y| of_float(op, x, y)),
        }
    }
}

/// An argument, of which a few elements at a time are values.
pub(super) struct Argument<'a, W> {
    block: &'a Tensor,
    values: Vec<W>,
}

impl<'a, W: Wide> Argument<'a, W> {
    pub(super) fn new(block: &'a Tensor) -> Self {
        Self {
            block,
            values: vec![W::default(); PIECE],
        }
    }

    /// `length` values from element `first` on; of a single element, this one as often.
    pub(super) fn values(&mut self, first: usize, length: usize) -> &mut [W] {
        let values = &mut self.values[..length];
        if self.block.elements() == 1 {
            let mut only = [W::default()];
            self.block.load(0, &mut only);
            values.fill(only[0]);
        } else {
            self.block.load(first, values);
        }
        values
    }
}

fn of_int(op: BinaryOp, x: i64, y: i64) -> i64 {
    match op {
        BinaryOp::Add => x.wrapping_add(y),
        BinaryOp::Subtract => x.wrapping_sub(y),
        BinaryOp::Multiply => x.wrapping_mul(y),
        BinaryOp::FloorDivide if y == 0 => 0,
        BinaryOp::FloorDivide => {
            let quotient = x.wrapping_div(y);
            quotient - i64::from(x.wrapping_rem(y) != 0 && (x < 0) != (y < 0))
        }
        BinaryOp::Modulo if y == 0 => 0,
        BinaryOp::Modulo => {
            let rest = x.wrapping_rem(y);
            if rest != 0 && (rest < 0) != (y < 0) {
                rest + y
            } else {
                rest
            }
        }
        BinaryOp::Power => power(x, y),
        BinaryOp::Minimum => x.min(y),
        BinaryOp::Maximum => x.max(y),
        _ => i64::from(compare(op, &x, &y, x != 0, y != 0)),
    }
}

fn power(x: i64, y: i64) -> i64 {
    match u64::try_from(y) {
        Ok(exponent) => wrapping_power(x.cast_unsigned(), exponent).cast_signed(),
        Err(_) => match x {
            1 => 1,
            -1 if y % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        },
    }
}

fn wrapping_power(base: u64, exponent: u64) -> u64 {
    let (mut square, mut left, mut product) = (base, exponent, 1u64);
    while left > 0 {
        if left & 1 == 1 {
            product = product.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        left >>= 1;
    }
    product
}

fn of_uint(op: BinaryOp, x: u64, y: u64) -> u64 {
    match op {
        BinaryOp::Add => x.wrapping_add(y),
        BinaryOp::Subtract => x.wrapping_sub(y),
        BinaryOp::Multiply => x.wrapping_mul(y),
        BinaryOp::FloorDivide => x.checked_div(y).unwrap_or(0),
        BinaryOp::Modulo => x.checked_rem(y).unwrap_or(0),
        BinaryOp::Power => wrapping_power(x, y),
        BinaryOp::Minimum => x.min(y),
        BinaryOp::Maximum => x.max(y),
        _ => u64::from(compare(op, &x, &y, x != 0, y != 0)),
    }
}

fn of_float(op: BinaryOp, x: f64, y: f64) -> f64 {
    match op {
        BinaryOp::Add => x + y,
        BinaryOp::Subtract => x - y,
        BinaryOp::Multiply => x * y,
        BinaryOp::Divide => x / y,
        BinaryOp::FloorDivide => floor_divide(x, y),
        BinaryOp::Modulo => modulo(x, y),
        BinaryOp::Power => x.powf(y),
        BinaryOp::Minimum if x.is_nan() || y.is_nan() => f64::NAN,
        BinaryOp::Minimum => x.min(y),
        BinaryOp::Maximum if x.is_nan() || y.is_nan() => f64::NAN,
        BinaryOp::Maximum => x.max(y),
        BinaryOp::Arctan2 => x.atan2(y),
        BinaryOp::Hypot => x.hypot(y),
        _ => f64::from(u8::from(compare(op, &x, &y, x != 0.0, y != 0.0))),
    }
}

/// The rest of a division that rounds down: it has the divisor's sign.
fn modulo(x: f64, y: f64) -> f64 {
    let rest = x % y;
    match rest {
        _ if rest == 0.0 => 0f64.copysign(y),
        _ if (rest < 0.0) != (y < 0.0) => rest + y,
        _ => rest,
    }
}

fn floor_divide(x: f64, y: f64) -> f64 {
    if y == 0.0 {
        return x / y;
    }
    let quotient = (x - modulo(x, y)) / y;
    // The exact quotient is whole; its rounding need not be.
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    }
}

/// The function of two complex numbers, or `None` if there is none.
fn of_complex(op: BinaryOp, x: Complex<f64>, y: Complex<f64>) -> Option<Complex<f64>> {
    let zero = Complex::default();
    Some(match op {
        BinaryOp::Add => x + y,
        BinaryOp::Subtract => x - y,
        BinaryOp::Multiply => x * y,
        BinaryOp::Divide => quotient(x, y),
        BinaryOp::Power if y == zero => Complex::new(1.0, 0.0),
        BinaryOp::Power => x.powc(y),
        BinaryOp::Equal => Complex::from(f64::from(u8::from(x == y))),
        BinaryOp::NotEqual => Complex::from(f64::from(u8::from(x != y))),
        BinaryOp::And => Complex::from(f64::from(u8::from(x != zero && y != zero))),
        BinaryOp::Or => Complex::from(f64::from(u8::from(x != zero || y != zero))),
        BinaryOp::Xor => Complex::from(f64::from(u8::from((x != zero) != (y != zero)))),
        _ => return None,
    })
}

/// The quotient, scaled by the larger part of the divisor (Smith: Algorithm 116, Comm. ACM 5, 1962), so
/// that squares do not overflow; by zero each part is divided, as NumPy does it.
pub(crate) fn quotient(x: Complex<f64>, y: Complex<f64>) -> Complex<f64> {
    if y == Complex::default() {
        return Complex::new(x.re / y.re.abs(), x.im / y.re.abs());
    }
    if y.re.abs() >= y.im.abs() {
        let ratio = y.im / y.re;
        let scale = 1.0 / (y.re + y.im * ratio);
        Complex::new((x.re + x.im * ratio) * scale, (x.im - x.re * ratio) * scale)
    } else {
        let ratio = y.re / y.im;
        let scale = 1.0 / (y.im + y.re * ratio);
        Complex::new((x.re * ratio + x.im) * scale, (x.im * ratio - x.re) * scale)
    }
}

fn compare<T: PartialOrd>(op: BinaryOp, x: &T, y: &T, x_true: bool, y_true: bool) -> bool {
    match op {
        BinaryOp::Equal => x == y,
        BinaryOp::NotEqual => x != y,
        BinaryOp::Less => x < y,
        BinaryOp::LessEqual => x <= y,
        BinaryOp::Greater => x > y,
        BinaryOp::GreaterEqual => x >= y,
        BinaryOp::And => x_true && y_true,
        BinaryOp::Or => x_true || y_true,
        _ => x_true != y_true,
    }
}
