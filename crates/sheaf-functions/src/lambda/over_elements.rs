//! Functions of a list and a lambda over its elements: the lambda is evaluated once for all elements
//! of all lists of a batch, then each list gets its result of what it gave.
//!
//! Memory: what the lambda gives for all elements of a batch.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, new_empty_array};
use arrow::compute::take_arrays;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::utils::{adjust_offsets_for_slice, list_values, list_values_row_number};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs,
    HigherOrderSignature, HigherOrderUDF, HigherOrderUDFImpl, LambdaArgument,
    LambdaParametersProgress, ValueOrLambda, Volatility,
};

use super::{list_first, wrong_arguments};
use crate::bounded::{Needed, admit_unfolded, span};
use crate::shorthand::section;

/// What a call gives the lambda, and gets of it.
pub(super) struct Evaluated<'a> {
    /// The lists, whose items start at the first offset and are all there is in their values.
    pub(super) lists: ListArray,
    /// What the lambda gave for each item.
    pub(super) outcomes: ArrayRef,
    /// Arguments behind the lambda.
    pub(super) options: &'a [ColumnarValue],
    /// The declared result.
    pub(super) result: &'a FieldRef,
}

/// A function of a list and a lambda.
pub(super) struct OverElements {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) sentence: &'static str,
    pub(super) syntax: &'static str,
    /// A statement with its result.
    pub(super) example: &'static str,
    /// Whether the lambda may be left out: each element is its own outcome.
    pub(super) has_plain_form: bool,
    /// How many arguments may stand behind the lambda; texts.
    pub(super) options_max: usize,
    /// The type of the result, from those of an element and of the lambda.
    pub(super) result_type: fn(&'static str, &FieldRef, &DataType) -> Result<DataType>,
    pub(super) combine: fn(Evaluated<'_>) -> Result<ArrayRef>,
}

impl OverElements {
    pub(super) fn function(self) -> HigherOrderUDF {
        HigherOrderUDF::new_from_impl(Function {
            aliases: self
                .aliases
                .iter()
                .map(|alias| (*alias).to_owned())
                .collect(),
            signature: HigherOrderSignature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(
                section("Array Functions"),
                self.sentence,
                self.syntax,
            )
            .with_sql_example(self.example)
            .build(),
            declared: self,
        })
    }
}

struct Function {
    declared: OverElements,
    aliases: Vec<String>,
    signature: HigherOrderSignature,
    documentation: Documentation,
}

/// The list, the lambda if there is one, what stands behind it.
type Arguments<'a, V, L> = (&'a V, Option<&'a L>, Vec<&'a V>);

impl Function {
    fn arguments<'a, V, L>(&self, args: &'a [ValueOrLambda<V, L>]) -> Result<Arguments<'a, V, L>> {
        let wrong = || Err(wrong_arguments(self.declared.name, self.declared.syntax));
        let (list, lambda, options) = match args {
            [
                ValueOrLambda::Value(list),
                ValueOrLambda::Lambda(lambda),
                options @ ..,
            ] => (list, Some(lambda), options),
            [ValueOrLambda::Value(list)] if self.declared.has_plain_form => (list, None, &[][..]),
            _ => return wrong(),
        };
        let texts = options.iter().map(|option| match option {
            ValueOrLambda::Value(option) => Some(option),
            ValueOrLambda::Lambda(_) => None,
        });
        match texts.collect::<Option<Vec<_>>>() {
            Some(options) if options.len() <= self.declared.options_max => {
                Ok((list, lambda, options))
            }
            _ => wrong(),
        }
    }

    /// The type of what the lambda gives.
    fn outcome_type<'a>(&self, args: &'a HigherOrderFunctionArgs) -> Result<&'a DataType> {
        match self.arguments(&args.arg_fields)? {
            (_, Some(lambda), _) => Ok(lambda.data_type()),
            (list, None, _) => Ok(self.element(list)?.data_type()),
        }
    }

    fn element<'a>(&self, list: &'a FieldRef) -> Result<&'a FieldRef> {
        match list.data_type() {
            DataType::List(element) => Ok(element),
            other => exec_err!("{} needs a list, not {other}", self.declared.name),
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.declared.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.declared.name == other.declared.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.declared.name.hash(state);
    }
}

impl HigherOrderUDFImpl for Function {
    fn name(&self) -> &str {
        self.declared.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        list_first(self.declared.name, self.declared.syntax, types)
    }

    fn lambda_parameters(
        &self,
        _step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (list, lambda, _) = self.arguments(fields)?;
        let element = Arc::clone(self.element(list)?);
        let position = Arc::new(Field::new("position", DataType::Int64, false));
        let parameters = lambda.map(|_| vec![element, position]);
        Ok(LambdaParametersProgress::Complete(
            parameters.into_iter().collect(),
        ))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let (list, lambda, _) = self.arguments(args.arg_fields)?;
        let element = self.element(list)?;
        let outcome = lambda.unwrap_or(element).data_type();
        let result = (self.declared.result_type)(self.declared.name, element, outcome)?;
        Ok(Arc::new(Field::new("", result, true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (lists, lambda, options) = self.arguments(&args.args)?;
        let lists = lists.to_array(args.number_rows)?;
        let lists = ListArray::try_new(
            match lists.data_type() {
                DataType::List(element) => Arc::clone(element),
                other => return exec_err!("{} needs a list, not {other}", self.declared.name),
            },
            adjust_offsets_for_slice(lists.as_list::<i32>()),
            list_values(&lists)?,
            lists.nulls().cloned(),
        )?;
        let outcomes = match lambda {
            None => Arc::clone(lists.values()),
            // What has no columns may fail without any element: `lambda x: 1 / 0`.
            Some(_) if lists.values().is_empty() => new_empty_array(self.outcome_type(&args)?),
            Some(lambda) => outcomes(self.declared.name, lambda, &lists, &args.config_options)?,
        };
        let options: Vec<ColumnarValue> = options.into_iter().cloned().collect();
        let result = (self.declared.combine)(Evaluated {
            lists,
            outcomes,
            options: &options,
            result: &args.return_field,
        })?;
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// What a lambda gives for each item: its parameters are the item and its position, from 1. What it
/// takes from outside is there once for each item, and so is a constant that it gives.
fn outcomes(
    name: &str,
    lambda: &LambdaArgument,
    lists: &ListArray,
    options: &ConfigOptions,
) -> Result<ArrayRef> {
    let values = lists.values();
    let positions = || -> Result<ArrayRef> {
        let each = lists.offsets().lengths().flat_map(|length| 1..=length);
        let each = each.map(|place| i64::try_from(place).unwrap_or(i64::MAX));
        Ok(Arc::new(Int64Array::from_iter_values(each)))
    };
    let elements = || Ok(Arc::clone(values));
    let found = lambda.evaluate(&[&elements, &positions], |captured| {
        let lengths = || lists.offsets().lengths().enumerate();
        let bytes = captured.iter().flat_map(|column| {
            lengths().map(|(row, items)| span(column, row, 1).saturating_mul(items))
        });
        let total = bytes.fold(0, usize::saturating_add);
        let _admitted = admit_unfolded(name, Needed { total, largest: 0 }, options)?;
        let all: ArrayRef = Arc::new(lists.clone());
        Ok(take_arrays(captured, &list_values_row_number(&all)?, None)?)
    })?;
    let total = match &found {
        ColumnarValue::Scalar(value) => span(&value.to_array()?, 0, 1).saturating_mul(values.len()),
        ColumnarValue::Array(_) => 0,
    };
    let admitted = admit_unfolded(name, Needed { total, largest: 0 }, options)?;
    admitted.keep(found, values.len())?.into_array(values.len())
}
