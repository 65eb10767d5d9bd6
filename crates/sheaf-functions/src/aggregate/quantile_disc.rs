//! `quantile_disc(x, q)`, also `percentile_disc(q) WITHIN GROUP (ORDER BY x)`: the first value, in
//! order, up to which at least the share `q` of all values lies. Unlike `quantile_cont` it is a
//! value that is there, so any type that can be sorted will do.
//!
//! Memory: all values of the group.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, concat, filter, is_not_null, sort_to_indices};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::shorthand::section;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(QuantileDisc {
        aliases: vec!["percentile_disc".to_owned(), "quantile".to_owned()],
        signature: Signature::any(2, Volatility::Immutable),
        documentation: Documentation::builder(
            section("Statistical Functions"),
            "The first value, in order, up to which at least a share of all values lies.",
            "quantile_disc(expression, share)",
        )
        .with_sql_example("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM t;")
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct QuantileDisc {
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for QuantileDisc {
    fn name(&self) -> &'static str {
        "quantile_disc"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value, _] => Ok(value.clone()),
            _ => internal_err!("quantile_disc has two arguments"),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let share = share_of(&args)?;
        let is_descending = args
            .order_bys
            .first()
            .is_some_and(|order| order.options.descending);
        Ok(Box::new(QuantileAccumulator {
            data_type: args.return_type().clone(),
            share,
            is_descending,
            is_distinct: args.is_distinct,
            values: Vec::new(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = args.return_field.data_type().clone();
        let list = DataType::List(Arc::new(Field::new_list_field(item, true)));
        let name = format!("{}[values]", args.name);
        Ok(vec![Arc::new(Field::new(name, list, true))])
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn share_of(args: &AccumulatorArgs) -> Result<f64> {
    let mut expr = args.exprs.get(1);
    while let Some(cast) = expr.and_then(|expr| expr.downcast_ref::<CastExpr>()) {
        expr = Some(cast.expr());
    }
    let share = expr
        .and_then(|expr| expr.downcast_ref::<Literal>())
        .and_then(|literal| literal.value().cast_to(&DataType::Float64).ok());
    match share {
        Some(ScalarValue::Float64(Some(share))) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(DataFusionError::from(
            SheafError::user("quantile_disc needs a constant share between 0 and 1")
                .with_state(SqlState::INVALID_PARAMETER_VALUE),
        )),
    }
}

#[derive(Debug)]
struct QuantileAccumulator {
    data_type: DataType,
    share: f64,
    is_descending: bool,
    is_distinct: bool,
    /// Without NULLs.
    values: Vec<ArrayRef>,
}

impl QuantileAccumulator {
    fn all(&self) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        match arrays.is_empty() {
            true => Ok(arrow::array::new_empty_array(&self.data_type)),
            false => Ok(concat(&arrays)?),
        }
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = match values.logical_null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        if !values.is_empty() {
            self.values.push(values);
        }
        Ok(())
    }
}

impl Accumulator for QuantileAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values.first() {
            Some(values) => self.add(values),
            None => internal_err!("quantile_disc has two arguments"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else {
            return internal_err!("quantile_disc has a state");
        };
        for values in lists.as_list::<i32>().iter().flatten() {
            self.add(&values)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.all()?;
        let item = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        let list = ListArray::try_new(item, offsets, values, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut values = self.all()?;
        if values.is_empty() {
            return ScalarValue::try_from(&self.data_type);
        }
        let options = SortOptions {
            descending: self.is_descending,
            nulls_first: false,
        };
        let mut order = sort_to_indices(&values, Some(options), None)?;
        if self.is_distinct {
            values = arrow::compute::take(&values, &order, None)?;
            let starts = arrow::compute::partition(&[Arc::clone(&values)])?.ranges();
            let starts = starts
                .into_iter()
                .map(|range| u32::try_from(range.start).ok());
            order = starts.collect();
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of rows"
        )]
        let place = (self.share * order.len() as f64).ceil().max(1.0) as usize - 1;
        let place = place.min(order.len() - 1);
        ScalarValue::try_from_array(&values, order.value(place) as usize)
    }

    fn size(&self) -> usize {
        let held = self
            .values
            .iter()
            .map(|values| values.get_array_memory_size());
        size_of_val(self) + held.sum::<usize>()
    }
}
