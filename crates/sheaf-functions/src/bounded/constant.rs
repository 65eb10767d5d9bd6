//! A large constant as a column: it is there once for each row of a batch, which is asked for first.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_runtime::engine::planning::may_fold;

use super::memory::{Needed, admit_unfolded};
use super::span;

/// Constants up to this size are left as they are: a batch of them has a few tens of megabytes.
const CONSTANT_BYTES_MAX: usize = 4 * 1024;

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(ConstantColumn {
        signature: Signature::any(1, Volatility::Immutable),
    }))
});

/// The expression that gives the rows of a column of `expr`, if that is a large constant.
#[must_use]
pub fn constant_column(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Literal(value, _) if value.size() > CONSTANT_BYTES_MAX => {
            Some(FUNCTION.call(vec![expr.clone()]))
        }
        _ => None,
    }
}

/// Its argument, in each row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ConstantColumn {
    signature: Signature,
}

impl ScalarUDFImpl for ConstantColumn {
    fn name(&self) -> &'static str {
        "a constant"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(names.join(", "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value] => Ok(value.clone()),
            _ => exec_err!("a constant is one value"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [value] => Ok(Arc::clone(value)),
            _ => exec_err!("a constant is one value"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return exec_err!("a constant is one value");
        };
        if may_fold(0).is_some() {
            return exec_err!("a constant is not folded");
        }
        let one = value.to_array(1)?;
        let total = span(&one, 0, 1).saturating_mul(args.number_rows);
        let needed = Needed { total, largest: 0 };
        let admitted = admit_unfolded(self.name(), needed, &args.config_options)?;
        admitted.keep(value.clone(), args.number_rows)
    }
}
