//! Operators whose meaning depends on the types of their sides, where the engine's differs from
//! PostgreSQL's or is missing.
//!
//! | written | planned as |
//! |---|---|
//! | `date ± interval` | a timestamp, since an interval may hold hours |
//! | `date = date ± interval of days`, `<`, … | a comparison of dates, which scans can prune by |
//! | `n * interval`, `interval * n`, `interval / n` | `interval_multiply` |
//! | `a // b` | `a / b`: integers are divided without a rest |
//! | `a ^@ b` | `starts_with(a, b)` |
//! | `list && list` | `array_has_any` |
//! | `uuid \|\| text`, `text \|\| uuid` | `\|\|` of its text |
//! | `'5' + 1` | `5 + 1`: a text constant is read as what stands beside it |
//! | `[1.5] \|\| 2`, `[1] \|\| [1.5]` | lists of a type that holds both sides |
//! | `row_number()`, `rank()`, … `OVER`, `approx_distinct(x)` | BIGINT, for which minus has a meaning, not UBIGINT |
//! | `geomean(x)`, … | expressions of other aggregates |
//! | folds of the user's own that cannot merge states | folds over `array_agg` |
//!
//! In the flow this stands where the SQL planner asks about one operator, before types are
//! coerced; it must not know of tables or sessions.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::string::expr_fn::starts_with;
use datafusion::functions_nested::expr_fn::{
    array_append, array_concat, array_has_any, array_prepend,
};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, Operator, WindowFunctionDefinition, cast, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use sheaf_base::uuid::is_uuid;

use crate::aggregate;
use crate::gathered;
use crate::scalar::interval_multiply;
use crate::uuid::uuid_to_text;

/// What a date is taken for when an interval is added.
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Window functions that number rows.
const NUMBERING: &[&str] = &["row_number", "rank", "dense_rank", "ntile"];

/// The planners of expressions, to be asked before the engine's own.
#[must_use]
pub fn expression_planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![Arc::new(OperatorPlanner)]
}

/// Plans the operators of the list above.
#[derive(Debug)]
struct OperatorPlanner;

impl ExprPlanner for OperatorPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(match plan(&expr, &left, &right, schema) {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(expr),
        })
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        if let Some(expanded) = aggregate::expand(&expr)? {
            return Ok(PlannerResult::Planned(expanded));
        }
        if let Some(gathered) = gathered::expand(&expr)? {
            return Ok(PlannerResult::Planned(gathered));
        }
        if expr.func.name() != "approx_distinct" {
            return Ok(PlannerResult::Original(expr));
        }
        let function = AggregateFunction::new_udf(
            expr.func,
            expr.args,
            expr.distinct,
            expr.filter,
            expr.order_by,
            expr.null_treatment,
        );
        let count = cast(Expr::AggregateFunction(function), DataType::Int64);
        Ok(PlannerResult::Planned(count))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if let Some(gathered) = gathered::expand_window(&expr)? {
            return Ok(PlannerResult::Planned(gathered));
        }
        if let Some(extremes) = aggregate::expand_window(&expr) {
            return Ok(PlannerResult::Planned(extremes));
        }
        let is_numbering = matches!(
            &expr.func_def,
            WindowFunctionDefinition::WindowUDF(function) if NUMBERING.contains(&function.name())
        );
        if !is_numbering {
            return Ok(PlannerResult::Original(expr));
        }
        let function = WindowFunction {
            fun: expr.func_def,
            params: WindowFunctionParams {
                args: expr.args,
                partition_by: expr.partition_by,
                order_by: expr.order_by,
                window_frame: expr.window_frame,
                filter: expr.filter,
                null_treatment: expr.null_treatment,
                distinct: expr.distinct,
            },
        };
        let function = Expr::WindowFunction(Box::new(function));
        Ok(PlannerResult::Planned(cast(function, DataType::Int64)))
    }
}

fn plan(
    expr: &RawBinaryExpr,
    left: &DataType,
    right: &DataType,
    schema: &DFSchema,
) -> Option<Expr> {
    use BinaryOperator as Op;
    let sides = || (expr.left.clone(), expr.right.clone());
    match &expr.op {
        Op::StringConcat if is_uuid(left) || is_uuid(right) => {
            let written = |side: Expr, own: &DataType| match is_uuid(own) {
                true => uuid_to_text(side),
                false => side,
            };
            let (first, second) = sides();
            let (first, second) = (written(first, left), written(second, right));
            Some(binary(first, Operator::StringConcat, second))
        }
        Op::Plus if is_date(left) && is_interval(right) => {
            let (date, interval) = sides();
            Some(binary(cast(date, TIMESTAMP), Operator::Plus, interval))
        }
        Op::Plus if is_interval(left) && is_date(right) => {
            let (interval, date) = sides();
            Some(binary(cast(date, TIMESTAMP), Operator::Plus, interval))
        }
        Op::Minus if is_date(left) && is_interval(right) => {
            let (date, interval) = sides();
            Some(binary(cast(date, TIMESTAMP), Operator::Minus, interval))
        }
        Op::Multiply if is_interval(left) && right.is_numeric() => {
            let (interval, factor) = sides();
            Some(multiply(interval, factor, right))
        }
        Op::Multiply if left.is_numeric() && is_interval(right) => {
            let (factor, interval) = sides();
            Some(multiply(interval, factor, left))
        }
        Op::Divide if is_interval(left) && right.is_numeric() => {
            let (interval, divisor) = sides();
            let factor = binary(lit(1.0), Operator::Divide, cast(divisor, DataType::Float64));
            Some(multiply(interval, factor, &DataType::Float64))
        }
        Op::DuckIntegerDivide => {
            let (left, right) = sides();
            Some(binary(left, Operator::Divide, right))
        }
        Op::PGStartsWith => {
            let (text, prefix) = sides();
            Some(starts_with(text, prefix))
        }
        Op::StringConcat => concat_lists(expr, left, right),
        Op::PGOverlap if is_list(left) || is_list(right) => {
            let (left, right) = sides();
            Some(array_has_any(left, right))
        }
        op => match arithmetic(op) {
            Some(op) => with_text(expr, op, left, right),
            None => compare_dates(expr, comparison(op)?, left, right, schema),
        },
    }
}

/// A number beside a text constant.
fn with_text(
    expr: &RawBinaryExpr,
    op: Operator,
    left: &DataType,
    right: &DataType,
) -> Option<Expr> {
    let (left_side, right_side) = match (left.is_numeric(), right.is_numeric()) {
        (true, false) => (expr.left.clone(), number(&expr.right, left)?),
        (false, true) => (number(&expr.left, right)?, expr.right.clone()),
        _ => return None,
    };
    Some(binary(left_side, op, right_side))
}

fn compare_dates(
    expr: &RawBinaryExpr,
    op: Operator,
    left: &DataType,
    right: &DataType,
    schema: &DFSchema,
) -> Option<Expr> {
    let (left, right) = match (is_date(left), is_date(right)) {
        (true, false) => (expr.left.clone(), as_date(&expr.right, schema)?),
        (false, true) => (as_date(&expr.left, schema)?, expr.right.clone()),
        (false, false) => (as_date(&expr.left, schema)?, as_date(&expr.right, schema)?),
        (true, true) => return None,
    };
    Some(binary(left, op, right))
}

fn arithmetic(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        _ => return None,
    })
}

/// A text constant as the number that it is beside a number of type `beside`: of the same type, as
/// PostgreSQL has it, where a decimal keeps all of its digits.
fn number(constant: &Expr, beside: &DataType) -> Option<Expr> {
    let Expr::Literal(value, _) = constant else {
        return None;
    };
    let text = value.try_as_str()??;
    let data_type = match beside {
        DataType::Decimal128(..) | DataType::Decimal256(..) => decimal_of(text),
        _ => None,
    };
    let data_type = data_type.unwrap_or_else(|| beside.clone());
    Some(cast(constant.clone(), data_type))
}

/// The decimal type that has just the digits of `text`.
fn decimal_of(text: &str) -> Option<DataType> {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut bytes = whole.bytes().chain(fraction.bytes());
    let digit_count = whole.len() + fraction.len();
    let is_decimal = bytes.all(|byte| byte.is_ascii_digit())
        && (1..=usize::from(DECIMAL128_MAX_PRECISION)).contains(&digit_count);
    let precision = u8::try_from(digit_count).ok()?;
    let scale = i8::try_from(fraction.len()).ok()?;
    is_decimal.then_some(DataType::Decimal128(precision, scale))
}

/// Lists of numbers put together, or a list and a number, of different types.
fn concat_lists(expr: &RawBinaryExpr, left: &DataType, right: &DataType) -> Option<Expr> {
    let item = |data_type: &DataType| match data_type {
        DataType::List(item) | DataType::LargeList(item) => item.data_type().clone(),
        other => other.clone(),
    };
    let (left_item, right_item) = (item(left), item(right));
    if left_item == right_item || !left_item.is_numeric() || !right_item.is_numeric() {
        return None;
    }
    let common = type_union_resolution(&[left_item, right_item])?;
    let list = DataType::List(Arc::new(Field::new_list_field(common.clone(), true)));
    let (left_side, right_side) = (expr.left.clone(), expr.right.clone());
    Some(match (is_list(left), is_list(right)) {
        (true, true) => array_concat(vec![cast(left_side, list.clone()), cast(right_side, list)]),
        (true, false) => array_append(cast(left_side, list), cast(right_side, common)),
        (false, true) => array_prepend(cast(left_side, common), cast(right_side, list)),
        (false, false) => return None,
    })
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

/// The date that `date ± days` is, if that was planned as a timestamp above: a midnight. Compared
/// as dates, such midnights need no way through timestamps, on which scans do not prune.
fn as_date(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::Plus | Operator::Minus) && is_days(right) =>
        {
            let date = match left.as_ref() {
                Expr::Cast(Cast { expr, field }) if *field.data_type() == TIMESTAMP => {
                    let is_from_date = is_date(&expr.get_type(schema).ok()?);
                    is_from_date.then(|| expr.as_ref().clone())?
                }
                other => as_date(other, schema)?,
            };
            Some(binary(date, *op, right.as_ref().clone()))
        }
        _ => None,
    }
}

/// Whether this is a constant interval of whole days.
fn is_days(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
            interval.nanoseconds == 0
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(_)), _) => true,
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => {
            interval.milliseconds == 0
        }
        _ => false,
    }
}

fn multiply(interval: Expr, factor: Expr, factor_type: &DataType) -> Expr {
    let factor = match factor_type {
        DataType::Int64 | DataType::Float64 => factor,
        whole if whole.is_integer() => cast(factor, DataType::Int64),
        _ => cast(factor, DataType::Float64),
    };
    interval_multiply::call(interval, factor)
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}
