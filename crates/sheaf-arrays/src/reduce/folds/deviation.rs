//! Variances, and how many elements are true.

use super::{Number, sum_of};
use crate::reduce::fold::Fold;

/// Variances and standard deviations.
#[derive(Debug)]
pub(super) struct Deviation {
    pub(super) skip_nan: bool,
    pub(super) ddof: f64,
    pub(super) is_root: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reduce) struct DeviationState<W> {
    count: u64,
    mean: W,
    /// The sum of the squares of what the elements differ from the mean by.
    squares: f64,
}

impl Deviation {
    fn join<W: Number>(state: &mut DeviationState<W>, count: u64, mean: W, squares: f64) {
        if count == 0 {
            return;
        }
        if state.count == 0 {
            *state = DeviationState {
                count,
                mean,
                squares,
            };
            return;
        }
        let all = (state.count + count) as f64;
        let difference = mean.to_complex() - state.mean.to_complex();
        let share = count as f64 / all;
        state.squares += squares + difference.norm_sqr() * state.count as f64 * share;
        state.mean = W::from_complex(state.mean.to_complex() + difference * share);
        state.count += count;
    }
}

impl<W: Number> Fold<W> for Deviation {
    type State = DeviationState<W>;
    type Out = f64;

    fn add(&self, state: &mut DeviationState<W>, values: &[W], _: u64, _: u64) {
        // An infinity differs from itself by NaN.
        let of_one = |value: W| {
            let own = value.plus(W::from_f64(-1.0).times(value)).magnitude();
            own * own
        };
        if self.skip_nan && values.iter().any(|value| value.is_nan()) {
            for value in values.iter().filter(|value| !value.is_nan()) {
                Self::join(state, 1, *value, of_one(*value));
            }
            return;
        }
        if let [only] = values {
            return Self::join(state, 1, *only, of_one(*only));
        }
        let mean = W::from_complex(sum_of(values).to_complex() / values.len() as f64);
        let minus = W::from_f64(-1.0).times(mean);
        let mut squares = [0.0; 16];
        for chunk in values.chunks(16) {
            for (sum, value) in squares.iter_mut().zip(chunk) {
                let magnitude = value.plus(minus).magnitude();
                *sum += magnitude * magnitude;
            }
        }
        Self::join(state, values.len() as u64, mean, squares.iter().sum());
    }

    fn merge(&self, state: &mut DeviationState<W>, other: &DeviationState<W>) {
        Self::join(state, other.count, other.mean, other.squares);
    }

    fn finish(&self, state: &DeviationState<W>) -> f64 {
        let variance = state.squares / (state.count as f64 - self.ddof).max(0.0);
        if self.is_root {
            variance.sqrt()
        } else {
            variance
        }
    }
}

/// How many are true.
#[derive(Debug)]
pub(super) struct Count(pub(super) Counted);

#[derive(Debug)]
pub(super) enum Counted {
    Any,
    All,
    Number,
}

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reduce) struct CountState {
    elements: u64,
    true_ones: u64,
}

impl<W: Number> Fold<W> for Count {
    type State = CountState;
    type Out = u64;

    fn add(&self, state: &mut CountState, values: &[W], _: u64, _: u64) {
        let zero = W::default();
        state.elements += values.len() as u64;
        state.true_ones += values
            .iter()
            .map(|value| u64::from(*value != zero))
            .sum::<u64>();
    }

    fn merge(&self, state: &mut CountState, other: &CountState) {
        state.elements += other.elements;
        state.true_ones += other.true_ones;
    }

    fn finish(&self, state: &CountState) -> u64 {
        match self.0 {
            Counted::Any => u64::from(state.true_ones > 0),
            Counted::All => u64::from(state.true_ones == state.elements),
            Counted::Number => state.true_ones,
        }
    }
}
