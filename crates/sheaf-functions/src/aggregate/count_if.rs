//! `count_if(condition)`, also `countif`: stands for `count(*) FILTER (WHERE condition)`.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, utils::take_function_args};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, Signature, Volatility, lit,
};
use sheaf_base::SheafError;

use crate::shorthand::section;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(CountIf {
        aliases: vec!["countif".to_owned()],
        signature: Signature::exact(vec![DataType::Boolean], Volatility::Immutable),
        documentation: Documentation::builder(
            section("General Functions"),
            "In how many rows the condition is true.",
            "count_if(condition)",
        )
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CountIf {
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for CountIf {
    fn name(&self) -> &'static str {
        "count_if"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|mut function: AggregateFunction, _| {
            let arguments = std::mem::take(&mut function.params.args);
            let [condition] = take_function_args("count_if", arguments)?;
            // The values of a DISTINCT count are true and nothing else.
            let (counted, is_distinct) = if function.params.distinct {
                (condition.clone(), true)
            } else {
                (lit(1_i64), false)
            };
            let filter = match function.params.filter {
                Some(filter) => filter.and(condition),
                None => condition,
            };
            Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
                count_udaf(),
                vec![counted],
                is_distinct,
                Some(Box::new(filter)),
                Vec::new(),
                None,
            )))
        }))
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // Window functions are not replaced.
        Err(
            SheafError::unsupported("count_if is not supported as a window function")
                .with_hint("count(*) FILTER (WHERE condition) OVER (…)")
                .into(),
        )
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(Vec::new())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
