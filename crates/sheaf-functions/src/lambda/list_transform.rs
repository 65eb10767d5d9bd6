//! `list_transform(list, lambda x [, i]: …)`, also `array_transform`, `list_apply`: each element
//! by the lambda, whose second parameter is the position, from 1.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use arrow::compute::take_arrays;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::{adjust_offsets_for_slice, list_values, list_values_row_number};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs,
    HigherOrderSignature, HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress,
    ValueOrLambda, Volatility,
};

use super::{list_and_lambda, list_type};
use crate::shorthand::section;

const NAME: &str = "array_transform";

pub(super) fn function() -> HigherOrderUDF {
    HigherOrderUDF::new_from_impl(ListTransform {
        aliases: ["list_transform", "list_apply", "array_apply", "apply"]
            .map(str::to_owned)
            .to_vec(),
        signature: HigherOrderSignature::exact(
            vec![ValueOrLambda::Value(()), ValueOrLambda::Lambda(())],
            Volatility::Immutable,
        ),
        documentation: Documentation::builder(
            section("Array Functions"),
            "Each element by a lambda, whose second parameter, if it has one, is the position \
             from 1.",
            "list_transform(list, lambda x, i: …)",
        )
        .with_sql_example("SELECT list_transform([10, 20], lambda x, i: x + i); -- [11, 22]")
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListTransform {
    aliases: Vec<String>,
    signature: HigherOrderSignature,
    documentation: Documentation,
}

impl HigherOrderUDFImpl for ListTransform {
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

    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (element, _) = list_and_lambda(NAME, fields)?;
        let position = Arc::new(Field::new("position", DataType::Int64, false));
        Ok(LambdaParametersProgress::Complete(vec![vec![
            element, position,
        ]]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Lambda(lambda)] = args.arg_fields else {
            return exec_err!("{NAME} takes a list, then a lambda");
        };
        let element = Field::new_list_field(lambda.data_type().clone(), true);
        let list_type = DataType::List(Arc::new(element));
        Ok(Arc::new(Field::new("", list_type, list.is_nullable())))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let [ValueOrLambda::Value(lists), ValueOrLambda::Lambda(lambda)] = args.args.as_slice()
        else {
            return exec_err!("{NAME} takes a list, then a lambda");
        };
        let lists = lists.to_array(args.number_rows)?;
        let DataType::List(element) = args.return_field.data_type() else {
            return exec_err!("{NAME} gives a list");
        };
        let values = list_values(&lists)?;
        let offsets = adjust_offsets_for_slice(lists.as_list::<i32>());
        let transformed = if values.is_empty() {
            arrow::array::new_empty_array(element.data_type())
        } else {
            let positions = || -> Result<ArrayRef> {
                let each = offsets.lengths().flat_map(|length| 1..=length);
                let each = each.map(|place| i64::try_from(place).unwrap_or(i64::MAX));
                Ok(Arc::new(Int64Array::from_iter_values(each)))
            };
            let elements = || Ok(Arc::clone(&values));
            lambda
                .evaluate(&[&elements, &positions], |captured| {
                    let rows = list_values_row_number(&lists)?;
                    Ok(take_arrays(captured, &rows, None)?)
                })?
                .into_array(values.len())?
        };
        let nulls = lists.nulls().cloned();
        let list = ListArray::try_new(Arc::clone(element), offsets, transformed, nulls)?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
