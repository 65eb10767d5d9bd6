//! Reductions: one value of many elements, along some axes or of all.
//!
//! Each block of the source is folded on its own, and what comes of the blocks is put together in their
//! order: the result is the same whatever the number of threads. Sums carry what rounding has lost along
//! with them (Neumaier, ZAMM 54, 1974), so that cutting the array otherwise rarely shows; deviations are
//! put together by Chan's formula (Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for
//! computing sample variances, 1979).

mod cumulative;
mod fold;
mod folds;
mod quantile;
mod select;

use std::str::FromStr;

use sheaf_base::{Result, SheafError};

use crate::dtype::{Class, DType};
use crate::grid::{Grid, tuple};
use crate::store::Array;
use crate::view::axes_of;

pub use cumulative::{Cumulative, cumulative};
pub(crate) use folds::Number;
pub use quantile::{median, quantile};

/// What elements are reduced to, as NumPy has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reduction {
    /// The sum; of whole numbers in 64 bits.
    Sum,
    /// The product; of whole numbers in 64 bits.
    Prod,
    /// The least; NaN if any is.
    Min,
    /// The largest; NaN if any is.
    Max,
    /// The mean.
    Mean,
    /// The variance.
    Var,
    /// The standard deviation.
    Std,
    /// Whether any is true (not 0).
    Any,
    /// Whether all are true.
    All,
    /// How many are not 0.
    CountNonzero,
    /// The number of the first least element.
    ArgMin,
    /// The number of the first largest element.
    ArgMax,
    /// The norm of this order of the elements as a vector; 2 is the Euclidean one.
    Norm(f64),
}

/// How elements are reduced.
#[derive(Debug, Clone, Default)]
pub struct ReduceOptions {
    /// The axes that go; if not given, all.
    pub axes: Option<Vec<i64>>,
    /// Whether they stay with the length 1.
    pub keep_dims: bool,
    /// What is taken off the count that deviations are divided by.
    pub ddof: f64,
    /// Whether NaNs are left out.
    pub skip_nan: bool,
}

/// The names of reductions.
static NAMES: &[(&str, Reduction)] = &[
    ("sum", Reduction::Sum),
    ("prod", Reduction::Prod),
    ("min", Reduction::Min),
    ("max", Reduction::Max),
    ("mean", Reduction::Mean),
    ("var", Reduction::Var),
    ("std", Reduction::Std),
    ("any", Reduction::Any),
    ("all", Reduction::All),
    ("count_nonzero", Reduction::CountNonzero),
    ("argmin", Reduction::ArgMin),
    ("argmax", Reduction::ArgMax),
    ("norm", Reduction::Norm(2.0)),
];

impl Reduction {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, reduction)| {
            std::mem::discriminant(reduction) == std::mem::discriminant(&self)
        });
        found.map_or("", |entry| entry.0)
    }

    /// The type of the result for elements of type `dtype`.
    #[must_use]
    pub fn result(self, dtype: DType) -> DType {
        match self {
            Reduction::Sum | Reduction::Prod => match dtype.class() {
                Class::Bool | Class::Int => DType::Int64,
                Class::UInt => DType::UInt64,
                _ => dtype,
            },
            Reduction::Min | Reduction::Max => dtype,
            Reduction::Mean => dtype.to_inexact(),
            Reduction::Var | Reduction::Std | Reduction::Norm(_) => dtype.to_inexact().to_real(),
            Reduction::Any | Reduction::All => DType::Bool,
            Reduction::CountNonzero | Reduction::ArgMin | Reduction::ArgMax => DType::Int64,
        }
    }

    /// Whether it has no value of no elements.
    fn needs_elements(self) -> bool {
        matches!(
            self,
            Reduction::Min | Reduction::Max | Reduction::ArgMin | Reduction::ArgMax
        )
    }
}

impl FromStr for Reduction {
    type Err = SheafError;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.to_ascii_lowercase();
        let found = NAMES.iter().find(|(name, _)| *name == wanted);
        found.map(|entry| entry.1).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|entry| entry.0).collect();
            SheafError::user(format!("array_reduce: \"{text}\" is no reduction"))
                .with_hint(format!("the reductions are {}", names.join(", ")))
        })
    }
}

/// `reduction` of the elements along the axes of `options`.
///
/// # Memory
/// What stands for each element of a chunk of the result, and a block of the source for each thread.
/// # Errors
/// `UserInput` for axes that do not exist, and for extremes of no elements. Reading gives `Data` for the
/// position of an extreme of NaNs alone that are left out.
pub fn reduce(source: &Array, reduction: Reduction, options: &ReduceOptions) -> Result<Array> {
    let operation = format!("array_reduce '{}'", reduction.name());
    let axes = axes_of(&operation, options.axes.as_deref(), source.rank())?;
    let shape = source.shape();
    if reduction.needs_elements() {
        let kept_any = (0..shape.len()).all(|axis| axes.contains(&axis) || shape[axis] > 0);
        if kept_any && axes.iter().any(|&axis| shape[axis] == 0) {
            return Err(SheafError::user(format!(
                "{operation}: an array of shape {} has no elements along axes {}",
                tuple(&shape),
                tuple(&axes)
            )));
        }
        if source.dtype().class() == Class::Complex {
            return Err(SheafError::unsupported(format!(
                "{operation}: {} numbers have no order",
                source.dtype()
            )));
        }
    }
    let is_arg = matches!(reduction, Reduction::ArgMin | Reduction::ArgMax);
    if is_arg && axes.len() != 1 && axes.len() != source.rank() {
        return Err(SheafError::user(format!(
            "{operation}: elements are numbered along one axis, or along all"
        )));
    }
    let dtype = reduction.result(source.dtype());
    let grid = reduced_grid(source, &axes, options.keep_dims, dtype)?;
    folds::of(source, reduction, options, axes, grid)
}

/// The grid that is left when `axes` go, or are 1 long.
fn reduced_grid(source: &Array, axes: &[usize], keep_dims: bool, dtype: DType) -> Result<Grid> {
    let own_names = source.grid().names();
    let (mut sizes, mut names) = (Vec::new(), Vec::new());
    for (axis, name) in own_names.into_iter().enumerate() {
        match (axes.contains(&axis), keep_dims) {
            (false, _) => sizes.push(source.grid().sizes(axis)),
            (true, true) => sizes.push(vec![1]),
            (true, false) => continue,
        }
        names.push(name);
    }
    Grid::irregular(&sizes, dtype)?.with_names(names)
}
