//! The engine's scalar functions, for statements about the catalogue: one value at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray};
use arrow::datatypes::{FieldRef, i256};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, Volatility,
};
use sheaf_base::{Result, SheafError};

use crate::decimal::Decimal;
use crate::types::{Kind, Oid, arrow_field, column_type, kind_of};
use crate::value::Value;

/// The engine's functions of one session.
#[derive(Clone, Default)]
pub struct EngineFunctions {
    functions: HashMap<String, Arc<ScalarUDF>>,
    options: Arc<ConfigOptions>,
}

impl fmt::Debug for EngineFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineFunctions({})", self.functions.len())
    }
}

/// A function with the types of its arguments.
#[derive(Debug)]
pub(crate) struct External {
    function: Arc<ScalarUDF>,
    arguments: Vec<FieldRef>,
    returns: FieldRef,
    options: Arc<ConfigOptions>,
}

impl EngineFunctions {
    /// Functions by their names, and the options that they see.
    #[must_use]
    pub fn new(functions: HashMap<String, Arc<ScalarUDF>>, options: Arc<ConfigOptions>) -> Self {
        Self { functions, options }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// The function `name` for arguments of these types, if there is one of the name.
    ///
    /// # Errors
    /// `UserInput` if it does not take such arguments.
    pub(crate) fn resolve(&self, name: &str, types: &[Oid]) -> Result<Option<(External, Oid)>> {
        let Some(function) = self.functions.get(name) else {
            return Ok(None);
        };
        let given = types.iter().map(|oid| Arc::new(arrow_field("", *oid)));
        let given: Vec<FieldRef> = given.collect();
        let arguments = fields_with_udf(&given, function.as_ref())?;
        let constants = vec![None; arguments.len()];
        let returns = function.return_field_from_args(ReturnFieldArgs {
            arg_fields: &arguments,
            scalar_arguments: &constants,
        })?;
        let (oid, _) = column_type(&returns);
        let external = External {
            function: Arc::clone(function),
            arguments,
            returns,
            options: Arc::clone(&self.options),
        };
        Ok(Some((external, oid)))
    }
}

impl External {
    /// Whether it gives something else each time.
    pub(crate) fn is_volatile(&self) -> bool {
        self.function.signature().volatility == Volatility::Volatile
    }

    /// Calls it.
    ///
    /// # Errors
    /// Those of the function.
    pub(crate) fn call(&self, values: &[Value], types: &[Oid]) -> Result<Value> {
        let arguments = values.iter().zip(types).zip(&self.arguments);
        let arguments = arguments.map(|((value, oid), wanted)| {
            let value = scalar_of(value, *oid)?.cast_to(wanted.data_type())?;
            Ok(ColumnarValue::Scalar(value))
        });
        let result = self.function.invoke_with_args(ScalarFunctionArgs {
            args: arguments.collect::<Result<Vec<_>>>()?,
            arg_fields: self.arguments.clone(),
            number_rows: 1,
            return_field: Arc::clone(&self.returns),
            config_options: Arc::clone(&self.options),
        })?;
        let scalar = match result {
            ColumnarValue::Scalar(scalar) => scalar,
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
        };
        value_of(&scalar)
    }
}

/// A value as the engine has it.
pub(crate) fn scalar_of(value: &Value, oid: Oid) -> Result<ScalarValue> {
    let array = crate::arrow::column(&arrow_field("", oid), oid, std::slice::from_ref(value))?;
    Ok(ScalarValue::try_from_array(&array, 0)?)
}

/// A value of the engine.
///
/// # Errors
/// `Unsupported` for types that the catalogue has none of.
pub(crate) fn value_of(scalar: &ScalarValue) -> Result<Value> {
    if scalar.is_null() {
        return Ok(Value::Null);
    }
    let field = arrow_field_of(scalar);
    let (oid, _) = column_type(&field);
    let wanted = arrow_field("", oid);
    Ok(match (kind_of(oid), scalar) {
        (Kind::Array, scalar) => {
            let array = scalar.to_array()?;
            let Some(list) = array.as_list_opt::<i32>() else {
                return Err(SheafError::unsupported("such an array in this statement"));
            };
            let elements = list.value(0);
            let elements = (0..elements.len())
                .map(|index| value_of(&ScalarValue::try_from_array(&elements, index)?));
            Value::array(elements.collect::<Result<_>>()?)
        }
        (Kind::Numeric, scalar) => {
            let number = decimal_of(scalar)?;
            Value::numeric(number.ok_or_else(|| crate::cast::out_of_range(oid))?)
        }
        (kind, scalar) => match (kind, scalar.cast_to(wanted.data_type())?) {
            (_, ScalarValue::Boolean(Some(is))) => Value::Bool(is),
            (_, ScalarValue::Int16(Some(number))) => Value::Int(number.into()),
            (_, ScalarValue::Int32(Some(number))) => Value::Int(number.into()),
            (_, ScalarValue::Int64(Some(number))) => Value::Int(number),
            (_, ScalarValue::UInt32(Some(number))) => Value::Int(number.into()),
            (_, ScalarValue::Float32(Some(number))) => Value::Float(number.into()),
            (_, ScalarValue::Float64(Some(number))) => Value::Float(number),
            (_, ScalarValue::Utf8(Some(text))) => text.into(),
            (_, ScalarValue::TimestampMicrosecond(Some(micros), _)) => Value::Time(micros),
            (_, ScalarValue::Date32(Some(days))) => {
                let micros = i64::from(days).checked_mul(86_400_000_000);
                Value::Time(micros.ok_or_else(|| crate::cast::out_of_range(oid))?)
            }
            (_, other) => {
                return Err(SheafError::unsupported(format!(
                    "values of type {} in this statement",
                    other.data_type()
                )));
            }
        },
    })
}

/// A decimal of the engine; `None` if it has too many digits.
fn decimal_of(scalar: &ScalarValue) -> Result<Option<Decimal>> {
    let (units, scale) = match scalar {
        ScalarValue::Decimal32(Some(units), _, scale) => ((*units).into(), *scale),
        ScalarValue::Decimal64(Some(units), _, scale) => ((*units).into(), *scale),
        ScalarValue::Decimal128(Some(units), _, scale) => (*units, *scale),
        ScalarValue::Decimal256(Some(units), _, scale) => return Ok(Decimal::new(*units, *scale)),
        ScalarValue::UInt64(Some(number)) => ((*number).into(), 0),
        other => {
            let what = format!("values of type {} in this statement", other.data_type());
            return Err(SheafError::unsupported(what));
        }
    };
    Ok(Decimal::new(i256::from_i128(units), scale))
}

fn arrow_field_of(scalar: &ScalarValue) -> arrow::datatypes::Field {
    arrow::datatypes::Field::new("", scalar.data_type(), true)
}
