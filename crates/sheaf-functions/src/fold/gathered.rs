//! Folds over the list of a group's rows: `f(x ORDER BY t)` is planned as
//! `fold(array_agg(arguments(x) ORDER BY t))`, where `arguments` makes one value of a row's and
//! `fold` takes the lists of a batch a row at a time, all lists together.
//!
//! Lists are gathered, sorted, made distinct and spilled as those of `array_agg` are.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SortExpr,
    Volatility, WindowFunctionDefinition,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::Fold;
use super::assign::{check_arguments, coerced};
use super::lanes::{Layers, run, steps_along};
use super::states::START;

/// What a call stands for, if it is one of a fold that cannot merge states in this call.
///
/// # Errors
/// `UserInput` if the call says IGNORE NULLS or RESPECT NULLS.
pub(crate) fn expand(call: &RawAggregateExpr) -> Result<Option<Expr>> {
    let Some(fold) = Fold::of(&call.func) else {
        return Ok(None);
    };
    if call.null_treatment.is_some() {
        return Err(null_treatment(fold).into());
    }
    if fold.parts.merge.is_some() && !call.distinct && call.order_by.is_empty() {
        return Ok(None);
    }
    let rows = arguments(fold, call.args.clone());
    let gathered = Expr::AggregateFunction(AggregateFunction::new_udf(
        array_agg_udaf(),
        vec![rows.clone()],
        call.distinct,
        call.filter.clone(),
        order_by(call, &rows),
        None,
    ));
    Ok(Some(fold_list(fold, gathered)))
}

/// What a window function stands for, if it is a fold whose frames have to be gathered.
///
/// # Errors
/// As [`expand`].
pub(crate) fn expand_window(call: &RawWindowExpr) -> Result<Option<Expr>> {
    let WindowFunctionDefinition::AggregateUDF(function) = &call.func_def else {
        return Ok(None);
    };
    let Some(fold) = Fold::of(function) else {
        return Ok(None);
    };
    if call.null_treatment.is_some() {
        return Err(null_treatment(fold).into());
    }
    // Frames that only grow are folded a row after another, in their order.
    if !call.distinct && call.window_frame.start_bound.is_unbounded() {
        return Ok(None);
    }
    let gathered = Expr::WindowFunction(Box::new(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(array_agg_udaf()),
        params: WindowFunctionParams {
            args: vec![arguments(fold, call.args.clone())],
            partition_by: call.partition_by.clone(),
            order_by: call.order_by.clone(),
            window_frame: call.window_frame.clone(),
            filter: call.filter.clone(),
            null_treatment: None,
            distinct: call.distinct,
        },
    }));
    Ok(Some(fold_list(fold, gathered)))
}

fn null_treatment(fold: &Fold) -> SheafError {
    SheafError::user(format!(
        "aggregate \"{}\" says itself what it does with NULLs",
        fold.name()
    ))
    .with_state(SqlState::SYNTAX_ERROR_OR_ACCESS_RULE)
    .with_hint("FILTER (WHERE x IS NOT NULL) leaves them out")
}

/// The ORDER BY of a call. With DISTINCT, what it sorts by has to be the argument.
fn order_by(call: &RawAggregateExpr, rows: &Expr) -> Vec<SortExpr> {
    let mut order_by = call.order_by.clone();
    if let (true, [argument], [key]) = (call.distinct, &call.args[..], &mut order_by[..])
        && key.expr == *argument
    {
        key.expr = rows.clone();
    }
    order_by
}

fn arguments(fold: &Arc<Fold>, arguments: Vec<Expr>) -> Expr {
    ScalarUDF::from(Arguments(FoldCall::new(fold))).call(arguments)
}

fn fold_list(fold: &Arc<Fold>, list: Expr) -> Expr {
    ScalarUDF::from(FoldList(FoldCall::new(fold))).call(vec![list])
}

/// What both functions are: a part of the fold.
#[derive(Debug)]
struct FoldCall {
    fold: Arc<Fold>,
    signature: Signature,
}

impl FoldCall {
    fn new(fold: &Arc<Fold>) -> Self {
        Self {
            fold: Arc::clone(fold),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl PartialEq for FoldCall {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fold, &other.fold)
    }
}

impl Eq for FoldCall {}

impl Hash for FoldCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.fold).hash(state);
    }
}

/// The arguments of a row as one value: itself if there is one, or a struct.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Arguments(FoldCall);

impl ScalarUDFImpl for Arguments {
    fn name(&self) -> &str {
        self.0.fold.name()
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(coerced(&self.0.fold, types))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        check_arguments(&self.0.fold, types)?;
        let arguments = &self.0.fold.parts.arguments;
        Ok(match &arguments[..] {
            [only] => only.data_type().clone(),
            _ => DataType::Struct(arguments.clone()),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [only] = &args.args[..] {
            return Ok(only.clone());
        }
        let columns = args.args.iter();
        let columns = columns.map(|column| column.to_array(args.number_rows));
        let fields = self.0.fold.parts.arguments.clone();
        let rows = StructArray::try_new(fields, columns.collect::<Result<_>>()?, None)?;
        Ok(ColumnarValue::Array(Arc::new(rows)))
    }
}

/// The result of a list of rows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FoldList(FoldCall);

impl ScalarUDFImpl for FoldList {
    fn name(&self) -> &str {
        self.0.fold.name()
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.0.fold.parts.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists] = &args.args[..] else {
            return internal_err!("rows are gathered in one list");
        };
        let lists = lists.to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(self.0.fold.lists(&lists)?))
    }
}

impl Fold {
    /// The results of lists of rows; a NULL has no rows.
    ///
    /// # Memory
    /// A state for each list, and those of a step.
    fn lists(&self, lists: &ArrayRef) -> Result<ArrayRef> {
        let lists = lists.as_list::<i32>();
        let mut layers = Layers::default();
        layers.push(self.parts.init.clone());
        let rows = lists.values();
        let arguments = match (&self.parts.arguments[..], rows.as_struct_opt()) {
            ([_], _) | (_, None) => vec![Arc::clone(rows)],
            (_, Some(rows)) => rows.columns().to_vec(),
        };
        let starts = vec![START; lists.len()];
        let places = run(
            steps_along(lists, 0),
            starts,
            &mut layers,
            |step, states| self.accumulate(&step.rows_of(&arguments)?, states),
        )?;
        self.finish_gathered(layers.at(&places)?)
    }
}
