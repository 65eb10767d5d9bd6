//! Aggregate functions.

mod arg_extreme;
mod count_if;
mod mode;

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

/// The aggregate functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<AggregateUDF>> {
    [
        arg_extreme::arg_max(),
        arg_extreme::arg_min(),
        count_if::function(),
        mode::function(),
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}
