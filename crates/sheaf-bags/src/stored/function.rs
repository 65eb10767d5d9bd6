//! What a scan calls to read a stored VARIANT.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::type_names::variant_field;

use super::from_parquet;

/// The function that makes VARIANTs of a column as Parquet stores it: [`from_parquet`].
#[must_use]
pub fn stored_variant() -> ScalarUDF {
    ScalarUDF::from(StoredVariant {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StoredVariant {
    signature: Signature,
}

impl ScalarUDFImpl for StoredVariant {
    fn name(&self) -> &'static str {
        "stored_variant"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(variant_field(self.name(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let stored = args.args[0].to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(from_parquet(&stored)?))
    }
}
