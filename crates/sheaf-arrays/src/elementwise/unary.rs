//! Functions of one element.

use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use super::{Pointwise, pointwise};
use crate::context::Context;
use crate::dtype::{Class, DType};
use crate::store::Array;
use crate::tensor::{PIECE, Store, Tensor, Wide};

/// A function of one element, as NumPy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the functions'")]
pub enum UnaryOp {
    Negative,
    Abs,
    Sign,
    Square,
    Sqrt,
    Exp,
    Log,
    Log2,
    Log10,
    Log1p,
    Expm1,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Arcsin,
    Arccos,
    Arctan,
    Floor,
    Ceil,
    Trunc,
    Round,
    Reciprocal,
    Not,
    IsNan,
    IsInf,
    IsFinite,
    Conj,
    Real,
    Imag,
}

impl UnaryOp {
    /// The type of its result for elements of type `dtype`.
    fn result(self, dtype: DType) -> DType {
        use UnaryOp::{
            Abs, Ceil, Conj, Floor, Imag, IsFinite, IsInf, IsNan, Negative, Not, Real, Round,
        };
        use UnaryOp::{Reciprocal, Sign, Square, Trunc};
        match self {
            Not | IsNan | IsInf | IsFinite => DType::Bool,
            Abs | Real | Imag => dtype.to_real(),
            Floor | Ceil | Trunc => dtype,
            Negative | Sign | Square | Round | Reciprocal | Conj => match dtype {
                DType::Bool => DType::Int8,
                other => other,
            },
            _ => dtype.to_narrow_inexact(),
        }
    }

    /// Whether it is computed in whole numbers for such.
    fn is_whole(self) -> bool {
        use UnaryOp::{
            Abs, Ceil, Conj, Floor, Imag, IsFinite, IsInf, IsNan, Negative, Not, Real, Round,
        };
        use UnaryOp::{Reciprocal, Sign, Square, Trunc};
        matches!(
            self,
            Abs | Ceil
                | Conj
                | Floor
                | Imag
                | IsFinite
                | IsInf
                | IsNan
                | Negative
                | Not
                | Real
                | Reciprocal
                | Round
                | Sign
                | Square
                | Trunc
        )
    }
}

#[derive(Debug)]
struct Unary {
    op: UnaryOp,
    dtype: DType,
}

/// `op` of every element. The reciprocal of a whole number is whole, too: 1 divided by it, and cut; that of 0
/// is 0, as [`FloorDivide`](super::BinaryOp::FloorDivide) by 0 is (NumPy's is whatever the processor makes of
/// infinity as a whole number).
///
/// # Errors
/// `Unsupported` for functions that complex numbers do not have.
pub fn unary(op: UnaryOp, source: &Array) -> Result<Array> {
    let own = source.dtype();
    let is_complex = own.class() == Class::Complex;
    if is_complex && of_complex(op, Complex::new(0.0, 0.0)).is_none() {
        return Err(SheafError::unsupported(format!(
            "{op:?} of {own} numbers is not there"
        )));
    }
    let dtype = op.result(own);
    pointwise(
        "array_map",
        std::slice::from_ref(source),
        dtype,
        Unary { op, dtype },
    )
}

impl Pointwise for Unary {
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor> {
        let block = blocks
            .into_iter()
            .next()
            .ok_or_else(|| SheafError::internal("a function without an argument"))?
            .contiguous(context)?;
        let (op, dtype) = (self.op, self.dtype);
        match block.dtype().class() {
            Class::Complex => pieces(&block, dtype, shape, context, |values, store| {
                each_complex(op, values, store);
            }),
            Class::Int | Class::Bool if op.is_whole() => pieces(
                &block,
                dtype,
                shape,
                context,
                |values: &mut [i64], store| {
                    values
                        .iter_mut()
                        .for_each(|value| *value = of_int(op, *value));
                    store.push(values);
                },
            ),
            Class::UInt if op.is_whole() => pieces(
                &block,
                dtype,
                shape,
                context,
                |values: &mut [u64], store| {
                    values
                        .iter_mut()
                        .for_each(|value| *value = of_uint(op, *value));
                    store.push(values);
                },
            ),
            _ => pieces(
                &block,
                dtype,
                shape,
                context,
                |values: &mut [f64], store| {
                    let function = of_float(op);
                    values
                        .iter_mut()
                        .for_each(|value| *value = function(*value));
                    store.push(values);
                },
            ),
        }
    }
}

/// Gives the elements of a block to `compute` a few at a time; it puts as many into the store.
fn pieces<W: Wide>(
    block: &Tensor,
    dtype: DType,
    shape: &[usize],
    context: &Context,
    mut compute: impl FnMut(&mut [W], &mut Store),
) -> Result<Tensor> {
    let hold = context.hold_chunk(shape, dtype)?;
    let count = block.elements();
    let mut store = Store::new(dtype, count);
    let mut values = vec![W::default(); PIECE.min(count)];
    for first in (0..count).step_by(PIECE) {
        let piece = &mut values[..PIECE.min(count - first)];
        block.load(first, piece);
        compute(piece, &mut store);
    }
    Ok(Tensor::from_store(store, shape)?.held(hold))
}

fn of_int(op: UnaryOp, value: i64) -> i64 {
    match op {
        UnaryOp::Negative => value.wrapping_neg(),
        UnaryOp::Abs => value.wrapping_abs(),
        UnaryOp::Sign => value.signum(),
        UnaryOp::Square => value.wrapping_mul(value),
        UnaryOp::Reciprocal => 1i64.checked_div(value).unwrap_or(0),
        UnaryOp::Not => i64::from(value == 0),
        UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::Imag => 0,
        UnaryOp::IsFinite => 1,
        _ => value,
    }
}

fn of_uint(op: UnaryOp, value: u64) -> u64 {
    match op {
        UnaryOp::Negative => value.wrapping_neg(),
        UnaryOp::Sign => u64::from(value > 0),
        UnaryOp::Square => value.wrapping_mul(value),
        UnaryOp::Reciprocal => 1u64.checked_div(value).unwrap_or(0),
        UnaryOp::Not => u64::from(value == 0),
        UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::Imag => 0,
        UnaryOp::IsFinite => 1,
        _ => value,
    }
}

fn of_float(op: UnaryOp) -> fn(f64) -> f64 {
    match op {
        UnaryOp::Negative => |x| -x,
        UnaryOp::Abs => f64::abs,
        UnaryOp::Sign => |x| match x {
            x if x > 0.0 => 1.0,
            x if x < 0.0 => -1.0,
            x => x * 0.0,
        },
        UnaryOp::Square => |x| x * x,
        UnaryOp::Sqrt => f64::sqrt,
        UnaryOp::Exp => f64::exp,
        UnaryOp::Log => f64::ln,
        UnaryOp::Log2 => f64::log2,
        UnaryOp::Log10 => f64::log10,
        UnaryOp::Log1p => f64::ln_1p,
        UnaryOp::Expm1 => f64::exp_m1,
        UnaryOp::Sin => f64::sin,
        UnaryOp::Cos => f64::cos,
        UnaryOp::Tan => f64::tan,
        UnaryOp::Sinh => f64::sinh,
        UnaryOp::Cosh => f64::cosh,
        UnaryOp::Tanh => f64::tanh,
        UnaryOp::Arcsin => f64::asin,
        UnaryOp::Arccos => f64::acos,
        UnaryOp::Arctan => f64::atan,
        UnaryOp::Floor => f64::floor,
        UnaryOp::Ceil => f64::ceil,
        UnaryOp::Trunc => f64::trunc,
        UnaryOp::Round => f64::round_ties_even,
        UnaryOp::Reciprocal => f64::recip,
        UnaryOp::Not => |x| f64::from(u8::from(x == 0.0)),
        UnaryOp::IsNan => |x| f64::from(u8::from(x.is_nan())),
        UnaryOp::IsInf => |x| f64::from(u8::from(x.is_infinite())),
        UnaryOp::IsFinite => |x| f64::from(u8::from(x.is_finite())),
        UnaryOp::Conj | UnaryOp::Real => |x| x,
        UnaryOp::Imag => |_| 0.0,
    }
}

fn each_complex(op: UnaryOp, values: &mut [Complex<f64>], store: &mut Store) {
    for value in values.iter_mut() {
        *value = of_complex(op, *value).unwrap_or_default();
    }
    store.push(values);
}

/// The function of a complex number, or `None` if there is none.
fn of_complex(op: UnaryOp, z: Complex<f64>) -> Option<Complex<f64>> {
    let truth = |value: bool| Complex::from(f64::from(u8::from(value)));
    Some(match op {
        UnaryOp::Negative => -z,
        UnaryOp::Abs => z.norm().into(),
        UnaryOp::Square => z * z,
        UnaryOp::Sqrt => z.sqrt(),
        UnaryOp::Exp => z.exp(),
        UnaryOp::Log => z.ln(),
        UnaryOp::Sin => z.sin(),
        UnaryOp::Cos => z.cos(),
        UnaryOp::Tan => z.tan(),
        UnaryOp::Sinh => z.sinh(),
        UnaryOp::Cosh => z.cosh(),
        UnaryOp::Tanh => z.tanh(),
        UnaryOp::Reciprocal => z.inv(),
        UnaryOp::Not => truth(z == Complex::default()),
        UnaryOp::IsNan => truth(z.is_nan()),
        UnaryOp::IsInf => truth(z.is_infinite()),
        UnaryOp::IsFinite => truth(z.is_finite()),
        UnaryOp::Conj => z.conj(),
        UnaryOp::Real => z.re.into(),
        UnaryOp::Imag => z.im.into(),
        _ => return None,
    })
}
