//! Scalar functions.

mod bytes;
mod conditional;
mod date_diff;
mod date_parts;
pub(crate) mod interval_multiply;
mod len;
mod modulo;
mod patterns;
mod regexp_extract;
mod strptime;
mod text_format;
mod timezone;
mod to_char;
mod type_of;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// The scalar functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        conditional::function(),
        date_diff::function(),
        interval_multiply::function(),
        len::function(),
        modulo::function(),
        regexp_extract::function(),
        strptime::function(),
        timezone::function(),
        to_char::function(),
        type_of::function(),
    ];
    functions.extend(bytes::functions());
    functions.extend(date_parts::functions());
    functions.extend(patterns::functions());
    functions.extend(text_format::functions());
    functions.into_iter().map(Arc::new).collect()
}
