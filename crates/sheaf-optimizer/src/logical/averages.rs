//! The average of decimals is their sum by their count.
//!
//! A sum and an average of the same values are one sum then; so are the counts of columns without
//! NULLs and `count(*)`. The sum is exact, where the engine's average wraps around. TPC-H query 1 has
//! three averages beside the sums of the same columns.
//!
//! A call whose argument or filter gives another value each time is left alone: its sum and its count
//! would be those of different values.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::COUNT_STAR_EXPANSION;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection, lit,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use sheaf_functions::aggregate::sum;
use sheaf_functions::arithmetic::average_of_decimals;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct AveragesOfDecimals;

impl OptimizerRule for AveragesOfDecimals {
    fn name(&self) -> &'static str {
        "averages_of_decimals"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else {
            return Ok(Transformed::no(plan));
        };
        let Some(parts) = Parts::of(&aggregate)? else {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        };
        let (input, keys) = (aggregate.input, aggregate.group_expr);
        let below = Aggregate::try_new(input, keys, parts.calls.clone())?;
        let plan = parts.put_together(below, &aggregate.schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(plan)))
    }
}

/// The calls of an aggregate with sums and counts in the place of averages.
struct Parts {
    /// Columns before those of the calls.
    keys: usize,
    /// Each call once.
    calls: Vec<Expr>,
    /// What gives each value of the plan.
    values: Vec<Value>,
}

enum Value {
    /// The column at this place.
    Same(usize),
    /// Places of sum and count, precision and scale of the result.
    Average(usize, usize, (u8, i8)),
}

impl Parts {
    /// `None` if there are no averages of decimals.
    fn of(aggregate: &Aggregate) -> Result<Option<Self>> {
        let (calls, input) = (&aggregate.aggr_expr, aggregate.input.schema());
        let mut parts = Self {
            keys: aggregate.schema.fields().len() - calls.len(),
            calls: Vec::new(),
            values: Vec::new(),
        };
        let mut is_any_average = false;
        let is_free = |name: &String| {
            let mut fields = aggregate.schema.fields().iter();
            fields.all(|field| field.name() != name)
        };
        let mut names = (0_usize..)
            .map(|number| format!("part {number} of averages"))
            .filter(is_free);
        for call in calls {
            let value = match Average::of(call, input)? {
                Some(average) => {
                    is_any_average = true;
                    let sum = parts.place_of(average.sum(), names.next());
                    let count = parts.place_of(average.count(input)?, names.next());
                    Value::Average(sum, count, average.result)
                }
                None => Value::Same(parts.place_of(call.clone(), None)),
            };
            parts.values.push(value);
        }
        Ok(is_any_average.then_some(parts))
    }

    /// The column of `call`, which gets a `name` if it is none of the plan's.
    fn place_of(&mut self, call: Expr, name: Option<String>) -> usize {
        let plain = call.clone().unalias();
        let known = |other: &Expr| other.clone().unalias() == plain;
        let known = self
            .calls
            .iter()
            .position(known)
            .filter(|_| !plain.is_volatile());
        self.keys
            + known.unwrap_or_else(|| {
                self.calls.push(match name {
                    Some(name) => call.alias(name),
                    None => call,
                });
                self.calls.len() - 1
            })
    }

    /// The columns of `schema` above `below`, which has the calls.
    fn put_together(self, below: Aggregate, schema: &DFSchema) -> Result<Projection> {
        let column = |place: usize| Expr::Column(Column::from(below.schema.qualified_field(place)));
        let mut output: Vec<Expr> = (0..self.keys).map(column).collect();
        let fields = schema.iter().skip(self.keys);
        for (value, (qualifier, field)) in self.values.iter().zip(fields) {
            let value = match *value {
                Value::Same(place) => column(place),
                Value::Average(sum, count, result) => {
                    average_of_decimals(column(sum), column(count), result)
                }
            };
            output.push(value.alias_qualified(qualifier.cloned(), field.name()));
        }
        Projection::try_new(output, Arc::new(LogicalPlan::Aggregate(below)))
    }
}

/// A call of `avg` over decimals.
struct Average<'a> {
    call: &'a AggregateFunction,
    values: &'a Expr,
    /// Precision and scale.
    result: (u8, i8),
}

impl<'a> Average<'a> {
    fn of(expr: &'a Expr, input: &DFSchema) -> Result<Option<Self>> {
        let expr = match expr {
            Expr::Alias(alias) => alias.expr.as_ref(),
            other => other,
        };
        let Expr::AggregateFunction(call) = expr else {
            return Ok(None);
        };
        let params = &call.params;
        let is_plain =
            !params.distinct && params.order_by.is_empty() && params.null_treatment.is_none();
        let ("avg", [values], true) = (call.func.name(), params.args.as_slice(), is_plain) else {
            return Ok(None);
        };
        if expr.is_volatile() {
            return Ok(None);
        }
        Ok(match (values.get_type(input)?, expr.get_type(input)?) {
            (DataType::Decimal128(_, _), DataType::Decimal128(precision, scale)) => Some(Self {
                call,
                values,
                result: (precision, scale),
            }),
            _ => None,
        })
    }

    fn sum(&self) -> Expr {
        self.instead(sum::exact(), self.values.clone())
    }

    fn count(&self, input: &DFSchema) -> Result<Expr> {
        let counted = match self.values.nullable(input)? {
            true => self.values.clone(),
            false => lit(COUNT_STAR_EXPANSION),
        };
        Ok(self.instead(count_udaf(), counted))
    }

    /// The call with another function of another argument.
    fn instead(&self, function: Arc<AggregateUDF>, argument: Expr) -> Expr {
        let mut call = self.call.clone();
        call.func = function;
        call.params.args = vec![argument];
        Expr::AggregateFunction(call)
    }
}
