//! Functions, reductions, products.

use sheaf_arrays::*;
use sheaf_base::Result;

use super::{any, axis, signed};
use crate::cases::{ALL, Cases, FLOATS, INEXACT, REAL, python};

pub(super) fn unaries(cases: &mut Cases) -> Result<()> {
    let ops = [
        (UnaryOp::Negative, "np.negative(bits(a0))"),
        (UnaryOp::Abs, "np.abs(a0)"),
        (UnaryOp::Sign, "np.sign(bits(a0))"),
        (UnaryOp::Square, "np.square(a0)"),
        (UnaryOp::Reciprocal, "reciprocal(a0)"),
        (UnaryOp::Sqrt, "single(np.sqrt, a0)"),
        (UnaryOp::Exp, "single(np.exp, a0)"),
        (UnaryOp::Log, "single(np.log, a0)"),
        (UnaryOp::Log2, "single(np.log2, a0)"),
        (UnaryOp::Log10, "single(np.log10, a0)"),
        (UnaryOp::Log1p, "single(np.log1p, a0)"),
        (UnaryOp::Expm1, "single(np.expm1, a0)"),
        (UnaryOp::Sin, "single(np.sin, a0)"),
        (UnaryOp::Cos, "single(np.cos, a0)"),
        (UnaryOp::Tanh, "single(np.tanh, a0)"),
        (UnaryOp::Arcsin, "single(np.arcsin, a0)"),
        (UnaryOp::Arctan, "single(np.arctan, a0)"),
        (UnaryOp::Floor, "np.floor(a0)"),
        (UnaryOp::Ceil, "np.ceil(a0)"),
        (UnaryOp::Trunc, "np.trunc(a0)"),
        (UnaryOp::Round, "np.round(bits(a0))"),
        (UnaryOp::Not, "np.logical_not(a0)"),
        (UnaryOp::IsNan, "np.isnan(a0)"),
        (UnaryOp::IsInf, "np.isinf(a0)"),
        (UnaryOp::IsFinite, "np.isfinite(a0)"),
        (UnaryOp::Conj, "np.conj(a0)"),
        (UnaryOp::Real, "np.real(a0)"),
        (UnaryOp::Imag, "np.imag(a0)"),
    ];
    let (op, expression) = cases.choose(&ops);
    let array = any(cases, 0..=3, ALL)?;
    // What complex numbers do not have is refused with a reason.
    match unary(op, &array) {
        Ok(result) => cases.case(&[&array], expression, &result),
        Err(_) => Ok(()),
    }
}

pub(super) fn binaries(cases: &mut Cases) -> Result<()> {
    let ops = [
        (BinaryOp::Add, "a0 + a1"),
        (BinaryOp::Subtract, "a0 - a1"),
        (BinaryOp::Multiply, "a0 * a1"),
        (BinaryOp::Divide, "a0 / a1"),
        (BinaryOp::FloorDivide, "a0 // a1"),
        (BinaryOp::Modulo, "a0 % a1"),
        (BinaryOp::Power, "a0 ** np.abs(a1)"),
        (BinaryOp::Minimum, "np.minimum(a0, a1)"),
        (BinaryOp::Maximum, "np.maximum(a0, a1)"),
        (BinaryOp::Arctan2, "single(np.arctan2, a0, a1)"),
        (BinaryOp::Hypot, "single(np.hypot, a0, a1)"),
        (BinaryOp::Equal, "a0 == a1"),
        (BinaryOp::NotEqual, "a0 != a1"),
        (BinaryOp::Less, "a0 < a1"),
        (BinaryOp::LessEqual, "a0 <= a1"),
        (BinaryOp::Greater, "a0 > a1"),
        (BinaryOp::GreaterEqual, "a0 >= a1"),
        (BinaryOp::And, "np.logical_and(a0, a1)"),
        (BinaryOp::Or, "np.logical_or(a0, a1)"),
        (BinaryOp::Xor, "np.logical_xor(a0, a1)"),
    ];
    let (op, expression) = cases.choose(&ops);
    let left = any(cases, 0..=3, ALL)?;
    let mut shape = left.shape();
    for length in &mut shape {
        if cases.below(5) == 0 {
            *length = 1;
        }
    }
    if !shape.is_empty() && cases.below(4) == 0 {
        shape.remove(0);
    }
    let dtype = cases.choose(ALL);
    let right = cases.array(&shape, dtype)?;
    let right = if op == BinaryOp::Power {
        unary(UnaryOp::Abs, &right)?
    } else {
        right
    };
    let is_bool = left.dtype() == DType::Bool && right.dtype() == DType::Bool;
    if is_bool && op == BinaryOp::Subtract {
        return Ok(());
    }
    match binary(op, &left, &right) {
        Ok(result) => cases.case_within(&[&left, &right], expression, &result, 256.0),
        Err(_) => Ok(()),
    }
}

pub(super) fn wheres(cases: &mut Cases) -> Result<()> {
    let yes = any(cases, 1..=3, ALL)?;
    let shape = yes.shape();
    let dtype = cases.choose(ALL);
    let no = cases.array(&shape[1..], dtype)?;
    let condition = cases.array(&shape, DType::Bool)?;
    let result = select(&condition, &yes, &no)?;
    cases.case(&[&condition, &yes, &no], "np.where(a0, a1, a2)", &result)
}

pub(super) fn casts(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 0..=3, &ALL[..9])?;
    let dtype = cases.choose(ALL);
    let result = cast(&array, dtype);
    cases.case(&[&array], &format!("a0.astype('{dtype}')"), &result)
}

/// Some axes, as options and as Python writes them.
fn some_axes(cases: &mut Cases, array: &Array) -> (Option<Vec<i64>>, String) {
    if cases.below(4) == 0 || array.rank() == 0 {
        return (None, "None".to_owned());
    }
    let mut axes: Vec<i64> = (0..signed(array.rank() as u64)).collect();
    axes.retain(|_| cases.below(2) == 0);
    if axes.is_empty() {
        axes.push(axis(cases, array));
    }
    (Some(axes.clone()), python(&axes))
}

pub(super) fn reductions(cases: &mut Cases) -> Result<()> {
    let reductions = [
        (Reduction::Sum, "np.sum(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::Prod, "np.prod(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::Min, "np.min(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::Max, "np.max(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::Mean, "np.mean(a0, axis=AXIS, keepdims=KEEP)"),
        (
            Reduction::Var,
            "np.var(a0, axis=AXIS, keepdims=KEEP, ddof=DDOF)",
        ),
        (
            Reduction::Std,
            "np.std(a0, axis=AXIS, keepdims=KEEP, ddof=DDOF)",
        ),
        (Reduction::Any, "np.any(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::All, "np.all(a0, axis=AXIS, keepdims=KEEP)"),
        (
            Reduction::CountNonzero,
            "np.count_nonzero(a0, axis=AXIS, keepdims=KEEP)",
        ),
        (Reduction::ArgMin, "np.argmin(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::ArgMax, "np.argmax(a0, axis=AXIS, keepdims=KEEP)"),
        (Reduction::Norm(2.0), "norm(a0, 2, AXIS, KEEP)"),
        (Reduction::Norm(1.0), "norm(a0, 1, AXIS, KEEP)"),
        (
            Reduction::Norm(f64::INFINITY),
            "norm(a0, np.inf, AXIS, KEEP)",
        ),
        (Reduction::Norm(3.0), "norm(a0, 3, AXIS, KEEP)"),
    ];
    let (reduction, expression) = cases.choose(&reductions);
    let array = any(cases, 0..=4, ALL)?;
    let array = if cases.below(2) == 0 {
        shelved(&unary(UnaryOp::Real, &array)?)
    } else {
        array
    };
    let is_arg = matches!(reduction, Reduction::ArgMin | Reduction::ArgMax);
    let (axes, text) = match is_arg && array.rank() > 0 && cases.below(3) > 0 {
        true => {
            let axis = axis(cases, &array);
            (Some(vec![axis]), axis.to_string())
        }
        false if is_arg => (None, "None".to_owned()),
        false => some_axes(cases, &array),
    };
    let options = ReduceOptions {
        axes,
        keep_dims: cases.below(2) == 0,
        ddof: cases.choose(&[0.0, 0.0, 1.0]),
        skip_nan: false,
    };
    let Ok(result) = reduce(&array, reduction, &options) else {
        return Ok(());
    };
    let expression = expression
        .replace("AXIS", &text)
        .replace("KEEP", if options.keep_dims { "True" } else { "False" })
        .replace("DDOF", &options.ddof.to_string());
    cases.case_within(&[&array], &expression, &result, 4000.0)
}

pub(super) fn nan_reductions(cases: &mut Cases) -> Result<()> {
    let reductions = [
        (Reduction::Sum, "nansum"),
        (Reduction::Prod, "nanprod"),
        (Reduction::Min, "nanmin"),
        (Reduction::Max, "nanmax"),
        (Reduction::Mean, "nanmean"),
        (Reduction::Var, "nanvar"),
        (Reduction::Std, "nanstd"),
    ];
    let (reduction, name) = cases.choose(&reductions);
    let array = any(cases, 1..=3, FLOATS)?;
    let (axes, text) = some_axes(cases, &array);
    let options = ReduceOptions {
        axes,
        skip_nan: true,
        ..ReduceOptions::default()
    };
    match reduce(&array, reduction, &options) {
        Ok(result) => cases.case_within(
            &[&array],
            &format!("np.{name}(a0, axis={text})"),
            &result,
            4000.0,
        ),
        Err(_) => Ok(()),
    }
}

pub(super) fn running(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, ALL)?;
    let along = axis(cases, &array);
    let (kind, name) = cases.choose(&[
        (Cumulative::Sum, "cumsum"),
        (Cumulative::Product, "cumprod"),
    ]);
    let result = cumulative(&array, kind, along)?;
    let expression = format!("np.{name}(a0, axis={along})");
    cases.case_within(&[&array], &expression, &result, 40000.0)
}

pub(super) fn quantiles(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, REAL)?;
    let (axes, text) = some_axes(cases, &array);
    let options = ReduceOptions {
        axes,
        keep_dims: cases.below(2) == 0,
        skip_nan: cases.below(4) == 0,
        ddof: 0.0,
    };
    let keep = if options.keep_dims { "True" } else { "False" };
    let nan = if options.skip_nan { "nan" } else { "" };
    if cases.below(2) == 0 {
        let result = median(&array, &options)?;
        let expression = format!("np.{nan}median(a0, axis={text}, keepdims={keep})");
        return cases.case(&[&array], &expression, &result);
    }
    if array.grid().elements() == 0 {
        return Ok(());
    }
    let share = cases.choose(&[0.0, 0.1, 0.25, 0.5, 0.77, 1.0]);
    let result = quantile(&array, share, &options)?;
    let expression =
        format!("np.{nan}quantile(numbers(a0), {share:?}, axis={text}, keepdims={keep})");
    cases.case(&[&array], &expression, &result)
}

pub(super) fn products(cases: &mut Cases) -> Result<()> {
    let types = if cases.below(2) == 0 { INEXACT } else { REAL };
    let dtype = cases.choose(types);
    if cases.below(4) == 0 {
        let shape = cases.shape(2..=2);
        let x = cases.array(&shape, dtype)?;
        let x = if cases.below(2) == 0 {
            shelved(&unary(UnaryOp::Conj, &x)?)
        } else {
            x
        };
        let turned = transpose(&x, None)?;
        return match cases.below(2) {
            0 => cases.case_within(&[&x], "a0.T @ a0", &matmul(&turned, &x)?, 4000.0),
            _ => cases.case_within(&[&x], "a0 @ a0.T", &matmul(&x, &turned)?, 4000.0),
        };
    }
    let left_shape = cases.shape(1..=3);
    let inner = left_shape[left_shape.len() - 1];
    let columns = cases.below(30);
    let right_shape = match cases.below(4) {
        0 => vec![inner],
        1 if left_shape.len() == 3 => vec![left_shape[0], inner, columns],
        _ => vec![inner, columns],
    };
    let left = cases.array(&left_shape, dtype)?;
    let other = cases.choose(&[dtype, dtype, DType::Float64]);
    let right = cases.array(&right_shape, other)?;
    let result = matmul(&left, &right)?;
    cases.case_within(&[&left, &right], "np.matmul(a0, a1)", &result, 4000.0)
}

pub(super) fn fused(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 2..=2, FLOATS)?;
    let turned = transpose(&array, None)?;
    let sums = reduce(
        &array,
        Reduction::Sum,
        &ReduceOptions {
            axes: Some(vec![1]),
            keep_dims: true,
            ..ReduceOptions::default()
        },
    )?;
    let less = binary(BinaryOp::Subtract, &array, &sums)?;
    let back = flip(&transpose(&less, None)?, Some(&[0]))?;
    let result = binary(BinaryOp::Multiply, &back, &turned)?;
    cases.case_within(
        &[&array],
        "np.flip((a0 - a0.sum(axis=1, keepdims=True)).T, 0) * a0.T",
        &result,
        4000.0,
    )
}
