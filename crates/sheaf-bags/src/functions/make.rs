//! VARIANTs out of SQL values: `parse_json(text)` reads JSON, `to_variant(value)` takes a value as it
//! is.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use sheaf_base::type_names::{is_variant, variant_field};

use super::{documentation, expect_records, no_json, on_arrays, texts};
use crate::json::normal::{normalize, write_normal};
use crate::json::text::write_string;

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Parse,
    Take,
}

/// A function that makes a VARIANT.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Make {
    what: What,
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![parse_json(), to_variant()]
}

pub(super) fn parse_json() -> ScalarUDF {
    ScalarUDF::from(Make {
        what: What::Parse,
        signature: Signature::any(1, Volatility::Immutable),
        documentation: documentation(
            "The VARIANT that JSON text is; text::VARIANT does the same.",
            "parse_json(text)",
            "SELECT parse_json('{\"b\": 1.0, \"a\": []}'); -- {\"a\":[],\"b\":1}",
        ),
    })
}

pub(super) fn to_variant() -> ScalarUDF {
    ScalarUDF::from(Make {
        what: What::Take,
        signature: Signature::any(1, Volatility::Immutable),
        documentation: documentation(
            "A value as a VARIANT: texts, numbers and booleans as themselves, lists as arrays, \
             structs as objects, anything else as text.",
            "to_variant(value)",
            "SELECT to_variant([1, 2]); -- [1,2]",
        ),
    })
}

impl ScalarUDFImpl for Make {
    fn name(&self) -> &'static str {
        match self.what {
            What::Parse => "parse_json",
            What::Take => "to_variant",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if self.what == What::Parse {
            expect_records(self.name(), &args.arg_fields[0])?;
        }
        Ok(Arc::new(variant_field(self.name(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = Arc::clone(&args.arg_fields[0]);
        on_arrays(&args, |arrays, _| match self.what {
            What::Parse => parse(&arrays[0]),
            What::Take => variants_of(&arrays[0], &field),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn parse(array: &ArrayRef) -> Result<ArrayRef> {
    let values = texts(array)?;
    let mut variants = StringViewBuilder::with_capacity(values.len());
    let mut normal = String::new();
    for value in &values {
        let Some(value) = value else {
            variants.append_null();
            continue;
        };
        normal.clear();
        normalize(value, &mut normal).map_err(|fault| no_json(value, fault))?;
        variants.append_value(&normal);
    }
    Ok(Arc::new(variants.finish()))
}

/// The values of a column as VARIANTs; NULL stays NULL.
pub(super) fn variants_of(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if is_variant(field) {
        return Ok(Arc::new(texts(array)?));
    }
    let mut variants = StringViewBuilder::with_capacity(array.len());
    let (mut text, mut normal) = (String::new(), String::new());
    // Also of those that have no bits for it: the NULL without a type, dictionaries.
    let nulls = array.logical_nulls();
    for row in 0..array.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            variants.append_null();
            continue;
        }
        text.clear();
        normal.clear();
        write_value(array, field, row, &mut text)?;
        write_normal(&text, &mut normal);
        variants.append_value(&normal);
    }
    Ok(Arc::new(variants.finish()))
}

fn write_value(array: &dyn Array, field: &Field, row: usize, out: &mut String) -> Result<()> {
    if array.is_null(row) || array.data_type().is_null() {
        out.push_str("null");
        return Ok(());
    }
    let number = |value: f64, out: &mut String| {
        let _ = match value.is_finite() {
            true => write!(out, "{value}"),
            false => write!(out, "\"{value}\""),
        };
    };
    match array.data_type() {
        DataType::List(item) => {
            let items = array.as_list::<i32>().value(row);
            write_items(&items, item, out)?;
        }
        DataType::LargeList(item) => {
            let items = array.as_list::<i64>().value(row);
            write_items(&items, item, out)?;
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate()
            {
                if at > 0 {
                    out.push(',');
                }
                write_string(field.name(), out);
                out.push(':');
                write_value(column, field, row, out)?;
            }
            out.push('}');
        }
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Float32 => {
            number(
                f64::from(array.as_primitive::<Float32Type>().value(row)),
                out,
            );
        }
        data_type => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
            let shown = formatter.value(row).try_to_string()?;
            let is_bare = data_type.is_integer()
                || data_type.is_decimal()
                || matches!(data_type, DataType::Boolean)
                || is_variant(field);
            match is_bare {
                true => out.push_str(&shown),
                false => write_string(&shown, out),
            }
        }
    }
    Ok(())
}

fn write_items(items: &ArrayRef, field: &Field, out: &mut String) -> Result<()> {
    out.push('[');
    for row in 0..items.len() {
        if row > 0 {
            out.push(',');
        }
        write_value(items, field, row, out)?;
    }
    out.push(']');
    Ok(())
}
