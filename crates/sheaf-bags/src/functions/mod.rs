//! Functions of VARIANTs. Those that users call are in [`functions`]; the others stand for casts and
//! are put into plans by the analyzer.

mod checked;
mod elements;
mod get;
mod inspect;
mod make;
mod read;
mod sort_key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::cast::as_string_view_array;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ExpressionPlacement, ScalarFunctionArgs,
    ScalarUDF, lit,
};
use sheaf_base::error::SqlState;
use sheaf_base::type_names::is_variant;
use sheaf_base::{SheafError, sql_type_name};

pub use self::checked::Checked;
pub use self::get::Get;
pub use self::read::Read;
use crate::cast::is_castable;
use crate::json::{Fault, Path};

/// The functions that users call, in the order in which they are registered.
#[must_use]
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![get::function()];
    functions.extend(inspect::functions());
    functions.extend(make::functions());
    functions.push(elements::function());
    functions.into_iter().map(Arc::new).collect()
}

/// `get(records, path)`.
#[must_use]
pub fn get_path(records: Expr, path: &Path) -> Expr {
    get::function().call(vec![records, lit(path.to_string())])
}

/// The records and the path that `expr` gets, if the path is a constant.
#[must_use]
pub fn path_of(expr: &Expr) -> Option<(Expr, Path)> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    let ([records, Expr::Literal(path, _)], true) =
        (call.args.as_slice(), call.func.inner().is::<Get>())
    else {
        return None;
    };
    let path = Path::parse(path.try_as_str()??).ok()?;
    Some((records.clone(), path))
}

/// Casts the VARIANT `value` to `target`; where that cannot be, the result is NULL (`is_try`) or
/// an error that names value and path.
///
/// # Errors
/// `UserInput` if there is no such cast.
pub fn cast_variant(value: Expr, target: &DataType, is_try: bool) -> Result<Expr> {
    if !is_castable(target) {
        let error = SheafError::user(format!(
            "a VARIANT cannot be cast to {}",
            sql_type_name(target)
        ));
        return Err(error.with_state(SqlState::DATATYPE_MISMATCH).into());
    }
    let (records, path) = path_of(&value).unwrap_or((value, Path::default()));
    let path = lit(path.to_string());
    let null = Expr::Literal(ScalarValue::try_new_null(target)?, None);
    let read = |read: Read| ScalarUDF::from(read).call(vec![records, path.clone(), null]);
    Ok(match is_try {
        true => read(Read::trying()),
        false => {
            let checked = read(Read::checked());
            ScalarUDF::from(Checked::default()).call(vec![checked, path])
        }
    })
}

/// The VARIANT of an SQL value.
#[must_use]
pub fn to_variant(value: Expr) -> Expr {
    make::to_variant().call(vec![value])
}

/// The VARIANT that JSON text is.
#[must_use]
pub fn parse_json(text: Expr) -> Expr {
    make::parse_json().call(vec![text])
}

/// Checks a call of `elements`, which takes no texts but VARIANTs.
///
/// # Errors
/// `UserInput` for texts.
pub fn check_elements(function: &ScalarUDF, value: &Field) -> Result<()> {
    let is_text = value.data_type().is_string() && !is_variant(value);
    match is_text && function.inner().is::<elements::Elements>() {
        true => Err(elements::no_elements(value.data_type()).into()),
        false => Ok(()),
    }
}

/// A column of JSON texts in normal form, which has lost the mark of VARIANTs, with it again.
#[must_use]
pub fn as_variant(texts: Expr) -> Expr {
    elements::as_variant().call(vec![texts])
}

/// A text that sorts as VARIANTs do.
#[must_use]
pub fn sort_key(value: Expr) -> Expr {
    ScalarUDF::from(sort_key::SortKey::default()).call(vec![value])
}

/// Whether a function knows VARIANTs; others take them as texts.
#[must_use]
pub fn knows_variants(function: &ScalarUDF) -> bool {
    let inner = function.inner();
    inner.is::<Get>()
        || inner.is::<Read>()
        || inner.is::<Checked>()
        || inner.is::<sort_key::SortKey>()
        || inner.is::<inspect::Inspect>()
        || inner.is::<make::Make>()
        || inner.is::<elements::Elements>()
        || inner.is::<elements::AsVariant>()
        || matches!(
            function.name(),
            "typeof" | "arrow_typeof" | "arrow_metadata"
        )
}

/// A section of the manual of functions.
fn documentation(sentence: &str, syntax: &str, example: &str) -> Documentation {
    let section = DocSection {
        include: true,
        label: "Variant Functions",
        description: None,
    };
    Documentation::builder(section, sentence, syntax)
        .with_sql_example(example)
        .build()
}

/// Where extractions belong: at the scan, which makes them in its one pass over a record.
fn placement(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args {
        [records, constants @ ..]
            if records.should_push_to_leaves()
                && constants
                    .iter()
                    .all(|arg| *arg == ExpressionPlacement::Literal) =>
        {
            ExpressionPlacement::MoveTowardsLeafNodes
        }
        _ => ExpressionPlacement::KeepInPlace,
    }
}

/// An argument as texts.
fn texts(array: &ArrayRef) -> Result<StringViewArray> {
    match array.data_type() {
        DataType::Utf8View => Ok(as_string_view_array(array)?.clone()),
        data_type if data_type.is_string() || data_type.is_null() => {
            Ok(as_string_view_array(&cast(array, &DataType::Utf8View)?)?.clone())
        }
        other => exec_err!("expected a VARIANT, found {}", sql_type_name(other)),
    }
}

/// Evaluates `compute` on arrays; once, if all arguments are constants.
fn on_arrays(
    args: &ScalarFunctionArgs,
    compute: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let is_constant = args
        .args
        .iter()
        .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let rows = if is_constant { 1 } else { args.number_rows };
    let arrays = args
        .args
        .iter()
        .map(|argument| argument.to_array(rows))
        .collect::<Result<Vec<_>>>()?;
    let found = compute(&arrays, rows)?;
    Ok(match (is_constant, found.as_list_opt::<i32>()) {
        (false, _) => ColumnarValue::Array(found),
        // With the field of its items, which tells VARIANTs from texts.
        (true, Some(list)) => ColumnarValue::Scalar(ScalarValue::List(Arc::new(list.clone()))),
        (true, None) => ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?),
    })
}

/// The error of a text that should be JSON.
fn no_json(text: &str, fault: Fault) -> SheafError {
    let shown: String = text.chars().take(80).collect();
    SheafError::data(format!("not JSON: {fault}"))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_detail(format!("at byte {} of {shown}", fault.at + 1))
}

/// The type of an argument, if it may be a VARIANT or text that is JSON.
fn expect_records(function: &str, field: &Field) -> Result<()> {
    if field.data_type().is_string() || field.data_type().is_null() {
        return Ok(());
    }
    let found = sql_type_name(field.data_type());
    let error = SheafError::user(format!("{function} takes a VARIANT, not {found}"));
    Err(error.with_state(SqlState::DATATYPE_MISMATCH).into())
}
