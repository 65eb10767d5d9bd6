//! What UNNEST makes rows of: `elements(value)`, and what tells that its rows are VARIANTs.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use sheaf_base::error::SqlState;
use sheaf_base::type_names::variant_field;
use sheaf_base::{SheafError, sql_type_name};

use super::inspect::{item_field, items};
use super::{documentation, no_json, on_arrays, texts};
use crate::json::{Fault, Kind, Scanner};

/// The list that a VARIANT is to UNNEST; lists and structs are what they are.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Elements {
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::from(Elements {
        signature: Signature::any(1, Volatility::Immutable),
        documentation: documentation(
            "What UNNEST makes rows of: the items of an array; of an object its members as \
             {\"key\": …, \"value\": …}, in the order of keys; of any other VARIANT nothing. Lists \
             and structs are themselves.",
            "elements(value)",
            "SELECT elements(parse_json('{\"b\": 1}')); -- [{\"key\":\"b\",\"value\":1}]",
        ),
    })
}

impl ScalarUDFImpl for Elements {
    fn name(&self) -> &'static str {
        "elements"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// That of its argument: columns that UNNEST makes are named after what the user wrote.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [value] => Ok(value.schema_name().to_string()),
            _ => internal_err!("elements takes one value"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of elements is that of its field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let value = &args.arg_fields[0];
        let list = |item: Field| {
            let list = DataType::List(Arc::new(item));
            Arc::new(Field::new(self.name(), list, true))
        };
        match value.data_type() {
            // Whether text is a VARIANT that UNNEST gave, the planner does not know: the analyzer does.
            text if text.is_string() => Ok(list(item_field())),
            DataType::Null => Ok(list(Field::new_list_field(DataType::Null, true))),
            DataType::Struct(_) => Ok(Arc::clone(value)),
            data_type if data_type.is_list() => Ok(Arc::clone(value)),
            other => Err(no_elements(other).into()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.arg_fields[0].data_type() {
            data_type if data_type.is_string() => on_arrays(&args, |arrays, _| lists(&arrays[0])),
            DataType::Null => args.args[0].cast_to(args.return_field.data_type(), None),
            _ => Ok(args.args[0].clone()),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Ok([value]) = <[Expr; 1]>::try_from(args) else {
            return internal_err!("elements takes one value");
        };
        Ok(match info.get_data_type(&value)? {
            text if text.is_string() || text.is_null() => ExprSimplifyResult::Original(vec![value]),
            _ => ExprSimplifyResult::Simplified(value),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// Why a value has no elements.
pub(super) fn no_elements(data_type: &DataType) -> SheafError {
    let error = SheafError::user(format!(
        "UNNEST takes a list, a struct or a VARIANT, not {}",
        sql_type_name(data_type)
    ))
    .with_state(SqlState::DATATYPE_MISMATCH);
    match data_type.is_string() {
        true => error.with_hint("text that is JSON is cast first: UNNEST(text::VARIANT)"),
        false => error,
    }
}

fn lists(values: &ArrayRef) -> Result<ArrayRef> {
    let values = texts(values)?;
    let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(item_field());
    let mut member = String::new();
    for value in &values {
        let Some(value) = value else {
            lists.append_null();
            continue;
        };
        let found = match Kind::of(value) {
            Kind::Array => items(value, lists.values()),
            Kind::Object => members(value, &mut member, lists.values()),
            Kind::Null | Kind::Boolean | Kind::Number | Kind::String => {
                lists.append_null();
                continue;
            }
        };
        found.map_err(|fault| no_json(value, fault))?;
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// Each member as an object, which is in normal form since the whole is.
fn members(object: &str, member: &mut String, out: &mut StringViewBuilder) -> Result<(), Fault> {
    let mut scanner = Scanner::new(object);
    let mut members = scanner.open(0)?;
    while let Some(key) = scanner.next_key(&mut members)? {
        let start = scanner.at();
        scanner.skip_value(1)?;
        member.clear();
        member.push_str("{\"key\":\"");
        member.push_str(key);
        member.push_str("\",\"value\":");
        member.push_str(scanner.since(start));
        member.push('}');
        out.append_value(member.as_str());
    }
    Ok(())
}

/// Says of a column of JSON texts, which has lost the mark, that it is of VARIANTs.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AsVariant {
    signature: Signature,
}

/// The function that says it; values are not looked at.
pub(super) fn as_variant() -> ScalarUDF {
    ScalarUDF::from(AsVariant {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

impl ScalarUDFImpl for AsVariant {
    fn name(&self) -> &'static str {
        "as_variant"
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
        Ok(args.args[0].clone())
    }
}
