//! Functions that compute arrays from arrays: name, types and kernel are declared in one place.
//!
//! Arguments arrive as arrays of equal length, constants repeated, with the types that the
//! signature asks for. A call whose arguments are all constants is computed once, unless it is volatile.

use std::hash::{Hash, Hasher};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::shorthand::section;

/// From argument arrays (`rows` values each; without arguments the length is all there is) and the
/// type of the result to the result.
pub(crate) type Compute = fn(&[ArrayRef], usize, &DataType) -> Result<ArrayRef>;

/// What a function returns for arguments of these types.
pub(crate) type ReturnType = fn(&[DataType]) -> Result<DataType>;

/// A function that computes arrays from arrays.
#[derive(Debug)]
pub(crate) struct Kernel {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    return_type: ReturnType,
    compute: Compute,
    documentation: Documentation,
}

impl Kernel {
    /// A function whose arguments have the types of one of `forms`; others are cast to them.
    pub(crate) fn new(
        name: &'static str,
        forms: &[&[DataType]],
        return_type: ReturnType,
        compute: Compute,
    ) -> Self {
        let forms: Vec<TypeSignature> = forms
            .iter()
            .map(|types| match types {
                [] => TypeSignature::Nullary,
                types => TypeSignature::Exact(types.to_vec()),
            })
            .collect();
        let signature = Signature::one_of(forms, Volatility::Immutable);
        Self {
            name,
            aliases: Vec::new(),
            signature,
            return_type,
            compute,
            documentation: Documentation::builder(section("Other"), "", "").build(),
        }
    }

    /// With arguments as `signature` wants them.
    pub(crate) fn with_signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    /// With other names.
    pub(crate) fn with_aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        self
    }

    /// With its documentation: section, one sentence, a form of the call, and a call with its value.
    pub(crate) fn documented(
        mut self,
        label: &'static str,
        sentence: &str,
        syntax: &str,
        example: &str,
    ) -> Self {
        self.documentation = Documentation::builder(section(label), sentence, syntax)
            .with_sql_example(example)
            .build();
        self
    }

    /// The function to be registered.
    pub(crate) fn build(self) -> ScalarUDF {
        ScalarUDF::from(self)
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Kernel {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.return_type)(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_volatile = self.signature.volatility == Volatility::Volatile;
        let is_constant = !is_volatile
            && args
                .args
                .iter()
                .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|argument| argument.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let found = (self.compute)(&arrays, rows, args.return_field.data_type())?;
        if is_constant && found.len() == 1 {
            let value = ScalarValue::try_from_array(&found, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(found))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// Loops over rows in which no argument is NULL; the others become NULL.
pub(crate) mod rows {
    use std::sync::Arc;

    use arrow::array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringViewBuilder,
    };
    use datafusion::common::Result;

    /// Whether each argument has a value in this row.
    pub(crate) fn is_complete(arrays: &[ArrayRef], row: usize) -> bool {
        arrays.iter().all(|array| array.is_valid(row))
    }

    /// The text in a row of a `Utf8View` argument.
    pub(crate) fn text(array: &ArrayRef, row: usize) -> &str {
        array.as_string_view().value(row)
    }

    /// The number in a row of an argument of this type.
    pub(crate) fn number<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
        array.as_primitive::<T>().value(row)
    }

    /// A text a row; `None` is NULL.
    pub(crate) fn texts(
        arrays: &[ArrayRef],
        rows: usize,
        mut value: impl FnMut(usize) -> Result<Option<String>>,
    ) -> Result<ArrayRef> {
        let mut found = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let text = match is_complete(arrays, row) {
                true => value(row)?,
                false => None,
            };
            found.append_option(text);
        }
        Ok(Arc::new(found.finish()))
    }

    /// A number a row; `None` is NULL.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(
        arrays: &[ArrayRef],
        rows: usize,
        mut value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let found = (0..rows)
            .map(|row| match is_complete(arrays, row) {
                true => value(row),
                false => Ok(None),
            })
            .collect::<Result<PrimitiveArray<T>>>()?;
        Ok(Arc::new(found))
    }
}
