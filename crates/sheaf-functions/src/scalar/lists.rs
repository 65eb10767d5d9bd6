//! Functions of lists that stand for expressions of others: `list_last`, `list_count`,
//! `list_unique`, `list_reverse_sort`, `array_upper`, `array_lower`, `trim_array`; and lengths as BIGINT, for which minus has a meaning.

use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, utils::take_function_args};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_nested::expr_fn as list;
use datafusion::logical_expr::{Expr, ScalarUDF, Signature, Volatility, cast, lit, when};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::shorthand::Shorthand;

const SECTION: &str = "Array Functions";

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = elements();
    functions.extend(lengths());
    functions
}

fn elements() -> Vec<ScalarUDF> {
    vec![
        Shorthand::new("list_last", 1, element, |a, _| {
            let [values] = take_function_args("list_last", a)?;
            Ok(list::array_element(values, lit(-1_i64)))
        })
        .with_aliases(&["array_last"])
        .documented(SECTION, "The last element.", "list_last(list)")
        .build(),
        Shorthand::new("list_reverse_sort", 1, same, |a, _| {
            let [values] = take_function_args("list_reverse_sort", a)?;
            Ok(list::array_sort(values, lit("DESC"), lit("NULLS LAST")))
        })
        .with_aliases(&["array_reverse_sort"])
        .documented(
            SECTION,
            "The elements from large to small, NULLs last.",
            "list_reverse_sort(list)",
        )
        .build(),
        Shorthand::new("trim_array", 2, same, |a, _| {
            let [values, count] = take_function_args("trim_array", a)?;
            let rest = length(values.clone()) - cast(count, DataType::Int64);
            Ok(list::array_slice(values, lit(1_i64), rest, None))
        })
        .documented(
            SECTION,
            "The list without its last elements.",
            "trim_array(list, count)",
        )
        .build(),
    ]
}

fn lengths() -> Vec<ScalarUDF> {
    let whole = |_: &[DataType]| Ok(DataType::Int64);
    vec![
        Shorthand::new("array_length", 1, whole, |a, _| {
            let inner = datafusion::functions_nested::length::array_length_udf();
            Ok(cast(inner.call(a), DataType::Int64))
        })
        .with_signature(Signature::variadic_any(Volatility::Immutable))
        .with_aliases(&["list_length", "array_upper"])
        .documented(
            SECTION,
            "The number of elements, in a dimension.",
            "array_length(list [, dimension])",
        )
        .build(),
        Shorthand::new("cardinality", 1, whole, |a, _| {
            let [values] = take_function_args("cardinality", a)?;
            Ok(cast(list::cardinality(values), DataType::Int64))
        })
        .documented(
            SECTION,
            "The number of elements of a list, in all dimensions, or of a map.",
            "cardinality(list)",
        )
        .build(),
        Shorthand::new("array_lower", 2, whole, |a, _| {
            let inner = datafusion::functions_nested::length::array_length_udf();
            when(inner.call(a).is_not_null(), lit(1_i64)).end()
        })
        .documented(
            SECTION,
            "The number of the first element: 1, or NULL if there is none.",
            "array_lower(list, dimension)",
        )
        .build(),
        Shorthand::new("list_count", 1, whole, |a, _| {
            let [values] = take_function_args("list_count", a)?;
            counted(values, |values| values)
        })
        .with_aliases(&["array_count"])
        .documented(
            SECTION,
            "How many elements are not NULL.",
            "list_count(list)",
        )
        .build(),
        Shorthand::new("list_unique", 1, whole, |a, _| {
            let [values] = take_function_args("list_unique", a)?;
            counted(values, list::array_distinct)
        })
        .with_aliases(&["array_unique"])
        .documented(
            SECTION,
            "How many different elements there are; NULLs do not count.",
            "list_unique(list)",
        )
        .build(),
    ]
}

fn length(values: Expr) -> Expr {
    cast(list::array_length(values), DataType::Int64)
}

/// The number of elements that are not NULL, after `prepare`.
fn counted(values: Expr, prepare: fn(Expr) -> Expr) -> Result<Expr> {
    let elements = prepare(list::array_compact(values.clone()));
    let count = coalesce(vec![length(elements), lit(0_i64)]);
    when(values.is_not_null(), count).end()
}

fn same(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(list @ (DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))) => {
            Ok(list.clone())
        }
        _ => Err(SheafError::user("a list is needed here")
            .with_state(SqlState::DATATYPE_MISMATCH)
            .into()),
    }
}

fn element(types: &[DataType]) -> Result<DataType> {
    match same(types)? {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Ok(field.data_type().clone())
        }
        other => exec_err!("{other} is no list"),
    }
}
