//! Extremes, and where they are.

use sheaf_base::{Result, SheafError};

use super::Number;
use crate::reduce::fold::Fold;

/// The first least or largest.
#[derive(Debug)]
pub(super) struct Extreme {
    pub(super) skip_nan: bool,
    pub(super) is_max: bool,
    pub(super) is_place: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reduce) struct ExtremeState<W> {
    best: W,
    number: u64,
    is_there: bool,
}

impl Extreme {
    /// Whether `value` is to take the place of `best`. A NaN takes that of any number.
    fn is_better<W: Number>(&self, value: W, best: W) -> bool {
        if best.is_nan() {
            return false;
        }
        let is_better = if self.is_max {
            best.is_before(value)
        } else {
            value.is_before(best)
        };
        is_better || value.is_nan()
    }

    fn offer<W: Number>(&self, state: &mut ExtremeState<W>, value: W, number: u64) {
        if self.skip_nan && value.is_nan() {
            return;
        }
        if !state.is_there || self.is_better(value, state.best) {
            *state = ExtremeState {
                best: value,
                number,
                is_there: true,
            };
        }
    }
}

impl<W: Number> Fold<W> for Extreme {
    type State = ExtremeState<W>;
    type Out = W;

    fn add(&self, state: &mut ExtremeState<W>, values: &[W], first: u64, step: u64) {
        if self.is_place || values.len() < 16 || values.iter().any(|value| value.is_nan()) {
            for (number, value) in values.iter().enumerate() {
                self.offer(state, *value, first + number as u64 * step);
            }
            return;
        }
        // Without NaNs and places: several at once.
        let mut best = [values[0]; 16];
        for chunk in values.chunks(16) {
            for (best, value) in best.iter_mut().zip(chunk) {
                let is_better = if self.is_max {
                    best.is_before(*value)
                } else {
                    value.is_before(*best)
                };
                *best = if is_better { *value } else { *best };
            }
        }
        best.iter()
            .for_each(|value| self.offer(state, *value, first));
    }

    fn merge(&self, state: &mut ExtremeState<W>, other: &ExtremeState<W>) {
        if !other.is_there {
            return;
        }
        // Blocks come in the order of the grid; of equals the one with the least number counts.
        let is_equal = state.is_there
            && !self.is_better(other.best, state.best)
            && !self.is_better(state.best, other.best)
            && (state.best.is_nan() == other.best.is_nan());
        if is_equal {
            state.number = state.number.min(other.number);
        } else {
            self.offer(state, other.best, other.number);
        }
    }

    fn finish(&self, state: &ExtremeState<W>) -> W {
        match state.is_there {
            true => state.best,
            // All were NaN and have been left out.
            false => W::from_f64(f64::NAN),
        }
    }
}

/// Where the extreme is.
#[derive(Debug)]
pub(super) struct Place(pub(super) Extreme);

impl<W: Number> Fold<W> for Place {
    type State = ExtremeState<W>;
    type Out = u64;

    fn add(&self, state: &mut ExtremeState<W>, values: &[W], first: u64, step: u64) {
        self.0.add(state, values, first, step);
    }

    fn merge(&self, state: &mut ExtremeState<W>, other: &ExtremeState<W>) {
        self.0.merge(state, other);
    }

    fn finish(&self, state: &ExtremeState<W>) -> u64 {
        state.number
    }

    fn check(&self, state: &ExtremeState<W>) -> Result<()> {
        match state.is_there {
            true => Ok(()),
            false => Err(SheafError::data(
                "array_reduce: all elements are NaN, and the position is of one that is not",
            )),
        }
    }
}
