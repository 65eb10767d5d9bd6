//! `get(record, path [, default])`: the value at a path, as a VARIANT.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use sheaf_base::type_names::variant_field;

use super::make::variants_of;
use super::{documentation, expect_records, no_json, on_arrays, placement, texts};
use crate::extract::{Become, Extract, Extraction};
use crate::json::normal::write_normal;
use crate::json::{Path, Selection, Span};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Get {
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(Get {
        signature: Signature::one_of(
            vec![TypeSignature::Any(2), TypeSignature::Any(3)],
            Volatility::Immutable,
        ),
        documentation: documentation(
            "The value at a path of a VARIANT; NULL, or the default, where the record has none. \
             Paths are like $.a.b[0] and $['a key'], items counted from 0; without the $ it is \
             one key. rec.a.b[0] and rec['a'] are short for it.",
            "get(variant, path [, default])",
            "SELECT get('{\"a\": {\"b\": [5, 6]}}', '$.a.b[1]'); -- 6",
        ),
    })
}

impl ScalarUDFImpl for Get {
    fn name(&self) -> &'static str {
        "get"
    }

    /// As paths are written: `rec.a.b[0]`.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [records, Expr::Literal(path, _)] = args else {
            return Ok(call_name(args));
        };
        let Some(path) = path
            .try_as_str()
            .flatten()
            .and_then(|path| Path::parse(path).ok())
        else {
            return Ok(call_name(args));
        };
        let records = match records {
            // A call that has no other name.
            Expr::Column(column)
                if column
                    .relation
                    .as_ref()
                    .is_some_and(|name| name.table() == "read_bag") =>
            {
                column.name.clone()
            }
            other => other.schema_name().to_string(),
        };
        let path = path.to_string();
        Ok(format!("{records}{}", path.trim_start_matches('$')))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        expect_records("get", &args.arg_fields[0])?;
        if !args.arg_fields[1].data_type().is_string() {
            return exec_err!("the path of get is a text, such as '$.a.b[0]'");
        }
        if let Some(Some(path)) = args.scalar_arguments.get(1)
            && let Some(Some(path)) = path.try_as_str()
        {
            Path::parse(path)?;
        }
        Ok(Arc::new(variant_field(self.name(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let default_field = args.arg_fields.get(2).cloned();
        if let (None, ColumnarValue::Scalar(path)) = (&default_field, &args.args[1])
            && let Some(Some(path)) = path.try_as_str()
        {
            let path = Path::parse(path)?;
            return on_arrays(&args, |arrays, rows| one_path(&arrays[0], &path, rows));
        }
        on_arrays(&args, |arrays, rows| {
            let defaults = match (&default_field, arrays.get(2)) {
                (Some(field), Some(defaults)) => Some(variants_of(defaults, field)?),
                _ => None,
            };
            many_paths(&arrays[0], &arrays[1], defaults.as_ref(), rows)
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn call_name(args: &[Expr]) -> String {
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.schema_name().to_string())
        .collect();
    format!("get({})", args.join(","))
}

fn one_path(records: &ArrayRef, path: &Path, rows: usize) -> Result<ArrayRef> {
    let extract = Extract {
        path: path.clone(),
        becomes: Become::Variant,
    };
    let mut arrays = extract_all(records, &[extract], rows)?;
    match arrays.pop() {
        Some(array) => Ok(array),
        None => exec_err!("get made no column"),
    }
}

/// Columns of `extracts` of records that are in memory.
pub(super) fn extract_all(
    records: &ArrayRef,
    extracts: &[Extract],
    rows: usize,
) -> Result<Vec<ArrayRef>> {
    let records = texts(records)?;
    let mut extraction = Extraction::new(extracts);
    for row in 0..rows {
        if records.is_null(row) {
            extraction.push_null();
            continue;
        }
        let record = records.value(row);
        extraction
            .push(record)
            .map_err(|fault| no_json(record, fault))?;
    }
    Ok(extraction.finish()?)
}

/// With a path, and perhaps a default, for each row.
fn many_paths(
    records: &ArrayRef,
    paths: &ArrayRef,
    defaults: Option<&ArrayRef>,
    rows: usize,
) -> Result<ArrayRef> {
    let (records, paths) = (texts(records)?, texts(paths)?);
    let defaults = defaults.map(|defaults| defaults.as_string_view());
    let mut known: Option<(&str, Selection)> = None;
    let mut found: [Span; 1] = [None];
    let mut values = StringViewBuilder::with_capacity(rows);
    let mut normal = String::new();
    for row in 0..rows {
        if records.is_null(row) || paths.is_null(row) {
            values.append_null();
            continue;
        }
        let (record, path) = (records.value(row), paths.value(row));
        let selection = match &mut known {
            Some((text, selection)) if *text == path => selection,
            known => {
                &mut known
                    .insert((path, Selection::new([&Path::parse(path)?])))
                    .1
            }
        };
        selection
            .find(record, &mut found)
            .map_err(|fault| no_json(record, fault))?;
        match (found[0].take().and_then(|span| record.get(span)), defaults) {
            (Some(value), _) => {
                normal.clear();
                write_normal(value, &mut normal);
                values.append_value(&normal);
            }
            (None, Some(defaults)) if defaults.is_valid(row) => {
                values.append_value(defaults.value(row));
            }
            (None, _) => values.append_null(),
        }
    }
    Ok(Arc::new(values.finish()))
}
