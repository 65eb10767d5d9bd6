//! `EXCLUDE …` at the end of a frame, on its way from the syntax tree to a [`WindowCall`].
//!
//! The parser below has no place for it: `sheaf-sql` makes it a call among the PARTITION BY
//! expressions, of [`exclusion_marker`]. [`WindowCallsRule`] takes it out of there once types are
//! settled.
//!
//! [`WindowCall`]: super::call::WindowCall

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, Window, WindowFunctionDefinition, WindowUDF,
};
use datafusion::optimizer::AnalyzerRule;
use sheaf_base::SheafError;
use sheaf_sql::FRAME_EXCLUSION;

use super::call::WindowCall;
use super::numbering::is_numbering;

/// Which rows around the current one a frame leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Exclusion {
    NoOthers,
    CurrentRow,
    /// The current row and its peers.
    Group,
    /// Its peers, but not itself.
    Ties,
}

impl Exclusion {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "CURRENT ROW" => Self::CurrentRow,
            "GROUP" => Self::Group,
            "TIES" => Self::Ties,
            _ => return None,
        })
    }
}

/// The function whose call stands for EXCLUDE: it has no meaning elsewhere.
#[must_use]
pub fn exclusion_marker() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Marker {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &'static str {
        FRAME_EXCLUSION
    }

    /// Names of columns, and so plans, show what was written.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [Expr::Literal(text, _)] => Ok(format!("EXCLUDE {text}")),
            _ => internal_err!("{FRAME_EXCLUSION} takes a text"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{FRAME_EXCLUSION} stands in windows alone")
    }
}

/// Makes one function of each call of a window function with its clauses.
#[derive(Debug, Default)]
pub struct WindowCallsRule;

impl AnalyzerRule for WindowCallsRule {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Window(window) => Ok(Transformed::yes(calls(window)?)),
            plan => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "window_calls"
    }
}

fn calls(window: Window) -> Result<LogicalPlan> {
    let Window {
        input, window_expr, ..
    } = window;
    // A node that has to be the engine's is so as a whole.
    let is_ours = window_expr
        .iter()
        .all(|expr| !matches!(function_of(expr), Some(function) if is_unknown(&function.fun)));
    let names = NamePreserver::new_for_projection();
    let exprs = window_expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        Ok(name.restore(call(expr, is_ours)?))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Window(Window::try_new(exprs, input)?))
}

fn function_of(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => function_of(&alias.expr),
        _ => None,
    }
}

fn call(expr: Expr, is_ours: bool) -> Result<Expr> {
    let mut function = match expr {
        Expr::WindowFunction(function) => function,
        Expr::Alias(mut alias) => {
            *alias.expr = call(std::mem::take(&mut *alias.expr), is_ours)?;
            return Ok(Expr::Alias(alias));
        }
        expr => return Ok(expr),
    };
    let exclusion = take_exclusion(&mut function.params.partition_by);
    let name = function.fun.name();
    let is_aggregate = matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_));
    let ignores_nulls = function.params.null_treatment == Some(NullTreatment::IgnoreNulls);
    if !is_aggregate && function.params.filter.is_some() {
        let text = format!("FILTER is not implemented for {name}, which is no aggregate");
        return Err(SheafError::unsupported(text).into());
    }
    if is_numbering(name) && !is_aggregate {
        if ignores_nulls {
            let text = format!("{name} does not look at values: it cannot ignore NULLs");
            return Err(SheafError::unsupported(text).into());
        }
        return Ok(Expr::WindowFunction(function));
    }
    if !is_ours {
        if exclusion != Exclusion::NoOthers {
            let text = format!("EXCLUDE is not implemented for {name}, or what stands beside it");
            return Err(SheafError::unsupported(text).into());
        }
        return Ok(Expr::WindowFunction(function));
    }
    let mut call = WindowCall::new(function.fun);
    call.is_distinct = std::mem::take(&mut function.params.distinct);
    call.ignores_nulls = ignores_nulls;
    call.exclusion = exclusion;
    function.params.null_treatment = None;
    if let Some(filter) = function.params.filter.take() {
        call.has_filter = true;
        function.params.args.push(*filter);
    }
    function.fun = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::from(call)));
    Ok(Expr::WindowFunction(function))
}

/// Whether it is a window function that only the engine can evaluate.
fn is_unknown(function: &WindowFunctionDefinition) -> bool {
    let name = function.name();
    let is_navigation = matches!(
        name,
        "lag" | "lead" | "first_value" | "last_value" | "nth_value"
    );
    matches!(function, WindowFunctionDefinition::WindowUDF(_))
        && !is_navigation
        && !is_numbering(name)
}

/// What the marker among the expressions says; it goes.
fn take_exclusion(partition_by: &mut Vec<Expr>) -> Exclusion {
    let mut exclusion = Exclusion::NoOthers;
    partition_by.retain(|expr| match marked(expr) {
        Some(found) => {
            exclusion = found;
            false
        }
        None => true,
    });
    exclusion
}

fn marked(expr: &Expr) -> Option<Exclusion> {
    let Expr::ScalarFunction(function) = expr else {
        return None;
    };
    match function.args.as_slice() {
        [Expr::Literal(text, _)] if function.name() == FRAME_EXCLUSION => {
            Exclusion::of(text.try_as_str()??)
        }
        _ => None,
    }
}
