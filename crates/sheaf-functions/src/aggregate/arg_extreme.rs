//! `arg_max(x, by)` and `arg_min(x, by)`, also `max_by` and `min_by`: the `x` of the row with the
//! largest or smallest `by`. Rows in which either is NULL do not count; in `arg_max_null` and
//! `arg_min_null` the `x` may be NULL.
//!
//! They stand for `first_value(x ORDER BY by) FILTER (WHERE x and by are not NULL)`, which the
//! engine computes in one pass with one value a group, without sorting.

use arrow::datatypes::DataType;
use arrow::datatypes::FieldRef;
use datafusion::common::{Result, utils::take_function_args};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, Signature, SortExpr,
    Volatility,
};
use sheaf_base::SheafError;

use crate::shorthand::section;

pub(super) fn arg_max() -> AggregateUDF {
    ArgExtreme::build("arg_max", &["max_by", "argmax"], "largest", false, false)
}

pub(super) fn arg_min() -> AggregateUDF {
    ArgExtreme::build("arg_min", &["min_by", "argmin"], "smallest", true, false)
}

pub(super) fn arg_max_null() -> AggregateUDF {
    ArgExtreme::build("arg_max_null", &[], "largest", false, true)
}

pub(super) fn arg_min_null() -> AggregateUDF {
    ArgExtreme::build("arg_min_null", &[], "smallest", true, true)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArgExtreme {
    name: &'static str,
    aliases: Vec<String>,
    is_ascending: bool,
    /// Whether the first argument may be NULL.
    takes_nulls: bool,
    signature: Signature,
    documentation: Documentation,
}

impl ArgExtreme {
    fn build(
        name: &'static str,
        aliases: &[&str],
        which: &str,
        is_ascending: bool,
        takes_nulls: bool,
    ) -> AggregateUDF {
        let nulls = match takes_nulls {
            true => "those whose second is NULL",
            false => "those with a NULL in one of them",
        };
        AggregateUDF::from(Self {
            name,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            is_ascending,
            takes_nulls,
            signature: Signature::any(2, Volatility::Immutable),
            documentation: Documentation::builder(
                section("General Functions"),
                format!(
                    "The first argument in the row whose second is {which}; {nulls} do not count."
                ),
                format!("{name}(expression, by)"),
            )
            .build(),
        })
    }
}

impl AggregateUDFImpl for ArgExtreme {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [value, _] = take_function_args(self.name, types)?;
        Ok(value.clone())
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let (name, is_ascending, takes_nulls) = (self.name, self.is_ascending, self.takes_nulls);
        Some(Box::new(move |mut function: AggregateFunction, _| {
            let arguments = std::mem::take(&mut function.params.args);
            let [value, by] = take_function_args(name, arguments)?;
            let counts = match takes_nulls {
                true => by.clone().is_not_null(),
                false => value.clone().is_not_null().and(by.clone().is_not_null()),
            };
            let filter = match function.params.filter {
                Some(filter) => filter.and(counts),
                None => counts,
            };
            Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
                first_value_udaf(),
                vec![value],
                false,
                Some(Box::new(filter)),
                vec![SortExpr::new(by, is_ascending, false)],
                None,
            )))
        }))
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // Window functions are not replaced.
        Err(SheafError::unsupported(format!(
            "{} is not supported as a window function",
            self.name
        ))
        .with_hint("first_value(x) OVER (… ORDER BY y)")
        .into())
    }

    fn state_fields(&self, _args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(Vec::new())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
