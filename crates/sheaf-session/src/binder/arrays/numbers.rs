//! Numbers that are written beside arrays: they have no type of their own, and take that of the elements, as
//! NumPy has it (NEP 50).
//!
//! Those that are arguments are known by what is written ([`constant`]); those in the body of a lambda are
//! found in its plan ([`adopt`]), before the rules of SQL make decimals of some and BIGINTs of others. Constants
//! that are no arrays are of the types that SQL gives them ([`settled`]).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::common::{DFSchema, DFSchemaRef, Result as EngineResult, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList, ScalarFunction};
use datafusion::logical_expr::{EmptyRelation, Expr, ExprSchemable, LogicalPlan, Projection, cast};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{self, CastKind, UnaryOperator};
use sheaf_array_relations::{ArrayArgument, Number};
use sheaf_arrays::{DType, Grid, Scalar, full};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};
use sheaf_optimizer::{Numbers, converted_literal, is_comparison};

/// Functions that give one of their arguments.
const CHOICES: [&str; 4] = ["coalesce", "greatest", "least", "nullif"];

/// The number, or the truth value, that is written, as an array of no axes.
pub(super) fn constant(value: &ast::Expr) -> Result<Option<ArrayArgument>> {
    if let ast::Expr::Value(literal) = value
        && let ast::Value::Boolean(flag) = &literal.value
    {
        return Ok(Some(ArrayArgument {
            array: full(Grid::regular(&[], &[], DType::Bool)?, Scalar::Bool(*flag)),
            cells: vec![],
            number: None,
        }));
    }
    number(value).map(Number::argument).transpose()
}

fn number(value: &ast::Expr) -> Option<Number> {
    match value {
        ast::Expr::Nested(inner) => number(inner),
        ast::Expr::Value(literal) => match &literal.value {
            ast::Value::Number(digits, _) => {
                let digits = digits.replace('_', "");
                let whole = digits.parse().map(Number::Whole).ok();
                whole.or_else(|| digits.parse().map(Number::Float).ok())
            }
            _ => None,
        },
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => Some(match number(expr)? {
            Number::Whole(value) => Number::Whole(-value),
            Number::Float(value) => Number::Float(-value),
        }),
        // As literals with an exponent have become by now; infinity and NaN are written so.
        ast::Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type: ast::DataType::Double(_) | ast::DataType::DoublePrecision,
            ..
        } => match expr.as_ref() {
            ast::Expr::Value(literal) => match &literal.value {
                ast::Value::SingleQuotedString(text) => text.parse().map(Number::Float).ok(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// A constant whose numbers go together as in any query: in a list of doubles and decimals all are doubles,
/// where the engine would make decimals of them, which have no infinity.
pub(super) fn settled(value: Expr, schema: &DFSchemaRef, options: &ConfigOptions) -> Result<Expr> {
    let nothing = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: true,
        schema: Arc::clone(schema),
    });
    let projection = Projection::try_new(vec![value], Arc::new(nothing))?;
    let plan = Numbers.analyze(LogicalPlan::Projection(projection), options)?;
    let value = plan.expressions().pop();
    value
        .map(Expr::unalias)
        .ok_or_else(|| SheafError::internal("a projection of nothing"))
}

/// The plan of a lambda with its numbers in the types that they take beside its parameters.
///
/// # Errors
/// `UserInput` for a whole number that the type beside it cannot hold.
pub(super) fn adopt(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = &plan else {
        return Ok(plan);
    };
    let mut adopter = Adopter {
        columns: Arc::clone(projection.input.schema()),
    };
    let values = projection.expr.iter().cloned().map(|value| {
        let rewritten = value.rewrite(&mut adopter);
        rewritten.map(|rewritten| rewritten.data)
    });
    let values = values.collect::<EngineResult<Vec<Expr>>>()?;
    let projection = Projection::try_new(values, Arc::clone(&projection.input))?;
    Ok(LogicalPlan::Projection(projection))
}

/// What is known of a number without a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Float,
}

/// Rewrites expressions bottom-up; what numbers are beside has its type by then.
struct Adopter {
    columns: DFSchemaRef,
}

impl TreeNodeRewriter for Adopter {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> EngineResult<Transformed<Expr>> {
        Ok(Transformed::yes(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.is_numerical_operators() => {
                let (l, r) = (self.beside(&left), self.beside(&right));
                let left = Box::new(adopted(*left, r.as_ref())?);
                let right = Box::new(adopted(*right, l.as_ref())?);
                Expr::BinaryExpr(BinaryExpr::new(left, op, right))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                let (l, r) = (self.single(&left), self.single(&right));
                let left = Box::new(adopted_if_held(*left, r.as_ref()));
                let right = Box::new(adopted_if_held(*right, l.as_ref()));
                Expr::BinaryExpr(BinaryExpr::new(left, op, right))
            }
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                let beside = self.single(&expr);
                let low = Box::new(adopted_if_held(*low, beside.as_ref()));
                let high = Box::new(adopted_if_held(*high, beside.as_ref()));
                Expr::Between(Between::new(expr, negated, low, high))
            }
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) => {
                let beside = self.single(&expr);
                let list = list.into_iter();
                let list = list.map(|item| adopted_if_held(item, beside.as_ref()));
                Expr::InList(InList::new(expr, list.collect(), negated))
            }
            Expr::Case(case) => Expr::Case(self.case(case)),
            Expr::ScalarFunction(function) if CHOICES.contains(&function.func.name()) => {
                let beside = self.common(function.args.iter());
                let arguments = function.args.into_iter();
                let arguments = arguments.map(|value| adopted_if_held(value, beside.as_ref()));
                let arguments = arguments.collect();
                Expr::ScalarFunction(ScalarFunction::new_udf(function.func, arguments))
            }
            other => return Ok(Transformed::no(other)),
        }))
    }
}

impl Adopter {
    /// The type that numbers beside `expr` take; `None` if it is a number itself, or none of any kind.
    fn beside(&self, expr: &Expr) -> Option<DataType> {
        if kind(expr).is_some() {
            return None;
        }
        let columns: &DFSchema = &self.columns;
        let data_type = expr.get_type(columns).ok()?;
        (data_type.is_integer() || data_type.is_floating()).then_some(data_type)
    }

    /// As [`Self::beside`] where numbers are compared, which SQL does without loss: elements in single
    /// precision are as near to a number as they can be if this is rounded as they are.
    fn single(&self, expr: &Expr) -> Option<DataType> {
        self.beside(expr).filter(|t| *t == DataType::Float32)
    }

    /// The one type of all that have a type.
    fn common<'e>(&self, values: impl Iterator<Item = &'e Expr>) -> Option<DataType> {
        let mut types = values.filter_map(|value| self.beside(value));
        let first = types.next()?;
        types.all(|other| other == first).then_some(first)
    }

    fn case(&self, mut case: Case) -> Case {
        let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
        let beside = self.common(thens.chain(case.else_expr.as_deref()));
        let thens = case.when_then_expr.iter_mut().map(|(_, then)| then);
        for branch in thens.chain(case.else_expr.as_mut()) {
            **branch = adopted_if_held(std::mem::take(&mut **branch), beside.as_ref());
        }
        case
    }
}

/// Whether the expression is a number without a type: a literal, or arithmetic of such.
fn kind(expr: &Expr) -> Option<Kind> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => match value.data_type() {
            DataType::Int64 | DataType::UInt64 => Some(Kind::Whole),
            DataType::Float64 => Some(Kind::Float),
            decimal if decimal.is_decimal() => Some(Kind::Float),
            _ => None,
        },
        // As literals with an exponent have become by now.
        Expr::Cast(to) if *to.field.data_type() == DataType::Float64 => match to.expr.as_ref() {
            Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)), _) => {
                Some(Kind::Float)
            }
            _ => None,
        },
        Expr::Negative(inner) => kind(inner),
        Expr::BinaryExpr(both) if both.op.is_numerical_operators() => {
            match (kind(&both.left)?, kind(&both.right)?) {
                (Kind::Whole, Kind::Whole) => Some(Kind::Whole),
                _ => Some(Kind::Float),
            }
        }
        _ => None,
    }
}

/// The type that a number takes beside `beside`.
fn wanted(kind: Kind, beside: &DataType) -> DataType {
    match kind {
        Kind::Float if beside.is_integer() => DataType::Float64,
        _ => beside.clone(),
    }
}

/// `expr`, in the type that it takes if it is a number; `None` if that cannot hold it.
fn held(expr: &Expr, beside: &DataType) -> Option<Expr> {
    let Some(kind) = kind(expr) else {
        return Some(expr.clone());
    };
    let wanted = wanted(kind, beside);
    let Expr::Literal(value, metadata) = expr else {
        return Some(cast(expr.clone(), wanted));
    };
    if value.data_type() == wanted {
        return Some(expr.clone());
    }
    let value = match wanted {
        // By way of the double that is nearest to its text, as a number is read in Python.
        DataType::Float32 => converted_literal(value, &DataType::Float64)?
            .cast_to(&wanted)
            .ok()?,
        _ => converted_literal(value, &wanted)?,
    };
    Some(Expr::Literal(value, metadata.clone()))
}

fn adopted_if_held(expr: Expr, beside: Option<&DataType>) -> Expr {
    let adopted = beside.and_then(|beside| held(&expr, beside));
    adopted.unwrap_or(expr)
}

fn adopted(expr: Expr, beside: Option<&DataType>) -> Result<Expr> {
    let Some(beside) = beside else {
        return Ok(expr);
    };
    held(&expr, beside).ok_or_else(|| {
        let number = match &expr {
            Expr::Literal(value, _) => value.to_string(),
            other => other.to_string(),
        };
        SheafError::user(format!(
            "the number {number} is out of range for {}, the type of what it is beside",
            sql_type_name(beside)
        ))
        .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        .with_hint("a number takes the type of the elements; cast these to a wider one: x::BIGINT")
    })
}
