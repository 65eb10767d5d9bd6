//! Which share of rows a predicate keeps.
//!
//! Ranges of one column are put together before they are measured against its smallest and largest
//! value; other conditions are taken to be independent of each other.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::estimate::{ColumnEstimate, Estimate, number};

/// A condition of which nothing is known.
const UNKNOWN: f64 = 0.25;

/// Equality with a value, where the distinct values are not known.
const EQUAL: f64 = 0.1;

/// Rows of a table of which each may have a value of its own.
const SMALL_ROWS: f64 = 100.0;

/// One column below another.
const LESS: f64 = 0.5;

/// A pattern, or a part of a text.
const PATTERN: f64 = 0.1;

/// The share that is taken to stay at least, whatever the estimate: a table's rows are seldom all
/// of one kind.
const LEAST: f64 = 1e-7;

/// The share of rows of `input` for which `predicate` holds.
pub(super) fn selectivity(predicate: &Expr, input: &Estimate) -> f64 {
    let mut kept = 1.0;
    let mut ranges: HashMap<&Column, (f64, f64)> = HashMap::new();
    for condition in split_conjunction(predicate) {
        match bound(condition, input) {
            Some((column, low, high)) => {
                let range = ranges
                    .entry(column)
                    .or_insert((f64::NEG_INFINITY, f64::INFINITY));
                *range = (range.0.max(low), range.1.min(high));
            }
            None => kept *= of_condition(condition, input),
        }
    }
    for (column, (low, high)) in ranges {
        let known = input.columns.get(column);
        if let Some((min, max)) = known.and_then(|column| column.range) {
            kept *= share(low, high, min, max);
        }
    }
    kept.clamp(LEAST, 1.0)
}

/// A column that is bounded by a constant, and its bounds.
fn bound<'a>(condition: &'a Expr, input: &Estimate) -> Option<(&'a Column, f64, f64)> {
    let (column, low, high) = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (column_of(left), column_of(right)) {
                (Some(column), None) => (column, *op, constant(right)?),
                (None, Some(column)) => (column, op.swap()?, constant(left)?),
                _ => return None,
            };
            match op {
                Operator::Lt | Operator::LtEq => (column, f64::NEG_INFINITY, value),
                Operator::Gt | Operator::GtEq => (column, value, f64::INFINITY),
                _ => return None,
            }
        }
        Expr::Between(between) if !between.negated => {
            let column = column_of(&between.expr)?;
            (column, constant(&between.low)?, constant(&between.high)?)
        }
        _ => return None,
    };
    input.columns.get(column)?.range?;
    Some((column, low, high))
}

/// The share of values from `min` to `max` that are from `low` to `high`.
fn share(low: f64, high: f64, min: f64, max: f64) -> f64 {
    let (low, high) = (low.max(min), high.min(max));
    if low > high {
        return LEAST;
    }
    if max <= min {
        return 1.0;
    }
    (high - low) / (max - min)
}

fn of_condition(condition: &Expr, input: &Estimate) -> f64 {
    match condition {
        Expr::Literal(value, _) => match value {
            datafusion::common::ScalarValue::Boolean(Some(true)) => 1.0,
            _ => LEAST,
        },
        Expr::Not(inner) => 1.0 - selectivity(inner, input),
        Expr::IsNull(inner) => nulls(inner, input),
        Expr::IsNotNull(inner) => 1.0 - nulls(inner, input),
        Expr::InList(list) => {
            let equal = equal_share(&list.expr, input) * list.list.len() as f64;
            negate(equal.min(1.0), list.negated)
        }
        Expr::Like(like) => negate(PATTERN, like.negated),
        Expr::SimilarTo(like) => negate(PATTERN, like.negated),
        Expr::Between(between) => negate(UNKNOWN, between.negated),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => selectivity(condition, input),
            Operator::Or => {
                let (a, b) = (selectivity(left, input), selectivity(right, input));
                a + b - a * b
            }
            Operator::Eq | Operator::IsNotDistinctFrom => either_equal(left, right, input),
            Operator::NotEq | Operator::IsDistinctFrom => 1.0 - either_equal(left, right, input),
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => LESS,
            Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::RegexMatch
            | Operator::RegexIMatch => PATTERN,
            Operator::NotLikeMatch
            | Operator::NotILikeMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch => 1.0 - PATTERN,
            _ => UNKNOWN,
        },
        _ => UNKNOWN,
    }
}

fn negate(share: f64, negated: bool) -> f64 {
    if negated { 1.0 - share } else { share }
}

fn nulls(expr: &Expr, input: &Estimate) -> f64 {
    let column = column_of(expr).and_then(|column| input.columns.get(column));
    column.map_or(EQUAL, |column| column.nulls)
}

fn either_equal(left: &Expr, right: &Expr, input: &Estimate) -> f64 {
    match (column_of(left), column_of(right)) {
        (Some(_), _) => equal_share(left, input),
        (None, Some(_)) => equal_share(right, input),
        (None, None) => EQUAL,
    }
}

/// The share of rows that have a certain value of `expr`.
fn equal_share(expr: &Expr, input: &Estimate) -> f64 {
    let known = column_of(expr).and_then(|column| input.columns.get(column));
    match known {
        Some(ColumnEstimate {
            distinct: Some(distinct),
            ..
        }) => 1.0 / distinct.max(1.0),
        // The values of a small table may all be different.
        Some(column) if column.table_rows <= SMALL_ROWS => 1.0 / column.table_rows.max(1.0),
        Some(_) => EQUAL,
        None => EQUAL,
    }
}

/// The column that `expr` is, or is but for a change of type.
pub(super) fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => column_of(&cast.expr),
        Expr::TryCast(cast) => column_of(&cast.expr),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(value, _) => number(value),
        Expr::Cast(cast) => constant(&cast.expr),
        _ => None,
    }
}
