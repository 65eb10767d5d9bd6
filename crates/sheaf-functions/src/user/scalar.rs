//! A scalar function of the user's own as a function of the engine.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array, new_null_array};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sheaf_udf::{CallContext, Declaration, as_declared, guarded, rows_without_null};

use super::nested::nested;
use super::{ScalarDefinition, declared_types};
use crate::bounded::kept;

/// Rows of one call at most; larger batches are called in pieces.
const CALL_ROWS_MAX: usize = 64 * 1024;

/// The function of `definition` for one statement, under the name `key`.
#[must_use]
pub fn scalar(key: &str, definition: &Arc<ScalarDefinition>, context: &CallContext) -> ScalarUDF {
    ScalarUDF::from(UserScalar {
        key: key.to_owned(),
        signature: Signature::user_defined(definition.declaration.volatility),
        definition: Arc::clone(definition),
        context: context.clone(),
    })
}

/// Whether `function` is a function of the user's own, bound to one statement.
#[must_use]
pub fn is_scalar(function: &ScalarUDF) -> bool {
    function.inner().is::<UserScalar>()
}

/// How many rows a call of `function` had better have, if it is one of the user's own that says so.
#[must_use]
pub fn rows_wanted(function: &ScalarUDF) -> Option<usize> {
    let function = function.inner().downcast_ref::<UserScalar>()?;
    function.definition.function.rows_wanted()
}

#[derive(Debug)]
pub(super) struct UserScalar {
    key: String,
    signature: Signature,
    pub(super) definition: Arc<ScalarDefinition>,
    context: CallContext,
}

/// One of the same name may have been replaced.
impl PartialEq for UserScalar {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.definition, &other.definition)
    }
}

impl Eq for UserScalar {}

impl Hash for UserScalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.definition).hash(state);
    }
}

impl ScalarUDFImpl for UserScalar {
    fn name(&self) -> &str {
        &self.key
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        declared_types(self.declaration(), types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.definition.returns.clone())
    }

    fn is_strict(&self) -> bool {
        self.declaration().is_strict
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(|e| e.schema_name().to_string()).collect();
        Ok(format!("{}({})", self.declaration().name, args.join(",")))
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match nested(self, &args) {
            Some((function, args)) => {
                let function = Arc::new(ScalarUDF::from(function));
                let call = ScalarFunction::new_udf(function, args);
                ExprSimplifyResult::Simplified(Expr::ScalarFunction(call))
            }
            None => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let is_scalar = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let is_volatile = self.declaration().volatility == Volatility::Volatile;
        if rows > 0 && !is_volatile && args.args.iter().all(is_scalar) {
            let arguments = args.args.iter().map(|value| value.to_array(1));
            let value = self.result(&arguments.collect::<Result<Vec<_>>>()?, 1)?;
            let value = ScalarValue::try_from_array(&value, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        let arguments = args.args.iter().map(|value| value.to_array(rows));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(self.result(&arguments, rows)?))
    }
}

impl UserScalar {
    /// The same for another definition.
    pub(super) fn with(&self, definition: Arc<ScalarDefinition>) -> Self {
        Self {
            key: self.key.clone(),
            signature: Signature::user_defined(definition.declaration.volatility),
            definition,
            context: self.context.clone(),
        }
    }

    fn declaration(&self) -> &Declaration {
        &self.definition.declaration
    }

    /// The values for rows of any number; memory is reserved for what is large.
    fn result(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        if rows == 0 {
            return Ok(new_empty_array(&self.definition.returns));
        }
        if rows <= CALL_ROWS_MAX {
            return self.piece(arguments, rows);
        }
        let starts = (0..rows).step_by(CALL_ROWS_MAX);
        let pieces = starts.map(|start| {
            let rows = CALL_ROWS_MAX.min(rows - start);
            let arguments: Vec<ArrayRef> = arguments.iter().map(|a| a.slice(start, rows)).collect();
            self.piece(&arguments, rows)
        });
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        Ok(concat(&pieces)?)
    }

    fn piece(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let name = &self.declaration().name;
        let present = match self.is_strict() {
            true => rows_without_null(arguments),
            false => None,
        };
        let result = match present {
            None => self.call(arguments, rows)?,
            Some(present) => self.call_present(arguments, &present)?,
        };
        kept(name, result, &self.context)
    }

    /// The values for the rows that are `present`; the others are NULL.
    fn call_present(&self, arguments: &[ArrayRef], present: &BooleanArray) -> Result<ArrayRef> {
        let count = present.true_count();
        if count == 0 {
            return Ok(new_null_array(&self.definition.returns, present.len()));
        }
        let arguments = arguments.iter().map(|argument| filter(argument, present));
        let arguments = arguments.collect::<std::result::Result<Vec<_>, _>>()?;
        let values = self.call(&arguments, count)?;
        let mut next = 0_u32;
        let places = present.values().iter().map(|is_present| {
            let place = is_present.then_some(next);
            next += u32::from(is_present);
            place
        });
        Ok(take(&values, &places.collect::<UInt32Array>(), None)?)
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let ScalarDefinition {
            declaration,
            returns,
            function,
        } = self.definition.as_ref();
        let called = guarded(&declaration.name, || {
            self.context.check()?;
            let result = function.call(arguments, rows, &self.context)?;
            as_declared(result, rows, returns)
        });
        Ok(called?)
    }
}
