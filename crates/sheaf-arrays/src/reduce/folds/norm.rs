//! Norms.

use super::Number;
use crate::reduce::fold::Fold;

/// Norms of vectors.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) order: f64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::reduce) struct NormState {
    sum: f64,
    lost: f64,
    is_there: bool,
}

impl Norm {
    fn put(&self, state: &mut NormState, power: f64) {
        // A NaN stays, whatever follows.
        if self.order.is_infinite() && (state.sum.is_nan() || power.is_nan()) {
            state.sum = f64::NAN;
        } else if self.order == f64::INFINITY {
            state.sum = state.sum.max(power);
        } else if self.order == f64::NEG_INFINITY {
            state.sum = match state.is_there {
                true => state.sum.min(power),
                false => power,
            };
        } else {
            let sum = state.sum + power;
            state.lost += state.sum.lost(power, sum);
            state.sum = sum;
        }
        state.is_there = true;
    }
}

impl<W: Number> Fold<W> for Norm {
    type State = NormState;
    type Out = f64;

    fn add(&self, state: &mut NormState, values: &[W], _: u64, _: u64) {
        if self.order == 2.0 && values.len() > 1 {
            let mut sums = [0.0; 16];
            for chunk in values.chunks(16) {
                for (sum, value) in sums.iter_mut().zip(chunk) {
                    let magnitude = value.magnitude();
                    *sum += magnitude * magnitude;
                }
            }
            return self.put(state, sums.iter().sum());
        }
        for value in values {
            let magnitude = value.magnitude();
            self.put(
                state,
                match self.order {
                    0.0 => f64::from(u8::from(magnitude != 0.0)),
                    1.0 | f64::INFINITY | f64::NEG_INFINITY => magnitude,
                    2.0 => magnitude * magnitude,
                    order => magnitude.powf(order),
                },
            );
        }
    }

    fn merge(&self, state: &mut NormState, other: &NormState) {
        if other.is_there {
            self.put(state, other.sum);
            state.lost += other.lost;
        }
    }

    fn finish(&self, state: &NormState) -> f64 {
        let sum = state.sum + state.lost;
        match self.order {
            0.0 | 1.0 | f64::INFINITY | f64::NEG_INFINITY => sum,
            2.0 => sum.sqrt(),
            order => sum.powf(1.0 / order),
        }
    }
}
