//! What a scan calls to read stored VARIANTs.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use sheaf_base::type_names::variant_field;

use super::from_parquet;
use super::narrow::{narrowed, project};
use super::nested::restored;
use crate::json::Path;

/// The function that makes VARIANTs of a column as Parquet stores it: [`from_parquet`]. With a path, a
/// text as second argument, only what that needs is in them.
#[must_use]
pub fn stored_variant() -> ScalarUDF {
    ScalarUDF::from(StoredVariant {
        signature: Signature::one_of(
            vec![TypeSignature::Any(1), TypeSignature::Any(2)],
            Volatility::Immutable,
        ),
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
        let mut stored = args.args[0].to_array(args.number_rows)?;
        if let Some(ColumnarValue::Scalar(path)) = args.args.get(1)
            && let Some(Some(path)) = path.try_as_str()
        {
            let wanted = narrowed(stored.data_type(), &[&Path::parse(path)?]);
            stored = project(&stored, &wanted)?;
        }
        Ok(ColumnarValue::Array(from_parquet(&stored)?))
    }
}

/// The function that makes the values of a table's column `field`, which holds VARIANTs within lists or
/// structs, of a column as Parquet stores it: [`restored`].
#[must_use]
pub fn stored_nested(field: FieldRef) -> ScalarUDF {
    ScalarUDF::from(StoredNested {
        signature: Signature::any(1, Volatility::Immutable),
        field,
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StoredNested {
    signature: Signature,
    field: FieldRef,
}

impl ScalarUDFImpl for StoredNested {
    fn name(&self) -> &'static str {
        "stored_nested"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let stored = args.args[0].to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(restored(&stored, &self.field)?))
    }
}
