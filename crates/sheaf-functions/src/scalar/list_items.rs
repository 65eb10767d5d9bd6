//! The engine's functions of a list and an item, where the two may be numbers of different types:
//! `array_append([1], 2.5)`. The engine finds them a type only if both are alike.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::functions_nested::{array_has, concat, position, remove, replace};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use crate::arithmetic::{as_decimal, common_decimal, item, with_item};

pub(super) fn functions() -> Vec<ScalarUDF> {
    [
        (concat::array_append_udf(), 2),
        (concat::array_prepend_udf(), 2),
        (array_has::array_has_udf(), 2),
        (position::array_position_udf(), 2),
        (position::array_positions_udf(), 2),
        (remove::array_remove_n_udf(), 2),
        (remove::array_remove_all_udf(), 2),
        (replace::array_replace_n_udf(), 3),
        (replace::array_replace_all_udf(), 3),
    ]
    .into_iter()
    .map(|(engine, item_count)| {
        ScalarUDF::from(ListItems {
            aliases: engine.aliases().to_vec(),
            engine,
            item_count,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    })
    .collect()
}

/// The engine's function, whose first `item_count` arguments agree.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ListItems {
    engine: Arc<ScalarUDF>,
    item_count: usize,
    aliases: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for ListItems {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = agreed(types, self.item_count)
            .into_iter()
            .map(|data_type| Arc::new(Field::new("", data_type, true)))
            .collect();
        let fields = fields_with_udf(&fields, self.engine.as_ref())?;
        Ok(fields.iter().map(|f| f.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.engine.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.engine.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.engine.invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.engine.simplify(args, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

/// `types` where the first `count`, lists and items, are numbers of one type.
fn agreed(types: &[DataType], count: usize) -> Vec<DataType> {
    let items: Vec<&DataType> = types.iter().take(count).map(item).collect();
    let Some(common) = common(&items) else {
        return types.to_vec();
    };
    let of_lists = types.iter().take(count);
    let of_lists = of_lists.map(|own| with_item(own, &common, DataType::is_numeric));
    of_lists.chain(types.iter().skip(count).cloned()).collect()
}

fn common(items: &[&DataType]) -> Option<DataType> {
    let numbers = || items.iter().filter(|item| !item.is_null());
    if !numbers().all(|item| item.is_numeric()) || !numbers().any(|item| item.is_decimal()) {
        return None;
    }
    if numbers().any(|item| item.is_floating()) {
        return Some(DataType::Float64);
    }
    let decimals = numbers().map(|item| as_decimal(item));
    let decimals = decimals.collect::<Option<Vec<_>>>()?;
    Some(common_decimal(&decimals, DECIMAL128_MAX_PRECISION))
}
