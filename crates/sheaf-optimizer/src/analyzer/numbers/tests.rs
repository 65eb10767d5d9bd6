//! The `Numbers` rule on plans of one projection: which types come out, and that it is idempotent.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::logical_plan::table_scan;
use datafusion::logical_expr::{Expr, LogicalPlan, cast, col, lit, try_cast, when};
use datafusion::optimizer::AnalyzerRule;

use super::Numbers;

fn decimal(digits: i128, precision: u8, scale: i8) -> Expr {
    lit(ScalarValue::Decimal128(Some(digits), precision, scale))
}

/// A projection of `expr` from a table of one column of each kind.
fn projection(expr: Expr) -> LogicalPlan {
    let schema = Schema::new(vec![
        Field::new("small", DataType::Int16, true),
        Field::new("big", DataType::Int64, true),
        Field::new("price", DataType::Decimal128(15, 2), true),
        Field::new("double", DataType::Float64, true),
    ]);
    table_scan(Some("t"), &schema, None)
        .unwrap()
        .project(vec![expr.alias("x")])
        .unwrap()
        .build()
        .unwrap()
}

fn analyzed(plan: LogicalPlan) -> LogicalPlan {
    Numbers.analyze(plan, &ConfigOptions::default()).unwrap()
}

fn type_of(expr: Expr) -> DataType {
    analyzed(projection(expr))
        .schema()
        .field(0)
        .data_type()
        .clone()
}

#[test]
fn numbers_meet_in_the_type_that_holds_both() {
    for (expr, expected) in [
        (col("small") + col("small"), DataType::Int16),
        (col("small") + col("big"), DataType::Int64),
        (col("price") + lit(1_i64), DataType::Decimal128(16, 2)),
        (lit(1_i64) - col("price"), DataType::Decimal128(16, 2)),
        (col("big") * decimal(1, 1, 1), DataType::Decimal128(21, 1)),
        (col("price") / col("price"), DataType::Decimal128(31, 16)),
        (col("double") * decimal(15, 2, 1), DataType::Float64),
        (
            when(lit(true), col("big"))
                .otherwise(decimal(25, 2, 1))
                .unwrap(),
            DataType::Decimal128(20, 1),
        ),
        (
            when(lit(true), col("double"))
                .otherwise(decimal(25, 2, 1))
                .unwrap(),
            DataType::Float64,
        ),
        (cast(col("double"), DataType::Int64), DataType::Int64),
    ] {
        assert_eq!(type_of(expr.clone()), expected, "{expr}");
    }
}

#[test]
fn a_literal_beside_a_double_is_the_nearest_double() {
    let plan = analyzed(projection(col("double").gt(decimal(1, 1, 1))));
    assert!(plan.to_string().contains("Float64(0.1)"), "{plan}");
}

#[test]
fn types_that_do_not_go_together_are_an_error() {
    let date = lit(ScalarValue::Date32(Some(0)));
    let plan = projection(when(lit(true), col("big")).otherwise(date).unwrap());
    let error = Numbers
        .analyze(plan, &ConfigOptions::default())
        .unwrap_err();
    assert!(error.to_string().contains("BIGINT and DATE"), "{error}");
}

#[test]
fn a_second_time_changes_nothing() {
    for expr in [
        col("small") + col("big") * lit(2_i64),
        -col("big"),
        col("price") / lit(3_i64) * decimal(15, 2, 1),
        cast(col("double"), DataType::Int32),
        cast(col("price"), DataType::Int32),
        try_cast(col("price"), DataType::Decimal128(5, 0)),
        col("price").between(lit(1_i64), decimal(25, 2, 1)),
        col("big").in_list(vec![decimal(25, 2, 1)], false),
    ] {
        let once = analyzed(projection(expr));
        assert_eq!(analyzed(once.clone()), once);
    }
}

#[test]
fn comparisons_of_any_decimals_are_exact() {
    let wide = decimal(1, 38, 0).eq(decimal(1, 38, 20));
    let plan = analyzed(projection(wide));
    assert!(plan.to_string().contains("Decimal256"), "{plan}");
}
