//! The rule for one expression whose parts have been rewritten.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::math::expr_fn::round;
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::{
    Between, BinaryExpr, Case, Cast, InList, InSubquery, ScalarFunction, TryCast,
    WindowFunctionDefinition,
};
use datafusion::logical_expr::expr_schema::cast_subquery;
use datafusion::logical_expr::type_coercion::functions::{UDFCoercionExt, fields_with_udf};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, lit};
use sheaf_functions::aggregate::sum;
use sheaf_functions::arithmetic;

use super::any_numeric::settled;
use super::literals::cast;
use super::types::{Operand, comparison, type_of_untyped, union};

/// Rewrites expressions bottom-up; `schema` is that of the plan's inputs.
pub(super) struct NumberRewriter<'a> {
    schema: &'a DFSchema,
}

impl TreeNodeRewriter for NumberRewriter<'_> {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(Transformed::yes(match expr {
            Expr::Literal(ScalarValue::UInt64(Some(value)), metadata)
                if i64::try_from(value).is_err() =>
            {
                // As the parser reads a literal that is one digit longer.
                Expr::Literal(ScalarValue::Decimal128(Some(value.into()), 20, 0), metadata)
            }
            Expr::BinaryExpr(binary) => self.binary(binary)?,
            Expr::Negative(value) => match value.get_type(self.schema)?.is_signed_integer() {
                true => arithmetic::negate(*value),
                false => Expr::Negative(value),
            },
            Expr::Between(between) => self.between(between)?,
            Expr::InList(list) => self.in_list(list)?,
            Expr::InSubquery(list) => self.in_subquery(list)?,
            Expr::Case(case) => self.case(case)?,
            Expr::Cast(Cast { expr, field }) => {
                let field = settled(field, &expr, self.schema)?;
                let expr = Box::new(self.rounded(*expr, field.data_type())?);
                Expr::Cast(Cast { expr, field })
            }
            Expr::TryCast(TryCast { expr, field }) => {
                let field = settled(field, &expr, self.schema)?;
                let expr = Box::new(self.rounded(*expr, field.data_type())?);
                Expr::TryCast(TryCast { expr, field })
            }
            Expr::ScalarFunction(mut function) => {
                function.args = self.arguments(function.args, function.func.as_ref())?;
                match function.func.name() {
                    "ceil" | "floor" => self.whole(function)?,
                    _ => Expr::ScalarFunction(function),
                }
            }
            Expr::AggregateFunction(mut function) => {
                let arguments = std::mem::take(&mut function.params.args);
                let arguments = self.arguments(arguments, function.func.as_ref())?;
                if function.func.name() == "sum" && self.is_narrow(&arguments)? {
                    function.func = sum::narrow();
                }
                function.params.args = arguments;
                Expr::AggregateFunction(function)
            }
            Expr::WindowFunction(mut function) => {
                let arguments = std::mem::take(&mut function.params.args);
                function.params.args = match &function.fun {
                    WindowFunctionDefinition::AggregateUDF(f) => {
                        self.arguments(arguments, f.as_ref())?
                    }
                    WindowFunctionDefinition::WindowUDF(f) => {
                        self.arguments(arguments, f.as_ref())?
                    }
                };
                Expr::WindowFunction(function)
            }
            other => return Ok(Transformed::no(other)),
        }))
    }
}

impl<'a> NumberRewriter<'a> {
    pub(super) fn new(schema: &'a DFSchema) -> Self {
        Self { schema }
    }

    fn operand(&self, expr: &Expr) -> Result<Operand> {
        Operand::of(expr, self.schema)
    }

    fn cast(&self, expr: Expr, data_type: &DataType) -> Result<Expr> {
        cast(expr, data_type, self.schema)
    }

    fn binary(&self, BinaryExpr { left, op, right }: BinaryExpr) -> Result<Expr> {
        let (left, right) = (*left, *right);
        let (l, r) = (self.operand(&left)?, self.operand(&right)?);
        if is_comparison(op) {
            let common = comparison(&[l.clone(), r.clone()]);
            let common = common.or_else(|| text_beside_decimal(&l, &r));
            return match common {
                Some(common) => {
                    let (left, right) = (self.cast(left, &common)?, self.cast(right, &common)?);
                    Ok(binary(left, op, right))
                }
                None => Ok(binary(left, op, right)),
            };
        }
        if op == Operator::Minus && l.is_day() && r.is_day() {
            let left = self.cast(left, &DataType::Int32)?;
            return Ok(arithmetic::subtract(
                left,
                self.cast(right, &DataType::Int32)?,
            ));
        }
        let are_numbers = l.data_type.is_numeric() && r.data_type.is_numeric();
        if !op.is_numerical_operators() || !are_numbers {
            return Ok(binary(left, op, right));
        }
        let is_decimal = |operand: &Operand| operand.data_type.is_decimal();
        if is_decimal(&l) || is_decimal(&r) {
            return self.decimals(left, &l, op, right, &r);
        }
        if op != Operator::Minus && (l.is_beside_literal(&r) || r.is_beside_literal(&l)) {
            let left = self.cast(left, &DataType::UInt64)?;
            return Ok(whole_numbers(
                left,
                op,
                self.cast(right, &DataType::UInt64)?,
            ));
        }
        let (common, other) =
            BinaryTypeCoercer::new(&l.data_type, &op, &r.data_type).get_input_types()?;
        if common.is_decimal() {
            // An unsigned and a signed number.
            return self.decimals(left, &l, op, right, &r);
        }
        if !common.is_integer() || common != other {
            return Ok(binary(left, op, right));
        }
        let left = self.cast(left, &common)?;
        Ok(whole_numbers(left, op, self.cast(right, &common)?))
    }

    /// Arithmetic of numbers of which one is a decimal, or both become decimals.
    fn decimals(
        &self,
        left: Expr,
        l: &Operand,
        op: Operator,
        right: Expr,
        r: &Operand,
    ) -> Result<Expr> {
        if l.data_type.is_floating() || r.data_type.is_floating() {
            let left = self.cast(left, &DataType::Float64)?;
            return Ok(binary(left, op, self.cast(right, &DataType::Float64)?));
        }
        let (Some(l), Some(r)) = (l.as_decimal(), r.as_decimal()) else {
            return Ok(binary(left, op, right));
        };
        let left = self.cast(left, &DataType::Decimal128(l.0, l.1))?;
        let right = self.cast(right, &DataType::Decimal128(r.0, r.1))?;
        Ok(match op {
            Operator::Plus => arithmetic::add_decimals(left, right),
            Operator::Minus => arithmetic::subtract_decimals(left, right),
            Operator::Multiply => arithmetic::multiply_decimals(left, right),
            Operator::Divide => arithmetic::divide_decimals(left, right),
            _ => binary(left, op, right),
        })
    }

    fn between(&self, between: Between) -> Result<Expr> {
        let operands = [
            self.operand(&between.expr)?,
            self.operand(&between.low)?,
            self.operand(&between.high)?,
        ];
        let Some(common) = comparison(&operands) else {
            return Ok(Expr::Between(between));
        };
        Ok(Expr::Between(Between {
            expr: Box::new(self.cast(*between.expr, &common)?),
            negated: between.negated,
            low: Box::new(self.cast(*between.low, &common)?),
            high: Box::new(self.cast(*between.high, &common)?),
        }))
    }

    fn in_list(&self, list: InList) -> Result<Expr> {
        let mut operands = vec![self.operand(&list.expr)?];
        for item in &list.list {
            operands.push(self.operand(item)?);
        }
        let Some(common) = comparison(&operands) else {
            return Ok(Expr::InList(list));
        };
        let items = list.list.into_iter().map(|item| self.cast(item, &common));
        Ok(Expr::InList(InList {
            expr: Box::new(self.cast(*list.expr, &common)?),
            list: items.collect::<Result<_>>()?,
            negated: list.negated,
        }))
    }

    fn in_subquery(&self, list: InSubquery) -> Result<Expr> {
        let column = list.subquery.subquery.schema().field(0).data_type().clone();
        let operands = [self.operand(&list.expr)?, Operand::typed(column)];
        let Some(common) = comparison(&operands) else {
            return Ok(Expr::InSubquery(list));
        };
        Ok(Expr::InSubquery(InSubquery {
            expr: Box::new(self.cast(*list.expr, &common)?),
            subquery: cast_subquery(list.subquery, &common)?,
            negated: list.negated,
        }))
    }

    fn case(&self, mut case: Case) -> Result<Expr> {
        if let Some(value) = case.expr.take() {
            let mut operands = vec![self.operand(&value)?];
            for (when, _) in &case.when_then_expr {
                operands.push(self.operand(when)?);
            }
            case.expr = Some(match comparison(&operands) {
                Some(common) => {
                    for (when, _) in &mut case.when_then_expr {
                        **when = self.cast(std::mem::take(when), &common)?;
                    }
                    Box::new(self.cast(*value, &common)?)
                }
                None => value,
            });
        }
        let branches = || {
            let thens = case.when_then_expr.iter().map(|(_, then)| then);
            thens.chain(case.else_expr.iter())
        };
        let operands = branches()
            .map(|branch| self.operand(branch))
            .collect::<Result<Vec<_>>>()?;
        let beside = type_of_untyped(&operands, "CASE")?;
        let common = union(&operands);
        let mut operands = operands.iter();
        let thens = case.when_then_expr.iter_mut().map(|(_, then)| then);
        for branch in thens.chain(case.else_expr.iter_mut()) {
            let is_untyped = operands.next().is_some_and(Operand::is_untyped);
            let wanted = match is_untyped {
                true => common.as_ref().or(beside.as_ref()),
                false => common.as_ref(),
            };
            if let Some(wanted) = wanted {
                **branch = self.cast(std::mem::take(branch), wanted)?;
            }
        }
        Ok(Expr::Case(case))
    }

    /// `ceil` and `floor` of decimals: one digit more may be needed, none after the point.
    fn whole(&self, mut function: ScalarFunction) -> Result<Expr> {
        let argument = function.args.first();
        let argument = argument.map(|argument| argument.get_type(self.schema));
        let Some(DataType::Decimal128(precision, scale)) = argument.transpose()? else {
            return Ok(Expr::ScalarFunction(function));
        };
        if scale <= 0 || precision == arithmetic::DECIMAL_DIGITS_MAX {
            return Ok(Expr::ScalarFunction(function));
        }
        let wider = DataType::Decimal128(precision + 1, scale);
        let arguments = function.args.into_iter();
        function.args = arguments
            .map(|argument| self.cast(argument, &wider))
            .collect::<Result<_>>()?;
        self.cast(
            Expr::ScalarFunction(function),
            &DataType::Decimal128(precision + 1, 0),
        )
    }

    /// What is to be cast to `target`, rounded before if `target` holds whole numbers or decimals
    /// with fewer digits after the point.
    fn rounded(&self, expr: Expr, target: &DataType) -> Result<Expr> {
        let places = match target {
            target if target.is_integer() => 0,
            DataType::Decimal128(_, scale) => *scale,
            _ => return Ok(expr),
        };
        Ok(match expr.get_type(self.schema)? {
            DataType::Float32 | DataType::Float64
                if target.is_integer() && !arithmetic::is_round_half_even(&expr) =>
            {
                arithmetic::round_half_even(expr)
            }
            DataType::Decimal128(_, scale) if scale > places => {
                round(vec![expr, lit(i32::from(places))])
            }
            _ => expr,
        })
    }

    /// Doubles win among the arguments of a function, and where it takes nothing but doubles;
    /// lists and their items agree.
    fn arguments<F: UDFCoercionExt>(
        &self,
        arguments: Vec<Expr>,
        function: &F,
    ) -> Result<Vec<Expr>> {
        let fields = arguments
            .iter()
            .map(|argument| Ok(argument.to_field(self.schema)?.1))
            .collect::<Result<Vec<_>>>()?;
        let items = || {
            fields
                .iter()
                .map(|field| arithmetic::item(field.data_type()))
        };
        if !items().any(DataType::is_decimal) {
            return Ok(arguments);
        }
        let takes_doubles_only = function.name() == "median";
        let takes = |fields: &[FieldRef]| fields_with_udf(fields, function).is_ok();
        let doubles = with_items(&fields, &DataType::Float64, DataType::is_decimal);
        let chosen = if takes_doubles_only || items().any(DataType::is_floating) {
            Some(doubles)
        } else if takes(&fields) {
            None
        } else {
            let items: Vec<_> = items().cloned().map(Operand::typed).collect();
            union(&items)
                .map(|common| with_items(&fields, &common, DataType::is_numeric))
                .filter(|decimals| takes(decimals))
                .or(Some(doubles))
        };
        let Some(chosen) = chosen.filter(|chosen| takes(chosen)) else {
            return Ok(arguments);
        };
        let arguments = arguments.into_iter().zip(&chosen);
        arguments
            .map(|(argument, field)| self.cast(argument, field.data_type()))
            .collect()
    }

    fn is_narrow(&self, arguments: &[Expr]) -> Result<bool> {
        let Some(argument) = arguments.first() else {
            return Ok(false);
        };
        Ok(matches!(
            argument.get_type(self.schema)?,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16
        ))
    }
}

/// Arithmetic of whole numbers of one type.
fn whole_numbers(left: Expr, op: Operator, right: Expr) -> Expr {
    match op {
        Operator::Plus => arithmetic::add(left, right),
        Operator::Minus => arithmetic::subtract(left, right),
        Operator::Multiply => arithmetic::multiply(left, right),
        // The engine's quotients and remainders are checked.
        _ => binary(left, op, right),
    }
}

/// Whether `op` compares two values, NULL among them or not.
#[must_use]
pub fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// A text that is compared with a decimal is compared as a double, since it may have more digits.
fn text_beside_decimal(left: &Operand, right: &Operand) -> Option<DataType> {
    let is_pair = |text: &Operand, decimal: &Operand| {
        text.data_type.is_string() && decimal.data_type.is_decimal()
    };
    (is_pair(left, right) || is_pair(right, left)).then_some(DataType::Float64)
}

/// `fields` whose items that are `of_kind` are `wanted`.
fn with_items(
    fields: &[FieldRef],
    wanted: &DataType,
    of_kind: fn(&DataType) -> bool,
) -> Vec<FieldRef> {
    let changed = |field: &FieldRef| {
        let data_type = arithmetic::with_item(field.data_type(), wanted, of_kind);
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    fields.iter().map(changed).collect()
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}
