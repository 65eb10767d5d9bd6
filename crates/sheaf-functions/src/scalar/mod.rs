//! Scalar functions.

mod conditional;
mod date_diff;
mod date_parts;
mod len;
mod modulo;
mod regexp_extract;
mod strptime;
mod type_of;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// The scalar functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        conditional::function(),
        date_diff::function(),
        len::function(),
        modulo::function(),
        regexp_extract::function(),
        strptime::function(),
        type_of::function(),
    ];
    functions.extend(date_parts::functions());
    functions.into_iter().map(Arc::new).collect()
}
