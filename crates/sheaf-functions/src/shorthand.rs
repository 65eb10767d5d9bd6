//! Functions that stand for an expression: `year(d)` for `date_part('year', d)`.
//!
//! They are replaced when the plan is simplified, after types are known; none is left to run.

use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

/// The expression for arguments of these types.
pub type Expand = fn(Vec<Expr>, &[DataType]) -> Result<Expr>;

/// A function that stands for an expression.
#[derive(Debug)]
pub struct Shorthand {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    return_type: fn(&[DataType]) -> Result<DataType>,
    expand: Expand,
    documentation: Documentation,
}

impl Shorthand {
    /// A function of `argument_count` arguments of any types.
    #[must_use]
    pub fn new(
        name: &'static str,
        argument_count: usize,
        return_type: fn(&[DataType]) -> Result<DataType>,
        expand: Expand,
    ) -> Self {
        Self {
            name,
            aliases: Vec::new(),
            signature: Signature::any(argument_count, Volatility::Immutable),
            return_type,
            expand,
            documentation: Documentation::builder(section("Other"), "", "").build(),
        }
    }

    /// With arguments as `signature` wants them.
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    /// With other names.
    #[must_use]
    pub fn with_aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        self
    }

    /// With its documentation: the section of the manual, one sentence, an example of a call.
    #[must_use]
    pub fn documented(mut self, label: &'static str, sentence: &str, syntax: &str) -> Self {
        self.documentation = Documentation::builder(section(label), sentence, syntax).build();
        self
    }

    /// The function to be registered.
    #[must_use]
    pub fn build(self) -> ScalarUDF {
        ScalarUDF::from(self)
    }
}

/// A section of the manual of functions.
pub(crate) fn section(label: &'static str) -> DocSection {
    DocSection {
        include: true,
        label,
        description: None,
    }
}

impl PartialEq for Shorthand {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Shorthand {}

impl Hash for Shorthand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Shorthand {
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

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let types = args
            .iter()
            .map(|arg| info.get_data_type(arg))
            .collect::<Result<Vec<_>>>()?;
        Ok(ExprSimplifyResult::Simplified((self.expand)(args, &types)?))
    }

    // An argument may stand in a branch which is not taken, like that of `if`.
    fn short_circuits(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!(
            "{} is replaced by an expression before a query runs",
            self.name
        )
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
