//! Linear algebra beside products of two matrices.

use sheaf_arrays::*;
use sheaf_base::Result;

use super::{any, signed};
use crate::cases::{ALL, Cases, INEXACT};

pub(super) fn diagonals(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 2..=3, ALL)?;
    let offset = signed(cases.below(12)) - 6;
    if cases.below(2) == 0 {
        let result = trace(&array, offset)?;
        let expression = format!("np.trace(a0, {offset})");
        return cases.case_within(&[&array], &expression, &result, 4000.0);
    }
    let pairs = if array.rank() == 3 {
        vec![(0, 1), (2, 0), (-1, -2)]
    } else {
        vec![(0, 1), (1, 0)]
    };
    let (first, second) = cases.choose(&pairs);
    let result = diagonal(&array, offset, first, second)?;
    cases.case(
        &[&array],
        &format!("np.diagonal(a0, {offset}, {first}, {second})"),
        &result,
    )
}

pub(super) fn contractions(cases: &mut Cases) -> Result<()> {
    let dtype = cases.choose(INEXACT);
    let lengths: Vec<u64> = (0..5).map(|_| 1 + cases.below(7)).collect();
    let [i, j, k, l, m] = lengths[..] else {
        return Ok(());
    };
    let mut array = |shape: &[u64]| cases.array(shape, dtype);
    let (ij, jk, ijk, kjl) = (
        array(&[i, j])?,
        array(&[j, k])?,
        array(&[i, j, k])?,
        array(&[k, j, l])?,
    );
    let (ii, ijm) = (array(&[i, i])?, array(&[i, j, m])?);
    let (result, expression, inputs) = match cases.below(9) {
        0 => (outer(&ij, &jk)?, "np.outer(a0, a1)", vec![&ij, &jk]),
        1 => (
            dot(&ijk, &move_axis(&kjl, 0, 1)?)?,
            "np.dot(a0, np.moveaxis(a1, 0, 1))",
            vec![&ijk, &kjl],
        ),
        2 => (
            tensordot(&ijk, &kjl, &[2, 1], &[0, 1])?,
            "np.tensordot(a0, a1, axes=[[2, 1], [0, 1]])",
            vec![&ijk, &kjl],
        ),
        3 => (
            einsum("ij,jk->ik", &[ij.clone(), jk.clone()])?,
            "a0 @ a1",
            vec![&ij, &jk],
        ),
        4 => (
            einsum("ii", std::slice::from_ref(&ii))?,
            "np.einsum('ii', a0)",
            vec![&ii],
        ),
        5 => (
            einsum("ijk,kjl,ii->il", &[ijk.clone(), kjl.clone(), ii.clone()])?,
            "np.einsum('ijk,kjl,ii->il', a0, a1, a2)",
            vec![&ijk, &kjl, &ii],
        ),
        6 => (
            einsum("ijk,ijm->kijm", &[ijk.clone(), ijm.clone()])?,
            "np.einsum('ijk,ijm->kijm', a0, a1)",
            vec![&ijk, &ijm],
        ),
        7 => (
            einsum("kij", std::slice::from_ref(&ijk))?,
            "np.einsum('kij', a0)",
            vec![&ijk],
        ),
        _ => (
            einsum("ij,ij,ii->i", &[ij.clone(), ij.clone(), ii.clone()])?,
            "np.einsum('ij,ij,ii->i', a0, a0, a1)",
            vec![&ij, &ii],
        ),
    };
    cases.case_within(&inputs, expression, &result, 4000.0)
}

/// A random matrix without NaN.
fn matrix(cases: &mut Cases, rows: u64, columns: u64, dtype: DType) -> Result<Array> {
    let array = cases.array(&[rows, columns], dtype)?;
    let finite = unary(UnaryOp::IsFinite, &array)?;
    select(
        &finite,
        &array,
        &full(Grid::regular(&[], &[], dtype)?, Scalar::Float(0.5)),
    )
}

/// Rows and columns exchanged, of conjugates.
fn adjoint(array: &Array) -> Result<Array> {
    transpose(&unary(UnaryOp::Conj, array)?, None)
}

pub(super) fn factors(cases: &mut Cases) -> Result<()> {
    let dtype = cases.choose(INEXACT);
    let (rows, columns) = (1 + cases.below(60), 1 + cases.below(12));
    let (rows, columns) = if cases.below(4) == 0 {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let a = matrix(cases, rows, columns, dtype)?;
    let a = if cases.below(2) == 0 {
        shelved(&unary(UnaryOp::Negative, &a)?)
    } else {
        a
    };
    if cases.below(2) == 0 {
        let found = qr(&a)?;
        let product = matmul(&found.q, &found.r)?;
        let unit = matmul(&adjoint(&found.q)?, &found.q)?;
        cases.case_within(&[&a], "a0", &product, 2000.0)?;
        cases.case_within(
            &[&a],
            "np.eye(min(a0.shape), dtype=a0.dtype)",
            &unit,
            2000.0,
        )?;
        let size = unary(UnaryOp::Abs, &found.r)?;
        return cases.case_within(&[&a], "np.abs(np.linalg.qr(a0)[1])", &size, 20000.0);
    }
    let found = svd(&a)?;
    let scaled = binary(BinaryOp::Multiply, &found.u, &found.s)?;
    cases.case_within(&[&a], "a0", &matmul(&scaled, &found.vt)?, 4000.0)?;
    cases.case_within(
        &[&a],
        "np.linalg.svd(a0, compute_uv=False)",
        &found.s,
        4000.0,
    )?;
    let unit = matmul(&adjoint(&found.u)?, &found.u)?;
    cases.case_within(
        &[&a],
        "np.eye(min(a0.shape), dtype=a0.dtype)",
        &unit,
        4000.0,
    )
}

pub(super) fn systems(cases: &mut Cases) -> Result<()> {
    let dtype = cases.choose(INEXACT);
    let side = 1 + cases.below(150);
    let a = matrix(cases, side, side, dtype)?;
    let grid = Grid::regular(&[side, side], &[7, 9], dtype)?;
    // Far from singular, so that rounding does not decide.
    let weight = full(
        Grid::regular(&[], &[], dtype)?,
        Scalar::Float(side as f64 * 4.0),
    );
    let a = binary(
        BinaryOp::Add,
        &a,
        &binary(BinaryOp::Multiply, &eye(grid, 1)?, &weight)?,
    )?;
    let grid = Grid::regular(&[side, side], &[9, 7], dtype)?;
    let a = binary(
        BinaryOp::Add,
        &a,
        &binary(BinaryOp::Multiply, &eye(grid, 0)?, &weight)?,
    )?;
    let columns = 1 + cases.below(5);
    // The result has the type of both.
    let other = cases.choose(INEXACT);
    let right = cases.choose(&[dtype, dtype, other]);
    let b = matrix(cases, side, columns, right)?;
    match cases.below(4) {
        0 => cases.case_within(&[&a, &b], "np.linalg.solve(a0, a1)", &solve(&a, &b)?, 1e5),
        1 => cases.case_within(&[&a], "np.linalg.inv(a0)", &inverse(&a)?, 1e5),
        2 => {
            let square = matmul(&a, &adjoint(&a)?)?;
            let result = cholesky(&square)?;
            cases.case_within(&[&square], "np.linalg.cholesky(a0)", &result, 1e4)
        }
        _ => {
            let rows = side + cases.below(20);
            let a = matrix(cases, rows, 1 + side / 12, dtype)?;
            let b = squeeze(&matrix(cases, rows, 1, right)?, Some(&[1]))?;
            let expression = "np.linalg.lstsq(a0, a1, rcond=None)[0]";
            cases.case_within(&[&a, &b], expression, &lstsq(&a, &b)?, 1e6)
        }
    }
}
