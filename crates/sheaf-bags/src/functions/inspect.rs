//! What a VARIANT is made of: its kind, an object's keys, an array's items.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListBuilder, StringViewArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use sheaf_base::type_names::variant_field;

use super::{documentation, expect_records, no_json, on_arrays, texts};
use crate::json::normal::normalized;
use crate::json::text::decode;
use crate::json::{Fault, Kind, Scanner};

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Kind,
    Keys,
    Items,
}

/// A function of one VARIANT.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Inspect {
    what: What,
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    let function = |what, sentence, syntax, example| {
        ScalarUDF::from(Inspect {
            what,
            signature: Signature::any(1, Volatility::Immutable),
            documentation: documentation(sentence, syntax, example),
        })
    };
    vec![
        function(
            What::Kind,
            "What a VARIANT is: null, boolean, number, string, array or object; NULL where there \
             is none.",
            "variant_type(variant)",
            "SELECT variant_type('[1]'); -- array",
        ),
        function(
            What::Keys,
            "The keys of an object, in order; NULL of anything else.",
            "variant_keys(variant)",
            "SELECT variant_keys('{\"b\": 1, \"a\": 2}'); -- [a, b]",
        ),
        function(
            What::Items,
            "The items of an array as a list of VARIANTs; NULL of anything else.",
            "variant_list(variant)",
            "SELECT variant_list('[1, [2]]'); -- [1, [2]]",
        ),
    ]
}

impl ScalarUDFImpl for Inspect {
    fn name(&self) -> &'static str {
        match self.what {
            What::Kind => "variant_type",
            What::Keys => "variant_keys",
            What::Items => "variant_list",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            What::Kind => DataType::Utf8View,
            What::Keys => DataType::List(Arc::new(key_field())),
            What::Items => DataType::List(Arc::new(item_field())),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        expect_records(self.name(), &args.arg_fields[0])?;
        Ok(Arc::new(Field::new(
            self.name(),
            self.return_type(&[])?,
            true,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        on_arrays(&args, |arrays, rows| {
            let values = texts(&arrays[0])?;
            match self.what {
                What::Kind => kinds(&values, rows),
                What::Keys => lists(&values, rows, key_field(), Kind::Object, keys),
                What::Items => lists(&values, rows, item_field(), Kind::Array, items),
            }
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn key_field() -> Field {
    Field::new_list_field(DataType::Utf8View, true)
}

pub(super) fn item_field() -> Field {
    variant_field(Field::LIST_FIELD_DEFAULT_NAME, true)
}

fn kinds(values: &StringViewArray, rows: usize) -> Result<ArrayRef> {
    let mut kinds = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        if values.is_null(row) {
            kinds.append_null();
            continue;
        }
        let value = values.value(row);
        let mut scanner = Scanner::new(value);
        scanner.skip_space();
        let start = scanner.at();
        let checked = scanner
            .skip_value(0)
            .map(|()| Kind::of(scanner.since(start)));
        let kind = checked.and_then(|kind| scanner.finish().map(|()| kind));
        kinds.append_value(kind.map_err(|fault| no_json(value, fault))?.name());
    }
    Ok(Arc::new(kinds.finish()))
}

/// Appends the parts of a value to a list.
type Parts = fn(&str, &mut StringViewBuilder) -> Result<(), Fault>;

fn lists(
    values: &StringViewArray,
    rows: usize,
    field: Field,
    wanted: Kind,
    parts: Parts,
) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(field);
    for row in 0..rows {
        if values.is_null(row) {
            lists.append_null();
            continue;
        }
        // VARIANTs are normal already; texts that are JSON become so here.
        let value = values.value(row);
        let normal = normalized(value).map_err(|fault| no_json(value, fault))?;
        if Kind::of(&normal) != wanted {
            lists.append_null();
            continue;
        }
        parts(&normal, lists.values()).map_err(|fault| no_json(value, fault))?;
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn keys(object: &str, out: &mut StringViewBuilder) -> Result<(), Fault> {
    let mut scanner = Scanner::new(object);
    let mut members = scanner.open(0)?;
    while let Some(key) = scanner.next_key(&mut members)? {
        scanner.skip_value(1)?;
        out.append_value(decode(key));
    }
    Ok(())
}

pub(super) fn items(array: &str, out: &mut StringViewBuilder) -> Result<(), Fault> {
    let mut scanner = Scanner::new(array);
    let mut items = scanner.open(0)?;
    while scanner.next_item(&mut items)? {
        let start = scanner.at();
        scanner.skip_value(1)?;
        out.append_value(scanner.since(start));
    }
    Ok(())
}
