//! Casts from and to UUIDs, which the engine has not.
//!
//! These functions have no names that users could call: the analyzer (`sheaf-optimizer`'s `uuids`
//! rule) puts them in the place of casts.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF, Signature, Volatility};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::uuid::{UUID, UUID_SIZE, parse_uuid, uuid_texts};

use crate::kernel::{Compute, Kernel, ReturnType};

/// The UUID that a text writes; with `is_try` those that write none are NULL, not errors.
#[must_use]
pub fn to_uuid(text: Expr, is_try: bool) -> Expr {
    static CAST: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function(
            "cast_to_uuid",
            |_| Ok(UUID),
            |arrays, _, _| parse(arrays, false),
        )
    });
    static TRY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function(
            "try_cast_to_uuid",
            |_| Ok(UUID),
            |arrays, _, _| parse(arrays, true),
        )
    });
    call(if is_try { &TRY } else { &CAST }, text)
}

/// The text of a UUID.
#[must_use]
pub fn uuid_to_text(uuid: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        function(
            "uuid_to_text",
            |_| Ok(DataType::Utf8),
            |arrays, _, _| Ok(uuid_texts(arrays[0].as_fixed_size_binary())),
        )
    });
    call(&FUNCTION, uuid)
}

fn function(name: &'static str, return_type: ReturnType, compute: Compute) -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    let kernel = Kernel::new(name, &[], return_type, compute).with_signature(signature);
    Arc::new(kernel.build())
}

fn call(function: &Arc<ScalarUDF>, argument: Expr) -> Expr {
    let call = ScalarFunction::new_udf(Arc::clone(function), vec![argument]);
    Expr::ScalarFunction(call)
}

/// The UUIDs of texts; with `is_try` those that write none are NULL, not errors.
pub(crate) fn parse(arrays: &[ArrayRef], is_try: bool) -> Result<ArrayRef> {
    let texts = cast(&arrays[0], &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), UUID_SIZE);
    for text in texts {
        match (text.map(parse_uuid), text) {
            (Some(Some(uuid)), _) => uuids.append_value(uuid)?,
            (Some(None), Some(text)) if !is_try => return Err(no_uuid(text).into()),
            _ => uuids.append_null(),
        }
    }
    Ok(Arc::new(uuids.finish()))
}

fn no_uuid(text: &str) -> SheafError {
    SheafError::data(format!("invalid input syntax for type uuid: \"{text}\""))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_hint("try_cast gives NULL instead")
}
