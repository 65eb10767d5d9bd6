//! `list_reduce(list, lambda acc, x: …)`: the first element with the second, the outcome with the
//! third, and so on.
//!
//! All lists of a batch take a step at a time: step `n` gives the lambda the outcomes so far of
//! the lists that have an element `n`, and those elements. Memory: one outcome an element.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::compute::{cast, interleave, take, take_arrays};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs,
    HigherOrderSignature, HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress,
    ValueOrLambda, Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::{list_and_lambda, list_type};
use crate::shorthand::section;

const NAME: &str = "list_reduce";

pub(super) fn function() -> HigherOrderUDF {
    HigherOrderUDF::new_from_impl(ListReduce {
        aliases: ["array_reduce", "reduce"].map(str::to_owned).to_vec(),
        signature: HigherOrderSignature::exact(
            vec![ValueOrLambda::Value(()), ValueOrLambda::Lambda(())],
            Volatility::Immutable,
        ),
        documentation: Documentation::builder(
            section("Array Functions"),
            "One value from all elements: the first with the second, the outcome with the third, \
             and so on.",
            "list_reduce(list, lambda acc, x: …)",
        )
        .with_sql_example("SELECT list_reduce([1, 2, 3], lambda acc, x: acc * 10 + x); -- 123")
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListReduce {
    aliases: Vec<String>,
    signature: HigherOrderSignature,
    documentation: Documentation,
}

impl HigherOrderUDFImpl for ListReduce {
    fn name(&self) -> &str {
        NAME
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        list_type(NAME, types)
    }

    /// The type of the outcome is known once the lambda has been planned with the elements' type.
    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (element, outcome) = list_and_lambda(NAME, fields)?;
        let with = |outcome: &DataType| {
            let outcome = Arc::new(Field::new("outcome", outcome.clone(), true));
            vec![outcome, Arc::clone(&element)]
        };
        Ok(match outcome {
            None => LambdaParametersProgress::Partial(vec![Some(with(element.data_type()))]),
            Some(outcome) => LambdaParametersProgress::Complete(vec![with(outcome.data_type())]),
        })
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [_, ValueOrLambda::Lambda(outcome)] => {
                Ok(Arc::new(Field::new("", outcome.data_type().clone(), true)))
            }
            _ => exec_err!("{NAME} takes a list, then a lambda"),
        }
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let [ValueOrLambda::Value(lists), ValueOrLambda::Lambda(lambda)] = args.args.as_slice()
        else {
            return exec_err!("{NAME} takes a list, then a lambda");
        };
        let lists = lists.to_array(args.number_rows)?;
        let lists = lists.as_list::<i32>();
        let outcome_type = args.return_field.data_type();
        // Layer 0 is NULL; layer n holds the outcomes after element n, of lists that have one.
        let mut layers: Vec<ArrayRef> = vec![new_null_array(outcome_type, 1)];
        let mut places = vec![(0, 0); lists.len()];
        let mut running: Vec<usize> = Vec::with_capacity(lists.len());
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            if lists.value_length(row) == 0 {
                return Err(DataFusionError::from(
                    SheafError::user("list_reduce of an empty list has no value")
                        .with_state(SqlState::DATA_EXCEPTION),
                ));
            }
            running.push(row);
        }
        for step in 0_i32.. {
            running.retain(|row| lists.value_length(*row) > step);
            if running.is_empty() {
                break;
            }
            let indices = running.iter().map(|row| lists.value_offsets()[*row] + step);
            let indices = indices.map(i32::unsigned_abs);
            let elements = take(
                lists.values(),
                &UInt32Array::from_iter_values(indices),
                None,
            )?;
            let outcomes = match step {
                0 => cast(&elements, outcome_type)?,
                _ => {
                    // All of them had an element a step ago, so they stand in the last layer.
                    let so_far = running.iter().map(|row| u32::try_from(places[*row].1).ok());
                    let so_far = so_far.collect::<UInt32Array>();
                    let last = layers.last().unwrap_or(&elements);
                    let so_far = take(last, &so_far, None)?;
                    let (first, second) =
                        (|| Ok(Arc::clone(&so_far)), || Ok(Arc::clone(&elements)));
                    let found = lambda.evaluate(&[&first, &second], |captured| {
                        let rows = running.iter().map(|row| u32::try_from(*row).ok());
                        Ok(take_arrays(captured, &rows.collect::<UInt32Array>(), None)?)
                    })?;
                    cast(&found.into_array(running.len())?, outcome_type)?
                }
            };
            for (position, row) in running.iter().enumerate() {
                places[*row] = (layers.len(), position);
            }
            layers.push(outcomes);
        }
        let all: Vec<&dyn Array> = layers.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(interleave(&all, &places)?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
