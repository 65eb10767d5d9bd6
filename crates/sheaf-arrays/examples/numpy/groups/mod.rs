//! The operations, group by group.

mod layout;
mod linear;
mod numbers;
mod stats;
mod windows;

use sheaf_arrays::{Array, DType};
use sheaf_base::Result;

use crate::cases::Cases;
use layout::*;
use linear::*;
use numbers::*;
use stats::*;
use windows::*;

type Group = fn(&mut Cases) -> Result<()>;

/// Name, number of cases, and what makes one.
pub(crate) static GROUPS: &[(&str, usize, Group)] = &[
    ("slice", 60, slices),
    ("axes", 40, axes),
    ("shape", 60, shapes),
    ("rechunk", 40, rechunks),
    ("concat", 40, concats),
    ("border", 60, borders),
    ("take", 30, takes),
    ("unary", 80, unaries),
    ("binary", 120, binaries),
    ("where", 20, wheres),
    ("cast", 30, casts),
    ("reduce", 200, reductions),
    ("nan", 30, nan_reductions),
    ("cumulative", 40, running),
    ("quantile", 40, quantiles),
    ("matmul", 80, products),
    ("fused", 40, fused),
    ("difference", 30, differences),
    ("covariance", 30, covariances),
    ("histogram", 30, histograms),
    ("bins", 50, bins),
    ("sorted", 50, sorted),
    ("coarsen", 15, coarse),
    ("diagonal", 20, diagonals),
    ("contraction", 45, contractions),
    ("factors", 30, factors),
    ("systems", 30, systems),
    ("overlap", 25, overlaps),
    ("sliding", 20, slidings),
    ("fft", 50, transforms),
];

fn any(cases: &mut Cases, ranks: std::ops::RangeInclusive<u64>, types: &[DType]) -> Result<Array> {
    let shape = cases.shape(ranks);
    let dtype = cases.choose(types);
    cases.array(&shape, dtype)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(0)
}

fn axis(cases: &mut Cases, array: &Array) -> i64 {
    let rank = signed(array.rank() as u64);
    signed(cases.below(array.rank() as u64)) - if cases.below(2) == 0 { rank } else { 0 }
}
