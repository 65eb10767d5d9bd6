//! The end of a strict cast: values, or an error that names the first one that could not be cast.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

use super::on_arrays;
use crate::extract::first_fault;

/// `(values and faults, path)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Checked {
    signature: Signature,
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        "variant_checked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of variant_checked is that of its field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first().map(|field| field.data_type()) {
            Some(DataType::Struct(fields)) if fields.len() == 2 => Ok(Arc::new(Field::new(
                self.name(),
                fields[0].data_type().clone(),
                true,
            ))),
            _ => internal_err!("variant_checked takes what variant_read gives"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let path = match args.args.get(1) {
            Some(ColumnarValue::Scalar(path)) => path.try_as_str().flatten().unwrap_or("$"),
            _ => "$",
        };
        let check = |checked: &ArrayRef| -> Result<ArrayRef> {
            let checked = checked.as_struct();
            match first_fault(checked) {
                None => Ok(Arc::clone(checked.column(0))),
                Some(value) => Err(no_cast(&value, path, checked.column(0).data_type()).into()),
            }
        };
        if let Some(ColumnarValue::Array(checked)) = args.args.first() {
            return Ok(ColumnarValue::Array(check(checked)?));
        }
        let found = on_arrays(&args, |arrays, _| check(&arrays[0]))?;
        match found {
            ColumnarValue::Array(array) if array.len() == 1 => {
                let value = ScalarValue::try_from_array(&array, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            found => Ok(found),
        }
    }
}

fn no_cast(value: &str, path: &str, target: &DataType) -> SheafError {
    let target = sql_type_name(target);
    let place = match path {
        "$" => String::new(),
        path => format!(" at {path}"),
    };
    SheafError::data(format!("cannot cast {value}{place} to {target}"))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_hint(format!(
            "try_cast(… AS {target}) gives NULL in place of an error; variant_type tells what \
             there is"
        ))
}
