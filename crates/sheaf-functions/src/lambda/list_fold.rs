//! `list_fold(list, init, lambda acc, x [, i]: …)` and `list_reduce(list, lambda acc, x [, i]: … [,
//! init])`: one value from all elements, from left to right, beginning with `init`, or with the first
//! element where there is none.
//!
//! A list without elements gives `init`; without one that is an error, as in DuckDB. NULL elements go
//! to the lambda as others do. Of a NULL list the result is NULL.
//!
//! All lists of a batch take a step at a time ([`lanes`](crate::fold)). Memory: an outcome a list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt64Array, new_null_array};
use arrow::compute::{cast, take, take_arrays};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs,
    HigherOrderSignature, HigherOrderUDF, HigherOrderUDFImpl, LambdaArgument,
    LambdaParametersProgress, ValueOrLambda, Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::{list_first, wrong_arguments};
use crate::fold::lanes::{Layers, Place, Step, run, steps_along};
use crate::shorthand::section;

/// Where the initial value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// `list_fold(list, init, lambda)`.
    Fold,
    /// `list_reduce(list, lambda [, init])`.
    Reduce,
}

pub(super) fn fold() -> HigherOrderUDF {
    Fold::function(
        Form::Fold,
        "list_fold",
        &["array_fold"],
        "One value from all elements: the initial value with the first, the outcome with the second, \
         and so on. A third parameter of the lambda is the position from 1.",
        "list_fold(list, init, lambda acc, x, i: …)",
        "SELECT list_fold([1, 2, 3], 100, lambda acc, x: acc + x); -- 106",
    )
}

pub(super) fn reduce() -> HigherOrderUDF {
    Fold::function(
        Form::Reduce,
        "list_reduce",
        &["array_reduce", "reduce"],
        "One value from all elements: the first with the second, the outcome with the third, and so \
         on; or the initial value with the first. A third parameter of the lambda is the position \
         from 1.",
        "list_reduce(list, lambda acc, x, i: … [, init])",
        "SELECT list_reduce([1, 2, 3], lambda acc, x: acc * 10 + x); -- 123",
    )
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Fold {
    form: Form,
    name: &'static str,
    syntax: &'static str,
    aliases: Vec<String>,
    signature: HigherOrderSignature,
    documentation: Documentation,
}

/// The list, the initial value, the lambda.
type Arguments<'a, V, L> = (&'a V, Option<&'a V>, &'a L);

impl Fold {
    fn function(
        form: Form,
        name: &'static str,
        aliases: &[&str],
        sentence: &str,
        syntax: &'static str,
        example: &str,
    ) -> HigherOrderUDF {
        HigherOrderUDF::new_from_impl(Self {
            form,
            name,
            syntax,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            signature: HigherOrderSignature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(section("Array Functions"), sentence, syntax)
                .with_sql_example(example)
                .build(),
        })
    }

    fn arguments<'a, V, L>(&self, args: &'a [ValueOrLambda<V, L>]) -> Result<Arguments<'a, V, L>> {
        use ValueOrLambda::{Lambda, Value};
        match (self.form, args) {
            (Form::Fold, [Value(list), Value(init), Lambda(lambda)])
            | (Form::Reduce, [Value(list), Lambda(lambda), Value(init)]) => {
                Ok((list, Some(init), lambda))
            }
            (Form::Reduce, [Value(list), Lambda(lambda)]) => Ok((list, None, lambda)),
            _ => Err(wrong_arguments(self.name, self.syntax)),
        }
    }
}

impl HigherOrderUDFImpl for Fold {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        list_first(self.name, self.syntax, types)
    }

    /// The initial value becomes what the lambda gives.
    fn coerce_values_for_lambdas(
        &self,
        fields: &[ValueOrLambda<DataType, DataType>],
    ) -> Result<Option<Vec<DataType>>> {
        let (list, init, outcome) = self.arguments(fields)?;
        Ok(init.map(|_| vec![list.clone(), kept_as(outcome)]))
    }

    /// The type of the outcome is known once the lambda has been planned with that of the initial
    /// value, or of the elements.
    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (list, init, outcome) = self.arguments(fields)?;
        let DataType::List(element) = list.data_type() else {
            return exec_err!("{} needs a list, not {}", self.name, list.data_type());
        };
        let with = |outcome: &DataType| {
            let outcome = Arc::new(Field::new("outcome", outcome.clone(), true));
            let position = Arc::new(Field::new("position", DataType::Int64, false));
            vec![outcome, Arc::clone(element), position]
        };
        let start = init.map(|init| init.data_type());
        let start = start.filter(|start| **start != DataType::Null);
        Ok(match outcome {
            None => LambdaParametersProgress::Partial(vec![Some(with(
                start.unwrap_or(element.data_type()),
            ))]),
            Some(outcome) => {
                LambdaParametersProgress::Complete(vec![with(&kept_as(outcome.data_type()))])
            }
        })
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let (_, _, outcome) = self.arguments(args.arg_fields)?;
        Ok(Arc::new(Field::new("", kept_as(outcome.data_type()), true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (lists, init, lambda) = self.arguments(&args.args)?;
        let lists = lists.to_array(args.number_rows)?;
        let lists = lists.as_list::<i32>();
        let outcome_type = args.return_field.data_type();
        // Layer 0 is NULL.
        let mut layers = Layers::default();
        layers.push(vec![new_null_array(outcome_type, 1)]);
        let (starts, first) = match init {
            Some(init) => {
                let init = cast(&init.to_array(args.number_rows)?, outcome_type)?;
                (at_init(lists, init, &mut layers), 0)
            }
            None => (self.at_first_elements(lists, outcome_type, &mut layers)?, 1),
        };
        let mut number = i64::from(first);
        let places = run(
            steps_along(lists, first),
            starts,
            &mut layers,
            |step, so_far| {
                number += 1;
                let outcomes = outcomes(lambda, lists, step, &so_far, number)?;
                Ok(vec![cast(&outcomes, outcome_type)?])
            },
        )?;
        match layers.at(&places)?.pop() {
            Some(results) => Ok(ColumnarValue::Array(results)),
            None => exec_err!("{} has one result", self.name),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl Fold {
    /// Each list starts from its first element.
    fn at_first_elements(
        &self,
        lists: &ListArray,
        outcome_type: &DataType,
        layers: &mut Layers,
    ) -> Result<Vec<Place>> {
        let mut places = vec![(0, 0); lists.len()];
        let mut firsts = Vec::new();
        for list in (0..lists.len()).filter(|list| lists.is_valid(*list)) {
            if lists.value_length(list) == 0 {
                return Err(DataFusionError::from(
                    SheafError::user(format!("{} of an empty list has no value", self.name))
                        .with_state(SqlState::DATA_EXCEPTION)
                        .with_hint(format!("give an initial value: {}", self.syntax)),
                ));
            }
            places[list] = (1, firsts.len());
            firsts.push(u64::from(lists.value_offsets()[list].unsigned_abs()));
        }
        let firsts = take(lists.values(), &UInt64Array::from(firsts), None)?;
        layers.push(vec![cast(&firsts, outcome_type)?]);
        Ok(places)
    }
}

/// The type of outcomes from step to step: what a lambda gives of a decimal may have more digits,
/// so all have the most there are.
fn kept_as(outcome: &DataType) -> DataType {
    match outcome {
        DataType::Decimal128(_, scale) => {
            DataType::Decimal128(Decimal128Type::MAX_PRECISION, *scale)
        }
        other => other.clone(),
    }
}

/// Each list starts from its initial value.
fn at_init(lists: &ListArray, init: ArrayRef, layers: &mut Layers) -> Vec<Place> {
    let layer = layers.push(vec![init]);
    let place = |list| match lists.is_valid(list) {
        true => (layer, list),
        false => (0, 0),
    };
    (0..lists.len()).map(place).collect()
}

/// What the lambda gives for the `number`-th elements.
fn outcomes(
    lambda: &LambdaArgument,
    lists: &ListArray,
    step: &Step,
    so_far: &[ArrayRef],
    number: i64,
) -> Result<ArrayRef> {
    let elements = step.rows_of(&[Arc::clone(lists.values())])?;
    let ([so_far], [elements]) = (so_far, &elements[..]) else {
        return exec_err!("there is one outcome for each list");
    };
    let count = step.lanes.len();
    let found = lambda.evaluate(
        &[
            &|| Ok(Arc::clone(so_far)),
            &|| Ok(Arc::clone(elements)),
            &|| Ok(Arc::new(Int64Array::from(vec![number; count]))),
        ],
        |captured| {
            let lists = step.lanes.iter().map(|list| *list as u64);
            Ok(take_arrays(
                captured,
                &UInt64Array::from_iter_values(lists),
                None,
            )?)
        },
    )?;
    found.into_array(count)
}
