//! Functions on columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};

use super::{Checked, Read, functions};

fn call(function: &ScalarUDF, args: Vec<ColumnarValue>) -> Result<ArrayRef, String> {
    let fields: Vec<Arc<Field>> = args
        .iter()
        .map(|arg| Arc::new(Field::new("", arg.data_type(), true)))
        .collect();
    let scalars: Vec<Option<&ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        })
        .collect();
    let return_field = function
        .return_field_from_args(ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &scalars,
        })
        .map_err(|error| error.to_string())?;
    let found = function.invoke_with_args(ScalarFunctionArgs {
        args,
        arg_fields: fields,
        number_rows: 3,
        return_field: Arc::clone(&return_field),
        config_options: Arc::new(ConfigOptions::default()),
    });
    let found = found.and_then(|found| found.into_array(3));
    let found = found.map_err(|error| error.to_string())?;
    assert_eq!(found.data_type(), return_field.data_type());
    Ok(found)
}

fn records() -> ColumnarValue {
    let records = StringViewArray::from(vec![
        Some("{\"a\": 1, \"b\": [1.0, \"x\"]}"),
        None,
        Some("{\"a\": \"n/a\"}"),
    ]);
    ColumnarValue::Array(Arc::new(records))
}

fn text(text: &str) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(text))
}

fn rows(array: &ArrayRef) -> Vec<String> {
    (0..3)
        .map(|row| match array.is_null(row) {
            true => "NULL".to_owned(),
            false => array_value_to_string(array, row).unwrap(),
        })
        .collect()
}

fn function(name: &str) -> Arc<ScalarUDF> {
    functions().into_iter().find(|f| f.name() == name).unwrap()
}

#[test]
fn values_are_got_by_paths() {
    let get = function("get");
    let one = call(&get, vec![records(), text("$.a")]).unwrap();
    assert_eq!(rows(&one), ["1", "NULL", "\"n/a\""]);
    let with_default = call(&get, vec![records(), text("$.b"), text("none")]).unwrap();
    assert_eq!(rows(&with_default), ["[1,\"x\"]", "NULL", "\"none\""]);
    let paths = StringViewArray::from(vec![Some("$.b[0]"), Some("a"), None]);
    let many = call(&get, vec![records(), ColumnarValue::Array(Arc::new(paths))]).unwrap();
    assert_eq!(rows(&many), ["1", "NULL", "NULL"]);
    assert!(
        call(&get, vec![records(), text("$[")])
            .unwrap_err()
            .contains("no path")
    );
    let broken = ColumnarValue::Scalar(ScalarValue::from("{\"a\":}"));
    let error = call(&get, vec![broken, text("a")]).unwrap_err();
    assert!(error.contains("expected a value, found '}'"), "{error}");
}

#[test]
fn casts_fail_where_they_are_used() {
    let null = || ColumnarValue::Scalar(ScalarValue::Int64(None));
    let tried = ScalarUDF::from(Read::trying());
    let tried = call(&tried, vec![records(), text("$.a"), null()]).unwrap();
    assert_eq!(rows(&tried), ["1", "NULL", "NULL"]);
    let read = ScalarUDF::from(Read::checked());
    let read = call(&read, vec![records(), text("$.a"), null()]).unwrap();
    let checked = ScalarUDF::from(Checked::default());
    let good = ColumnarValue::Array(read.slice(0, 2));
    assert_eq!(call(&checked, vec![good, text("$.a")]).unwrap().len(), 2);
    let error = call(&checked, vec![ColumnarValue::Array(read), text("$.a")]).unwrap_err();
    assert!(
        error.contains("cannot cast \"n/a\" at $.a to BIGINT"),
        "{error}"
    );
}

#[test]
fn values_tell_what_they_are() {
    let kinds = call(&function("variant_type"), vec![records()]).unwrap();
    assert_eq!(rows(&kinds), ["object", "NULL", "object"]);
    let keys = call(&function("variant_keys"), vec![records()]).unwrap();
    assert_eq!(rows(&keys), ["[a, b]", "NULL", "[a]"]);
    let items = call(
        &function("variant_list"),
        vec![text("[1.0, {\"b\": [], \"a\": 0}]")],
    );
    assert_eq!(rows(&items.unwrap())[0], "[1, {\"a\":0,\"b\":[]}]");
    let number = ColumnarValue::Scalar(ScalarValue::Float64(Some(1.5)));
    let made = call(&function("to_variant"), vec![number]).unwrap();
    assert_eq!(
        (rows(&made)[0].as_str(), made.data_type()),
        ("1.5", &DataType::Utf8View)
    );
    let made = call(&function("to_variant"), vec![text("a\"b")]).unwrap();
    assert_eq!(rows(&made)[0], "\"a\\\"b\"");
}
