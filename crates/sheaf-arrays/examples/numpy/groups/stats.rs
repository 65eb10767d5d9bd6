//! Counting, sorting in, differences, covariances.

use sheaf_arrays::*;
use sheaf_base::Result;

use super::{any, axis, signed};
use crate::cases::{Cases, FLOATS, REAL};

pub(super) fn differences(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, REAL)?;
    let along = axis(cases, &array);
    if cases.below(2) == 0 {
        let times = cases.below(4);
        let result = diff(&array, times, along)?;
        return cases.case(
            &[&array],
            &format!("np.diff(a0, n={times}, axis={along})"),
            &result,
        );
    }
    let spacing = cases.choose(&[1.0, 0.5, 3.0]);
    match gradient(&array, spacing, along) {
        Ok(result) => {
            let expression = format!("np.gradient(numbers(a0), {spacing}, axis={along})");
            cases.case(&[&array], &expression, &result)
        }
        Err(_) => Ok(()),
    }
}

pub(super) fn covariances(cases: &mut Cases) -> Result<()> {
    let mut shape = cases.shape(1..=2);
    for length in &mut shape {
        *length = (*length).max(3);
    }
    let dtype = cases.choose(REAL);
    let array = cases.array(&shape, dtype)?;
    if cases.below(2) == 0 {
        let ddof = cases.choose(&[0.0, 1.0]);
        let expression = format!("np.atleast_2d(np.cov(a0, ddof={ddof}))");
        return cases.case_within(&[&array], &expression, &cov(&array, ddof)?, 4000.0);
    }
    let result = corrcoef(&array)?;
    let expression = "np.clip(np.atleast_2d(np.corrcoef(a0)), -2, 2)";
    cases.case_within(&[&array], expression, &result, 4000.0)
}

pub(super) fn histograms(cases: &mut Cases) -> Result<()> {
    let shape = cases.shape(1..=3);
    let dtype = cases.choose(REAL);
    let array = cases.array(&shape, dtype)?;
    let finite = unary(UnaryOp::IsFinite, &array)?;
    let zero = cast(&full(Grid::regular(&[], &[], dtype)?, Scalar::ZERO), dtype);
    let array = select(&finite, &array, &zero)?;
    let is_density = cases.below(3) == 0 && array.grid().elements() > 0;
    let density = if is_density { "True" } else { "False" };
    let (bins, text) = match cases.below(3) {
        0 => (
            Bins::Edges(vec![-3.0, -1.0, 0.5, 2.0, 4.0, 100.0]),
            "[-3, -1, 0.5, 2, 4, 100]",
        ),
        1 => (Bins::Even(7, Some((-2.0, 11.0))), "7, range=(-2.0, 11.0)"),
        _ => (Bins::Even(10, None), "10"),
    };
    let result = histogram(&array, &bins, is_density)?;
    let expression = format!("np.histogram(double(a0), {text}, density={density})");
    cases.case(&[&array], &format!("{expression}[0]"), &result.counts)?;
    cases.case(&[&array], &format!("{expression}[1]"), &result.edges)
}

pub(super) fn bins(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, REAL)?;
    let edges = [-4.0, -1.0, 0.0, 0.0, 1.5, 3.0];
    match cases.below(4) {
        0 => {
            let is_right = cases.below(2) == 0;
            let result = digitize(&array, &edges, is_right)?;
            let right = if is_right { "True" } else { "False" };
            let expression = format!("np.digitize(a0, {edges:?}, right={right}).reshape(a0.shape)");
            cases.case(&[&array], &expression, &result)
        }
        1 => {
            let falling: Vec<f64> = edges.iter().rev().copied().collect();
            let is_right = cases.below(2) == 0;
            let result = digitize(&array, &falling, is_right)?;
            let right = if is_right { "True" } else { "False" };
            let expression =
                format!("np.digitize(a0, {falling:?}, right={right}).reshape(a0.shape)");
            cases.case(&[&array], &expression, &result)
        }
        2 => {
            let length = cases.below(30);
            let sorted = cases.array(&[length], DType::Float64)?;
            let sorted = topk(&sorted, -signed(length), 0)?;
            let is_right = cases.below(2) == 0;
            let result = searchsorted(&sorted, &array, is_right)?;
            let side = if is_right { "right" } else { "left" };
            let expression =
                format!("np.searchsorted(np.sort(a0), a1, side='{side}').reshape(a1.shape)");
            cases.case(&[&sorted, &array], &expression, &result)
        }
        _ => {
            let length = cases.below(60);
            let whole = cases.array(&[length], DType::UInt8)?;
            let weights = cases.array(&[length], DType::Float64)?;
            match cases.below(2) {
                0 => {
                    let result = bincount(&whole, None, 130)?;
                    cases.case(&[&whole], "np.bincount(a0, minlength=130)", &result)
                }
                _ => {
                    let result = bincount(&whole, Some(&weights), 130)?;
                    let expression = "weighted(a0, a1, 130)";
                    cases.case(&[&whole, &weights], expression, &result)
                }
            }
        }
    }
}

pub(super) fn sorted(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, REAL)?;
    if cases.below(2) == 0 {
        let context = cases.context.clone();
        let found = unique(&array, &context)?;
        cases.case(&[&array], "np.unique(a0)", &found.values)?;
        return cases.case(
            &[&array],
            "np.unique(a0, return_counts=True)[1]",
            &found.counts,
        );
    }
    let along = axis(cases, &array);
    let rank = signed(array.rank() as u64);
    let length = array.shape()[usize::try_from(along.rem_euclid(rank)).unwrap_or(0)];
    let count = signed(cases.below(length + 1));
    if cases.below(2) == 0 {
        let result = topk(&array, -count, along)?;
        let expression =
            format!("np.take(np.sort(a0, axis={along}), np.arange({count}), axis={along})");
        return cases.case(&[&array], &expression, &result);
    }
    let result = topk(&array, count, along)?;
    let expression = format!(
        "np.take(np.flip(np.sort(a0, axis={along}), {along}), np.arange({count}), axis={along})"
    );
    cases.case(&[&array], &expression, &result)
}

pub(super) fn coarse(cases: &mut Cases) -> Result<()> {
    let mut shape = cases.shape(2..=2);
    let factors = [1 + cases.below(4), 1 + cases.below(4)];
    for (length, factor) in shape.iter_mut().zip(factors) {
        *length = (*length).max(factor);
    }
    let dtype = cases.choose(FLOATS);
    let array = cases.array(&shape, dtype)?;
    let result = coarsen(&array, Reduction::Max, &factors, true)?;
    let [f, g] = factors;
    let expression = format!(
        "a0[:a0.shape[0] // {f} * {f}, :a0.shape[1] // {g} * {g}]\
         .reshape(a0.shape[0] // {f}, {f}, a0.shape[1] // {g}, {g}).max(axis=(1, 3))"
    );
    cases.case(&[&array], &expression, &result)
}
