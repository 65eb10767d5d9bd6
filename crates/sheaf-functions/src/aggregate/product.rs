//! `product(x)`: all values multiplied, as a double. NULLs do not count; of none it is NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};
use sheaf_base::SheafError;

use crate::shorthand::section;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Product {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        documentation: Documentation::builder(
            section("General Functions"),
            "All values multiplied.",
            "product(expression)",
        )
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Product {
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(SheafError::unsupported("product(DISTINCT …) is not supported").into());
        }
        Ok(Box::new(ProductAccumulator { product: None }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[product]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Float64, true))])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[derive(Debug)]
struct ProductAccumulator {
    product: Option<f64>,
}

impl Accumulator for ProductAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else {
            return internal_err!("product has one argument");
        };
        let values = values.as_primitive::<Float64Type>().iter().flatten();
        for value in values {
            self.product = Some(self.product.unwrap_or(1.0) * value);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Float64(self.product)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.product))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
