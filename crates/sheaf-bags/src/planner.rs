//! What SQL's operators mean for VARIANTs, decided while a statement is planned.
//!
//! - `rec.a.b`, `rec['a']`, `rec.a[0]` are paths; steps in a row make one path. So they are of texts: the
//!   planner does not know yet which are VARIANTs that UNNEST gave.
//! - Beside a value of another type a VARIANT is cast to that type: `rec.level = 'ERROR'`. Beside
//!   a number constant and in arithmetic it becomes a double, beside a column of numbers what the
//!   column is.
//! - Two VARIANTs are equal when their normal forms are, and compare as [`crate::json::order`]
//!   has it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, TableReference};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr, TypePlanner,
};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Operator};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::BinaryOperator as Op;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::type_names::{VARIANT, is_variant, variant_field};
use sheaf_base::uuid::UUID;

use crate::functions::{get_path, path_of, sort_key};
use crate::json::{Path, Step};

/// Plans paths and operators of VARIANTs.
#[derive(Debug, Default)]
pub struct VariantPlanner;

/// Knows the type names VARIANT and UUID.
#[derive(Debug, Default)]
pub struct VariantTypes;

/// Whether an expression is a VARIANT.
#[must_use]
pub fn is_variant_expr(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema)
        .is_ok_and(|(_, field)| is_variant(&field))
}

impl TypePlanner for VariantTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let is_named = match sql_type {
            ast::DataType::Custom(name, arguments) => {
                arguments.is_empty() && name.to_string().eq_ignore_ascii_case(VARIANT)
            }
            ast::DataType::JSON => true,
            ast::DataType::Uuid => return Ok(Some(Arc::new(Field::new("", UUID, true)))),
            _ => false,
        };
        Ok(is_named.then(|| Arc::new(variant_field("", true))))
    }
}

impl ExprPlanner for VariantPlanner {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        if !has_paths(field) {
            return Ok(PlannerResult::Original(vec![]));
        }
        let steps = nested_names.iter().cloned().map(Step::Key).collect();
        let records = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        Ok(PlannerResult::Planned(get_path(records, &Path { steps })))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let field = access.expr.to_field(schema);
        if !field.is_ok_and(|(_, field)| has_paths(&field)) {
            return Ok(PlannerResult::Original(access));
        }
        let step = match &access.field_access {
            GetFieldAccess::NamedStructField { name } => name
                .try_as_str()
                .flatten()
                .map(|key| Step::Key(key.to_owned())),
            GetFieldAccess::ListIndex { key } => constant_step(key),
            GetFieldAccess::ListRange { .. } => None,
        };
        let Some(step) = step else {
            let error = SheafError::user(
                "a subscript of a VARIANT is a constant: a key in quotes, or an item's number from 0",
            );
            let hint = "get(rec, path) takes paths that are computed; variant_list makes a list";
            return Err(error
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
                .with_hint(hint)
                .into());
        };
        let (records, path) = path_of(&access.expr).unwrap_or((access.expr, Path::default()));
        let path = path.join(&Path { steps: vec![step] });
        Ok(PlannerResult::Planned(get_path(records, &path)))
    }

    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let (left, right) = operands(left, Meaning::of_written(&op), right, schema);
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// Whether paths may be asked of a column or value.
fn has_paths(field: &Field) -> bool {
    is_variant(field) || field.data_type().is_string()
}

/// What an operator of two values does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Looks which comes first.
    Order,
    /// Computes with numbers.
    Arithmetic,
    /// Joins texts.
    Concatenation,
    /// Looks whether they are equal, or anything else.
    Other,
}

impl Meaning {
    fn of_written(op: &Op) -> Self {
        match op {
            Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => Self::Order,
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => Self::Arithmetic,
            Op::StringConcat => Self::Concatenation,
            _ => Self::Other,
        }
    }

    /// That of a planned operator.
    #[must_use]
    pub fn of(op: Operator) -> Self {
        match op {
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => Self::Order,
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => Self::Arithmetic,
            Operator::StringConcat => Self::Concatenation,
            _ => Self::Other,
        }
    }
}

/// Both sides of an operator, those that are VARIANTs as what they are there.
#[must_use]
pub fn operands(left: Expr, meaning: Meaning, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let is_left = is_variant_expr(&left, schema);
    let is_right = is_variant_expr(&right, schema);
    match (is_left, is_right) {
        (false, false) => (left, right),
        (true, true) => {
            let both = |of: fn(Expr) -> Expr| (of(left.clone()), of(right.clone()));
            match meaning {
                Meaning::Order => both(sort_key),
                Meaning::Arithmetic => both(|side| cast_to(side, Some(DataType::Float64))),
                Meaning::Concatenation => both(|side| cast_to(side, Some(DataType::Utf8View))),
                Meaning::Other => (left, right),
            }
        }
        (true, false) => {
            let target = type_beside(meaning, &right, schema);
            (cast_to(left, target), right)
        }
        (false, true) => {
            let target = type_beside(meaning, &left, schema);
            (left, cast_to(right, target))
        }
    }
}

/// The step that a constant subscript is.
fn constant_step(key: &Expr) -> Option<Step> {
    let Expr::Literal(value, _) = key else {
        return None;
    };
    match value {
        ScalarValue::Int64(Some(item)) => usize::try_from(*item).ok().map(Step::Item),
        ScalarValue::UInt64(Some(item)) => usize::try_from(*item).ok().map(Step::Item),
        other => other
            .try_as_str()
            .flatten()
            .map(|key| Step::Key(key.to_owned())),
    }
}

/// What a VARIANT is cast to beside `other`; `None` if it stays one.
fn type_beside(meaning: Meaning, other: &Expr, schema: &DFSchema) -> Option<DataType> {
    let data_type = other.get_type(schema).ok()?;
    let is_constant = matches!(other, Expr::Literal(..) | Expr::Negative(_));
    let is_double = is_constant || meaning == Meaning::Arithmetic;
    match data_type {
        DataType::Null => None,
        _ if meaning == Meaning::Concatenation => Some(DataType::Utf8View),
        number if number.is_numeric() && is_double => Some(DataType::Float64),
        decimal if decimal.is_decimal() => Some(DataType::Float64),
        text if text.is_string() => Some(DataType::Utf8View),
        other => Some(other),
    }
}

/// What a VARIANT is cast to where it is compared with `other`.
#[must_use]
pub fn compared_with(other: &Expr, schema: &DFSchema) -> Option<DataType> {
    type_beside(Meaning::Other, other, schema)
}

fn cast_to(side: Expr, target: Option<DataType>) -> Expr {
    match target {
        Some(target) => Expr::Cast(Cast::new(Box::new(side), target)),
        None => side,
    }
}
