//! How well an argument fits the declared type of a parameter: for functions that have one name and
//! as many parameters.

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{self, ColumnDef, Expr, Ident, Query, UnaryOperator, Value};
use sheaf_base::Result;
use sheaf_sql::ParameterKind;

use super::super::Binder;
use crate::catalog::Parameter;

/// A value of any type.
const ANY: u32 = 1;
/// A whole number of a type that could hold greater ones.
const NARROWED: u32 = 2;
/// A value that gets another type and stays what it is.
const WIDENED: u32 = 3;
/// A value of the type.
const SAME: u32 = 5;

/// How well `value` fits `parameter`; `None` if not at all. `type_of` tells the types of what is no
/// literal; `None` if one is not known, which fits everything.
pub(super) fn fit(
    parameter: &Parameter,
    value: &Expr,
    binder: Binder<'_>,
    type_of: &dyn Fn(&Expr) -> Option<DataType>,
) -> Option<u32> {
    let wanted = match &parameter.kind {
        ParameterKind::Generic => return Some(ANY),
        ParameterKind::Relation(_) => {
            return match value {
                Expr::Subquery(_) => Some(SAME),
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => Some(ANY),
                _ => None,
            };
        }
        kind @ ParameterKind::Typed(_) => declared(kind, binder)?,
    };
    let found = match literal_type(value) {
        Some(found) => found,
        None => match value {
            Expr::Cast { data_type, .. } => {
                declared(&ParameterKind::Typed(data_type.clone()), binder)?
            }
            value => match type_of(value) {
                Some(found) => found,
                None => return Some(ANY),
            },
        },
    };
    distance(&found, &wanted)
}

/// The type that a parameter is declared with.
pub(super) fn declared(kind: &ParameterKind, binder: Binder<'_>) -> Option<DataType> {
    let ParameterKind::Typed(data_type) = kind else {
        return None;
    };
    let column = ColumnDef {
        name: Ident::new("value"),
        data_type: data_type.clone(),
        options: vec![],
    };
    let schema = binder.declared_columns(&[column]).ok()??;
    schema
        .fields()
        .first()
        .map(|field| field.data_type().clone())
}

fn literal_type(value: &Expr) -> Option<DataType> {
    match value {
        Expr::Nested(inner)
        | Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => literal_type(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Some(DataType::Int32),
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => Some(DataType::Int64),
            Value::Number(..) => Some(DataType::Float64),
            Value::SingleQuotedString(_)
            | Value::EscapedStringLiteral(_)
            | Value::DollarQuotedString(_) => Some(DataType::Utf8),
            Value::Boolean(_) => Some(DataType::Boolean),
            Value::Null => Some(DataType::Null),
            _ => None,
        },
        Expr::TypedString(ast::TypedString {
            data_type: ast::DataType::Date,
            ..
        }) => Some(DataType::Date32),
        _ => None,
    }
}

fn distance(found: &DataType, wanted: &DataType) -> Option<u32> {
    let is_text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_decimal =
        |t: &DataType| matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..));
    let width = |t: &DataType| t.primitive_width().unwrap_or_default();
    match (found, wanted) {
        (DataType::Null, _) => Some(ANY),
        _ if found == wanted || is_text(found) && is_text(wanted) => Some(SAME),
        _ if found.is_integer() && wanted.is_integer() => {
            Some(match width(found) <= width(wanted) {
                true => WIDENED + 1,
                false => NARROWED,
            })
        }
        _ if found.is_integer() && (wanted.is_floating() || is_decimal(wanted)) => Some(WIDENED),
        _ if is_decimal(found) && is_decimal(wanted) => Some(WIDENED + 1),
        _ if found.is_floating() && wanted.is_floating() => Some(WIDENED + 1),
        _ if is_decimal(found) && wanted.is_floating() => Some(WIDENED),
        (DataType::Date32, DataType::Timestamp(..)) => Some(WIDENED),
        (DataType::Timestamp(..), DataType::Timestamp(..)) => Some(WIDENED + 1),
        (DataType::List(_), DataType::List(_)) | (DataType::Struct(_), DataType::Struct(_)) => {
            Some(WIDENED)
        }
        _ => None,
    }
}

/// An argument whose type is asked for.
pub(super) struct Needed {
    pub(super) key: String,
    pub(super) value: Expr,
    /// A query of it beside the FROM clause that it stands next to, and one beside all around it.
    pub(super) queries: [Query; 2],
}

/// The type of the only column of the first query that can be planned.
///
/// # Errors
/// Those of planning the first one, if neither can be.
pub(super) async fn type_of(queries: [Query; 2], binder: Binder<'_>) -> Result<Option<DataType>> {
    let [near, far] = queries;
    let plan = match binder.plan_query(near).await {
        Ok(plan) => plan,
        Err(error) => binder.plan_query(far).await.map_err(|_| error)?,
    };
    let column = plan.schema().fields().first();
    Ok(column.map(|field| field.data_type().clone()))
}
