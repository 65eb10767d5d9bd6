//! Rounding a double to the nearest whole number, of two equally near ones to the even one, as
//! PostgreSQL does when it casts a double to a whole number. (`round` goes away from zero.)

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err, utils::take_function_args};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::whole::return_field;

pub(super) const NAME: &str = "round_half_even";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RoundHalfEven {
    signature: Signature,
}

impl RoundHalfEven {
    pub(super) fn function() -> ScalarUDF {
        ScalarUDF::from(Self {
            signature: Signature::any(1, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for RoundHalfEven {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type @ (DataType::Float32 | DataType::Float64)] => Ok(data_type.clone()),
            _ => internal_err!("{NAME} of {types:?}"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        return_field(self, &args)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args(NAME, args.args)?;
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(round(&array)?),
            ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(ScalarValue::try_from_array(
                &round(&scalar.to_array()?)?,
                0,
            )?),
        })
    }
}

fn round(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float32 => {
            let rounded: Float32Array = array
                .as_primitive::<Float32Type>()
                .unary(f32::round_ties_even);
            Arc::new(rounded)
        }
        DataType::Float64 => {
            let rounded: Float64Array = array
                .as_primitive::<Float64Type>()
                .unary(f64::round_ties_even);
            Arc::new(rounded)
        }
        other => return internal_err!("{NAME} of {other}"),
    })
}
