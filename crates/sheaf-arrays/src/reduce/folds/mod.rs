//! What elements can be folded to.

mod deviation;
mod extreme;
mod norm;
mod number;

use std::marker::PhantomData;

use num_complex::Complex;
use sheaf_base::Result;

use super::fold::{Fold, Folded};
use super::{ReduceOptions, Reduction};
use crate::dtype::Class;
use crate::grid::Grid;
use crate::store::Array;
use deviation::{Count, Counted, Deviation};
use extreme::{Extreme, Place};
use norm::Norm;

pub(crate) use number::Number;

/// The reduction of `source`, whose result has `grid`.
pub(super) fn of(
    source: &Array,
    reduction: Reduction,
    options: &ReduceOptions,
    axes: Vec<usize>,
    grid: Grid,
) -> Result<Array> {
    let parts = Parts {
        grid,
        source: source.clone(),
        axes,
        options: options.clone(),
    };
    match source.dtype().class() {
        Class::Int => parts.of::<i64>(reduction),
        Class::UInt | Class::Bool => parts.of::<u64>(reduction),
        Class::Float => parts.of::<f64>(reduction),
        Class::Complex => parts.of::<Complex<f64>>(reduction),
    }
}

/// What every reduction is made of.
struct Parts {
    grid: Grid,
    source: Array,
    axes: Vec<usize>,
    options: ReduceOptions,
}

impl Parts {
    fn of<W: Number>(self, reduction: Reduction) -> Result<Array> {
        let skip_nan = self.options.skip_nan;
        let ddof = self.options.ddof;
        Ok(match reduction {
            Reduction::Sum => self.with::<W, _>(Sum {
                skip_nan,
                is_mean: false,
            }),
            Reduction::Mean => match self.source.dtype().class() {
                Class::Complex => self.with::<Complex<f64>, _>(Sum {
                    skip_nan,
                    is_mean: true,
                }),
                _ => self.with::<f64, _>(Sum {
                    skip_nan,
                    is_mean: true,
                }),
            },
            Reduction::Prod => self.with::<W, _>(Product { skip_nan }),
            Reduction::Min => self.with::<W, _>(Extreme {
                skip_nan,
                is_max: false,
                is_place: false,
            }),
            Reduction::Max => self.with::<W, _>(Extreme {
                skip_nan,
                is_max: true,
                is_place: false,
            }),
            Reduction::ArgMin => self.with::<W, _>(Place(Extreme {
                skip_nan,
                is_max: false,
                is_place: true,
            })),
            Reduction::ArgMax => self.with::<W, _>(Place(Extreme {
                skip_nan,
                is_max: true,
                is_place: true,
            })),
            Reduction::Var | Reduction::Std => {
                let is_root = reduction == Reduction::Std;
                let fold = Deviation {
                    skip_nan,
                    ddof,
                    is_root,
                };
                match self.source.dtype().class() {
                    Class::Complex => self.with::<Complex<f64>, _>(fold),
                    _ => self.with::<f64, _>(fold),
                }
            }
            Reduction::Any => self.with::<W, _>(Count(Counted::Any)),
            Reduction::All => self.with::<W, _>(Count(Counted::All)),
            Reduction::CountNonzero => self.with::<W, _>(Count(Counted::Number)),
            Reduction::Norm(order) => self.with::<W, _>(Norm { order }),
        })
    }

    fn with<W: Number, F: Fold<W> + 'static>(self, fold: F) -> Array {
        Array::new(Folded {
            grid: self.grid,
            source: self.source,
            axes: self.axes,
            keep_dims: self.options.keep_dims,
            fold,
            values: PhantomData::<W>,
        })
    }
}

/// Sums, and means.
#[derive(Debug)]
struct Sum {
    skip_nan: bool,
    is_mean: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct SumState<W> {
    sum: W,
    lost: W,
    count: u64,
}

impl<W: Number> SumState<W> {
    fn add(&mut self, value: W) {
        let sum = self.sum.plus(value);
        self.lost = self.lost.plus(self.sum.lost(value, sum));
        self.sum = sum;
    }
}

impl<W: Number> Fold<W> for Sum {
    type State = SumState<W>;
    type Out = W;

    fn add(&self, state: &mut SumState<W>, values: &[W], _: u64, _: u64) {
        if self.skip_nan && values.iter().any(|value| value.is_nan()) {
            for value in values.iter().filter(|value| !value.is_nan()) {
                state.add(*value);
                state.count += 1;
            }
            return;
        }
        state.count += values.len() as u64;
        match values {
            [only] => state.add(*only),
            _ => state.add(sum_of(values)),
        }
    }

    fn merge(&self, state: &mut SumState<W>, other: &SumState<W>) {
        state.add(other.sum);
        state.lost = state.lost.plus(other.lost);
        state.count += other.count;
    }

    fn finish(&self, state: &SumState<W>) -> W {
        let sum = state.sum.plus(state.lost);
        match self.is_mean {
            false => sum,
            true => {
                let sum = sum.to_complex();
                W::from_complex(sum / state.count as f64)
            }
        }
    }
}

/// The sum of a few thousand values, as sixteen sums that the machine adds up at once.
fn sum_of<W: Number>(values: &[W]) -> W {
    let mut sums = [W::default(); 16];
    let chunks = values.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum = sum.plus(*value);
        }
    }
    let all = sums.iter().fold(W::default(), |all, sum| all.plus(*sum));
    rest.iter().fold(all, |all, value| all.plus(*value))
}

#[derive(Debug)]
struct Product {
    skip_nan: bool,
}

/// A product so far, which of no elements is 1.
#[derive(Debug, Clone, Copy, Default)]
struct ProductState<W>(Option<W>);

impl<W: Number> Fold<W> for Product {
    type State = ProductState<W>;
    type Out = W;

    fn add(&self, state: &mut ProductState<W>, values: &[W], _: u64, _: u64) {
        let values = values
            .iter()
            .filter(|value| !(self.skip_nan && value.is_nan()));
        let product = values.fold(state.0.unwrap_or(W::ONE), |all, value| all.times(*value));
        state.0 = Some(product);
    }

    fn merge(&self, state: &mut ProductState<W>, other: &ProductState<W>) {
        if let Some(other) = other.0 {
            state.0 = Some(state.0.unwrap_or(W::ONE).times(other));
        }
    }

    fn finish(&self, state: &ProductState<W>) -> W {
        state.0.unwrap_or(W::ONE)
    }
}
