//! Aggregates whose states grow with the rows, and how each comes from its values in order.
//!
//! A state of these is lists: of the values (`median`, `array_agg`), of the different values
//! (DISTINCT), of values with what they are sorted by, or with how often they came (`mode`). In
//! memory the engine's accumulators merge such lists. Where a group's do not fit, their items
//! become rows of a *lane* on disk (`large_group.rs`), which a sort that spills puts in order, and
//! the result comes from one walk along them: see [`Finish`].
//!
//! Which function keeps what is known by its name and the layout of its state; any other function
//! is taken to keep a state of bounded size.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};

/// How an aggregate with a growing state is computed from the rows of its lane.
#[derive(Debug)]
pub(super) struct Growing {
    /// A lane's columns: the value, then what goes with it.
    pub(super) schema: SchemaRef,
    /// What the lane is sorted by; without it, values stay as they came.
    pub(super) ordering: Option<LexOrdering>,
    /// Whether equal values count once.
    pub(super) is_distinct: bool,
    pub(super) finish: Finish,
    /// The type of the function's argument, which lists may hold as another one.
    value_type: DataType,
    /// The function's other arguments, which are constant.
    constants: Vec<ScalarValue>,
    input_schema: SchemaRef,
}

/// What is done with sorted values.
#[derive(Debug)]
pub(super) enum Finish {
    /// All go to this aggregate, which asks for neither DISTINCT nor an order.
    Feed(Box<AggregateFunctionExpr>),
    /// For each share one value, or what lies between two that are neighbours.
    Pick(Shares),
    /// The value that came most often; the first of several.
    Mode,
}

/// Which values are picked.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    pub(super) shares: Vec<Share>,
    /// Whether the result is a list, of a result for each share.
    pub(super) is_list: bool,
}

/// Which value of a number of sorted ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Share {
    /// The one in the middle, or the mean of the two there.
    Middle,
    /// At this share of the way from the first to the last, between two if need be.
    Between(f64),
    /// The first up to which this share lies.
    UpTo(f64),
}

impl Growing {
    /// How `aggregate` grows, whose state is laid out as `state`; `None` if it does not.
    pub(super) fn of(
        aggregate: &AggregateFunctionExpr,
        state: &[FieldRef],
        input_schema: &SchemaRef,
    ) -> Result<Option<Self>> {
        let (Some(value), constants) = (item_of(state.first()), constants(aggregate)) else {
            return Ok(None);
        };
        let Some(constants) = constants else {
            return Ok(None);
        };
        let is_distinct = aggregate.is_distinct();
        let name = aggregate.fun().name();
        // Nested values can be carried, but not sorted by.
        let is_carried = name == "array_agg" && !is_distinct;
        if value.data_type().is_nested() && !is_carried {
            return Ok(None);
        }
        let shares = shares_of(aggregate, &constants);
        let (finish, is_sorted) = match (name, state.len()) {
            ("mode", 2) => (Finish::Mode, true),
            ("median" | "percentile_cont" | "quantile_cont" | "quantile_disc", 1) => match shares {
                Some(shares) => (Finish::Pick(shares), true),
                None => return Ok(None),
            },
            ("array_agg" | "string_agg", 1) => (plain(aggregate, input_schema)?, is_distinct),
            ("array_agg" | "string_agg", 2) => (plain(aggregate, input_schema)?, true),
            (_, 1) if is_distinct => (plain(aggregate, input_schema)?, true),
            _ => return Ok(None),
        };
        let Some(schema) = lane_schema(&value, state.get(1)) else {
            return Ok(None);
        };
        let Some(argument) = aggregate.expressions().into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Self {
            ordering: is_sorted.then(|| ordering(aggregate, &schema)).flatten(),
            schema,
            is_distinct,
            finish,
            value_type: argument.data_type(input_schema)?,
            constants,
            input_schema: Arc::clone(input_schema),
        }))
    }

    /// The items of the lists of one state, given its columns: rows of the lane.
    pub(super) fn items(&self, state: &[ArrayRef], row: usize) -> Result<Option<RecordBatch>> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (index, lists) in state.iter().enumerate() {
            let lists: &ListArray = lists.as_list();
            if lists.is_null(row) {
                return Ok(None);
            }
            let items = lists.value(row);
            match items.as_struct_opt() {
                Some(keys) if index > 0 => columns.extend(keys.columns().iter().cloned()),
                _ => columns.push(items),
            }
        }
        Ok(Some(RecordBatch::try_new(
            Arc::clone(&self.schema),
            columns,
        )?))
    }

    /// The arguments of the function for `values`.
    pub(super) fn arguments(&self, values: &ArrayRef) -> Result<Vec<ArrayRef>> {
        let mut arguments = vec![if *values.data_type() == self.value_type {
            Arc::clone(values)
        } else {
            cast(values, &self.value_type)?
        }];
        for constant in &self.constants {
            arguments.push(constant.to_array_of_size(values.len())?);
        }
        Ok(arguments)
    }

    /// The aggregate that gives the result of `aggregate` for the values that were picked: at
    /// `fraction` of the way from one to the other.
    pub(super) fn between(
        &self,
        aggregate: &AggregateFunctionExpr,
        fraction: f64,
    ) -> Result<AggregateFunctionExpr> {
        let mut arguments = aggregate.expressions();
        if arguments.len() > 1 {
            arguments.truncate(1);
            arguments.push(Arc::new(Literal::new(ScalarValue::from(fraction))));
        }
        AggregateExprBuilder::new(Arc::new(aggregate.fun().clone()), arguments)
            .schema(Arc::clone(&self.input_schema))
            .alias(aggregate.name())
            .build()
    }
}

impl Share {
    /// The places (from 0) of the values to pick of `count`, at least one, and how far from one to
    /// the other the result lies.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number of rows"
    )]
    pub(super) fn places(self, count: usize) -> (usize, usize, f64) {
        let last = count.saturating_sub(1);
        match self {
            Self::Middle => (last / 2, count / 2, 0.5),
            Self::Between(share) => {
                let place = whole_if_near(share * last as f64);
                let low = (place.floor() as usize).min(last);
                let high = (place.ceil() as usize).min(last);
                (low, high, place - low as f64)
            }
            Self::UpTo(share) => {
                let rank = whole_if_near(share * count as f64).ceil().max(1.0) as usize;
                let place = (rank - 1).min(last);
                (place, place, 0.0)
            }
        }
    }
}

/// A product of a share that was rounded when it was written, such as `0.07 * 100`, which is a bit
/// more than 7 in binary.
fn whole_if_near(product: f64) -> f64 {
    let whole = product.round();
    match (product - whole).abs() <= whole * 4.0 * f64::EPSILON {
        true => whole,
        false => product,
    }
}

/// The item of a state that is a list.
fn item_of(state: Option<&FieldRef>) -> Option<FieldRef> {
    match state?.data_type() {
        DataType::List(item) => Some(Arc::clone(item)),
        _ => None,
    }
}

/// The arguments after the first, if they are constant.
fn constants(aggregate: &AggregateFunctionExpr) -> Option<Vec<ScalarValue>> {
    let arguments = aggregate.expressions();
    let others = arguments.iter().skip(1);
    others.map(|argument| constant(argument.as_ref())).collect()
}

/// The value of an expression that is constant: a literal, perhaps converted.
pub(super) fn constant(mut expr: &dyn PhysicalExpr) -> Option<ScalarValue> {
    let mut types = Vec::new();
    while let Some(conversion) = expr.downcast_ref::<CastExpr>() {
        types.push(conversion.cast_type().clone());
        expr = conversion.expr().as_ref();
    }
    let value = expr.downcast_ref::<Literal>()?.value().clone();
    let cast = |value: ScalarValue, kind: &DataType| value.cast_to(kind).ok();
    types.iter().rev().try_fold(value, cast)
}

/// The shares that a quantile asks for.
fn shares_of(aggregate: &AggregateFunctionExpr, constants: &[ScalarValue]) -> Option<Shares> {
    let share: fn(f64) -> Share = match aggregate.fun().name() {
        "median" => {
            let (shares, is_list) = (vec![Share::Middle], false);
            return Some(Shares { shares, is_list });
        }
        // The engine's, and ours.
        "percentile_cont" | "quantile_cont" => match is_descending(aggregate) {
            true => |share| Share::Between(1.0 - share),
            false => Share::Between,
        },
        "quantile_disc" => Share::UpTo,
        _ => return None,
    };
    let number = |value: &ScalarValue| match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number.map(share),
        _ => None,
    };
    let (shares, is_list) = match constants.first()? {
        ScalarValue::List(list) if list.len() == 1 && !list.is_null(0) => {
            let items = list.value(0);
            let shares = (0..items.len())
                .map(|item| number(&ScalarValue::try_from_array(&items, item).ok()?));
            (shares.collect::<Option<Vec<_>>>()?, true)
        }
        value => (vec![number(value)?], false),
    };
    Some(Shares { shares, is_list })
}

fn is_descending(aggregate: &AggregateFunctionExpr) -> bool {
    let first = aggregate.order_bys().first();
    first.is_some_and(|order| order.options.descending)
}

/// The same function without DISTINCT and ORDER BY.
fn plain(aggregate: &AggregateFunctionExpr, input_schema: &SchemaRef) -> Result<Finish> {
    let plain =
        AggregateExprBuilder::new(Arc::new(aggregate.fun().clone()), aggregate.expressions())
            .schema(Arc::clone(input_schema))
            .alias(aggregate.name())
            .with_ignore_nulls(aggregate.ignore_nulls())
            .build()?;
    Ok(Finish::Feed(Box::new(plain)))
}

/// The columns of a lane: the value, and the second list's item or the fields of that.
fn lane_schema(value: &FieldRef, second: Option<&FieldRef>) -> Option<SchemaRef> {
    let column =
        |number: usize, kind: &DataType| Field::new(format!("{number}"), kind.clone(), true);
    let mut fields = vec![column(0, value.data_type())];
    if let Some(second) = second {
        match item_of(Some(second))?.data_type() {
            DataType::Struct(keys) => {
                if keys.iter().any(|key| key.data_type().is_nested()) {
                    return None;
                }
                let keys = keys.iter().enumerate();
                fields.extend(keys.map(|(index, key)| column(index + 1, key.data_type())));
            }
            kind => fields.push(column(1, kind)),
        }
    }
    Some(Arc::new(Schema::new(fields)))
}

/// What a lane is sorted by: the ORDER BY of the aggregate, or else the value.
fn ordering(aggregate: &AggregateFunctionExpr, schema: &Schema) -> Option<LexOrdering> {
    let column = |index: usize, options: SortOptions| PhysicalSortExpr {
        expr: Arc::new(Column::new(&format!("{index}"), index)),
        options,
    };
    let orders = aggregate.order_bys();
    let by_value = || {
        let order = orders.first();
        let options = order.map_or(SortOptions::new(false, false), |o| o.options);
        vec![column(0, options)]
    };
    let keys = match aggregate.fun().name() {
        // Of equal counts the smallest value is first, whatever WITHIN GROUP says.
        "mode" => vec![column(0, SortOptions::new(false, false))],
        // Its share was turned round instead.
        "percentile_cont" | "quantile_cont" => vec![column(0, SortOptions::new(false, false))],
        _ if schema.fields().len() == 1 => by_value(),
        _ => {
            let orders = orders.iter().enumerate();
            orders
                .map(|(index, order)| column(index + 1, order.options))
                .collect()
        }
    };
    LexOrdering::new(keys)
}

/// Adds up how often each of sorted values came, and keeps the one that came most.
#[derive(Debug, Default)]
pub(super) struct ModeWalk {
    best: Option<(ScalarValue, u64)>,
    current: Option<(ScalarValue, u64)>,
}

impl ModeWalk {
    /// Takes the next rows of a lane: values, and counts; each value counts once if `is_distinct`.
    pub(super) fn take(&mut self, rows: &RecordBatch, is_distinct: bool) -> Result<()> {
        let [values, counts] = rows.columns() else {
            return internal_err!("a lane of a mode has two columns");
        };
        let counts = counts.as_primitive::<arrow::datatypes::UInt64Type>();
        for run in arrow::compute::partition(std::slice::from_ref(values))?.ranges() {
            let value = ScalarValue::try_from_array(values, run.start)?;
            let count = match is_distinct {
                true => 1,
                false => run.map(|row| counts.value(row)).sum(),
            };
            match &mut self.current {
                Some((known, total)) if *known == value => {
                    *total = if is_distinct { 1 } else { *total + count };
                }
                _ => {
                    self.end_run();
                    self.current = Some((value, count));
                }
            }
        }
        Ok(())
    }

    fn end_run(&mut self) {
        let Some(ended) = self.current.take() else {
            return;
        };
        if self.best.as_ref().is_none_or(|(_, most)| ended.1 > *most) {
            self.best = Some(ended);
        }
    }

    /// The value that came most often.
    pub(super) fn end(mut self) -> Option<ScalarValue> {
        self.end_run();
        self.best.map(|(value, _)| value)
    }
}
