//! Scalar functions: `f_batch` over columns, or `f` over plain values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{CallContext, Code, Declaration, ScalarFunction};

use crate::columns::{self, Form};
use crate::function::Function;
use crate::instance::{Instance, Use};
use crate::plain;

/// Characters of an argument that an error shows.
const VALUE_CHARACTERS_MAX: usize = 60;

/// A scalar function.
#[derive(Debug)]
pub(crate) struct Scalar {
    function: Function,
    /// The export that is called for many rows.
    batch: String,
    parameters: Vec<(String, DataType)>,
    returns: DataType,
    /// Whether it takes plain values, one row at a time as far as it can see.
    is_plain: bool,
    /// Whether it is called for rows without NULLs only; the result is NULL for the others.
    is_strict: bool,
}

impl Scalar {
    /// The function that `declaration` names in `code`.
    ///
    /// # Errors
    /// `UserInput` if it is not there or of other types; `Unsupported` for types that guests do not have.
    pub(crate) fn new(code: &Code, declaration: &Declaration, returns: &DataType) -> Result<Self> {
        let mut function = Function::new(code, declaration)?;
        let types: Vec<DataType> = declaration.value_types().cloned().collect();
        let mut batch = format!("{}_batch", function.entry);
        let is_plain = function.export(&batch).is_none();
        if is_plain {
            function = plain_function(function, &types, returns)?;
            plain::BATCH.clone_into(&mut batch);
        }
        for data_type in types.iter().chain([returns]) {
            Form::of(data_type)?;
        }
        let names = declaration
            .parameters
            .iter()
            .map(|parameter| &parameter.name);
        let scalar = Self {
            function,
            batch,
            parameters: names.cloned().zip(types).collect(),
            returns: returns.clone(),
            is_plain,
            is_strict: declaration.is_strict || is_plain,
        };
        // For no rows: so a function says whether it takes these types, before it is needed.
        let types = scalar.parameters.iter();
        let none: Vec<ArrayRef> = types
            .map(|(_, data_type)| arrow::array::new_empty_array(data_type))
            .collect();
        let mut instance = scalar.function.trial()?;
        scalar.run(&mut instance, &none, 0)?;
        Ok(scalar)
    }

    /// The values for rows all of which it may be called with.
    fn run(
        &self,
        instance: &mut Instance,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef> {
        let (columns, result) = instance.place(Use::Arguments, |region| {
            let columns = columns::write_columns(region, arguments)?;
            let result = columns::write_slots(region, &[&self.returns], rows)?;
            Ok((columns, result))
        })?;
        let batch = instance.function::<(u32, u32, u32), u32>(&self.batch)?;
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let called = instance.run(&batch, (count, columns, result));
        called.map_err(|error| self.at_row(error, instance, arguments))?;
        instance.read(|reader| reader.column(result, 0, &self.returns, rows))
    }

    /// `error` with the row that a function over plain values was at.
    fn at_row(
        &self,
        error: SheafError,
        instance: &mut Instance,
        values: &[ArrayRef],
    ) -> SheafError {
        let state = SqlState::EXTERNAL_ROUTINE;
        if !self.is_plain || error.state() != state {
            return error;
        }
        let row = instance
            .global(plain::ROW)
            .and_then(|row| usize::try_from(row).ok());
        let Some(row) = row.filter(|row| values.iter().all(|value| *row < value.len())) else {
            return error;
        };
        let arguments: Vec<String> = self
            .parameters
            .iter()
            .zip(values)
            .map(|((name, _), value)| format!("{name} = {}", shown(value, row)))
            .collect();
        let called = format!("called with {}", arguments.join(", "));
        let detail = match error.detail() {
            Some(detail) => format!("{called}; {detail}"),
            None => called,
        };
        error.with_detail(detail)
    }
}

impl ScalarFunction for Scalar {
    fn call(&self, arguments: &[ArrayRef], rows: usize, context: &CallContext) -> Result<ArrayRef> {
        let kept = self
            .is_strict
            .then(|| columns::without_nulls(arguments))
            .flatten();
        let Some(kept) = kept else {
            return self
                .function
                .call(context, |instance| self.run(instance, arguments, rows));
        };
        let arguments: Result<Vec<ArrayRef>, _> = arguments
            .iter()
            .map(|argument| compute::filter(argument, &kept))
            .collect();
        let (arguments, rows) = (arguments?, kept.true_count());
        let values = self
            .function
            .call(context, |instance| self.run(instance, &arguments, rows))?;
        Ok(compute::take(&values, &places(&kept), None)?)
    }
}

/// `function` in a loop over rows, if the module exports it over plain values of these types.
fn plain_function(function: Function, types: &[DataType], returns: &DataType) -> Result<Function> {
    let entry = function.entry.clone();
    let wanted = plain::signature(types, returns);
    let Some(found) = function.export(&entry) else {
        return Err(function.missing(&match wanted {
            Some(wanted) => format!("{entry} as {wanted}, or {entry}_batch as ABI.md says"),
            None => format!("{entry}_batch as ABI.md says"),
        }));
    };
    let found = plain::signature_of(&found);
    let file = function.file();
    match (wanted, plain::wrapper(types, returns)) {
        (Some(wanted), Some(wrapper)) if wanted == found => function.wrapped(&wrapper),
        (Some(wanted), _) => Err(SheafError::user(format!(
            "{entry} is {found} in {file}, where what is declared is {wanted}"
        ))
        .with_state(SqlState::INVALID_FUNCTION_DEFINITION)),
        (None, _) => Err(SheafError::user(format!(
            "{entry} is {found} in {file}, and functions over plain values have numbers, booleans, dates \
             and timestamps only"
        ))
        .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
        .with_hint(format!("export {entry}_batch, as ABI.md says"))),
    }
}

/// Of each row the number of its value among those of the rows in `kept`.
fn places(kept: &BooleanArray) -> UInt32Array {
    let mut next = 0;
    kept.values()
        .iter()
        .map(|is_kept| {
            is_kept.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

fn shown(values: &Arc<dyn Array>, row: usize) -> String {
    let text = ArrayFormatter::try_new(values, &FormatOptions::default())
        .and_then(|formatter| formatter.value(row).try_to_string());
    let text = text.unwrap_or_else(|_| "?".to_owned());
    text.chars().take(VALUE_CHARACTERS_MAX).collect()
}
