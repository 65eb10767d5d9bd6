//! Which expressions can end in an error for some row.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr,
    Literal, NotExpr, TryCastExpr,
};

/// How likely an expression is to fail for some row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Risk {
    /// It cannot.
    Never,
    /// It may: a function, arithmetic that overflows, anything that is not known here.
    Rare,
    /// Common values make it fail, as 0 does a division: people write conjuncts to keep those away.
    Common,
}

/// The risk of evaluating `expr`.
pub(super) fn risk(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Risk> {
    let mut risk = node_risk(expr, schema)?;
    for child in expr.children() {
        risk = risk.max(self::risk(child, schema)?);
    }
    Ok(risk)
}

fn node_risk(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Risk> {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return Ok(match binary.op() {
            Operator::Divide | Operator::Modulo => Risk::Common,
            op if is_total(*op) => Risk::Never,
            _ => Risk::Rare,
        });
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return Ok(match cast.is_bigger_cast(&cast.expr().data_type(schema)?) {
            true => Risk::Never,
            false => Risk::Common,
        });
    }
    // A pattern that is not the same for all rows may be one that cannot be compiled.
    let like = expr.downcast_ref::<LikeExpr>();
    let is_total = like.is_some_and(|like| like.pattern().is::<Literal>())
        || expr.is::<Column>()
        || expr.is::<Literal>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
        || expr.is::<NotExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<TryCastExpr>()
        || expr.is::<CaseExpr>();
    Ok(if is_total { Risk::Never } else { Risk::Rare })
}

/// Whether an operator has a result for all operands.
fn is_total(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::And
            | Operator::Or
    )
}
