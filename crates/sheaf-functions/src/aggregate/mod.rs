//! Aggregate functions.

mod arg_extreme;
mod count_if;
mod counted;
mod expanded;
mod extremes;
mod product;
mod quantile;
pub mod sum;

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

pub(crate) use expanded::expand;
pub(crate) use extremes::expand_window;

/// The aggregate functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<AggregateUDF>> {
    [
        arg_extreme::arg_max(),
        arg_extreme::arg_max_null(),
        arg_extreme::arg_min(),
        arg_extreme::arg_min_null(),
        count_if::function(),
        product::function(),
        sum::function(),
    ]
    .into_iter()
    .chain(counted::functions())
    .chain(extremes::functions())
    .chain(quantile::functions())
    .chain(expanded::functions())
    .map(Arc::new)
    .collect()
}
