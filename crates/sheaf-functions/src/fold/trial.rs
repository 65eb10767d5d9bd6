//! Whether MERGE puts together what was folded apart: tried out, since no proof is to be had of
//! expressions.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};

use super::Fold;

/// Rows that are folded together, and apart: the values of their arguments, as far as the types have
/// them.
const TRIALS: &[(&[i64], &[i64])] = &[
    (&[1], &[0]),
    (&[0], &[3]),
    (&[1, 3], &[1]),
    (&[3], &[0, 1]),
    (&[1, 0], &[3, 1]),
];

/// Floating numbers that are closer together than this, by their size, are the same.
const TOLERANCE: f64 = 1e-9;

impl Fold {
    /// Whether the state of some rows, merged with that of others, is the state of them all. It is not
    /// if MERGE is another function than ACCUMULATE asks for, or if INIT counts once too often.
    ///
    /// Tried with rows of few plain values (0, 1 and 3; '0', '1' and '3', and so on). Where an
    /// expression fails or gives NaN, nothing is known; if nothing is known at all, MERGE is not
    /// trusted.
    #[must_use]
    pub fn merges_as_it_folds(&self) -> bool {
        let trials = TRIALS.iter();
        let answers: Vec<bool> = trials
            .filter_map(|(left, right)| self.try_merge(left, right).ok().flatten())
            .collect();
        !answers.is_empty() && answers.iter().all(|is_same| *is_same)
    }

    fn try_merge(&self, left: &[i64], right: &[i64]) -> Result<Option<bool>> {
        let init = || Ok(self.parts.init.clone());
        let fold = |states: Result<Vec<ArrayRef>>, rows: &[i64]| {
            rows.iter().fold(states, |states, row| {
                self.accumulate(&self.trial_row(*row)?, states?)
            })
        };
        let left_states = fold(init(), left)?;
        let together = fold(Ok(left_states.clone()), right)?;
        let merged = self.merge(left_states, fold(init(), right)?)?;
        let (together, merged) = (values(&together)?, values(&merged)?);
        let mut pairs = together.iter().zip(&merged);
        if pairs.clone().any(|(a, b)| is_nan(a) || is_nan(b)) {
            return Ok(None);
        }
        Ok(Some(pairs.all(|(a, b)| is_same(a, b))))
    }

    fn trial_row(&self, value: i64) -> Result<Vec<ArrayRef>> {
        let fields = self.parts.arguments.iter();
        let values = fields.map(|field| plain_value(value, field.data_type())?.to_array());
        values.collect()
    }
}

fn plain_value(value: i64, data_type: &DataType) -> Result<ScalarValue> {
    match ScalarValue::Int64(Some(value)).cast_to(data_type) {
        Ok(value) => Ok(value),
        Err(_) => ScalarValue::new_default(data_type),
    }
}

fn values(columns: &[ArrayRef]) -> Result<Vec<ScalarValue>> {
    let columns = columns.iter();
    let values = columns.map(|column| ScalarValue::try_from_array(column, 0));
    values.collect()
}

fn float(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(value) => *value,
        ScalarValue::Float32(value) => value.map(f64::from),
        _ => None,
    }
}

fn is_nan(value: &ScalarValue) -> bool {
    float(value).is_some_and(f64::is_nan)
}

fn is_same(a: &ScalarValue, b: &ScalarValue) -> bool {
    match (float(a), float(b)) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
        _ => a == b,
    }
}
