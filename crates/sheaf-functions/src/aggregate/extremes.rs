//! `max(x, n)`, `min(x, n)`, `arg_max(x, by, n)` and `arg_min(x, by, n)`: lists of the `n` greatest or
//! smallest values, or of the values in the rows where `by` is, from the most extreme on. Rows in which
//! one of them is NULL do not count; without rows the list is NULL. Among rows of equal `by` the smaller
//! values come first, so that the result does not depend on the order of rows.
//!
//! Planned where the SQL planner asks about one call: `max(x, n)` as `greatest_n(x, x, n)`.
//!
//! Memory: `n` rows in arrow's row format, twice those of a batch in no case.
//!
//! # Source
//! The forms are DuckDB's.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err, utils::take_function_args};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::planner::{RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, Signature, Volatility,
    WindowFunctionDefinition,
};
use datafusion::physical_expr::PhysicalExpr;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::quantile::shares::constant;
use crate::shorthand::section;

/// The most rows that can be asked for.
const ROWS_MAX: i64 = 1_000_000;

static GREATEST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(Extremes::build(true)));
static SMALLEST: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(Extremes::build(false)));

pub(super) fn functions() -> [AggregateUDF; 2] {
    [Extremes::build(true), Extremes::build(false)]
}

/// The call that a call with a number of rows stands for.
pub(super) fn expand(call: &RawAggregateExpr) -> Option<Expr> {
    let (function, arguments) = stands_for(call.func.name(), &call.args)?;
    Some(Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        arguments,
        call.distinct,
        call.filter.clone(),
        Vec::new(),
        None,
    )))
}

/// The window function that one with a number of rows stands for.
pub(crate) fn expand_window(call: &RawWindowExpr) -> Option<Expr> {
    let WindowFunctionDefinition::AggregateUDF(function) = &call.func_def else {
        return None;
    };
    let (function, args) = stands_for(function.name(), &call.args)?;
    Some(Expr::WindowFunction(Box::new(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(function),
        params: WindowFunctionParams {
            args,
            partition_by: call.partition_by.clone(),
            order_by: call.order_by.clone(),
            window_frame: call.window_frame.clone(),
            filter: call.filter.clone(),
            null_treatment: None,
            distinct: call.distinct,
        },
    })))
}

fn stands_for(name: &str, arguments: &[Expr]) -> Option<(Arc<AggregateUDF>, Vec<Expr>)> {
    let (function, arguments) = match (name, arguments) {
        ("max", [x, n]) => (&GREATEST, [x, x, n]),
        ("min", [x, n]) => (&SMALLEST, [x, x, n]),
        ("arg_max", [x, by, n]) => (&GREATEST, [x, by, n]),
        ("arg_min", [x, by, n]) => (&SMALLEST, [x, by, n]),
        _ => return None,
    };
    Some((Arc::clone(function), arguments.map(Expr::clone).to_vec()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extremes {
    is_greatest: bool,
    signature: Signature,
    documentation: Documentation,
}

impl Extremes {
    fn build(is_greatest: bool) -> AggregateUDF {
        let (name, which, short) = match is_greatest {
            true => ("greatest_n", "greatest", "max"),
            false => ("smallest_n", "smallest", "min"),
        };
        AggregateUDF::from(Self {
            is_greatest,
            signature: Signature::any(3, Volatility::Immutable),
            documentation: Documentation::builder(
                section("General Functions"),
                format!(
                    "A list of the values in the n rows where by is {which}; also written \
                     arg_{short}(expression, by, n), and {short}(expression, n) for {name}(expression, expression, n)."
                ),
                format!("{name}(expression, by, n)"),
            )
            .with_sql_example(match is_greatest {
                true => "SELECT max(x, 2) FROM generate_series(1, 4) AS t(x); -- [4, 3]",
                false => "SELECT min(x, 2) FROM generate_series(1, 4) AS t(x); -- [1, 2]",
            })
            .build(),
        })
    }
}

impl AggregateUDFImpl for Extremes {
    fn name(&self) -> &str {
        match self.is_greatest {
            true => "greatest_n",
            false => "smallest_n",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [value, _, _] = take_function_args(self.name(), types)?;
        Ok(list_of(value))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let ([value, by, _], [_, _, count]) = (args.expr_fields, args.exprs) else {
            return internal_err!("{} has three arguments", self.name());
        };
        let by_order = SortOptions::new(self.is_greatest, false);
        let by_field = SortField::new_with_options(by.data_type().clone(), by_order);
        Ok(Box::new(Best {
            count: count_of(count.as_ref())?,
            is_distinct: args.is_distinct,
            data_type: value.data_type().clone(),
            by: RowConverter::new(vec![by_field])?,
            values: RowConverter::new(vec![SortField::new(value.data_type().clone())])?,
            best: BTreeMap::new(),
            row_count: 0,
            bytes: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let [value, by, _] = args.input_fields else {
            return internal_err!("{} has three arguments", self.name());
        };
        let list = |name: &str, item: &FieldRef| {
            let name = format!("{}[{name}]", args.name);
            Arc::new(Field::new(name, list_of(item.data_type()), true))
        };
        Ok(vec![list("values", value), list("by", by)])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// How many rows are asked for.
fn count_of(expr: &dyn PhysicalExpr) -> Result<usize> {
    let count = constant(expr);
    let number = match count.as_ref().map(|count| count.cast_to(&DataType::Int64)) {
        Some(Ok(ScalarValue::Int64(number))) => number,
        _ => None,
    };
    if let Some(number) = number.filter(|number| (1..=ROWS_MAX).contains(number)) {
        return Ok(usize::try_from(number).unwrap_or(1));
    }
    let found = match count {
        Some(count) => format!("is {count}"),
        None => "is computed from rows".to_owned(),
    };
    Err(SheafError::user(format!(
        "the number of greatest or smallest values must be a constant from 1 to {ROWS_MAX}, and {found}"
    ))
    .with_state(SqlState::INVALID_PARAMETER_VALUE)
    .with_hint("max(x, 3), or arg_max(x, by, 3)")
    .into())
}

/// The best rows so far.
#[derive(Debug)]
struct Best {
    count: usize,
    is_distinct: bool,
    data_type: DataType,
    by: RowConverter,
    values: RowConverter,
    /// From `by`, best first, and value to how many such rows there are.
    best: BTreeMap<(OwnedRow, OwnedRow), usize>,
    row_count: usize,
    /// Bytes of the keys of `best`.
    bytes: usize,
}

impl Best {
    fn add(&mut self, values: &ArrayRef, by: &ArrayRef) -> Result<()> {
        let value_rows = self.values.convert_columns(&[Arc::clone(values)])?;
        let by_rows = self.by.convert_columns(&[Arc::clone(by)])?;
        let nulls = [values.logical_nulls(), by.logical_nulls()];
        for row in 0..values.len() {
            if nulls.iter().flatten().any(|nulls| nulls.is_null(row)) {
                continue;
            }
            if self.row_count == self.count
                && let Some(((worst, worst_value), _)) = self.best.last_key_value()
                && (worst.row(), worst_value.row()) <= (by_rows.row(row), value_rows.row(row))
            {
                continue;
            }
            self.take(by_rows.row(row).owned(), value_rows.row(row).owned());
        }
        Ok(())
    }

    fn take(&mut self, by: OwnedRow, value: OwnedRow) {
        let bytes = by.as_ref().len() + value.as_ref().len();
        let known = self.best.entry((by, value)).or_insert(0);
        if *known == 0 {
            self.bytes += bytes;
        } else if self.is_distinct {
            return;
        }
        *known += 1;
        self.row_count += 1;
        if self.row_count > self.count
            && let Some(mut worst) = self.best.last_entry()
        {
            self.row_count -= 1;
            *worst.get_mut() -= 1;
            if *worst.get() == 0 {
                let ((by, value), _) = worst.remove_entry();
                self.bytes -= by.as_ref().len() + value.as_ref().len();
            }
        }
    }

    /// The values of the best rows and what they are sorted by.
    fn columns(&self) -> Result<[ArrayRef; 2]> {
        let rows = || {
            let best = self.best.iter();
            best.flat_map(|(row, count)| std::iter::repeat_n(row, *count))
        };
        let values = self
            .values
            .convert_rows(rows().map(|(_, value)| value.row()))?;
        let by = self.by.convert_rows(rows().map(|(by, _)| by.row()))?;
        match (values.into_iter().next(), by.into_iter().next()) {
            (Some(values), Some(by)) => Ok([values, by]),
            _ => internal_err!("rows of one value have a column"),
        }
    }
}

fn list(items: ArrayRef) -> Result<ScalarValue> {
    let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([items.len()]);
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(
        item, offsets, items, None,
    )?)))
}

impl Accumulator for Best {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [value, by, ..] => self.add(value, by),
            _ => internal_err!("greatest and smallest values have three arguments"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, by] = states else {
            return internal_err!("greatest and smallest values have two states");
        };
        let lists = values
            .as_list::<i32>()
            .iter()
            .zip(by.as_list::<i32>().iter());
        for (values, by) in lists {
            if let (Some(values), Some(by)) = (values, by) {
                self.add(&values, &by)?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let [values, by] = self.columns()?;
        Ok(vec![list(values)?, list(by)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.best.is_empty() {
            return ScalarValue::try_from(&list_of(&self.data_type));
        }
        let [values, _] = self.columns()?;
        list(values)
    }

    fn size(&self) -> usize {
        let entry_bytes = size_of::<((OwnedRow, OwnedRow), usize)>();
        size_of_val(self) + self.bytes + self.best.len() * entry_bytes * 2
    }
}
