//! Aggregate functions.

mod arg_extreme;
mod count_if;
mod expanded;
mod mode;
mod product;
mod quantile_disc;
pub mod sum;

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

pub(crate) use expanded::expand;

/// The aggregate functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<AggregateUDF>> {
    [
        arg_extreme::arg_max(),
        arg_extreme::arg_min(),
        count_if::function(),
        mode::function(),
        product::function(),
        quantile_disc::function(),
        sum::function(),
    ]
    .into_iter()
    .chain(expanded::functions())
    .map(Arc::new)
    .collect()
}
