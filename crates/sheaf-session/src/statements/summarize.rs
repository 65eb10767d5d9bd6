//! SUMMARIZE: one row of statistics a column, computed in a single pass over the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::functions_aggregate::expr_fn;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast as cast_to, lit};
use sheaf_base::{Result, SheafError, sql_field_type_name};
use sheaf_sql::Described;

use super::Running;
use crate::result::QueryResult;

/// The statistics of a column, in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Statistic {
    Min,
    Max,
    ApproxUnique,
    Avg,
    Std,
    Q25,
    Q50,
    Q75,
    Count,
}

const STATISTICS: [(Statistic, &str); 9] = [
    (Statistic::Min, "min"),
    (Statistic::Max, "max"),
    (Statistic::ApproxUnique, "approx_unique"),
    (Statistic::Avg, "avg"),
    (Statistic::Std, "std"),
    (Statistic::Q25, "q25"),
    (Statistic::Q50, "q50"),
    (Statistic::Q75, "q75"),
    (Statistic::Count, "count"),
];

pub(super) async fn run(running: Running<'_>, described: &Described) -> Result<QueryResult> {
    let state = running.session.state_for(running.query);
    let input = input(&running, described).await?;
    let schema = Arc::clone(input.schema());
    let mut aggregates = vec![expr_fn::count(lit(1)).alias("rows")];
    for (index, (qualifier, field)) in schema.iter().enumerate() {
        let column = Expr::Column((qualifier, field).into());
        for (statistic, name) in STATISTICS {
            if let Some(aggregate) = aggregate(statistic, &column, field) {
                aggregates.push(aggregate.alias(format!("{index}.{name}")));
            }
        }
    }
    let plan = LogicalPlanBuilder::from(input)
        .aggregate(Vec::<Expr>::new(), aggregates)?
        .build()?;
    let result = running.session.execute(plan, &state, running.query).await?;
    let batches = result.collect().await?;
    let values = batches
        .iter()
        .find(|batch| batch.num_rows() == 1)
        .ok_or_else(|| SheafError::internal("an aggregate without groups gave no row"))?;
    let summary = transpose(values, schema.fields())?;
    Ok(QueryResult::batch(summary, Arc::clone(running.query)))
}

/// What is summarized.
///
/// # Errors
/// Those of planning it.
pub(super) async fn input(running: &Running<'_>, described: &Described) -> Result<LogicalPlan> {
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    match described {
        Described::Relation(relation) => binder.plan_relation((**relation).clone()).await,
        Described::Query(query) => binder.plan_query((**query).clone()).await,
    }
}

/// The columns of a summary, whatever is summarized.
pub(super) fn schema() -> SchemaRef {
    let texts = ["column_name", "column_type"].map(|name| (name, DataType::Utf8));
    let statistics = STATISTICS.map(|(statistic, name)| {
        let data_type = match statistic {
            Statistic::Min | Statistic::Max => DataType::Utf8,
            Statistic::ApproxUnique | Statistic::Count => DataType::Int64,
            _ => DataType::Float64,
        };
        (name, data_type)
    });
    let share = [("null_percentage", DataType::Float64)];
    let columns = texts.into_iter().chain(statistics).chain(share);
    let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn aggregate(statistic: Statistic, column: &Expr, field: &Field) -> Option<Expr> {
    let number = || cast_to(column.clone(), DataType::Float64);
    let is_number = field.data_type().is_numeric();
    let is_ordered = is_number || is_ordered(field.data_type());
    let quantile = |share: f64| {
        is_number
            .then(|| expr_fn::approx_percentile_cont(number().sort(true, false), lit(share), None))
    };
    match statistic {
        Statistic::Min => is_ordered.then(|| expr_fn::min(column.clone())),
        Statistic::Max => is_ordered.then(|| expr_fn::max(column.clone())),
        Statistic::ApproxUnique => match field.data_type() {
            nested if nested.is_nested() => None,
            // Bytes have no text.
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Some(expr_fn::approx_distinct(cast_to(
                column.clone(),
                DataType::Binary,
            ))),
            _ => Some(expr_fn::approx_distinct(cast_to(
                column.clone(),
                DataType::Utf8,
            ))),
        },
        Statistic::Avg => is_number.then(|| expr_fn::avg(number())),
        Statistic::Std => is_number.then(|| expr_fn::stddev(number())),
        Statistic::Q25 => quantile(0.25),
        Statistic::Q50 => quantile(0.5),
        Statistic::Q75 => quantile(0.75),
        Statistic::Count => Some(expr_fn::count(column.clone())),
    }
}

fn is_ordered(data_type: &DataType) -> bool {
    data_type.is_temporal()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean
        )
}

/// Turns the one row of aggregates into one row a column.
fn transpose(values: &RecordBatch, fields: &arrow::datatypes::Fields) -> Result<RecordBatch> {
    let rows = integer(values.column_by_name("rows"))?.unwrap_or(0);
    let names = fields.iter().map(|f| f.name().as_str());
    let types = fields.iter().map(|f| sql_field_type_name(f));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(StringArray::from_iter_values(types)),
    ];
    let mut counts = vec![];
    for (statistic, name) in STATISTICS {
        let cells = (0..fields.len()).map(|i| values.column_by_name(&format!("{i}.{name}")));
        columns.push(match statistic {
            Statistic::Min | Statistic::Max => {
                Arc::new(cells.map(text).collect::<Result<StringArray>>()?)
            }
            Statistic::ApproxUnique | Statistic::Count => {
                let numbers = cells.map(integer).collect::<Result<Vec<_>>>()?;
                if statistic == Statistic::Count {
                    counts.clone_from(&numbers);
                }
                Arc::new(Int64Array::from(numbers))
            }
            _ => Arc::new(cells.map(float).collect::<Result<Float64Array>>()?),
        });
    }
    let null_share = counts
        .into_iter()
        .map(|count| null_percentage(rows, count.unwrap_or(0)));
    columns.push(Arc::new(null_share.collect::<Float64Array>()));
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The share of NULLs in percent, rounded to two places; none for a table without rows.
fn null_percentage(rows: i64, count: i64) -> Option<f64> {
    (rows > 0).then(|| ((rows - count) as f64 * 10_000.0 / rows as f64).round() / 100.0)
}

fn text(cell: Option<&ArrayRef>) -> Result<Option<String>> {
    let Some(cell) = cell.filter(|cell| !cell.is_null(0)) else {
        return Ok(None);
    };
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(cell, &options)?;
    Ok(Some(formatter.value(0).to_string()))
}

fn integer(cell: Option<&ArrayRef>) -> Result<Option<i64>> {
    let Some(cell) = cell else { return Ok(None) };
    let cell = cast(cell, &DataType::Int64)?;
    let values = cell.as_any().downcast_ref::<Int64Array>();
    Ok(values
        .filter(|values| !values.is_null(0))
        .map(|values| values.value(0)))
}

fn float(cell: Option<&ArrayRef>) -> Result<Option<f64>> {
    let Some(cell) = cell else { return Ok(None) };
    let cell = cast(cell, &DataType::Float64)?;
    let values = cell.as_any().downcast_ref::<Float64Array>();
    Ok(values
        .filter(|values| !values.is_null(0))
        .map(|values| values.value(0)))
}
