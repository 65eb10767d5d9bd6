//! What a window function needs to know of its partition.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::windows::WindowUDFExpr;

use super::numbering::Number;

/// One column that a window node adds.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) expr: Arc<dyn WindowExpr>,
    pub(super) need: Need,
}

/// What must be known before a row's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Places of rows and peers.
    Numbering(Number),
    /// An aggregate over all rows of the partition, the same for each.
    Whole,
    /// The partition, in memory: the engine evaluates it.
    Partition,
}

impl Function {
    pub(super) fn new(expr: &Arc<dyn WindowExpr>) -> Self {
        let need = number(expr.as_ref())
            .map(Need::Numbering)
            .or_else(|| is_whole(expr.as_ref()).then_some(Need::Whole));
        Self {
            expr: Arc::clone(expr),
            need: need.unwrap_or(Need::Partition),
        }
    }

    /// Whether values depend on rows already seen only.
    pub(super) fn looks_back(&self) -> bool {
        matches!(self.need, Need::Numbering(number) if number.looks_back())
    }

    /// The aggregate of a function that needs the whole partition.
    pub(super) fn aggregate(&self) -> Option<&AggregateFunctionExpr> {
        plain(self.expr.as_ref()).map(PlainAggregateWindowExpr::get_aggregate_expr)
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

/// A function of the engine's that numbers rows.
fn number(expr: &dyn WindowExpr) -> Option<Number> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any();
    let function = function.downcast_ref::<WindowUDFExpr>()?;
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

/// Whether an aggregate is the same for all rows of a partition, and has no FILTER.
fn is_whole(expr: &dyn WindowExpr) -> bool {
    let Some(aggregate) = plain(expr) else {
        return false;
    };
    let has_order = !expr.order_by().is_empty();
    is_all_rows(expr.get_window_frame(), has_order) && !has_filter(aggregate)
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
