//! What a window function needs to know of its partition.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter, prep_null_mask_filter};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits, WindowUDFImpl};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{
    StandardWindowExpr, StandardWindowFunctionExpr, WindowExpr,
};
use datafusion::physical_plan::windows::WindowUDFExpr;

use super::call::WindowCall;
use super::exclude::Exclusion;
use super::frame::Frame;
use super::numbering::{Number, number};

/// One column that a window node adds.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) expr: Arc<dyn WindowExpr>,
    pub(super) need: Need,
    pub(super) exclusion: Exclusion,
}

/// What must be known before a row's value is.
#[derive(Debug, Clone)]
pub(super) enum Need {
    /// Places of rows and peers.
    Numbering(Number),
    /// An aggregate over all rows of the partition, the same for each.
    Whole(Aggregate),
    /// An aggregate over the rows of a frame.
    Frame(Aggregate),
    /// The value of one row of a frame.
    Value(ValueOf),
    /// The value of a row some rows away.
    Shift(ShiftBy),
    /// The partition, in memory: the engine evaluates it.
    Partition,
}

/// An aggregate, and whether a filter comes after its arguments.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) expr: Arc<AggregateFunctionExpr>,
    pub(super) has_filter: bool,
}

/// Which row of a frame has the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueOf {
    pub(super) place: ValuePlace,
    /// Whether rows whose value is NULL do not count.
    pub(super) ignores_nulls: bool,
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
    /// Whether rows whose value is NULL do not count.
    pub(super) ignores_nulls: bool,
}

impl Function {
    /// `expr` over rows of `schema`.
    pub(super) fn new(expr: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Self {
        let call = called(expr.as_ref()).and_then(|f| f.fun().inner().downcast_ref::<WindowCall>());
        Self {
            expr: Arc::clone(expr),
            need: need(expr.as_ref(), schema).unwrap_or(Need::Partition),
            exclusion: call.map_or(Exclusion::NoOthers, |call| call.exclusion),
        }
    }

    /// Whether the engine evaluates it.
    pub(super) fn is_the_engines(&self) -> bool {
        matches!(self.need, Need::Partition)
    }

    /// Whether it looks at the rows of frames, or the engine does.
    pub(super) fn needs_rows(&self) -> bool {
        !matches!(self.need, Need::Numbering(_) | Need::Whole(_))
    }

    /// Whether values depend on rows already seen only.
    pub(super) fn looks_back(&self) -> bool {
        matches!(self.need, Need::Numbering(number) if number.looks_back())
    }

    /// The frame of its rows, if its bounds are known here.
    pub(super) fn frame(&self, sorting: &Sorting) -> Option<Frame> {
        Frame::of(self.expr.as_ref(), self.exclusion, sorting)
    }
}

impl Aggregate {
    /// The arguments among `values`, and the rows that count, if not all do.
    pub(super) fn split<'a>(
        &self,
        values: &'a [ArrayRef],
    ) -> (&'a [ArrayRef], Option<BooleanArray>) {
        match values.split_last() {
            Some((last, args)) if self.has_filter => {
                let mask = last.as_boolean();
                let mask = match mask.null_count() {
                    0 => mask.clone(),
                    _ => prep_null_mask_filter(mask),
                };
                (args, Some(mask))
            }
            _ => (values, None),
        }
    }

    /// The arguments of the rows that count; `None` if none does.
    ///
    /// # Errors
    /// `Internal` for types that cannot be filtered.
    pub(super) fn counted(&self, values: &[ArrayRef]) -> Result<Option<Vec<ArrayRef>>> {
        let (args, mask) = self.split(values);
        match mask.as_ref().map(|mask| (mask, mask.true_count())) {
            Some((_, 0)) => Ok(None),
            Some((mask, count)) if count < mask.len() => {
                let args = args.iter().map(|array| filter(array, mask));
                Ok(Some(args.collect::<std::result::Result<_, _>>()?))
            }
            _ => Ok(Some(args.to_vec())),
        }
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

/// The function that is called, unless it is an aggregate the engine evaluates.
fn called(expr: &dyn WindowExpr) -> Option<&WindowUDFExpr> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any();
    function.downcast_ref::<WindowUDFExpr>()
}

fn need(expr: &dyn WindowExpr, schema: &SchemaRef) -> Option<Need> {
    let function = called(expr)?;
    let Some(call) = function.fun().inner().downcast_ref::<WindowCall>() else {
        return number(function).map(Need::Numbering);
    };
    if matches!(call.name(), "lag" | "lead") {
        return shift(call, function).map(Need::Shift);
    }
    // Asked for here, so that it is known to be there.
    Frame::of(expr, call.exclusion, &Sorting::of(expr))?;
    if let Some(aggregate) = call.aggregate(function.args(), Arc::clone(schema), function.name()) {
        let aggregate = Aggregate {
            expr: Arc::new(aggregate.ok()?),
            has_filter: call.has_filter,
        };
        let has_order = !expr.order_by().is_empty();
        let is_whole = call.exclusion == Exclusion::NoOthers
            && is_all_rows(expr.get_window_frame(), has_order);
        return Some(match is_whole {
            true => Need::Whole(aggregate),
            false => Need::Frame(aggregate),
        });
    }
    let place = match call.name() {
        "first_value" => ValuePlace::FromStart(0),
        "last_value" => ValuePlace::FromEnd(1),
        "nth_value" => match whole_number(function.args().get(1)?)? {
            // No row: there is none so far on.
            None => ValuePlace::FromStart(u64::MAX),
            Some(n) => match n.saturating_mul(sign(call)) {
                n @ 1.. => ValuePlace::FromStart(n.unsigned_abs() - 1),
                n => ValuePlace::FromEnd(n.unsigned_abs()),
            },
        },
        _ => return None,
    };
    Some(Need::Value(ValueOf {
        place,
        ignores_nulls: call.ignores_nulls,
    }))
}

fn sign(call: &WindowCall) -> i64 {
    if call.is_reversed { -1 } else { 1 }
}

/// How far `lag` or `lead` goes back; less than 0 for rows to come. Inside, nothing for NULL.
pub(super) fn shift_back(call: &WindowCall, args: &[Arc<dyn PhysicalExpr>]) -> Option<Option<i64>> {
    let count = args.get(1).map_or(Some(Some(1)), whole_number)?;
    let direction = if call.name() == "lag" { 1 } else { -1 };
    Some(count.map(|count| count.saturating_mul(sign(call) * direction)))
}

fn shift(call: &WindowCall, function: &WindowUDFExpr) -> Option<ShiftBy> {
    let back = shift_back(call, function.args())?;
    let default = match function.args().get(2) {
        // So far away as NULL there is no row, nor is there a default.
        Some(default) if back.is_some() => default.downcast_ref::<Literal>()?.value().clone(),
        _ => ScalarValue::Null,
    };
    let field = function.field().ok()?;
    Some(ShiftBy {
        back: back.unwrap_or(i64::MAX),
        default: default.cast_to(field.data_type()).ok()?,
        ignores_nulls: call.ignores_nulls,
    })
}

/// The number that a literal is, which may be NULL.
pub(super) fn whole_number(expr: &Arc<dyn PhysicalExpr>) -> Option<Option<i64>> {
    let literal = expr.downcast_ref::<Literal>()?;
    match literal.value().cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => Some(number),
        _ => None,
    }
}

/// Whether the frame is the partition.
fn is_all_rows(frame: &WindowFrame, has_order: bool) -> bool {
    let reaches_all = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => frame.units == WindowFrameUnits::Range && !has_order,
        bound => bound.is_unbounded(),
    };
    reaches_all(&frame.start_bound) && reaches_all(&frame.end_bound)
}

/// The values of `exprs` for `batch`.
pub(super) fn evaluate(
    exprs: &[Arc<dyn PhysicalExpr>],
    batch: &RecordBatch,
) -> Result<Vec<ArrayRef>> {
    exprs
        .iter()
        .map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()))
        .collect()
}
