//! Casts of the value at a path: `variant_try` gives NULL where there is none, `variant_read` the
//! value and what could not be cast, of which [`super::Checked`] makes an error.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl,
    Signature, Volatility,
};

use super::get::extract_all;
use super::{expect_records, on_arrays, placement};
use crate::extract::{Become, Extract};
use crate::json::Path;

/// `(record, path, NULL of the target type)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Read {
    signature: Signature,
    is_checked: bool,
}

impl Read {
    /// Gives values alone.
    pub(super) fn trying() -> Self {
        Self {
            signature: Signature::any(3, Volatility::Immutable),
            is_checked: false,
        }
    }

    /// Gives values and faults.
    pub(super) fn checked() -> Self {
        Self {
            is_checked: true,
            ..Self::trying()
        }
    }

    /// What becomes of values that are cast to `target`.
    pub(crate) fn becomes(&self, target: DataType) -> Become {
        match self.is_checked {
            true => Become::Checked(target),
            false => Become::Try(target),
        }
    }
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &'static str {
        match self.is_checked {
            true => "variant_read",
            false => "variant_try",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} is that of its field", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [records, _, target] = args.arg_fields else {
            return internal_err!("{} takes three arguments", self.name());
        };
        expect_records("a cast", records)?;
        let extract = Extract {
            path: Path::default(),
            becomes: self.becomes(target.data_type().clone()),
        };
        let field: Field = extract.field(self.name());
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let path = match args.args.get(1) {
            Some(ColumnarValue::Scalar(path)) => path.try_as_str().flatten(),
            _ => None,
        };
        let Some(path) = path else {
            return internal_err!("the path of {} is a constant", self.name());
        };
        let extract = Extract {
            path: Path::parse(path)?,
            becomes: self.becomes(args.arg_fields[2].data_type().clone()),
        };
        on_arrays(&args, |arrays, rows| {
            let extracts = std::slice::from_ref(&extract);
            match extract_all(&arrays[0], extracts, rows)?.pop() {
                Some(array) => Ok(array),
                None => internal_err!("{} made no column", self.name()),
            }
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }
}
