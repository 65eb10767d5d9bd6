//! The check that a scalar sub-query gave one row at most.
//!
//! The function stands above the join with the sub-query, so that it fails for rows that are asked
//! for only. It calls itself volatile to stay there: filters with volatile functions do not move.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

/// `value`, or an error if `rows` is more than one.
pub(super) fn single_row(value: Expr, rows: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::from(SingleRow::new())));
    FUNCTION.call(vec![value, rows])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleRow {
    signature: Signature,
}

impl SingleRow {
    fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for SingleRow {
    fn name(&self) -> &'static str {
        "single_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(value) => Ok(value.clone()),
            None => internal_err!("single_row takes a value and a number of rows"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(value) => Ok(Arc::new(value.as_ref().clone().with_nullable(true))),
            None => internal_err!("single_row takes a value and a number of rows"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, rows] = args.args.as_slice() else {
            return internal_err!("single_row takes a value and a number of rows");
        };
        let rows = rows.to_array(args.number_rows)?;
        let Some(rows) = rows.as_primitive_opt::<Int64Type>() else {
            return internal_err!("single_row counts rows in {}", rows.data_type());
        };
        if rows.iter().flatten().any(|rows| rows > 1) {
            return Err(
                SheafError::user("a sub-query used as a value gave more than one row")
                    .with_state(SqlState::CARDINALITY_VIOLATION)
                    .with_hint("LIMIT 1, an aggregate, or IN (…) takes more than one row")
                    .into(),
            );
        }
        Ok(value.clone())
    }
}
