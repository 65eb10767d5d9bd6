//! Functions of single tensors.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, Int64Array, ListArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use sheaf_base::SheafError;

use super::tensor_type;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Shape,
    Values,
    Size,
}

/// Name, kind, what it gives, what of `array_ones(shape => [2, 3])`.
const FUNCTIONS: &[(&str, Kind, &str, &str)] = &[
    (
        "tensor_shape",
        Kind::Shape,
        "The lengths of a tensor along its axes.",
        "[2, 3]",
    ),
    (
        "tensor_values",
        Kind::Values,
        "The elements of a tensor in row-major order.",
        "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]",
    ),
    (
        "tensor_size",
        Kind::Size,
        "How many elements a tensor has.",
        "6",
    ),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let all = FUNCTIONS.iter().map(|&(name, kind, what, result)| {
        let section = DocSection {
            include: true,
            label: "Array Functions",
            description: None,
        };
        let example = format!("SELECT {name}(v) FROM array_ones(shape => [2, 3])\n-- {result}");
        ScalarUDF::from(TensorFunction {
            name,
            kind,
            signature: Signature::any(1, Volatility::Immutable),
            documentation: Documentation::builder(section, what, format!("{name}(v)"))
                .with_sql_example(example)
                .build(),
        })
    });
    all.collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TensorFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
    documentation: Documentation,
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl ScalarUDFImpl for TensorFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let (dtype, _) = tensor_type(&types[0]).ok_or_else(|| {
            SheafError::user(format!("{} takes tensors", self.name))
                .with_hint("the column v of an array has them: FROM array_random(…)")
        })?;
        Ok(match self.kind {
            Kind::Shape => list_of(DataType::Int64),
            Kind::Values => list_of(dtype.arrow_type()),
            Kind::Size => DataType::Int64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let tensors = args.args[0].to_array(rows)?;
        let tensors = tensors.as_struct();
        let lists: &ListArray = tensors.column(0).as_list();
        let wanted = args.return_field.data_type();
        let values: ArrayRef = match self.kind {
            Kind::Shape => cast(tensors.column(1), wanted)?,
            Kind::Values => cast(tensors.column(0), wanted)?,
            Kind::Size => {
                let sizes = (0..tensors.len()).map(|row| {
                    tensors
                        .is_valid(row)
                        .then(|| i64::from(lists.value_length(row)))
                });
                Arc::new(sizes.collect::<Int64Array>())
            }
        };
        Ok(ColumnarValue::Array(values))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
