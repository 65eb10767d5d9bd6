//! `variant_sort_key(value)`: a text that compares as VARIANTs do; see [`crate::json::order`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{on_arrays, texts};
use crate::json::order::write_order;

/// The function. The analyzer puts it around what is sorted and compared.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SortKey {
    signature: Signature,
}

impl Default for SortKey {
    fn default() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for SortKey {
    fn name(&self) -> &'static str {
        "variant_sort_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays, rows| {
            let values = texts(&arrays[0])?;
            let mut keys = StringViewBuilder::with_capacity(rows);
            let mut key = String::new();
            for row in 0..rows {
                if values.is_null(row) {
                    keys.append_null();
                    continue;
                }
                key.clear();
                write_order(values.value(row), &mut key);
                keys.append_value(&key);
            }
            let keys: ArrayRef = Arc::new(keys.finish());
            Ok(keys)
        })
    }
}
