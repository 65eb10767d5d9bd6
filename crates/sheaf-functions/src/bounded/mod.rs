//! Calls whose result may be much larger than their arguments, bounded before anything is allocated.
//!
//! The engine's functions make their results without asking anybody. `GROWING` lists those that
//! could outgrow memory, each with the most bytes that it makes of a row (`sizes`); [`bounded`] puts
//! them into a `Bounded`, which computes that first and asks `memory`. A function that only makes
//! a value a few times as long once (`upper`) is not in the list; one that can be applied to its own
//! result again and again (`hex`, `||`) is.
//!
//! The functions are registered bounded, and the analyzer's rule (`sheaf-optimizer`) bounds what comes
//! into a plan otherwise, `||` among it. A call of constants that is too large to be folded runs with
//! the query instead.

mod concat;
mod constant;
mod memory;
mod sizes;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, StructFieldMapping,
};

pub use concat::concatenation;
pub use constant::constant_column;
pub use memory::{BATCH_BYTES_MAX, CallMemory};
pub(crate) use memory::{Needed, admit_unfolded, kept};
use memory::{admit, check_repeated};
pub(crate) use sizes::span;
use sizes::{Arguments, Size};

/// The functions that are bounded, by their first names, with the size of what they make.
#[rustfmt::skip]
const GROWING: &[(&str, Size)] = &[
    // Texts as long as a number says.
    ("repeat", Size::Row(sizes::repeat)),
    ("lpad", Size::Row(sizes::pad)),
    ("rpad", Size::Row(sizes::pad)),
    ("format", Size::Row(sizes::format)),
    ("printf", Size::Row(sizes::format)),
    // Texts within texts.
    ("replace", Size::Row(sizes::replace)),
    ("regexp_replace", Size::Row(sizes::regexp_replace)),
    ("translate", Size::Times(4)),
    ("overlay", Size::Times(1)),
    ("concat", Size::Times(1)),
    (concat::NAME, Size::Times(1)),
    ("concat_ws", Size::Row(sizes::concat_ws)),
    ("array_to_string", Size::Row(sizes::array_to_string)),
    // Other notations of a text, which can be applied again.
    ("hex", Size::Times(2)),
    ("bin", Size::Times(8)),
    ("encode", Size::Row(sizes::encode)),
    ("to_base64", Size::Times(2)),
    ("quote_ident", Size::Times(2)),
    ("quote_literal", Size::Times(2)),
    ("quote_nullable", Size::Times(2)),
    ("to_char", Size::Row(sizes::time_format)),
    // Lists as long as a number says.
    ("range", Size::Row(sizes::range)),
    ("generate_series", Size::Row(sizes::range)),
    ("array_repeat", Size::Row(sizes::array_repeat)),
    ("array_resize", Size::Row(sizes::array_resize)),
    // Lists of lists and values.
    ("make_array", Size::Times(1)),
    ("array_append", Size::Times(1)),
    ("array_prepend", Size::Times(1)),
    ("array_concat", Size::Times(1)),
    ("array_union", Size::Times(1)),
    ("array_replace", Size::Row(sizes::array_replace)),
    ("array_replace_n", Size::Row(sizes::array_replace)),
    ("array_replace_all", Size::Row(sizes::array_replace)),
];

/// `function` with its result bounded, if it is listed and that has not happened yet.
#[must_use]
pub fn bounded(function: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    let name = function.name();
    let (_, size) = GROWING.iter().find(|(listed, _)| *listed == name)?;
    if function.inner().is::<Bounded>() {
        return None;
    }
    let (function, size) = (Arc::clone(function), *size);
    Some(Arc::new(ScalarUDF::from(Bounded { function, size })))
}

/// The names of the functions that are bounded.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    GROWING.iter().map(|(name, _)| *name)
}

/// A function whose result is asked for before it is made.
#[derive(Debug)]
struct Bounded {
    function: Arc<ScalarUDF>,
    size: Size,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl Bounded {
    fn inner(&self) -> &Arc<dyn ScalarUDFImpl> {
        self.function.inner()
    }
}

#[warn(clippy::missing_trait_methods)] // whatever the function says of itself stays true
impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arguments = Arguments::new(&args.args, rows);
        let needed = arguments.needed(self.size);
        let is_repeated = rows > 1 && arguments.is_constant();
        if is_repeated {
            check_repeated(self.name(), needed, rows)?;
        }
        // Constants are folded as if they stood in a table of one row.
        let admitted = match rows {
            1 => admit(self.name(), needed, &args.config_options)?,
            _ => admit_unfolded(self.name(), needed, &args.config_options)?,
        };
        let result = self.inner().invoke_with_args(args)?;
        match is_repeated {
            true => Ok(result),
            false => admitted.keep(result, rows),
        }
    }

    fn name(&self) -> &str {
        self.inner().name()
    }

    fn aliases(&self) -> &[String] {
        self.inner().aliases()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        #[expect(deprecated, reason = "what the engine may still call")]
        self.inner().display_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner().return_type(arg_types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let function = Arc::new(self.inner().with_updated_config(config)?);
        let size = self.size;
        Some(ScalarUDF::from(Self { function, size }))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner().return_field_from_args(args)
    }

    fn is_nullable(&self, args: &[Expr], schema: &dyn datafusion::common::ExprSchema) -> bool {
        #[expect(deprecated, reason = "what the engine may still call")]
        self.inner().is_nullable(args, schema)
    }

    fn is_strict(&self) -> bool {
        self.inner().is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner().simplify(args, info)
    }

    fn preimage(
        &self,
        args: &[Expr],
        literal: &Expr,
        info: &SimplifyContext,
    ) -> Result<PreimageResult> {
        self.inner().preimage(args, literal, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner().short_circuits()
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.inner().evaluate_bounds(input)
    }

    fn propagate_constraints(
        &self,
        interval: &Interval,
        inputs: &[&Interval],
    ) -> Result<Option<Vec<Interval>>> {
        self.inner().propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner().coerce_types(arg_types)
    }

    fn struct_field_mapping(&self, literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.inner().struct_field_mapping(literals)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner().documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner().placement(args)
    }
}
