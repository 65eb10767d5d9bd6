//! What functions that make arrays are called with.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use sheaf_arrays::{Array, DType};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::cells::Cells;
use crate::lambda::Lambda;
use crate::numbers::Number;

/// What an argument of a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An array: a name, a call, or a path.
    Array,
    /// One array or more, up to the first argument that is none.
    Arrays,
    /// Rows: a name, or a query in parentheses.
    Relation,
    /// A path; the array in the file is the argument.
    File,
    /// `lambda x: …`.
    Lambda,
    /// A constant.
    Value,
}

/// A parameter of a function. Those without a name come first and are given by place alone.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// By which it can be given: `axis => 1`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be given.
    pub is_needed: bool,
}

/// An array, and the rows that have to be read before it can be.
#[derive(Debug, Clone)]
pub struct ArrayArgument {
    /// The array.
    pub array: Array,
    /// Rows that become elements of it.
    pub cells: Vec<Arc<Cells>>,
    /// The number that it is, if it is one that stands in the call.
    pub number: Option<Number>,
}

/// A bound argument.
pub enum Argument<'a> {
    /// An array.
    Array(ArrayArgument),
    /// Rows.
    Relation(LogicalPlan),
    /// A function.
    Lambda(Lambda<'a>),
    /// A constant.
    Value(ScalarValue),
}

/// The arguments of one call, by their parameters.
pub struct Arguments<'a> {
    function: &'static str,
    parameters: &'static [Parameter],
    given: Vec<(&'static str, Argument<'a>)>,
    /// Rows that any of the arrays is made of.
    cells: Vec<Arc<Cells>>,
}

impl<'a> Arguments<'a> {
    /// No arguments yet, for `parameters`.
    #[must_use]
    pub fn new(function: &'static str, parameters: &'static [Parameter]) -> Self {
        Self {
            function,
            parameters,
            given: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// The parameter that the next argument without a name belongs to.
    ///
    /// # Errors
    /// `UserInput` if there is none left.
    pub fn next_parameter(&self, is_array: bool) -> Result<&'static Parameter> {
        let is_given =
            |parameter: &&Parameter| self.given.iter().any(|(n, _)| *n == parameter.name);
        let next = self
            .parameters
            .iter()
            .find(|parameter| match parameter.kind {
                Kind::Arrays => is_array,
                _ => !is_given(parameter),
            });
        next.ok_or_else(|| self.wrong("it has too many arguments".to_owned()))
    }

    /// The parameter called `name`.
    ///
    /// # Errors
    /// `UserInput` if there is none, or it has its argument already.
    pub fn parameter(&self, name: &str) -> Result<&'static Parameter> {
        let names = || self.parameters.iter().map(|parameter| parameter.name);
        let found = self
            .parameters
            .iter()
            .find(|parameter| parameter.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                self.wrong(format!("there is no parameter \"{name}\""))
                    .with_hint(format!(
                        "the parameters are {}",
                        names().collect::<Vec<_>>().join(", ")
                    ))
            })?;
        if found.kind != Kind::Arrays && self.given.iter().any(|(given, _)| *given == found.name) {
            return Err(self.wrong(format!("\"{}\" is given twice", found.name)));
        }
        Ok(found)
    }

    /// Gives `parameter` its argument.
    pub fn give(&mut self, parameter: &'static Parameter, argument: Argument<'a>) {
        if let Argument::Array(array) = &argument {
            for cells in &array.cells {
                if !self.cells.iter().any(|known| Arc::ptr_eq(known, cells)) {
                    self.cells.push(Arc::clone(cells));
                }
            }
        }
        self.given.push((parameter.name, argument));
    }

    /// Sees that nothing is missing.
    ///
    /// # Errors
    /// `UserInput` if something is, or is NULL.
    pub fn check(&self) -> Result<()> {
        for parameter in self.parameters.iter().filter(|one| one.is_needed) {
            let name = parameter.name;
            match self.argument(name) {
                None => return Err(self.wrong(format!("it needs \"{name}\""))),
                Some(Argument::Value(value)) if value.is_null() => {
                    return Err(self.wrong(format!("\"{name}\" is NULL")));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Rows that any of the arrays is made of.
    #[must_use]
    pub fn cells(&self) -> &[Arc<Cells>] {
        &self.cells
    }

    /// Adds rows that the result is made of.
    pub(crate) fn add_cells(&mut self, cells: Arc<Cells>) {
        self.cells.push(cells);
    }

    /// An error of this call.
    pub(crate) fn wrong(&self, message: String) -> SheafError {
        SheafError::user(format!("{}: {message}", self.function))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
    }

    /// The array `name`.
    pub(crate) fn array(&self, name: &str) -> Result<Array> {
        Ok(self.array_argument(name)?.array.clone())
    }

    /// The argument that is the array `name`.
    pub(crate) fn array_argument(&self, name: &str) -> Result<&ArrayArgument> {
        // A path is an argument of the same name.
        let found = self
            .given
            .iter()
            .find_map(|(given, argument)| match argument {
                Argument::Array(array) if *given == name => Some(array),
                _ => None,
            });
        found.ok_or_else(|| self.wrong(format!("it needs \"{name}\"")))
    }

    /// The array `name`, if it is given.
    pub(crate) fn optional_array(&self, name: &str) -> Option<Array> {
        self.arrays(name).into_iter().next()
    }

    /// All arrays of the parameter `name`.
    pub(crate) fn arrays(&self, name: &str) -> Vec<Array> {
        let of_name = self.given.iter().filter(|(given, _)| *given == name);
        of_name
            .filter_map(|(_, argument)| match argument {
                Argument::Array(array) => Some(array.array.clone()),
                _ => None,
            })
            .collect()
    }

    /// The rows `name`.
    pub(crate) fn relation(&self, name: &str) -> Result<LogicalPlan> {
        match self.argument(name) {
            Some(Argument::Relation(plan)) => Ok(plan.clone()),
            _ => Err(self.wrong(format!("it needs rows for \"{name}\""))),
        }
    }

    /// The function `name`.
    pub(crate) fn lambda(&self, name: &str) -> Result<&Lambda<'a>> {
        match self.argument(name) {
            Some(Argument::Lambda(lambda)) => Ok(lambda),
            _ => Err(self.wrong(format!("\"{name}\" is a function: lambda x: …"))),
        }
    }

    fn argument(&self, name: &str) -> Option<&Argument<'a>> {
        let found = self.given.iter().find(|(given, _)| *given == name);
        found.map(|(_, argument)| argument)
    }

    /// The constant `name`, if it is given and not NULL.
    pub(crate) fn value(&self, name: &str) -> Option<&ScalarValue> {
        match self.argument(name) {
            Some(Argument::Value(value)) if !value.is_null() => Some(value),
            _ => None,
        }
    }

    fn typed(&self, name: &str, wanted: &DataType, what: &str) -> Result<Option<ArrayRef>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let wrong = || self.wrong(format!("\"{name}\" is {what}, not {value}"));
        let found = value.to_array().map_err(|_| wrong())?;
        let is_text =
            |t: &DataType| matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
        if is_text(found.data_type()) != is_text(wanted) {
            return Err(wrong());
        }
        let values = cast(&found, wanted).map_err(|_| wrong())?;
        match values.null_count() == 0 && same(&found, &values) {
            true => Ok(Some(values)),
            false => Err(wrong()),
        }
    }

    /// The whole number `name`, if it is given.
    ///
    /// # Errors
    /// `UserInput` if it is none.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        let values = self.typed(name, &DataType::Int64, "a whole number")?;
        Ok(values.map(|values| values.as_primitive::<Int64Type>().value(0)))
    }

    /// The number `name`, if it is given.
    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>> {
        let values = self.typed(name, &DataType::Float64, "a number")?;
        Ok(values.map(|values| values.as_primitive::<Float64Type>().value(0)))
    }

    /// The count `name`, if it is given.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>> {
        let number = self.int(name)?;
        let count = number.map(|n| {
            u64::try_from(n).map_err(|_| self.wrong(format!("\"{name}\" is {n}, less than 0")))
        });
        count.transpose()
    }

    /// Yes or no, if it is given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        match self.value(name) {
            None => Ok(false),
            Some(ScalarValue::Boolean(Some(flag))) => Ok(*flag),
            Some(other) => Err(self.wrong(format!("\"{name}\" is true or false, not {other}"))),
        }
    }

    /// The text `name`, which must be given.
    ///
    /// # Errors
    /// `UserInput` if it is not.
    pub fn text_of(&self, name: &str) -> Result<String> {
        self.text(name)?
            .ok_or_else(|| self.wrong(format!("it needs \"{name}\"")))
    }

    /// The text `name`, if it is given.
    ///
    /// # Errors
    /// `UserInput` if it is none.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let values = self.typed(name, &DataType::Utf8, "a text")?;
        Ok(values.map(|values| values.as_string::<i32>().value(0).to_owned()))
    }

    /// The items of the list `name`, if it is given; one value is a list of one.
    fn items(&self, name: &str) -> Result<Option<ArrayRef>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        Ok(Some(match value {
            ScalarValue::List(list) => list.value(0),
            ScalarValue::LargeList(list) => list.value(0),
            ScalarValue::FixedSizeList(list) => list.value(0),
            one => one.to_array()?,
        }))
    }

    fn typed_items(&self, name: &str, wanted: &DataType, what: &str) -> Result<Option<ArrayRef>> {
        let Some(items) = self.items(name)? else {
            return Ok(None);
        };
        if items.is_empty() {
            return Ok(Some(arrow::array::new_empty_array(wanted)));
        }
        let wrong = || self.wrong(format!("\"{name}\" is a list of {what}"));
        let values = cast(&items, wanted).map_err(|_| wrong())?;
        match values.null_count() == 0 && same(&items, &values) {
            true => Ok(Some(values)),
            false => Err(wrong()),
        }
    }

    /// The whole numbers `name`, if they are given: a list, or one.
    pub(crate) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        let values = self.typed_items(name, &DataType::Int64, "whole numbers")?;
        Ok(values.map(|values| values.as_primitive::<Int64Type>().values().to_vec()))
    }

    /// The counts `name`, if they are given.
    pub(crate) fn counts(&self, name: &str) -> Result<Option<Vec<u64>>> {
        let Some(numbers) = self.ints(name)? else {
            return Ok(None);
        };
        let counts = numbers.iter().map(|&n| {
            u64::try_from(n).map_err(|_| self.wrong(format!("\"{name}\" has {n}, less than 0")))
        });
        counts.collect::<Result<_>>().map(Some)
    }

    /// The numbers `name`, if they are given.
    pub(crate) fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let values = self.typed_items(name, &DataType::Float64, "numbers")?;
        Ok(values.map(|values| values.as_primitive::<Float64Type>().values().to_vec()))
    }

    /// The type of elements `dtype`, or `default`.
    pub(crate) fn dtype(&self, default: DType) -> Result<DType> {
        match self.text("dtype")? {
            None => Ok(default),
            Some(name) => name
                .parse()
                .map_err(|e: SheafError| e.with_context(self.function)),
        }
    }
}

/// Whether `after` has the numbers of `before`: 2.5 is no whole number.
fn same(before: &ArrayRef, after: &ArrayRef) -> bool {
    if !after.data_type().is_integer() || before.data_type().is_integer() {
        return true;
    }
    let (Ok(before), Ok(after)) = (
        cast(before, &DataType::Float64),
        cast(after, &DataType::Float64),
    ) else {
        return false;
    };
    before == after
}
