//! `if(condition, then, otherwise)`, also `iif`: CASE in short.

use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, utils::take_function_args};
use datafusion::logical_expr::binary::type_union_resolution;
use datafusion::logical_expr::{Expr, ScalarUDF, cast, when};
use sheaf_base::{SheafError, sql_type_name};

use crate::shorthand::Shorthand;

pub(super) fn function() -> ScalarUDF {
    Shorthand::new("if", 3, return_type, expand)
        .with_aliases(&["iif"])
        .documented(
            "Conditional Functions",
            "The second argument where the first is true, the third where it is false or NULL; \
             the other one is not evaluated.",
            "if(condition, then, otherwise)",
        )
        .build()
}

fn return_type(types: &[DataType]) -> Result<DataType> {
    let [_, then, otherwise] = take_function_args("if", types)?;
    if then == otherwise {
        return Ok(then.clone());
    }
    type_union_resolution(&[then.clone(), otherwise.clone()]).ok_or_else(|| {
        DataFusionError::from(
            SheafError::user(format!(
                "the branches of if have no common type: {} and {}",
                sql_type_name(then),
                sql_type_name(otherwise)
            ))
            .with_hint("cast one of them"),
        )
    })
}

fn expand(arguments: Vec<Expr>, types: &[DataType]) -> Result<Expr> {
    let common = return_type(types)?;
    let [condition, then, otherwise] = take_function_args("if", arguments)?;
    let condition = to_type(condition, &types[0], &DataType::Boolean);
    let then = to_type(then, &types[1], &common);
    when(condition, then).otherwise(to_type(otherwise, &types[2], &common))
}

fn to_type(expr: Expr, own: &DataType, wanted: &DataType) -> Expr {
    if own == wanted {
        expr
    } else {
        cast(expr, wanted.clone())
    }
}
