//! Other systems' names for functions which the engine has.

use std::sync::Arc;

use datafusion::functions::{core, datetime, math, regex, string, unicode};
use datafusion::functions_aggregate::{
    approx_distinct, approx_percentile_cont, array_agg, bool_and_or, first_last, string_agg,
    variance,
};
use datafusion::functions_nested as nested;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// Scalar functions with more names.
#[must_use]
pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    [
        (datetime::to_char(), &["strftime"][..]),
        (datetime::date_bin(), &["time_bucket"]),
        (math::signum(), &["sign"]),
        (regex::regexp_like(), &["regexp_matches"]),
        (string::starts_with(), &["prefix"]),
        (string::ends_with(), &["suffix"]),
        (unicode::character_length(), &["strlen"]),
        (core::named_struct(), &["struct_build"]),
        (
            nested::string::string_to_array_udf(),
            &["string_split", "str_split", "split"],
        ),
        (
            nested::make_array::make_array_udf(),
            &["list_value", "list_pack"],
        ),
        (nested::min_max::array_min_udf(), &["list_min"]),
        // PostgreSQL's remove and replace every occurrence, not the first alone.
        (
            nested::remove::array_remove_all_udf(),
            &["array_remove", "list_remove"],
        ),
        (
            nested::replace::array_replace_all_udf(),
            &["array_replace", "list_replace"],
        ),
        (core::get_field(), &["struct_extract"]),
        (core::r#struct(), &["row"]),
        (math::ceil(), &["ceiling"]),
        (string::lower(), &["lcase"]),
        (string::upper(), &["ucase"]),
        (string::levenshtein(), &["editdist3"]),
        (nested::string::array_to_string_udf(), &["list_to_string"]),
    ]
    .into_iter()
    .map(|(function, names)| {
        Arc::new(
            function
                .as_ref()
                .clone()
                .with_aliases(names.iter().copied()),
        )
    })
    .collect()
}

/// Aggregate functions with more names. None of those whose window frames slide by an accumulator
/// of their own (sum, min, max): a function with more names loses it in engine 55.2.
#[must_use]
pub(crate) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    [
        (array_agg::array_agg_udaf(), &["list"][..]),
        (string_agg::string_agg_udaf(), &["group_concat", "listagg"]),
        (bool_and_or::bool_and_udaf(), &["every"]),
        (first_last::first_value_udaf(), &["first", "arbitrary"]),
        (first_last::last_value_udaf(), &["last"]),
        (
            approx_distinct::approx_distinct_udaf(),
            &["approx_count_distinct"],
        ),
        (variance::var_samp_udaf(), &["variance"]),
        (
            approx_percentile_cont::approx_percentile_cont_udaf(),
            &["approx_quantile"],
        ),
    ]
    .into_iter()
    .map(|(function, names)| {
        Arc::new(
            function
                .as_ref()
                .clone()
                .with_aliases(names.iter().copied()),
        )
    })
    .collect()
}
