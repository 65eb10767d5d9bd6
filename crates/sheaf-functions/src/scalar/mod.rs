//! Scalar functions.

pub(crate) mod bytes;
mod chr;
mod conditional;
mod date_diff;
mod date_parts;
mod gapfill;
pub(crate) mod interval_multiply;
mod intervals;
mod len;
mod list_items;
pub(crate) mod list_mad;
mod lists;
mod modulo;
mod numbers;
mod patterns;
mod regex_lists;
mod regexp_extract;
mod session_info;
mod strptime;
mod text_distance;
mod text_format;
mod timezone;
mod to_char;
mod type_of;
mod uuids;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// The scalar functions, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        chr::function(),
        conditional::function(),
        date_diff::function(),
        interval_multiply::function(),
        len::function(),
        list_mad::function(),
        modulo::function(),
        regexp_extract::function(),
        strptime::function(),
        timezone::function(),
        to_char::function(),
        type_of::function(),
    ];
    functions.extend(bytes::functions());
    functions.extend(date_parts::functions());
    functions.extend(gapfill::functions());
    functions.extend(intervals::functions());
    functions.extend(lists::functions());
    functions.extend(numbers::functions());
    functions.extend(list_items::functions());
    functions.extend(patterns::functions());
    functions.extend(regex_lists::functions());
    functions.extend(session_info::functions());
    functions.extend(text_distance::functions());
    functions.extend(text_format::functions());
    functions.extend(uuids::functions());
    functions.into_iter().map(Arc::new).collect()
}
