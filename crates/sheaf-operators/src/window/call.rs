//! A call of a window function with all its clauses, as one function of the engine's.
//!
//! The engine's plans have no place for EXCLUDE, and hide FILTER and IGNORE NULLS from operators.
//! So a call becomes a function of its own, of which they are part; the filter is its last argument.
//! [`WindowExec`](super::WindowExec) takes it apart again. Numbering functions stay as they are:
//! they look at no frame.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, ReversedUDAF, ReversedUDWF, Signature, Volatility,
    WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::exclude::Exclusion;
use super::function::{shift_back, whole_number};

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct WindowCall {
    pub(super) function: WindowFunctionDefinition,
    pub(super) is_distinct: bool,
    pub(super) ignores_nulls: bool,
    /// Whether the last argument says which rows count.
    pub(super) has_filter: bool,
    pub(super) exclusion: Exclusion,
    /// Whether rows come in the opposite of the order that was asked for.
    pub(super) is_reversed: bool,
    signature: Signature,
}

impl WindowCall {
    pub(super) fn new(function: WindowFunctionDefinition) -> Self {
        Self {
            function,
            is_distinct: false,
            ignores_nulls: false,
            has_filter: false,
            exclusion: Exclusion::NoOthers,
            is_reversed: false,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// The function's own arguments among all.
    fn own<'a, T>(&self, args: &'a [T]) -> &'a [T] {
        let filters = usize::from(self.has_filter);
        &args[..args.len().saturating_sub(filters)]
    }

    /// The aggregate that is called, if it is one, over rows of `schema`.
    pub(super) fn aggregate(
        &self,
        args: &[Arc<dyn PhysicalExpr>],
        schema: SchemaRef,
        name: &str,
    ) -> Option<Result<AggregateFunctionExpr>> {
        let WindowFunctionDefinition::AggregateUDF(function) = &self.function else {
            return None;
        };
        let aggregate = AggregateExprBuilder::new(Arc::clone(function), self.own(args).to_vec())
            .schema(schema)
            .alias(name)
            .with_ignore_nulls(self.ignores_nulls)
            .with_distinct(self.is_distinct)
            .with_reversed(self.is_reversed)
            .build();
        Some(aggregate)
    }

    fn reversed(&self, function: WindowFunctionDefinition) -> ReversedUDWF {
        let reversed = Self {
            function,
            is_reversed: !self.is_reversed,
            ..self.clone()
        };
        ReversedUDWF::Reversed(Arc::new(WindowUDF::from(reversed)))
    }
}

impl WindowUDFImpl for WindowCall {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The types were settled before the call was put together.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        match &self.function {
            WindowFunctionDefinition::AggregateUDF(_) => args.input_exprs().to_vec(),
            WindowFunctionDefinition::WindowUDF(function) => function.expressions(args),
        }
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        if let WindowFunctionDefinition::WindowUDF(function) = &self.function {
            // Complains of arguments that the function does not take.
            refuse_row_zero(self.name(), args.input_exprs())?;
            let evaluator = function.partition_evaluator_factory(PartitionEvaluatorArgs::new(
                args.input_exprs(),
                args.input_fields(),
                self.is_reversed,
                self.ignores_nulls,
            ))?;
            if self.exclusion == Exclusion::NoOthers {
                return Ok(evaluator);
            }
        }
        Ok(Box::new(OursAlone {
            name: self.name().to_owned(),
        }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let fields = self.own(args.input_fields());
        let field = self.function.return_field(fields, args.name())?;
        Ok(Arc::new(field.as_ref().clone().with_name(args.name())))
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match &self.function {
            WindowFunctionDefinition::AggregateUDF(function) => match function.reverse_udf() {
                ReversedUDAF::NotSupported => ReversedUDWF::NotSupported,
                ReversedUDAF::Identical => self.reversed(self.function.clone()),
                ReversedUDAF::Reversed(function) => self.reversed(function.into()),
            },
            WindowFunctionDefinition::WindowUDF(function) => match function.reverse_expr() {
                ReversedUDWF::NotSupported => ReversedUDWF::NotSupported,
                ReversedUDWF::Identical => self.reversed(self.function.clone()),
                ReversedUDWF::Reversed(function) => self.reversed(function.into()),
            },
        }
    }

    /// How many rows further on it looks than its frame reaches.
    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        if !matches!(self.name(), "lag" | "lead") {
            return LimitEffect::None;
        }
        match shift_back(self, args) {
            Some(None | Some(0..)) => LimitEffect::None,
            Some(Some(back)) if !self.ignores_nulls => usize::try_from(back.unsigned_abs())
                .map_or(LimitEffect::Unknown, LimitEffect::Relative),
            _ => LimitEffect::Unknown,
        }
    }
}

/// There is no row 0, as PostgreSQL says.
fn refuse_row_zero(name: &str, args: &[Arc<dyn PhysicalExpr>]) -> Result<()> {
    if name == "nth_value" && args.get(1).and_then(whole_number) == Some(Some(0)) {
        let text = "argument of nth_value must be greater than zero";
        let error = SheafError::user(text).with_state(SqlState::INVALID_ARGUMENT_FOR_NTH_VALUE);
        return Err(error.into());
    }
    Ok(())
}

/// What the engine's operators get to evaluate: they cannot.
#[derive(Debug)]
struct OursAlone {
    name: String,
}

impl PartitionEvaluator for OursAlone {
    fn evaluate(
        &mut self,
        _values: &[ArrayRef],
        _range: &std::ops::Range<usize>,
    ) -> Result<ScalarValue> {
        internal_err!(
            "{} is evaluated by Sheaf's window operator alone",
            self.name
        )
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }

    fn uses_window_frame(&self) -> bool {
        true
    }
}
