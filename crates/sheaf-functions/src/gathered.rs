//! Aggregates of the user's own over the list of a group's rows: `f(x ORDER BY t)` is planned as
//! `f(array_agg(arguments(x) ORDER BY t))`, where `arguments` makes one value of a row's and the outer
//! `f` takes all lists of a batch together. For calls with DISTINCT, ORDER BY or frames that shrink, and
//! folds whose states cannot be merged.
//!
//! Lists are gathered, sorted, made distinct and spilled as those of `array_agg` are.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Fields};
use datafusion::common::{Result, internal_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{RawAggregateExpr, RawWindowExpr};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    SortExpr, Volatility, WindowFunctionDefinition,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::fold::Fold;
use crate::user;

/// An aggregate that can be computed of lists of rows.
pub(crate) trait OverLists: Debug + Send + Sync {
    /// The function's name.
    fn name(&self) -> &str;

    /// What tells it from others: where its definition is.
    fn identity(&self) -> usize;

    /// What it takes of a row.
    fn arguments(&self) -> Fields;

    /// The type of its result.
    fn result(&self) -> &DataType;

    /// The types of its arguments in a call with arguments of `types`.
    ///
    /// # Errors
    /// If it does not take so many.
    fn coerced(&self, types: &[DataType]) -> Result<Vec<DataType>>;

    /// Checks the types of the arguments of a call.
    ///
    /// # Errors
    /// `UserInput` (42883) if it does not take them.
    fn check(&self, types: &[DataType]) -> Result<()>;

    /// Whether it has to be, in every call.
    fn is_always_gathered(&self) -> bool;

    /// The results of the rows of each list, their columns being `arguments`.
    ///
    /// # Errors
    /// Those of the function.
    fn lists(&self, lists: &ArrayRef, arguments: &[ArrayRef]) -> Result<ArrayRef>;
}

fn over_lists(function: &AggregateUDF) -> Option<Arc<dyn OverLists>> {
    if let Some(fold) = Fold::of(function) {
        return Some(Arc::clone(fold) as Arc<dyn OverLists>);
    }
    user::over_lists(function)
}

/// What a call stands for, if it is one that cannot merge states.
///
/// # Errors
/// `UserInput` if the call says IGNORE NULLS or RESPECT NULLS.
pub(crate) fn expand(call: &RawAggregateExpr) -> Result<Option<Expr>> {
    let Some(fold) = over_lists(&call.func) else {
        return Ok(None);
    };
    if call.null_treatment.is_some() {
        return Err(null_treatment(fold.as_ref()).into());
    }
    if !fold.is_always_gathered() && !call.distinct && call.order_by.is_empty() {
        return Ok(None);
    }
    let rows = arguments(&fold, call.args.clone());
    let gathered = Expr::AggregateFunction(AggregateFunction::new_udf(
        array_agg_udaf(),
        vec![rows.clone()],
        call.distinct,
        call.filter.clone(),
        order_by(call, &rows),
        None,
    ));
    Ok(Some(fold_list(&fold, gathered)))
}

/// What a window function stands for, if its frames have to be gathered.
///
/// # Errors
/// As [`expand`].
pub(crate) fn expand_window(call: &RawWindowExpr) -> Result<Option<Expr>> {
    let WindowFunctionDefinition::AggregateUDF(function) = &call.func_def else {
        return Ok(None);
    };
    let Some(fold) = over_lists(function) else {
        return Ok(None);
    };
    if call.null_treatment.is_some() {
        return Err(null_treatment(fold.as_ref()).into());
    }
    // Frames that only grow are folded a row after another, in their order.
    if !call.distinct && call.window_frame.start_bound.is_unbounded() {
        return Ok(None);
    }
    let gathered = Expr::WindowFunction(Box::new(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(array_agg_udaf()),
        params: WindowFunctionParams {
            args: vec![arguments(&fold, call.args.clone())],
            partition_by: call.partition_by.clone(),
            order_by: call.order_by.clone(),
            window_frame: call.window_frame.clone(),
            filter: call.filter.clone(),
            null_treatment: None,
            distinct: call.distinct,
        },
    }));
    Ok(Some(fold_list(&fold, gathered)))
}

fn null_treatment(fold: &dyn OverLists) -> SheafError {
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

fn arguments(fold: &Arc<dyn OverLists>, arguments: Vec<Expr>) -> Expr {
    ScalarUDF::from(Arguments(FoldCall::new(fold))).call(arguments)
}

fn fold_list(fold: &Arc<dyn OverLists>, list: Expr) -> Expr {
    ScalarUDF::from(FoldList(FoldCall::new(fold))).call(vec![list])
}

/// What both functions are: a part of the fold.
#[derive(Debug)]
struct FoldCall {
    fold: Arc<dyn OverLists>,
    signature: Signature,
}

impl FoldCall {
    fn new(fold: &Arc<dyn OverLists>) -> Self {
        Self {
            fold: Arc::clone(fold),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl PartialEq for FoldCall {
    fn eq(&self, other: &Self) -> bool {
        self.fold.identity() == other.fold.identity()
    }
}

impl Eq for FoldCall {}

impl Hash for FoldCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fold.identity().hash(state);
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
        self.0.fold.coerced(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.fold.check(types)?;
        let arguments = self.0.fold.arguments();
        Ok(match &arguments[..] {
            [only] => only.data_type().clone(),
            _ => DataType::Struct(arguments),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [only] = &args.args[..] {
            return Ok(only.clone());
        }
        let columns = args.args.iter();
        let columns = columns.map(|column| column.to_array(args.number_rows));
        let fields = self.0.fold.arguments();
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
        Ok(self.0.fold.result().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists] = &args.args[..] else {
            return internal_err!("rows are gathered in one list");
        };
        let lists = lists.to_array(args.number_rows)?;
        let rows = lists.as_list::<i32>().values();
        let arguments = match (self.0.fold.arguments().len(), rows.as_struct_opt()) {
            (1, _) | (_, None) => vec![Arc::clone(rows)],
            (_, Some(rows)) => rows.columns().to_vec(),
        };
        let results = self.0.fold.lists(&lists, &arguments)?;
        Ok(ColumnarValue::Array(results))
    }
}
