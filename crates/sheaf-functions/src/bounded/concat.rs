//! `||` of texts and bytes as a function, so that it can be bounded like one.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::bounded;

/// Its name, which nobody can write without quotes.
pub(super) const NAME: &str = "||";

/// The bounded function.
static CONCATENATION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let function = Arc::new(ScalarUDF::from(Concatenation {
        signature: Signature::any(2, Volatility::Immutable),
    }));
    bounded(&function).unwrap_or(function)
});

/// `left || right`, whose types have been made the same, as a call of a bounded function.
#[must_use]
pub fn concatenation(left: Expr, right: Expr) -> Expr {
    CONCATENATION.call(vec![left, right])
}

/// The engine's operator in the form of a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concatenation {
    signature: Signature,
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(names.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else {
            return datafusion::common::exec_err!("|| needs two values");
        };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        let result = self.return_type(&types)?;
        Ok(Arc::new(Field::new(NAME, result, is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (mut fields, mut columns) = (vec![], vec![]);
        let mut sides: Vec<Arc<dyn PhysicalExpr>> = vec![];
        for value in args.args {
            sides.push(match value {
                ColumnarValue::Scalar(value) => Arc::new(Literal::new(value)),
                ColumnarValue::Array(array) => {
                    let side = Column::new("", fields.len());
                    fields.push(Field::new("", array.data_type().clone(), true));
                    columns.push(array);
                    Arc::new(side)
                }
            });
        }
        let (Some(right), Some(left)) = (sides.pop(), sides.pop()) else {
            return datafusion::common::exec_err!("|| needs two values");
        };
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        BinaryExpr::new(left, Operator::StringConcat, right).evaluate(&batch)
    }
}
