//! What a window function needs to know of its partition.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr,
    StandardWindowFunctionExpr, WindowExpr,
};
use datafusion::physical_plan::windows::WindowUDFExpr;

use super::frame::Frame;
use super::numbering::Number;

/// One column that a window node adds.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) expr: Arc<dyn WindowExpr>,
    pub(super) need: Need,
}

/// What must be known before a row's value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Need {
    /// Places of rows and peers.
    Numbering(Number),
    /// An aggregate over all rows of the partition, the same for each.
    Whole,
    /// An aggregate over the rows of a frame.
    Frame,
    /// The value of one row of a frame.
    Value(ValuePlace),
    /// The value of a row some rows away.
    Shift(ShiftBy),
    /// The partition, in memory: the engine evaluates it.
    Partition,
}

/// A row of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValuePlace {
    /// The one with so many before it.
    FromStart(u64),
    /// The one so many before the end, the last for 1.
    FromEnd(u64),
}

/// How far away a row is, and what is said where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ShiftBy {
    /// Rows back; less than 0 for rows to come.
    pub(super) back: i64,
    pub(super) default: ScalarValue,
}

impl Function {
    pub(super) fn new(expr: &Arc<dyn WindowExpr>) -> Self {
        let need = standard(expr.as_ref()).or_else(|| over_rows(expr.as_ref()));
        Self {
            expr: Arc::clone(expr),
            need: need.unwrap_or(Need::Partition),
        }
    }

    /// Whether the engine evaluates it over the rows of a partition, if it is evaluated by
    /// partitions.
    pub(super) fn needs_rows(&self) -> bool {
        !matches!(self.need, Need::Numbering(_) | Need::Whole)
    }

    /// Whether values depend on rows already seen only.
    pub(super) fn looks_back(&self) -> bool {
        matches!(self.need, Need::Numbering(number) if number.looks_back())
    }

    /// The aggregate that it is.
    pub(super) fn aggregate(&self) -> Option<&AggregateFunctionExpr> {
        let sliding = || {
            self.expr
                .as_any()
                .downcast_ref::<SlidingAggregateWindowExpr>()
        };
        plain(self.expr.as_ref())
            .map(PlainAggregateWindowExpr::get_aggregate_expr)
            .or_else(|| sliding().map(SlidingAggregateWindowExpr::get_aggregate_expr))
    }
}

/// The expressions that all functions of a node share.
#[derive(Debug, Clone)]
pub(super) struct Sorting {
    pub(super) partition_by: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) order_by: Vec<Arc<dyn PhysicalExpr>>,
}

impl Sorting {
    pub(super) fn of(expr: &dyn WindowExpr) -> Self {
        Self {
            partition_by: expr.partition_by().to_vec(),
            order_by: expr
                .order_by()
                .iter()
                .map(|key| Arc::clone(&key.expr))
                .collect(),
        }
    }
}

/// A function of the engine's that is no aggregate.
fn standard(expr: &dyn WindowExpr) -> Option<Need> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any();
    let function = function.downcast_ref::<WindowUDFExpr>()?;
    if let Some(number) = number(function) {
        return Some(Need::Numbering(number));
    }
    let is_reversed = is_reversed(function)?;
    let is_known = Frame::of(expr, &Sorting::of(expr)).is_some();
    let sign = if is_reversed { -1 } else { 1 };
    Some(match function.fun().name() {
        "lag" => Need::Shift(shift(function, sign)?),
        "lead" => Need::Shift(shift(function, -sign)?),
        "first_value" if is_known => Need::Value(ValuePlace::FromStart(0)),
        "last_value" if is_known => Need::Value(ValuePlace::FromEnd(1)),
        "nth_value" if is_known => {
            let n = whole_number(function.args().get(1)?)?.checked_mul(sign)?;
            Need::Value(match n {
                1.. => ValuePlace::FromStart(n.unsigned_abs() - 1),
                0 => return None,
                _ => ValuePlace::FromEnd(n.unsigned_abs()),
            })
        }
        _ => return None,
    })
}

/// Whether a function was turned round to suit the order of the input; `None` if it is to ignore
/// NULLs. The engine tells neither but in this text, at its end. Should that become another, the
/// function is the engine's to evaluate.
fn is_reversed(function: &WindowUDFExpr) -> Option<bool> {
    let text = format!("{function:?}");
    let end = text.strip_suffix(", ignore_nulls: false }")?;
    match (
        end.ends_with("is_reversed: true"),
        end.ends_with("is_reversed: false"),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// How far `lag` goes back, or, with a `sign` of -1, `lead` ahead.
fn shift(function: &WindowUDFExpr, sign: i64) -> Option<ShiftBy> {
    let args = function.args();
    let count = args.get(1).map_or(Some(1), whole_number)?;
    let field = function.field().ok()?;
    let default = match args.get(2) {
        Some(default) => default.downcast_ref::<Literal>()?.value().clone(),
        None => ScalarValue::Null,
    };
    Some(ShiftBy {
        back: count.checked_mul(sign)?,
        default: default.cast_to(field.data_type()).ok()?,
    })
}

fn whole_number(expr: &Arc<dyn PhysicalExpr>) -> Option<i64> {
    let literal = expr.downcast_ref::<Literal>()?;
    match literal.value().cast_to(&arrow::datatypes::DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    }
}

fn number(function: &WindowUDFExpr) -> Option<Number> {
    Some(match function.fun().name() {
        "row_number" => Number::Row,
        "rank" => Number::Rank,
        "dense_rank" => Number::DenseRank,
        "percent_rank" => Number::PercentRank,
        "cume_dist" => Number::CumeDist,
        "ntile" => Number::Ntile(bucket_count(function.args())?),
        _ => return None,
    })
}

/// The argument of `ntile`; `None` where the engine would complain, which is then left to it.
fn bucket_count(args: &[Arc<dyn PhysicalExpr>]) -> Option<u64> {
    let literal = args.first()?.downcast_ref::<Literal>()?;
    match literal.value().cast_to(&arrow::datatypes::DataType::UInt64) {
        Ok(ScalarValue::UInt64(Some(count))) if count > 0 => Some(count),
        _ => None,
    }
}

fn plain(expr: &dyn WindowExpr) -> Option<&PlainAggregateWindowExpr> {
    expr.as_any().downcast_ref::<PlainAggregateWindowExpr>()
}

/// An aggregate without FILTER: over all rows of a partition, or over frames.
fn over_rows(expr: &dyn WindowExpr) -> Option<Need> {
    let has_order = !expr.order_by().is_empty();
    if let Some(aggregate) = plain(expr)
        && is_all_rows(expr.get_window_frame(), has_order)
    {
        return (!has_filter(aggregate)).then_some(Need::Whole);
    }
    let has_filter = match plain(expr) {
        Some(aggregate) => has_filter(aggregate),
        None => has_filter(expr.as_any().downcast_ref::<SlidingAggregateWindowExpr>()?),
    };
    let is_known = Frame::of(expr, &Sorting::of(expr)).is_some();
    (is_known && !has_filter).then_some(Need::Frame)
}

/// Whether the frame is the partition.
fn is_all_rows(frame: &WindowFrame, has_order: bool) -> bool {
    let reaches_all = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => frame.units == WindowFrameUnits::Range && !has_order,
        bound => bound.is_unbounded(),
    };
    reaches_all(&frame.start_bound) && reaches_all(&frame.end_bound)
}

/// The engine does not tell whether there is a FILTER but in this text: `filter` is the last field.
/// Should it become another, every aggregate seems to have one, and is the engine's to evaluate.
fn has_filter(aggregate: &dyn Debug) -> bool {
    !format!("{aggregate:?}").ends_with("filter: None }")
}

/// The values of `exprs` for `batch`.
pub(super) fn evaluate(
    exprs: &[Arc<dyn PhysicalExpr>],
    batch: &RecordBatch,
) -> Result<Vec<arrow::array::ArrayRef>> {
    exprs
        .iter()
        .map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()))
        .collect()
}
