//! Which places of sorted values a call asks for, and its result from what stands there.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::between::between;
use super::values::Values;

/// The shares of one call.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    shares: Vec<f64>,
    /// Whether the result is a list.
    is_list: bool,
    /// Whether results may lie between two values.
    is_between: bool,
    is_descending: bool,
    /// The type of one result.
    value_type: DataType,
}

/// Where a share lies among sorted values: at `fraction` of the way from one place to the other.
struct Place {
    low: usize,
    high: usize,
    fraction: f64,
}

impl Shares {
    /// The shares of a call of `name`; one half if it has none.
    ///
    /// # Errors
    /// `UserInput` if a share is no constant, NULL or beyond 0 and 1.
    pub(super) fn of(
        args: &AccumulatorArgs,
        name: &str,
        is_between: bool,
        is_middle: bool,
    ) -> Result<Self> {
        let order = args.order_bys.first();
        let (shares, is_list) = match args.exprs.get(1) {
            Some(shares) if !is_middle => constant_shares(shares.as_ref(), name)?,
            _ => (vec![0.5], false),
        };
        let value_type = match args.return_type() {
            DataType::List(item) if is_list => item.data_type().clone(),
            other => other.clone(),
        };
        Ok(Self {
            shares,
            is_list,
            is_between,
            is_descending: order.is_some_and(|order| order.options.descending),
            value_type,
        })
    }

    /// The result for these values.
    pub(super) fn result(&self, values: &mut dyn Values) -> Result<ScalarValue> {
        let count = values.count();
        if count == 0 {
            return self.of_none();
        }
        let places: Vec<Place> = self.shares.iter().map(|s| self.place(*s, count)).collect();
        let picked: Vec<usize> = places.iter().flat_map(|p| [p.low, p.high]).collect();
        let picked = values.pick(&picked)?;
        self.results(&places, &picked)
    }

    /// The result of no values.
    pub(super) fn of_none(&self) -> Result<ScalarValue> {
        ScalarValue::try_from(&match self.is_list {
            true => super::list_of(self.value_type.clone()),
            false => self.value_type.clone(),
        })
    }

    fn results(&self, places: &[Place], picked: &ArrayRef) -> Result<ScalarValue> {
        let mut results = Vec::with_capacity(places.len());
        for (index, place) in places.iter().enumerate() {
            results.push(between(picked, 2 * index, place.fraction)?);
        }
        match (self.is_list, results.pop()) {
            (false, Some(result)) => Ok(result),
            (_, last) => {
                results.extend(last);
                let list = ScalarValue::new_list(&results, &self.value_type, true);
                Ok(ScalarValue::List(list))
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number of values"
    )]
    fn place(&self, share: f64, count: usize) -> Place {
        let last = count.saturating_sub(1);
        if !self.is_between {
            let rank = whole_if_near(share * count as f64).ceil().max(1.0) as usize;
            let place = (rank - 1).min(last);
            let place = if self.is_descending {
                last - place
            } else {
                place
            };
            return Place {
                low: place,
                high: place,
                fraction: 0.0,
            };
        }
        let way = whole_if_near(share * last as f64);
        let way = if self.is_descending {
            last as f64 - way
        } else {
            way
        };
        let low = (way.floor() as usize).min(last);
        let high = (way.ceil() as usize).min(last);
        Place {
            low,
            high,
            fraction: way - low as f64,
        }
    }
}

/// A product of a share that was rounded when it was written, such as `0.07 * 100`, which is a bit
/// more than 7 in binary.
fn whole_if_near(product: f64) -> f64 {
    let whole = product.round();
    match (product - whole).abs() <= whole * 4.0 * f64::EPSILON {
        true => whole,
        false => product,
    }
}

fn constant_shares(shares: &dyn PhysicalExpr, name: &str) -> Result<(Vec<f64>, bool)> {
    let wrong =
        |message: String| SheafError::user(message).with_state(SqlState::INVALID_PARAMETER_VALUE);
    let Some(constant) = constant(shares) else {
        return Err(wrong(format!(
            "the share of {name} must be a constant between 0 and 1, and is computed from rows"
        ))
        .with_hint("shares that differ from row to row need a query each")
        .into());
    };
    let number = |value: ScalarValue| -> Result<f64> {
        match value.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(Some(share)) if (0.0..=1.0).contains(&share) => Ok(share),
            ScalarValue::Float64(Some(share)) => Err(wrong(format!(
                "the share of {name} must lie between 0 and 1, and {share} does not"
            ))
            .with_hint("25 % is 0.25; WITHIN GROUP (ORDER BY x DESC) counts from the greatest")
            .into()),
            _ => Err(wrong(format!(
                "the share of {name} must be a number between 0 and 1, and is NULL"
            ))
            .into()),
        }
    };
    match constant {
        ScalarValue::List(list) if list.len() == 1 && !list.is_null(0) => {
            let items = list.value(0);
            let shares = (0..items.len())
                .map(|index| number(ScalarValue::try_from_array(&items, index)?))
                .collect::<Result<_>>()?;
            Ok((shares, true))
        }
        value => Ok((vec![number(value)?], false)),
    }
}

/// The value of a literal, perhaps converted.
pub(in crate::aggregate) fn constant(expr: &dyn PhysicalExpr) -> Option<ScalarValue> {
    if let Some(conversion) = expr.downcast_ref::<CastExpr>() {
        let value = constant(conversion.expr().as_ref())?;
        return value.cast_to(conversion.cast_type()).ok();
    }
    Some(expr.downcast_ref::<Literal>()?.value().clone())
}
