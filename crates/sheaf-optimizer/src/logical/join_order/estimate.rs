//! How many rows a plan gives, and what is known of its columns.
//!
//! Starts from what tables know of themselves: rows, smallest and largest values, NULLs (of Parquet
//! files from their footers). What they do not know is guessed, and every guess is a constant here
//! or in `selectivity.rs`. Estimates choose between plans that give the same rows, nothing more.

use std::collections::HashMap;

use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, JoinType, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, TableScan};

use super::selectivity::selectivity;

/// Rows of a plan of which nothing is known.
const UNKNOWN_ROWS: f64 = 1_000.0;

/// Bytes that a stored row takes, where a table knows its bytes alone.
const STORED_ROW_BYTES: f64 = 64.0;

/// Elements of a list, or rows that a table function makes of one.
const ELEMENTS: f64 = 4.0;

/// Groups among `n` rows by keys of which nothing is known: `n` to this power.
const GROUPS_POWER: f64 = 0.75;

/// What is known of a column, before any filter.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnEstimate {
    /// Distinct values, at most.
    pub(super) distinct: Option<f64>,
    /// The smallest and the largest value, as numbers.
    pub(super) range: Option<(f64, f64)>,
    /// Share of NULLs.
    pub(super) nulls: f64,
    /// Rows of the table that it is from.
    pub(super) table_rows: f64,
}

/// What is known of a plan's rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimate {
    pub(super) rows: f64,
    pub(super) columns: HashMap<Column, ColumnEstimate>,
}

impl Estimate {
    fn of_rows(rows: f64) -> Self {
        Self {
            rows,
            columns: HashMap::new(),
        }
    }

    fn with_rows(self, rows: f64) -> Self {
        Self { rows, ..self }
    }

    /// Distinct combinations of `keys` among the rows.
    pub(super) fn groups<'a>(&self, keys: impl Iterator<Item = &'a Expr>) -> f64 {
        let mut groups = 1.0;
        for key in keys {
            let column = match key {
                Expr::Column(column) => self.columns.get(column),
                Expr::Alias(alias) => match alias.expr.as_ref() {
                    Expr::Column(column) => self.columns.get(column),
                    _ => None,
                },
                _ => None,
            };
            let distinct = column.and_then(|column| column.distinct);
            groups *= distinct.unwrap_or_else(|| self.rows.powf(GROUPS_POWER));
        }
        groups.min(self.rows).max(1.0)
    }
}

/// What can be told about `plan`.
pub(super) fn estimate(plan: &LogicalPlan) -> Estimate {
    match plan {
        LogicalPlan::TableScan(scan) => of_table(scan),
        LogicalPlan::Filter(filter) => {
            let input = estimate(&filter.input);
            let rows = input.rows * selectivity(&filter.predicate, &input);
            input.with_rows(rows)
        }
        LogicalPlan::Projection(projection) => {
            let input = estimate(&projection.input);
            let exprs = projection.expr.iter();
            renamed(&input, exprs, &projection.schema)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = estimate(&alias.input);
            let columns = alias.input.schema().columns();
            let exprs: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
            renamed(&input, exprs.iter(), &alias.schema)
        }
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        LogicalPlan::Join(join) => of_join(join),
        LogicalPlan::Limit(limit) => {
            let input = estimate(&limit.input);
            let fetch = match limit.fetch.as_deref() {
                Some(Expr::Literal(value, _)) => number(value),
                _ => None,
            };
            let rows = fetch.map_or(input.rows, |fetch| fetch.min(input.rows));
            input.with_rows(rows)
        }
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter();
            Estimate::of_rows(inputs.map(|input| estimate(input).rows).sum())
        }
        LogicalPlan::Unnest(unnest) => {
            let input = estimate(&unnest.input);
            let rows = input.rows * ELEMENTS;
            input.with_rows(rows)
        }
        LogicalPlan::EmptyRelation(empty) => {
            Estimate::of_rows(if empty.produce_one_row { 1.0 } else { 0.0 })
        }
        LogicalPlan::Values(values) => Estimate::of_rows(values.values.len() as f64),
        // Sorts, windows, repartitions, DISTINCT, extensions: about what they are given.
        other => match other.inputs().as_slice() {
            [input] => estimate(input),
            _ => Estimate::of_rows(UNKNOWN_ROWS),
        },
    }
}

fn of_table(scan: &TableScan) -> Estimate {
    let statistics = source_as_provider(&scan.source)
        .ok()
        .and_then(|provider| provider.statistics());
    let Some(statistics) = statistics else {
        return Estimate::of_rows(UNKNOWN_ROWS);
    };
    let bytes = statistics.total_byte_size.get_value();
    let rows = match (statistics.num_rows.get_value(), bytes) {
        (Some(rows), _) => *rows as f64,
        (None, Some(bytes)) => *bytes as f64 / STORED_ROW_BYTES,
        (None, None) => UNKNOWN_ROWS,
    };
    let schema = scan.source.schema();
    let known = statistics.column_statistics.iter();
    let known: HashMap<&str, &ColumnStatistics> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(known)
        .collect();
    let columns = scan.projected_schema.columns().into_iter();
    let columns = columns
        .map(|column| {
            let estimate = match known.get(column.name.as_str()) {
                Some(statistics) => of_column(statistics, rows),
                None => ColumnEstimate {
                    table_rows: rows,
                    ..ColumnEstimate::default()
                },
            };
            (column, estimate)
        })
        .collect();
    Estimate { rows, columns }
}

fn of_column(statistics: &ColumnStatistics, rows: f64) -> ColumnEstimate {
    let bounds = statistics
        .min_value
        .get_value()
        .zip(statistics.max_value.get_value());
    let range = bounds.and_then(|(min, max)| number(min).zip(number(max)));
    let counted = match statistics.distinct_count {
        Precision::Exact(distinct) | Precision::Inexact(distinct) => Some(distinct as f64),
        Precision::Absent => None,
    };
    let stepped = bounds.and_then(|(min, max)| steps(min, max));
    let nulls = statistics.null_count.get_value();
    let nulls = nulls.map_or(0.0, |nulls| *nulls as f64 / rows.max(1.0));
    ColumnEstimate {
        distinct: [counted, stepped]
            .into_iter()
            .flatten()
            .reduce(f64::min)
            .map(|distinct| distinct.min(rows).max(1.0)),
        range,
        nulls: nulls.min(1.0),
        table_rows: rows,
    }
}

/// How many values there can be from one to another; `None` if they are not discrete.
fn steps(min: &ScalarValue, max: &ScalarValue) -> Option<f64> {
    let step = match min {
        ScalarValue::Decimal32(_, _, scale)
        | ScalarValue::Decimal64(_, _, scale)
        | ScalarValue::Decimal128(_, _, scale)
        | ScalarValue::Decimal256(_, _, scale) => 0.1_f64.powi(i32::from(*scale)),
        ScalarValue::Float16(_) | ScalarValue::Float32(_) | ScalarValue::Float64(_) => {
            return (min == max).then_some(1.0);
        }
        _ if min == max => return Some(1.0),
        _ => 1.0,
    };
    Some((number(max)? - number(min)?) / step + 1.0)
}

/// A value's place on a line, for values that have one: numbers, dates, times.
pub(super) fn number(value: &ScalarValue) -> Option<f64> {
    use ScalarValue as V;
    let scaled = |value: f64, scale: i8| value * 0.1_f64.powi(i32::from(scale));
    match value {
        V::Boolean(v) => v.map(|v| f64::from(u8::from(v))),
        V::Int8(v) => v.map(f64::from),
        V::Int16(v) => v.map(f64::from),
        V::Int32(v) | V::Date32(v) | V::Time32Second(v) | V::Time32Millisecond(v) => {
            v.map(f64::from)
        }
        V::Int64(v)
        | V::Date64(v)
        | V::Time64Microsecond(v)
        | V::Time64Nanosecond(v)
        | V::TimestampSecond(v, _)
        | V::TimestampMillisecond(v, _)
        | V::TimestampMicrosecond(v, _)
        | V::TimestampNanosecond(v, _) => v.map(|v| v as f64),
        V::UInt8(v) => v.map(f64::from),
        V::UInt16(v) => v.map(f64::from),
        V::UInt32(v) => v.map(f64::from),
        V::UInt64(v) => v.map(|v| v as f64),
        V::Float32(v) => v.map(f64::from),
        V::Float64(v) => *v,
        V::Decimal32(v, _, scale) => v.map(|v| scaled(f64::from(v), *scale)),
        V::Decimal64(v, _, scale) => v.map(|v| scaled(v as f64, *scale)),
        V::Decimal128(v, _, scale) => v.map(|v| scaled(v as f64, *scale)),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

/// The columns of `schema`, which are `exprs` over the input.
fn renamed<'a>(
    input: &Estimate,
    exprs: impl Iterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Estimate {
    let columns = schema.columns().into_iter().zip(exprs);
    let columns = columns.filter_map(|(column, expr)| {
        let known = match expr {
            Expr::Column(from) => input.columns.get(from),
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(from) => input.columns.get(from),
                _ => None,
            },
            _ => None,
        };
        known.map(|known| (column, known.clone()))
    });
    Estimate {
        rows: input.rows,
        columns: columns.collect(),
    }
}

fn of_aggregate(aggregate: &Aggregate) -> Estimate {
    let input = estimate(&aggregate.input);
    let rows = input.groups(aggregate.group_expr.iter());
    renamed(&input, aggregate.group_expr.iter(), &aggregate.schema).with_rows(rows)
}

/// Joins that are no part of a group: outer ones, marks, and what could not be taken apart.
fn of_join(join: &Join) -> Estimate {
    let (left, right) = (estimate(&join.left), estimate(&join.right));
    let mut rows = left.rows * right.rows;
    for (left_key, right_key) in &join.on {
        let distinct = left
            .groups(std::iter::once(left_key))
            .max(right.groups(std::iter::once(right_key)));
        rows /= distinct.max(1.0);
    }
    let rows = match join.join_type {
        JoinType::Inner => rows,
        JoinType::Left => rows.max(left.rows),
        JoinType::Right => rows.max(right.rows),
        JoinType::Full => rows.max(left.rows).max(right.rows),
        JoinType::LeftMark => left.rows,
        JoinType::RightMark => right.rows,
        JoinType::LeftSemi | JoinType::LeftAnti => left.rows / 2.0,
        JoinType::RightSemi | JoinType::RightAnti => right.rows / 2.0,
    };
    let mut columns = left.columns;
    columns.extend(right.columns);
    let shown = join.schema.columns();
    columns.retain(|column, _| shown.contains(column));
    Estimate { rows, columns }
}
